"""What all formats give: rows with their line, and faults with line and column. No I/O."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Protocol, TypeAlias

import attrs

from usersapi_async.cli.failures import CommandError

Value: TypeAlias = str | int | list[str]
"""What a cell holds; an empty one ``""``."""


class TableError(CommandError):
    """A file can't be read as a table, or not beyond some line."""


@attrs.frozen(order=True)
class CellFault:
    """What is wrong at one place. ``column`` is None for a whole row; ``reason`` shows nothing of it."""

    line: int
    column: str | None
    reason: str

    def __str__(self) -> str:
        where = "" if self.column is None else f", column {self.column}"
        return f"{self.reason} @ line {self.line}{where}"


@attrs.frozen
class TableRow:
    """One row that is not empty. ``line`` counts from 1, as editors and spreadsheets show it; ``cells`` has
    all columns. What ``faults`` are about stands in the cells as it was read."""

    line: int
    cells: Mapping[str, Value] = attrs.field(repr=False)
    faults: tuple[CellFault, ...] = ()


class Table(Protocol):
    """A file that can be read more than once. ``columns`` is None where only the rows tell them."""

    @property
    def columns(self) -> Sequence[str] | None: ...

    def rows(self) -> Iterator[TableRow]:
        """All rows, one by one. Raises `TableError` where the file can't be read further."""


def checked_header(names: Sequence[str], line: int) -> list[str]:
    """The names of the columns, without those at the end that are empty. Raises `TableError`."""
    header = [" ".join(name.split()) for name in names]
    while header and not header[-1]:
        header.pop()
    if not header:
        raise TableError("the file has no columns: its first line is to name them")
    places: dict[str, list[int]] = {}
    for place, name in enumerate(header, start=1):
        places.setdefault(name, []).append(place)
    unnamed = places.pop("", [])
    complaints = [
        f"{name!r} stands in columns {_listed(where)}" for name, where in places.items() if len(where) > 1
    ]
    if unnamed:
        complaints.append(f"column {_listed(unnamed)} has no name")
    if complaints:
        raise TableError(f"line {line} is to name the columns, each once: {'; '.join(complaints)}")
    return header


def _listed(places: Sequence[int]) -> str:
    *most, last = map(str, places)
    return f"{', '.join(most)} and {last}" if most else last
