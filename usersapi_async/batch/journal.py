"""What a batch has done so far, on disk, so that another run goes on where this one ended, however it ended.

Before a request that must not be repeated is sent, its intent is durable; afterwards its outcome. What was in
flight when a process died is then in doubt, and everything else is known. All that is ready at one time is
committed together, by one sync to disk.

The file shows nobody: keys and payloads are stored as HMACs, by a secret that lies in a file of its own.
"""

from __future__ import annotations

import asyncio
import enum
import hmac
import json
import os
import secrets
import sqlite3
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, cast

import attrs

from usersapi_async import _arguments
from usersapi_async.errors import ConfigurationError, JournalError
from usersapi_async.payloads import Checked, Ref

_VERSION = 1
_SECRET_BYTES = 32
_SCHEMA = f"""
    CREATE TABLE about (name TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;
    CREATE TABLE operations (
        key BLOB PRIMARY KEY,
        payload BLOB NOT NULL,
        state INTEGER NOT NULL,
        clogin_id INTEGER,
        sent_at REAL,
        ended_at REAL
    ) WITHOUT ROWID;
    PRAGMA user_version = {_VERSION};
"""


class State(enum.IntEnum):
    """What is known of an operation; of one that was not carried out the journal holds nothing.

    The numbers stand in files: never change one.
    """

    SENDING = 1
    """It was about to be sent, and nothing is known of what came after."""
    SUCCEEDED = 2
    IN_DOUBT = 3
    """It was sent, and may or may not have been carried out."""


@attrs.frozen
class Entry:
    """What the journal holds of one operation; times in Unix time."""

    state: State
    payload: bytes = attrs.field(repr=False)
    clogin_id: int | None = None
    sent_at: float | None = None
    ended_at: float | None = None


@attrs.frozen
class _Statement:
    sql: str
    values: tuple[Any, ...] = attrs.field(repr=False)
    waiter: asyncio.Future[Any] | None = None


