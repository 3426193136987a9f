"""A journal's file: what is done with SQLite, in a thread of its own. It knows no event loop."""

from __future__ import annotations

import hmac
import itertools
import os
import secrets
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeAlias, cast

import attrs

from usersapi_async.errors import JournalError

_VERSION = 2
SECRET_BYTES = 32
_SCHEMAS = (
    """
    CREATE TABLE about (name TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;
    CREATE TABLE operations (
        key BLOB PRIMARY KEY,
        payload BLOB NOT NULL,
        state INTEGER NOT NULL,
        clogin_id INTEGER,
        sent_at REAL,
        ended_at REAL
    ) WITHOUT ROWID;
    """,
    """
    CREATE TABLE log (
        id INTEGER PRIMARY KEY,
        key BLOB NOT NULL,
        payload BLOB NOT NULL,
        state INTEGER NOT NULL,
        clogin_id INTEGER,
        sent_at REAL,
        ended_at REAL
    );
    """,
)
"""What each version added to the one before it."""
_FOLD = """
    INSERT OR REPLACE INTO operations
        SELECT key, payload, state, clogin_id, sent_at, ended_at FROM log
        WHERE id IN (SELECT max(id) FROM log GROUP BY key) ORDER BY key;
    DELETE FROM operations WHERE state = 0;
    DELETE FROM log;
"""
_MOST_AT_ONCE = 500
"""Rows of one statement; SQLite takes 32,766 values."""

Columns: TypeAlias = tuple[bytes, int, int | None, float | None, float | None]
"""An operation as it is stored, without its key: payload, state, clogin_id, sent_at, ended_at."""
_NOTHING: Columns = (b"", 0, None, None, None)


@attrs.define
class Changes:
    """What is to be written together, and what is to be asked for then. The latest word on a key counts."""

    written: dict[bytes, Columns | None] = attrs.field(factory=dict, repr=False)
    """By key; None: the journal is to hold nothing of it."""
    asked: set[bytes] = attrs.field(factory=set, repr=False)


class Store:
    """An SQLite file with one writer.

    What a run writes is added to the end of a log: one page for many rows, while keys that are HMACs would
    touch a page each. The next run sorts the log into the table by key when it opens the file, and asks
    there.
    """

    def __init__(self, path: Path, given_secret: bytes | None) -> None:
        self._path = path
        self._given_secret = given_secret
        self._keyed: hmac.HMAC | None = None
        self._connection: sqlite3.Connection | None = None

    def digest(self, kind: str, value: str) -> bytes:
        """A value that shows nothing, and is the same for the same value; `kind` keeps kinds apart."""
        # A copy has the key's part of the work done.
        keyed = cast("hmac.HMAC", self._keyed).copy()
        keyed.update(f"{kind}:{value}".encode())
        return keyed.digest()

    def commit(self, changes: Changes) -> dict[bytes, Columns]:
        """Makes the changes durable, by one sync, and gives what is known of the keys asked for.

        Each statement lets go of the interpreter's lock and may wait for it while the event loop is at work.
        So there are as few as can be: one for all rows, which is then a transaction by itself.
        """
        statements = list(
            _statements(
                "INSERT INTO log (key, payload, state, clogin_id, sent_at, ended_at) VALUES {}",
                "(?, ?, ?, ?, ?, ?)",
                ((key, *(columns or _NOTHING)) for key, columns in changes.written.items()),
            )
        )
        connection = cast("sqlite3.Connection", self._connection)
        if len(statements) > 1:
            statements = [("BEGIN", ()), *statements, ("COMMIT", ())]
        try:
            for sql, values in statements:
                connection.execute(sql, values)
        except sqlite3.Error:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise
        questions = _statements(
            "SELECT key, payload, state, clogin_id, sent_at, ended_at FROM operations WHERE key IN ({})",
            "?",
            ((key,) for key in changes.asked),
        )
        return {row[0]: row[1:] for sql, values in questions for row in connection.execute(sql, values)}

    def count(self, settled: int) -> tuple[int, int]:
        """How many operations there are, and how many in another state than `settled`."""
        connection = cast("sqlite3.Connection", self._connection)
        operations, others = connection.execute(
            "SELECT count(*), count(nullif(state, ?)) FROM operations", (settled,)
        ).fetchone()
        return operations, others

    def open(self, binding: Mapping[str, object]) -> None:
        """Opens the file for work on what `binding` says: it must be what it was made for."""
        new = not self._path.exists()
        # The secret is made first: a journal without one could not be read again.
        self._keyed = hmac.new(self._found_secret(new=new), digestmod="sha256")
        connection = sqlite3.connect(self._path, isolation_level=None, timeout=0)
        self._connection = connection
        connection.execute("PRAGMA locking_mode = EXCLUSIVE")
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("BEGIN EXCLUSIVE")
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        if not 0 <= version <= _VERSION or (
            version == 0 and connection.execute("SELECT 1 FROM sqlite_master").fetchone()
        ):
            raise JournalError(f"journal {self._path.name}: not a journal that this version can read")
        for script in (*_SCHEMAS[version:], f"PRAGMA user_version = {_VERSION}", _FOLD):
            for statement in script.split(";"):
                connection.execute(statement)
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
                opened.write(secrets.token_bytes(SECRET_BYTES))
                opened.flush()
                os.fsync(opened.fileno())
        if not file.exists():
            raise JournalError(f"journal {self._path.name}: its secret, {file.name}, is missing")
        found = file.read_bytes()
        if len(found) < SECRET_BYTES:
            raise JournalError(f"journal {self._path.name}: its secret in {file.name} is not whole")
        return found

    def close(self) -> None:
        """Closes the file."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None


def _statements(sql: str, row: str, rows: Iterable[tuple[Any, ...]]) -> Iterator[tuple[str, tuple[Any, ...]]]:
    """`sql` with a `row` of places for each of `rows`, in portions."""
    left = iter(rows)
    while portion := list(itertools.islice(left, _MOST_AT_ONCE)):
        places = ", ".join([row] * len(portion))
        yield sql.format(places), tuple(itertools.chain.from_iterable(portion))


def words(error: sqlite3.Error | OSError) -> str:
    """What went wrong; neither SQLite's nor the system's words hold what was written."""
    if isinstance(error, OSError):
        return error.strerror or type(error).__name__
    if getattr(error, "sqlite_errorname", "").startswith("SQLITE_BUSY"):
        return "in use by another process or batch"
    return str(error)
