"""A journal's file: what is done with SQLite, in a thread of its own. It knows no event loop."""

from __future__ import annotations

import hmac
import itertools
import math
import os
import secrets
import sqlite3
import struct
from collections.abc import Iterable, Iterator, Mapping
from collections.abc import Set as AbstractSet
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
    ALTER TABLE operations ADD COLUMN person BLOB;
    CREATE INDEX people ON operations (person) WHERE person IS NOT NULL;
    CREATE TABLE log (id INTEGER PRIMARY KEY, entries BLOB NOT NULL);
    CREATE TABLE known (clogin_id INTEGER PRIMARY KEY);
    """,
)
"""What each version added to the one before it."""
_ENTRY = struct.Struct("<32s32s32sBqdd")
"""One of the log's entries: the columns; 0 and NaN are None."""
_FOLDED_AT_ONCE = 50_000
_MOST_AT_ONCE = 500
"""Rows of one statement; SQLite takes 32,766 values."""

Columns: TypeAlias = tuple[bytes, bytes | None, int, int | None, float | None, float | None]
"""An operation as it is stored, without its key: payload, person, state, clogin_id, sent_at, ended_at."""
Known: TypeAlias = tuple[Mapping[bytes, Columns], AbstractSet[bytes]]
"""Of what was asked for: the operations that there are, by key, and the people."""
_NOTHING: Columns = (b"", None, 0, None, None, None)


@attrs.define
class Changes:
    """What is to be written together, and what is to be asked for then. The latest word on a key counts."""

    written: dict[bytes, Columns | None] = attrs.field(factory=dict, repr=False)
    """By key; None: the journal is to hold nothing of it."""
    asked: set[bytes] = attrs.field(factory=set, repr=False)
    asked_people: set[bytes] = attrs.field(factory=set, repr=False)


class Store:
    """An SQLite file with one writer.

    What a run writes is added to the end of a log, packed: one page for many rows, while keys that are HMACs
    would touch a page each. The next run sorts the log into the table by key when it opens the file, and asks
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

    def commit(self, changes: Changes) -> Known:
        """Makes the changes durable, by one sync; then gives what is known of the keys and of the people that
        are asked for."""
        connection = cast("sqlite3.Connection", self._connection)
        if changes.written:
            # One statement, which is then a transaction by itself.
            entries = b"".join(itertools.starmap(_packed, changes.written.items()))
            connection.execute("INSERT INTO log (entries) VALUES (?)", (entries,))
        found = _select(
            connection,
            "SELECT key, payload, person, state, clogin_id, sent_at, ended_at"
            " FROM operations WHERE key IN ({})",
            changes.asked,
        )
        people = _select(
            connection, "SELECT person FROM operations WHERE person IN ({})", changes.asked_people
        )
        return {row[0]: cast("Columns", row[1:]) for row in found}, {person for (person,) in people}

    def remember(self, ids: Iterable[int]) -> None:
        """Makes durable who was there before the first run."""
        connection = cast("sqlite3.Connection", self._connection)
        connection.execute("BEGIN")
        connection.executemany("INSERT OR IGNORE INTO known VALUES (?)", ((known,) for known in ids))
        connection.execute("INSERT OR REPLACE INTO about VALUES ('known', x'01')")
        connection.execute("COMMIT")

    def known(self) -> set[int] | None:
        """Who was there before the first run, if that was noted, and who was made by earlier ones."""
        connection = cast("sqlite3.Connection", self._connection)
        if not connection.execute("SELECT 1 FROM about WHERE name = 'known'").fetchone():
            return None
        ids = connection.execute(
            "SELECT clogin_id FROM known UNION SELECT clogin_id FROM operations WHERE clogin_id IS NOT NULL"
        )
        return {clogin_id for (clogin_id,) in ids}

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
        for script in (*_SCHEMAS[version:], f"PRAGMA user_version = {_VERSION}"):
            for statement in script.split(";"):
                connection.execute(statement)
        _fold(connection)
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


def _packed(key: bytes, columns: Columns | None) -> bytes:
    payload, person, state, clogin_id, sent_at, ended_at = columns or _NOTHING
    return _ENTRY.pack(
        key,
        payload,
        person or b"",
        state,
        clogin_id or 0,
        math.nan if sent_at is None else sent_at,
        math.nan if ended_at is None else ended_at,
    )


def _unpacked(entries: bytes) -> Iterator[tuple[bytes, Columns]]:
    for key, payload, person, state, clogin_id, sent_at, ended_at in _ENTRY.iter_unpack(entries):
        times = (None if math.isnan(time) else time for time in (sent_at, ended_at))
        yield key, (payload, person if any(person) else None, state, clogin_id or None, *times)


def _fold(connection: sqlite3.Connection) -> None:
    """Sorts the log into the table, in portions that fit into memory: the latest word on a key counts."""
    rows = connection.execute("SELECT entries FROM log ORDER BY id")
    entries = itertools.chain.from_iterable(_unpacked(entries) for (entries,) in rows)
    while portion := dict(itertools.islice(entries, _FOLDED_AT_ONCE)):
        operations = sorted((key, *columns) for key, columns in portion.items() if columns[2])
        connection.executemany(
            "INSERT OR REPLACE INTO operations"
            " (key, payload, person, state, clogin_id, sent_at, ended_at) VALUES (?, ?, ?, ?, ?, ?, ?)",
            operations,
        )
        gone = ((key,) for key, columns in portion.items() if not columns[2])
        connection.executemany("DELETE FROM operations WHERE key = ?", gone)
    connection.execute("DELETE FROM log")


def _select(connection: sqlite3.Connection, sql: str, values: Iterable[bytes]) -> Iterator[tuple[Any, ...]]:
    for statement, portion in statements(sql, "?", ((value,) for value in values)):
        yield from connection.execute(statement, portion)


def statements(sql: str, row: str, rows: Iterable[tuple[Any, ...]]) -> Iterator[tuple[str, tuple[Any, ...]]]:
    """`sql` with a `row` of places for each of `rows`, in portions.

    Each statement lets go of the interpreter's lock and may wait for it while the event loop is at work: so
    they are as few as can be.
    """
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