@_arguments.shielded
class Journal:
    """A journal in an SQLite file, for one process at a time.

    The secret lies beside the file, in ``<file>.key``, readable by its owner only, unless you give one of 32
    bytes or more. Who moves the journal must move both. Open it with ``async with``, in the event loop that
    uses it; a path given as the ``journal`` of a batch does that.

    Raises `JournalError` when the file can't be used, belongs to another account, URL or group, or is in use.
    """

    def __init__(self, path: str | os.PathLike[str], *, secret: bytes | None = None) -> None:
        self._path = Path(path)
        if secret is not None and len(_arguments.instance("secret", secret, bytes)) < _SECRET_BYTES:
            raise ConfigurationError(f"secret: expected {_SECRET_BYTES} bytes or more")
        self._given_secret = secret
        self._secret = b""
        self._executor: ThreadPoolExecutor | None = None
        self._connection: sqlite3.Connection | None = None
        self._pending: list[_Statement] = []
        self._flushing: asyncio.Task[None] | None = None
        self._error: JournalError | None = None

    @property
    def error(self) -> JournalError | None:
        """Why something could not be written, if anything could not."""
        return self._error

    async def open(self, binding: Mapping[str, object]) -> None:
        """Opens the file for work on what `binding` says: it must be what it was made for."""
        self._executor = ThreadPoolExecutor(1, thread_name_prefix="usersapi-journal")
        try:
            await self._in_thread(self._open, binding)
        except BaseException:
            await self.close()
            raise

    async def close(self) -> None:
        """Writes what is still to be written, and closes the file."""
        if self._executor is None:
            return
        while self._flushing is not None:
            await asyncio.wait([self._flushing])
        executor, self._executor = self._executor, None
        await asyncio.get_running_loop().run_in_executor(executor, self._close)
        executor.shutdown(wait=False)

    def digest(self, kind: str, value: str) -> bytes:
        """A value that shows nothing, and is the same for the same value; `kind` keeps kinds apart."""
        return hmac.digest(self._secret, f"{kind}:{value}".encode(), "sha256")

    async def find(self, key: bytes) -> Entry | None:
        """What is known of the operation with that key's digest."""
        row = await self._written(
            "SELECT state, payload, clogin_id, sent_at, ended_at FROM operations WHERE key = ?", key
        )
        return None if row is None else Entry(State(row[0]), *row[1:])

    async def count(self) -> tuple[int, int]:
        """How many operations earlier runs have left, and how many of them without a known end."""
        operations, doubts = await self._written(
            "SELECT count(*), count(nullif(state, ?)) FROM operations", State.SUCCEEDED
        )
        return operations, doubts

    async def declare(self, key: bytes, payload: bytes, sent_at: float) -> None:
        """Makes durable that the operation is about to be sent. Raises `JournalError`."""
        await self._written(
            "INSERT OR REPLACE INTO operations VALUES (?, ?, ?, NULL, ?, NULL)",
            key,
            payload,
            State.SENDING,
            sent_at,
        )

    async def withdraw(self, key: bytes) -> None:
        """Makes durable that it was not carried out."""
        await self._written("DELETE FROM operations WHERE key = ?", key)

    def record(self, key: bytes, entry: Entry | None) -> None:
        """Has the end of an operation written, without a wait; None: it was not sent."""
        if entry is None:
            self._put(_Statement("DELETE FROM operations WHERE key = ?", (key,)))
            return
        self._put(
            _Statement(
                "INSERT OR REPLACE INTO operations VALUES (?, ?, ?, ?, ?, ?)",
                (key, entry.payload, entry.state, entry.clogin_id, entry.sent_at, entry.ended_at),
            )
        )

    async def _written(self, sql: str, *values: Any) -> Any:
        """The first row that a statement gives, once what it changed is durable."""
        waiter = asyncio.get_running_loop().create_future()
        self._put(_Statement(sql, values, waiter))
        return await waiter

    def _put(self, statement: _Statement) -> None:
        self._pending.append(statement)
        if self._flushing is None:
            self._flushing = asyncio.ensure_future(self._flush())

    async def _flush(self) -> None:
        """Writes all that is pending, and what comes up meanwhile together."""
        while self._pending:
            statements, self._pending = self._pending, []
            rows: Sequence[Any] = ()
            if self._error is None:
                try:
                    rows = await self._in_thread(self._commit, statements)
                except JournalError as error:
                    self._error = error
            for position, statement in enumerate(statements):
                if statement.waiter is None or statement.waiter.done():
                    continue
                if self._error is None:
                    statement.waiter.set_result(rows[position])
                else:
                    statement.waiter.set_exception(JournalError(str(self._error)))
        self._flushing = None

    async def _in_thread(self, function: Any, *arguments: Any) -> Any:
        failure: JournalError | None = None
        try:
            return await asyncio.get_running_loop().run_in_executor(self._executor, function, *arguments)
        except (sqlite3.Error, OSError) as error:
            # Neither SQLite's nor the system's words hold what was written.
            failure = JournalError(f"journal {self._path.name}: {_words(error)}")
        raise failure

    def _commit(self, statements: Sequence[_Statement]) -> list[Any]:
        connection = cast("sqlite3.Connection", self._connection)
        connection.execute("BEGIN")
        try:
            rows = [connection.execute(one.sql, one.values).fetchone() for one in statements]
            connection.execute("COMMIT")
        except sqlite3.Error:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise
        return rows

    def _open(self, binding: Mapping[str, object]) -> None:
        new = not self._path.exists()
        # The secret is made first: a journal without one could not be read again.
        self._secret = self._found_secret(new=new)
        connection = sqlite3.connect(self._path, isolation_level=None, timeout=0)
        self._connection = connection
        connection.execute("PRAGMA locking_mode = EXCLUSIVE")
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("BEGIN EXCLUSIVE")
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        if version == 0 and not connection.execute("SELECT 1 FROM sqlite_master").fetchone():
            for statement in _SCHEMA.split(";"):
                connection.execute(statement)
            version = _VERSION
        if version != _VERSION:
            raise JournalError(f"journal {self._path.name}: not a journal that this version can read")
        self._check_binding(connection, binding)
        connection.execute("COMMIT")

    def _check_binding(self, connection: sqlite3.Connection, binding: Mapping[str, object]) -> None:
        """Whether this is the secret that the file was written with, and the service that it speaks of."""
        for name, value in (("secret", "1"), *binding.items()):
            digest = self.digest(f"about {name}", str(value))
            connection.execute("INSERT OR IGNORE INTO about VALUES (?, ?)", (name, digest))
            (found,) = connection.execute("SELECT value FROM about WHERE name = ?", (name,)).fetchone()
            if found != digest:
                raise JournalError(f"journal {self._path.name}: it was made for another {name}")

    def _found_secret(self, *, new: bool) -> bytes:
        if self._given_secret is not None:
            return self._given_secret
        file = self._path.with_name(f"{self._path.name}.key")
        if new and not file.exists():
            descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "wb") as opened:
                opened.write(secrets.token_bytes(_SECRET_BYTES))
                opened.flush()
                os.fsync(opened.fileno())
        if not file.exists():
            raise JournalError(f"journal {self._path.name}: its secret, {file.name}, is missing")
        found = file.read_bytes()
        if len(found) < _SECRET_BYTES:
            raise JournalError(f"journal {self._path.name}: its secret in {file.name} is not whole")
        return found

    def _close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


def _words(error: sqlite3.Error | OSError) -> str:
    if isinstance(error, OSError):
        return error.strerror or type(error).__name__
    if getattr(error, "sqlite_errorname", "").startswith("SQLITE_BUSY"):
        return "in use by another process or batch"
    return str(error)


def _plain(value: Any) -> Any:
    """A payload as JSON can say it, the same for the same payload; a reference by the key that it names."""
    if isinstance(value, Ref):
        return {"ref": value.key}
    if isinstance(value, Checked):
        fields = {field.name: _plain(getattr(value, field.name)) for field in attrs.fields(type(value))}  # type: ignore[arg-type]
        return {"action": getattr(value, "action", ""), **fields}
    if isinstance(value, Mapping):
        return {name: _plain(inner) for name, inner in value.items()}
    return [_plain(inner) for inner in value] if isinstance(value, tuple) else value


def canonical(payload: Any) -> str:
    """One text for one payload."""
    return json.dumps(_plain(payload), sort_keys=True, ensure_ascii=True, separators=(",", ":"))
