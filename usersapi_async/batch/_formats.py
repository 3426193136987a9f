"""The two formats of a file of results: lines to bytes, and bytes to lines."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from itertools import zip_longest
from typing import Any, BinaryIO, Literal, Protocol, TextIO, TypeAlias

import attrs

from ._cells import decoded, fits, mended, natural, neutralised, shown, to_ascii_json, to_json
from ._lines import Input, ResultLine, Unreadable, line_from

FileFormat: TypeAlias = Literal["csv", "jsonl"]

_FACTS = ("status", "key", "clogin_id", "error", "message", "reason", "attempts", "elapsed", "resumed")
_INDEX = "index"
_NOTES = "json"
_PREFIX = "result_"
# The index stands last: of a number in quotes one can tell that the line was not cut in it.
_RESULT_COLUMNS = frozenset(f"{_PREFIX}{name}" for name in (*_FACTS, _NOTES, _INDEX))
_DELIMITERS = ",;\t"
_BOM = "\ufeff"
_LONGEST_CELL = 2**31 - 1
_UNDECODED = re.compile("[\udc80-\udcff]")
"""What `surrogateescape` makes of bytes that are no UTF-8."""


class Writing(Protocol):
    """How lines are written in one format."""

    def head(self) -> bytes:
        """What a file begins with."""

    def line(self, line: ResultLine) -> bytes:
        """One line, whole."""


class JsonWriting:
    """One JSON object a line."""

    def head(self) -> bytes:
        return b""

    def line(self, line: ResultLine) -> bytes:
        facts = {field.name: getattr(line, field.name) for field in attrs.fields(ResultLine)}
        if line.input is not None and None in line.input:
            # A name that JSON can't say.
            facts["input"] = {name: value for name, value in line.input.items() if name is not None}
            facts["surplus"] = line.input[None]
        try:
            return f"{to_json(facts)}\n".encode()
        except UnicodeEncodeError:
            # A lone surrogate, which JSON can say in ASCII only.
            return f"{to_ascii_json(facts)}\n".encode()


class CsvWriting:
    """A table with the columns of the results, and between them those of the input.

    What the cells can't say exactly is noted as JSON in the last column but one.
    """

    def __init__(self, columns: Iterable[Any]) -> None:
        self._columns = [
            name
            for name in dict.fromkeys(columns)
            if isinstance(name, str) and fits(name) and name not in _RESULT_COLUMNS
        ]
        self._known = frozenset(self._columns)

    def head(self) -> bytes:
        first = [f"{_PREFIX}{name}" for name in _FACTS]
        # With a mark of its encoding, since spreadsheets guess another one otherwise.
        return _BOM.encode() + _record([*first, *self._columns, f"{_PREFIX}{_NOTES}", f"{_PREFIX}{_INDEX}"])

    def line(self, line: ResultLine) -> bytes:
        notes: dict[str, Any] = {"faults": line.faults} if line.faults else {}
        cells = []
        for name in _FACTS:
            value = getattr(line, name)
            # An empty cell says that there is none.
            if isinstance(value, str) and (not value or not fits(value)):
                notes[name] = value
            cells.append(shown([value]))
        row = line.input or {}
        cells += [shown([row[name]] if name in row else []) for name in self._columns]
        noted = None if line.input is None else list(self._inexact(row))
        if noted != []:
            notes["input"] = noted
        cells.append(to_ascii_json(notes) if notes else "")
        cells.append("" if line.index is None else str(line.index))
        return _record(cells)

    def _inexact(self, row: Input) -> Iterator[list[Any]]:
        """The columns of which a cell does not tell the value: each with it, or alone if the row has none."""
        for name in self._columns:
            if name not in row:
                yield [name]
            elif not (isinstance(row[name], str) and fits(row[name])):
                yield [name, row[name]]
        yield from ([name, value] for name, value in row.items() if name not in self._known)


def _record(cells: Sequence[str]) -> bytes:
    text = io.StringIO(newline="")
    # All are quoted: an unquoted semicolon would be a delimiter for some.
    csv.writer(text, quoting=csv.QUOTE_ALL).writerow(neutralised(cells))
    return text.getvalue().encode()


@contextmanager
def _in_line(number: int) -> Iterator[None]:
    """Says of what is unreadable where it is."""
    try:
        yield
    except Unreadable as error:
        raise Unreadable(f"line {number}: {error}") from None


def read_jsonl(file: BinaryIO, on_cut: Callable[[], None]) -> Iterator[ResultLine]:
    """The lines of a JSONL file; `on_cut` is told of a last one that is not whole. Raises `Unreadable`."""
    for number, raw in enumerate(file, start=1):
        if not raw.strip():
            continue
        try:
            facts = decoded(raw.decode("utf-8-sig" if number == 1 else "utf-8"))
        except ValueError:
            if not raw.endswith(b"\n"):
                on_cut()
                return
            raise Unreadable(f"line {number}: not JSON in UTF-8") from None
        with _in_line(number):
            if not isinstance(facts, dict) or "status" not in facts:
                raise Unreadable("not an object with a status")
            line = line_from(facts)
            if "surplus" in facts:
                line = attrs.evolve(line, input={**(line.input or {}), None: facts["surplus"]})
        yield line


def read_csv(file: BinaryIO, on_cut: Callable[[], None]) -> Iterator[ResultLine]:
    """The lines of a CSV file, also of one that a spreadsheet saved with another delimiter; `on_cut` is told
    of a last one that is not whole. Raises `Unreadable`."""
    text = io.TextIOWrapper(file, "utf-8-sig", errors="surrogateescape", newline="")
    try:
        header, records = _opened(text)
        while (cells := records.next()) is not None:
            if not cells:
                continue
            if not records.is_whole(cells, len(header)):
                records.is_cut = True
                break
            with _in_line(records.number):
                line = _line_from(header, cells)
            yield line
        if records.is_cut:
            on_cut()
    finally:
        # The file is its opener's to close.
        text.detach()


def _opened(text: TextIO) -> tuple[list[str], _Records]:
    """The header, and the records after it."""
    first, begin, header = text.readline(), f'"{_PREFIX}status"', list[str]()
    for delimiter in _DELIMITERS:
        text.seek(0)
        records = _Records(text, delimiter, quoted=first.startswith('"'))
        # Of another delimiter nothing can be made.
        with suppress(Unreadable):
            header = [natural(name) for name in records.next() or ()]
        if f"{_PREFIX}status" in header:
            with _in_line(1):
                _require_utf8(header)
            return header, records
    if first[: len(begin)] != begin[: len(first)]:
        raise Unreadable(f"it has no column {_PREFIX}status")
    records.is_cut = bool(first)
    return [], records


class _Records:
    """The records of a CSV file, each a list of cells; all are `quoted` unless somebody else saved it."""

    def __init__(self, text: Iterable[str], delimiter: str, *, quoted: bool) -> None:
        self._text = text
        self._delimiter = delimiter
        self._quoted = quoted
        self._reader = csv.reader(self._lines(), delimiter=delimiter, strict=True)
        self._last = ""
        self._ended = False
        self.is_cut = False

    @property
    def number(self) -> int:
        """The number of the last line that was read, from 1 on."""
        return self._reader.line_num

    def is_whole(self, cells: Sequence[str], columns: int) -> bool:
        """Whether the record that was read last, with these cells, was not cut."""
        if self._last.endswith(("\n", "\r")) or not self._quoted:
            return True
        # An empty cell would have quotes.
        return len(cells) >= columns and not self._last.endswith(self._delimiter)

    def _lines(self) -> Iterator[str]:
        for line in self._text:
            self._last = line
            yield line
        self._ended = True

    def next(self) -> list[str] | None:
        """The next record; None at the end, or where the file was cut. Raises `Unreadable`."""
        # A limit of all readers in the process, meant for files of unknown origin.
        limit = csv.field_size_limit(_LONGEST_CELL)
        try:
            return next(self._reader, None)
        except csv.Error as error:
            # A quote that was not closed when the file ended.
            self.is_cut = self._ended
            if self.is_cut:
                return None
            raise Unreadable(f"line {self.number}: {error}") from None
        finally:
            csv.field_size_limit(limit)


def _require_utf8(cells: Iterable[str]) -> None:
    if any(map(_UNDECODED.search, cells)):
        raise Unreadable("it is not UTF-8; save the file as CSV in UTF-8")


def _line_from(header: list[str], cells: list[str]) -> ResultLine:
    if any(cells[len(header) :]):
        raise Unreadable("it has more cells than there are columns")
    _require_utf8(cells)
    found = dict(zip_longest(header, map(natural, cells[: len(header)]), fillvalue=""))
    results = {name: found.get(f"{_PREFIX}{name}", "") for name in (*_FACTS, _NOTES, _INDEX)}
    try:
        notes = decoded(results.pop(_NOTES) or "{}")
        kept = notes.get("input", [])
        exact = None if kept is None else {name: list(value) for name, *value in kept}
    except (ValueError, TypeError, AttributeError):
        raise Unreadable(f"its {_PREFIX}{_NOTES} is not as it was written") from None
    facts: dict[str, Any] = {name: _fact(cell, notes.get(name)) for name, cell in results.items()}
    for name in ("clogin_id", "attempts", "elapsed", "resumed", _INDEX):
        facts[name] = _scalar(results[name])
    facts["faults"] = notes.get("faults")
    facts["input"] = _input({n: c for n, c in found.items() if n not in _RESULT_COLUMNS}, exact)
    return line_from(facts)


def _fact(cell: str, noted: Any) -> str | None:
    return noted if noted is not None and cell == shown([noted]) else cell or None


def _scalar(cell: str) -> Any:
    """What a cell says that is no text; the text of one that says nothing of the kind."""
    try:
        return decoded(cell.lower()) if cell else None
    except ValueError:
        return cell


def _input(cells: Mapping[str, str], exact: dict[str | None, list[Any]] | None) -> Input | None:
    """The row that those cells and notes were written of; None if it was not kept and nobody filled them."""
    if exact is None:
        if not any(cells.values()):
            return None
        exact = {}
    row: dict[str | None, Any] = {}
    for name, cell in cells.items():
        noted = exact.pop(name, None)
        if noted is None:
            row[name] = cell
        elif cell != shown(noted):
            row[name] = mended(cell, noted)
        elif noted:
            row[name] = noted[0]
    row.update((name, noted[0]) for name, noted in exact.items() if noted)
    return row
