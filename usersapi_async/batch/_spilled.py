"""Keys that need not be in memory: SQLite, for a thread of its own, and a filter that often tells without it.

It knows no event loop.
"""

from __future__ import annotations

import hashlib
import secrets
import sqlite3
import struct
from collections.abc import Sequence
from typing import cast

from ._store import statements

_FIRST = 1 << 20
_PROBES = 4
_ENTRY = struct.Struct("<16sq")
_SCHEMA = (
    # Some builds of SQLite keep temporary tables in memory unless they are told.
    "PRAGMA temp_store = FILE",
    # KiB: more takes memory and saves no time, since the system has the file in memory as well.
    "PRAGMA temp.cache_size = -512",
    # Nothing is ever rolled back: who meets an error gives the whole up.
    "PRAGMA temp.journal_mode = OFF",
    "CREATE TEMP TABLE blocks (id INTEGER PRIMARY KEY, entries BLOB NOT NULL)",
    "CREATE TEMP TABLE places (digest BLOB PRIMARY KEY, block INTEGER NOT NULL) WITHOUT ROWID",
)


class Filter:
    """A Bloom filter that grows: of all but a few keys that were not added it says so.

    It has layers at two bytes a key, each for twice as many keys as the one before it; less than 1 in 300 of
    the other keys slips through a full one. ``first`` is how many keys the first is for: a power of two.
    """

    def __init__(self, first: int = _FIRST) -> None:
        self._layers: list[bytearray] = []
        self._next = first
        self._room = 0

    def add(self, key: str) -> None:
        """Adds a key."""
        if not self._room:
            self._layers.append(bytearray(2 * self._next))
            self._room = self._next
            self._next *= 2
        self._room -= 1
        bits = self._layers[-1]
        last = 8 * len(bits) - 1
        # A str keeps its hash, so that to ask for it costs nothing; it depends on a secret of the process.
        place = hash(key)
        step = (place >> 32) | 1
        for _ in range(_PROBES):
            place &= last
            bits[place >> 3] |= 1 << (place & 7)
            place += step

    def __contains__(self, key: str) -> bool:
        """False only for a key that was not added."""
        start = hash(key)
        step = (start >> 32) | 1
        for bits in self._layers:
            last = 8 * len(bits) - 1
            place = start
            for _ in range(_PROBES):
                place &= last
                if not bits[place >> 3] >> (place & 7) & 1:
                    break
                place += step
            else:
                return True
        return False


class Spilled:
    """Keys with a number each, in a temporary file that SQLite removes, also if the process is killed.

    What stands there is no key, which may be somebody's email, but a hash by a secret of this object. Keys
    that were added together are one block and are read together, since rows that refer to neighbours tend to
    be neighbours.
    """

    def __init__(self) -> None:
        self._keyed = hashlib.blake2b(key=secrets.token_bytes(32), digest_size=16)
        self._filter = Filter()
        self._block = b""
        self._connection: sqlite3.Connection | None = None

    def may_hold(self, key: str) -> bool:
        """Whether the key may be there: False for all but 1 in 100 of those that are not."""
        return key in self._filter

    def nearby(self, key: str) -> int | None:
        """The key's number, if it stands among those that were read last."""
        digest = self._digest(key)
        at = self._block.find(digest)
        while at > 0 and at % _ENTRY.size:
            at = self._block.find(digest, at + 1)
        return None if at < 0 else cast("int", _ENTRY.unpack_from(self._block, at)[1])

    def find(self, key: str) -> int | None:
        """The key's number, or None. Raises `sqlite3.Error`."""
        found = cast("sqlite3.Connection", self._connection).execute(
            "SELECT entries FROM blocks WHERE id = (SELECT block FROM places WHERE digest = ?)",
            (self._digest(key),),
        )
        # One row and no more: between two the thread may have to wait for the interpreter's lock.
        block = found.fetchone()
        if block is None:
            return None
        (self._block,) = block
        return self.nearby(key)

    def add(self, entries: Sequence[tuple[str, int]]) -> None:
        """Adds keys that were not added before. Raises `sqlite3.Error`; then this is of no more use."""
        if self._connection is None:
            self._connection = sqlite3.connect(":memory:", isolation_level=None)
            for statement in _SCHEMA:
                self._connection.execute(statement)
        digests = [self._digest(key) for key, _ in entries]
        numbers = (number for _, number in entries)
        block = self._connection.execute(
            "INSERT INTO blocks (entries) VALUES (?)", (b"".join(map(_ENTRY.pack, digests, numbers)),)
        ).lastrowid
        # In the order of the index, so that what comes to stand on one page is written at once.
        places = ((digest, block) for digest in sorted(digests))
        for sql, values in statements("INSERT INTO places (digest, block) VALUES {}", "(?, ?)", places):
            self._connection.execute(sql, values)
        for key, _ in entries:
            self._filter.add(key)

    def close(self) -> None:
        """Closes the file, which removes it."""
        if self._connection is not None:
            self._connection.close()

    def _digest(self, key: str) -> bytes:
        # A copy has the secret's part of the work done.
        keyed = self._keyed.copy()
        keyed.update(key.encode("utf-8", "surrogatepass"))
        return keyed.digest()
