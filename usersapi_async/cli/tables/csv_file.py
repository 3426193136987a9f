"""CSV, as people's programs write it: any usual delimiter, a BOM or none, line breaks in quotes."""

from __future__ import annotations

import codecs
import csv
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from usersapi_async.batch._cells import natural

from .cells import CellError, checked_text
from .rows import CellFault, TableError, TableRow, Value, checked_header

_DELIMITERS = ",;\t|"
_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_UNDECODED = re.compile("[\udc80-\udcff]")
"""What `surrogateescape` makes of bytes that the encoding has no character for."""
_TOLD = re.compile(r"sep=(.)\r?\n?", re.IGNORECASE)
"""How spreadsheets note the delimiter in a line of its own."""


class CsvTable:
    """A CSV file; its header is read when it is made. What was neutralised, so that no spreadsheet takes it
    for a formula, is as it was before. Raises `TableError`."""

    def __init__(self, path: Path, *, encoding: str | None = None, delimiter: str | None = None) -> None:
        self._path = path
        self._encoding = encoding or _marked_encoding(path)
        self._skipped = 0
        with self._opened() as text:
            self._delimiter = delimiter or self._found_delimiter(text)
        if len(self._delimiter) != 1 or self._delimiter in '"\r\n':
            raise TableError("--delimiter: expected one character")
        with self._opened() as text:
            line, cells = next(self._records(text), (1, []))
        if isinstance(cells, str):
            raise TableError(f"line {line}: {cells}")
        self._header_line = line
        self.columns: Sequence[str] = checked_header(list(map(natural, cells)), line)

    def rows(self) -> Iterator[TableRow]:
        """All rows that have something in them."""
        columns, width = self.columns, len(self.columns)
        with self._opened() as text:
            for line, record in self._records(text):
                if isinstance(record, str):
                    yield TableRow(line, {}, (CellFault(line, None, record),))
                    continue
                if line == self._header_line:
                    continue
                faults = []
                if len(record) > width and any(map(str.strip, record[width:])):
                    faults.append(
                        CellFault(line, None, f"{len(record)} cells, but there are {width} columns")
                    )
                cells: dict[str, Value] = dict.fromkeys(columns, "")
                for column, cell in zip(columns, record, strict=False):
                    try:
                        cells[column] = checked_text(natural(cell))
                    except CellError as error:
                        cells[column] = cell
                        faults.append(CellFault(line, column, str(error)))
                yield TableRow(line, cells, tuple(faults))

    @contextmanager
    def _opened(self) -> Iterator[TextIO]:
        try:
            with self._path.open(encoding=self._encoding, errors="surrogateescape", newline="") as text:
                yield text
        except UnicodeError:
            raise TableError(f"it is not in {self._encoding}: give its --encoding") from None

    def _found_delimiter(self, text: TextIO) -> str:
        first = text.readline()
        if told := _TOLD.fullmatch(first):
            self._skipped = 1
            return told[1]
        widths = {}
        for delimiter in _DELIMITERS:
            text.seek(0)
            reader = csv.reader(text, delimiter=delimiter)
            try:
                widths[delimiter] = next((len(record) for record in reader if any(record)), 0)
            except csv.Error:
                widths[delimiter] = 0
        return max(widths, key=widths.__getitem__)

    def _records(self, text: TextIO) -> Iterator[tuple[int, list[str]] | tuple[int, str]]:
        """Each record that is not empty with the line in which it begins, or what is wrong with it."""
        for _ in range(self._skipped):
            text.readline()
        reader = csv.reader(text, delimiter=self._delimiter, strict=True)
        while True:
            line = reader.line_num + self._skipped + 1
            try:
                record = next(reader, None)
            except csv.Error as error:
                yield line, _complaint(error, reader.line_num + self._skipped)
                continue
            if record is None:
                return
            joined = "".join(record)
            if not joined or joined.isspace():
                continue
            if not joined.isascii() and _UNDECODED.search(joined):
                raise TableError(self._undecoded(line))
            yield line, record

    def _undecoded(self, line: int) -> str:
        name = self._encoding.removesuffix("-sig").upper()
        return (
            f"line {line} is not in {name}: save the file as CSV in UTF-8, or say what it is in, "
            "like --encoding cp1252 (Windows in western Europe and America) or --encoding mac-roman"
        )


def _marked_encoding(path: Path) -> str:
    with path.open("rb") as file:
        begin = file.read(4)
    return next((encoding for mark, encoding in _MARKS if begin.startswith(mark)), "utf-8")


def _complaint(error: csv.Error, last: int) -> str:
    if "unexpected end" in str(error):
        return "a quote that opens here, or in a line after it, is not closed to the end of the file"
    if "field larger" in str(error):
        return f"a cell does not end up to line {last}: perhaps a quote is not closed"
    return f"a quote is closed within a cell (line {last}): write a quote in a cell twice"
