"""JSON, one object a line."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

import attrs

from .cells import CellError, CellReader
from .rows import CellFault, TableRow, Value


@attrs.frozen
class JsonLine:
    """What a line holds: an object, or what is wrong with it."""

    number: int
    content: Mapping[str, Any] = attrs.field(factory=dict, repr=False)
    fault: str | None = None


def read_objects(path: Path) -> Iterator[JsonLine]:
    """The objects of a file; lines that are empty are left out."""
    with path.open("rb") as file:
        for number, raw in enumerate(file, start=1):
            if raw.strip():
                yield _parsed(number, raw)


def _parsed(number: int, raw: bytes) -> JsonLine:
    try:
        text = raw.decode("utf-8-sig" if number == 1 else "utf-8")
        content = json.loads(text, object_pairs_hook=_object, parse_constant=_refuse)
    except UnicodeDecodeError:
        return JsonLine(number, fault="not in UTF-8")
    except json.JSONDecodeError as error:
        return JsonLine(number, fault=f"not JSON: {error.msg} at character {error.colno}")
    except CellError as error:
        return JsonLine(number, fault=str(error))
    except RecursionError:
        return JsonLine(number, fault="nested too deep")
    except ValueError:
        return JsonLine(number, fault="a number of too many digits")
    if not isinstance(content, dict):
        return JsonLine(number, fault="not a JSON object")
    return JsonLine(number, content)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise CellError("a name stands twice in an object")
    return found


def _refuse(constant: str) -> NoReturn:
    raise CellError(f"{constant} is no number")


class JsonTable:
    """Rows of a JSONL file; each tells its columns."""

    columns: Sequence[str] | None = None

    def __init__(self, path: Path) -> None:
        self._path = path

    def rows(self) -> Iterator[TableRow]:
        """All rows; an object without members is an empty one."""
        reader = CellReader()
        for line in read_objects(self._path):
            if line.fault is not None:
                yield TableRow(line.number, {}, (CellFault(line.number, None, line.fault),))
                continue
            yield from _row(reader, line)


def _row(reader: CellReader, line: JsonLine) -> Iterator[TableRow]:
    cells: dict[str, Value] = {}
    faults = []
    for column, value in line.content.items():
        try:
            cells[column] = reader.read(value)
        except CellError as error:
            cells[column] = str(type(value).__name__)
            faults.append(CellFault(line.number, column, str(error)))
    if any(cells.values()):
        yield TableRow(line.number, cells, tuple(faults))
