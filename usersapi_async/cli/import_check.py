"""Looks through a whole table before anything is sent: faults of rows, and those that rows make together.

What is known of the rows lies in a temporary database that shows nobody, so that a million of them need
little memory.
"""

from __future__ import annotations

import hashlib
import secrets
import sqlite3
from collections.abc import Callable, Iterator
from typing import Self

import attrs

from usersapi_async._recognition import natural_key
from usersapi_async.payloads import Create

from .people import PeopleBuilder, RowFaultsError
from .tables import CellFault, Table, TableRow

_PORTION = 1000
_MOST_GENERATIONS = 100
_SCHEMA = """
PRAGMA temp_store = FILE;
PRAGMA journal_mode = OFF;
CREATE TABLE rows (line INTEGER PRIMARY KEY, key BLOB, parent BLOB, person BLOB);
CREATE TABLE faults (line INTEGER, column TEXT, reason TEXT, together INTEGER);
CREATE TABLE present (person BLOB PRIMARY KEY, clogin_id INTEGER) WITHOUT ROWID;
"""
_INDEXES = """
CREATE INDEX keys ON rows (key);
CREATE INDEX people ON rows (person);
"""
_SAME_KEY = """
SELECT line, (SELECT min(line) FROM rows other WHERE other.key = rows.key AND other.line <> rows.line)
FROM rows WHERE key IN (SELECT key FROM rows WHERE key IS NOT NULL GROUP BY key HAVING count(*) > 1)
"""
_SAME_PERSON = """
SELECT rows.line, first.line FROM rows JOIN (
  SELECT person, min(line) line FROM rows WHERE person IS NOT NULL GROUP BY person HAVING count(*) > 1
) first ON first.person = rows.person WHERE rows.line > first.line
"""
_MISSING_PARENT = """
SELECT line FROM rows
WHERE parent IS NOT NULL AND parent NOT IN (SELECT key FROM rows WHERE key IS NOT NULL)
"""
_NESTED = """
SELECT child.line, child.parent FROM rows child JOIN rows parent ON parent.key = child.parent
WHERE parent.parent IS NOT NULL GROUP BY child.line
"""
_PRESENT = "SELECT line, clogin_id FROM rows JOIN present ON present.person = rows.person"
_LATER_PARENT = """
SELECT 1 FROM rows child JOIN rows parent ON parent.key = child.parent
WHERE parent.line > child.line LIMIT 1
"""
_LEFT_OUT = """
SELECT count(*) FROM rows child WHERE line NOT IN (SELECT line FROM faults) AND parent IN (
  SELECT key FROM rows WHERE line IN (SELECT line FROM faults))
"""


@attrs.frozen(kw_only=True)
class Found:
    """What the check came to: ``rows`` in the table, ``faulty`` ones of those, and the ``waiting``, without a
    fault, whose parent has one. ``parents_first`` tells that each parent stands before its children."""

    rows: int
    faulty: int
    waiting: int
    parents_first: bool

    @property
    def to_send(self) -> int:
        """The creates that there will be."""
        return self.rows - self.faulty - self.waiting


