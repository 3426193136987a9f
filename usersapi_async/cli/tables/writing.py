"""Writes tables of users, whole or not at all: a file appears under its name when it is complete."""

from __future__ import annotations

import csv
import importlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO, Protocol, TextIO

from usersapi_async._files import private
from usersapi_async.batch._cells import neutralised

from .opening import EXTRA
from .rows import TableError

ENDINGS = (".csv", ".jsonl", ".parquet")
_PORTION = 2000


class RowWriter(Protocol):
    """Takes rows, each a mapping of columns to what JSON can say."""

    def write(self, row: Mapping[str, Any]) -> None:
        """Adds a row."""


def checked_ending(path: Path) -> str:
    """How the file ends. Raises `TableError` for what can't be written."""
    ending = path.suffix.lower()
    if ending not in ENDINGS:
        raise TableError(f"{path}: expected a file that ends in {', '.join(ENDINGS)}")
    if ending == ".parquet":
        try:
            importlib.import_module("pyarrow")
        except ModuleNotFoundError:
            raise TableError(f"{path}: pyarrow is missing to write it; install it with: {EXTRA}") from None
    return ending


@contextmanager
def written(path: Path, columns: Sequence[str], *, numbers: frozenset[str]) -> Iterator[RowWriter]:
    """A writer of a new file, which its owner alone may read; `numbers` are the columns of whole numbers.

    It takes the place of a file that is there."""
    part = path.with_name(f"{path.name}.part")
    ending = checked_ending(path)
    try:
        with open(part, "wb", opener=private) as file:
            # A part that somebody left there may have been open to all.
            part.chmod(0o600)
            if ending == ".parquet":
                with _parquet(file, columns, numbers) as rows:
                    yield rows
            else:
                with open(file.fileno(), "w", encoding="utf-8", newline="", closefd=False) as text:
                    yield _JsonWriter(text) if ending == ".jsonl" else _CsvWriter(text, columns)
        part.replace(path)
    except BaseException:
        with suppress(OSError):
            part.unlink()
        raise


class _JsonWriter:
    def __init__(self, text: TextIO) -> None:
        self._text = text

    def write(self, row: Mapping[str, Any]) -> None:
        self._text.write(json.dumps(row, ensure_ascii=False) + "\n")


class _CsvWriter:
    """Begins with a mark of its encoding, since spreadsheets guess another one otherwise, and neutralises
    what they would run as a formula."""

    def __init__(self, text: TextIO, columns: Sequence[str]) -> None:
        self._writer = csv.writer(text, quoting=csv.QUOTE_ALL)
        self._columns = columns
        text.write("\ufeff")
        self._writer.writerow(neutralised(columns))

    def write(self, row: Mapping[str, Any]) -> None:
        self._writer.writerow(neutralised([as_text(row.get(column)) for column in self._columns]))


@contextmanager
def _parquet(file: BinaryIO, columns: Sequence[str], numbers: frozenset[str]) -> Iterator[RowWriter]:
    import pyarrow as pa
    from pyarrow import parquet

    schema = pa.schema([(name, pa.int64() if name in numbers else pa.string()) for name in columns])
    with parquet.ParquetWriter(file, schema) as writer:

        def send(rows: list[dict[str, Any]]) -> None:
            writer.write_batch(pa.RecordBatch.from_pylist(rows, schema))

        rows = _ParquetWriter(columns, numbers, send)
        yield rows
        rows.flush()


class _ParquetWriter:
    """Sends rows on in batches. What is no number is text."""

    def __init__(
        self,
        columns: Sequence[str],
        numbers: frozenset[str],
        send: Callable[[list[dict[str, Any]]], None],
    ) -> None:
        self._columns = columns
        self._numbers = numbers
        self._send = send
        self._rows: list[dict[str, Any]] = []

    def write(self, row: Mapping[str, Any]) -> None:
        values = {name: row.get(name) for name in self._columns}
        self._rows.append(
            {
                name: value if value is None or name in self._numbers else as_text(value)
                for name, value in values.items()
            }
        )
        if len(self._rows) == _PORTION:
            self.flush()

    def flush(self) -> None:
        """Sends on what there is."""
        self._send(self._rows)
        self._rows = []


def as_text(value: Any) -> str:
    """What stands in a cell: of a list its parts, of nothing nothing."""
    if value is None:
        return ""
    if isinstance(value, list) and all(isinstance(one, str) for one in value):
        return "; ".join(value)
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
