"""Makes a row of a table a payload, or says of each of its columns what is wrong with it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import attrs

from usersapi_async.errors import PayloadError
from usersapi_async.payloads import Create, CreateChild, Ref

from .failures import CommandError
from .mapping import IDS, Columns
from .tables import CellFault, TableRow
from .tables.rows import Value

_PATH = re.compile(r"\$\.(?:doc\.)?(.+?)(?:\[\d+\])?")
_SCIENTIFIC = re.compile(r"\d+(?:[.,]\d+)?[eE][+-]?\d+")
_DIGITS = 18


class RowFaultsError(Exception):
    """A row is not as it must be."""

    def __init__(self, faults: list[CellFault]) -> None:
        super().__init__()
        self.faults = sorted(faults, key=str)


@attrs.frozen(kw_only=True)
class PeopleBuilder:
    """Registers people as ``columns`` says; mails and forms only if they are wanted."""

    columns: Columns
    send_emails: bool = False
    submit_forms: bool = False

    def key_of(self, row: TableRow) -> str:
        """The row's key: that of its column, else its line. "" if the cell is empty."""
        column = self.columns.key
        return f"line {row.line}" if column is None else _text(row.cells.get(column, ""))

    def parent_of(self, row: TableRow) -> str:
        """The key of the parent's row, "" for a row without."""
        column = self.columns.parent
        return "" if column is None else _text(row.cells.get(column, ""))

    def payload(self, row: TableRow) -> Create | CreateChild:
        """The payload of a row. Raises `RowFaultsError` with all faults."""
        faults = list(row.faults)
        faulty = {fault.column for fault in faults}
        values: dict[str, Value] = dict(self.columns.constants)
        ids: dict[str, Any] = {}
        for column, cell in row.cells.items():
            try:
                field = self.columns.field_of(column)
            except CommandError as error:
                faults.append(CellFault(row.line, column, str(error)))
                continue
            value = cell.strip() if isinstance(cell, str) else cell
            if field is None or value in ("", []) or column in faulty:
                continue
            if field not in IDS:
                values[field] = value
            elif (found := _id(value)) is None:
                faults.append(CellFault(row.line, column, _wrong_id(value)))
            else:
                ids[field] = found
        faults += self._key_faults(row, faulty)
        if parent := self.parent_of(row):
            if "connected_to" in ids:
                faults.append(CellFault(row.line, self.columns.parent, "has a connected_to too"))
            ids["connected_to"] = Ref(parent)
        return self._built(row, values, ids, faults)

    def _key_faults(self, row: TableRow, faulty: set[str | None]) -> Iterator[CellFault]:
        for column in filter(None, (self.columns.key, self.columns.parent)):
            text = _text(row.cells.get(column, ""))
            if column in faulty or None in faulty:
                continue
            if not text and column == self.columns.key:
                yield CellFault(row.line, column, "has no key")
            elif _SCIENTIFIC.fullmatch(text):
                yield CellFault(row.line, column, _wrong_id(text))

    def _built(
        self, row: TableRow, values: dict[str, Value], ids: dict[str, Any], faults: list[CellFault]
    ) -> Create | CreateChild:
        kind = CreateChild if "connected_to" in ids else Create
        try:
            payload = kind(
                doc=values,
                submit_forms=self.submit_forms,
                disable_email_sending=not self.send_emails,
                **ids,
            )
        except PayloadError as error:
            faults += [self._located(row, fault) for fault in error.faults]
        if faults:
            raise RowFaultsError(faults)
        return payload

    def _located(self, row: TableRow, fault: str) -> CellFault:
        reason, _, path = fault.rpartition(" @ ")
        found = _PATH.fullmatch(path)
        column = None if found is None else self.columns.columns_of(found[1])
        return CellFault(row.line, column, reason if column else fault)


def _text(value: Value) -> str:
    return value.strip() if isinstance(value, str) else str(value)


def _id(value: Value) -> int | None:
    if isinstance(value, int):
        return value if value > 0 else None
    if isinstance(value, str) and value.isascii() and value.isdecimal() and len(value) <= _DIGITS:
        return int(value) or None
    return None


def _wrong_id(value: Value) -> str:
    if isinstance(value, str) and _SCIENTIFIC.fullmatch(value):
        return "an id in scientific notation, of which digits may be lost: format the column as text"
    return "is no id: expected a whole number above 0"