class Check:
    """One look through a table. Use it with ``with``."""

    def __init__(self, table: Table, people: PeopleBuilder) -> None:
        self._table = table
        self._people = people
        self._secret = secrets.token_bytes(32)
        self._together: frozenset[int] = frozenset()
        # No name: a file of SQLite's own, which goes with it.
        self._database = sqlite3.connect("", isolation_level=None)
        self._database.executescript(_SCHEMA)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._database.close()

    def note_present(
        self, clogin_id: int, username: object, main_email: object, names: dict[str, object]
    ) -> None:
        """Notes somebody who is there already."""
        known = [{"username": username}, {"main_email": main_email, **names}]
        for values in known:
            texts = {field: value for field, value in values.items() if isinstance(value, str)}
            try:
                person = natural_key(Create(doc=texts))
            except ValueError:
                # What the list shows need not be what one may send.
                continue
            if person is not None:
                self._database.execute(
                    "INSERT OR IGNORE INTO present VALUES (?, ?)", (self._digest(person), clogin_id)
                )

    def run(self, on_row: Callable[[int], object]) -> Found:
        """Reads all rows; `on_row` is told how many there were by now. Raises `TableError`."""
        count = 0
        portion: list[tuple[object, ...]] = []
        for count, row in enumerate(self._table.rows(), start=1):
            portion.append(self._noted(row))
            if len(portion) == _PORTION:
                self._insert(portion)
                on_row(count)
        self._insert(portion)
        self._database.executescript(_INDEXES)
        self._look_at_all()
        ask = self._database.execute
        self._together = frozenset(line for (line,) in ask("SELECT line FROM faults WHERE together"))
        return Found(
            rows=count,
            faulty=ask("SELECT count(DISTINCT line) FROM faults").fetchone()[0],
            waiting=ask(_LEFT_OUT).fetchone()[0],
            parents_first=ask(_LATER_PARENT).fetchone() is None,
        )

    def faults(self) -> Iterator[CellFault]:
        """All faults, by line."""
        query = "SELECT line, column, reason FROM faults ORDER BY line, column, reason"
        for line, column, reason in self._database.execute(query):
            yield CellFault(line, column, reason)

    def faults_with_others(self, line: int) -> list[CellFault]:
        """Those faults of a row that only all rows together show."""
        if line not in self._together:
            return []
        query = "SELECT line, column, reason FROM faults WHERE together AND line = ?"
        return [CellFault(*found) for found in self._database.execute(query, (line,))]

    def _insert(self, portion: list[tuple[object, ...]]) -> None:
        self._database.execute("BEGIN")
        self._database.executemany("INSERT INTO rows VALUES (?, ?, ?, ?)", portion)
        self._database.execute("COMMIT")
        portion.clear()

    def _noted(self, row: TableRow) -> tuple[object, ...]:
        key, parent, person = self._people.key_of(row), self._people.parent_of(row), None
        try:
            person = natural_key(self._people.payload(row))
        except RowFaultsError as error:
            self._add(error.faults, together=False)
        return row.line, *(None if not text else self._digest(text) for text in (key, parent, person))

    def _digest(self, text: str) -> bytes:
        return hashlib.blake2b(
            text.encode("utf-8", "surrogatepass"), digest_size=16, key=self._secret
        ).digest()

    def _add(self, faults: list[CellFault], *, together: bool) -> None:
        self._database.executemany(
            "INSERT INTO faults VALUES (?, ?, ?, ?)",
            [(fault.line, fault.column, fault.reason, together) for fault in faults],
        )

    def _look_at_all(self) -> None:
        columns = self._people.columns
        ask = self._database.execute
        self._add(
            [
                *(
                    CellFault(at, columns.key, f"the key is that of line {other} too")
                    for at, other in ask(_SAME_KEY)
                ),
                *(
                    CellFault(at, None, f"the same person as in line {first}")
                    for at, first in ask(_SAME_PERSON)
                ),
                *(
                    CellFault(at, None, f"is there already, as {clogin_id}")
                    for at, clogin_id in ask(_PRESENT)
                ),
                *(
                    CellFault(at, columns.parent, "no row has its parent's key")
                    for (at,) in ask(_MISSING_PARENT)
                ),
                *(
                    CellFault(at, columns.parent, self._nesting(parent))
                    for at, parent in ask(_NESTED).fetchall()
                ),
            ],
            together=True,
        )

    def _nesting(self, parent: bytes | None) -> str:
        """Why a row whose parent has a parent is wrong."""
        query = "SELECT parent FROM rows WHERE key = ?"
        for _ in range(_MOST_GENERATIONS):
            found = self._database.execute(query, (parent,)).fetchone()
            if found is None or found[0] is None:
                return "its parent is a child itself, and a family has parents and children only"
            parent = found[0]
        return "its parents go round in a circle"
