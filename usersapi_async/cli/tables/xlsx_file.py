"""Workbooks, read row by row."""

from __future__ import annotations

import warnings
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import openpyxl
from openpyxl.utils.exceptions import InvalidFileException

from .cells import CellError, CellReader
from .rows import CellFault, TableError, TableRow, Value, checked_header


class XlsxTable:
    """One sheet of a workbook, the first unless another is named; values of formulas are those that were
    saved. Its header is read when it is made. Raises `TableError`."""

    def __init__(self, path: Path, *, sheet: str | None = None, date_format: str | None = None) -> None:
        self._path = path
        self._sheet = sheet
        self._cells = CellReader(date_format, spreadsheet=True)
        with self._records() as records:
            self._header_line, values = next(records, (1, ()))
        names = ["" if value is None else str(value) for value in values]
        self.columns: Sequence[str] = checked_header(names, self._header_line)

    def rows(self) -> Iterator[TableRow]:
        """All rows that have something in them."""
        with self._records() as records:
            for line, values in records:
                if line != self._header_line:
                    yield self._row(line, values)

    def _row(self, line: int, values: Sequence[Any]) -> TableRow:
        width = len(self.columns)
        cells: dict[str, Value] = dict.fromkeys(self.columns, "")
        faults = []
        if any(value is not None for value in values[width:]):
            faults.append(
                CellFault(line, None, f"something stands beyond the {width} columns that have names")
            )
        for column, value in zip(self.columns, values, strict=False):
            try:
                cells[column] = self._cells.read(value)
            except CellError as error:
                cells[column] = str(value)
                faults.append(CellFault(line, column, str(error)))
        return TableRow(line, cells, tuple(faults))

    @contextmanager
    def _records(self) -> Iterator[Iterator[tuple[int, Sequence[Any]]]]:
        """Each row that is not empty, with its number."""
        try:
            # Of what a workbook has besides values openpyxl warns that it leaves it out.
            with warnings.catch_warnings(action="ignore", category=UserWarning):
                book = openpyxl.load_workbook(self._path, read_only=True, data_only=True, keep_links=False)
            try:
                yield _filled(self._chosen(book))
            finally:
                book.close()
        except (zipfile.BadZipFile, InvalidFileException, KeyError):
            raise TableError("it is no workbook, or is damaged or has a password") from None

    def _chosen(self, book: Any) -> Any:
        sheets = book.worksheets
        found = [sheet for sheet in sheets if self._sheet in (None, sheet.title)]
        if not found:
            raise TableError(f"it has no such sheet; there is: {', '.join(sheet.title for sheet in sheets)}")
        # What a workbook says of a sheet's size may be less than there is.
        found[0].reset_dimensions()
        return found[0]


def _filled(sheet: Any) -> Iterator[tuple[int, Sequence[Any]]]:
    for line, values in enumerate(sheet.iter_rows(values_only=True), start=1):
        if any(value is not None and value != "" for value in values):
            yield line, values
