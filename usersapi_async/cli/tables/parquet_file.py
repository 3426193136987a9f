"""Parquet, read a thousand rows at a time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from pyarrow import ArrowException, parquet

from .cells import CellError, CellReader
from .rows import CellFault, TableError, TableRow, Value, checked_header

_PORTION = 1000


class ParquetTable:
    """A Parquet file; a row's line is its number. Raises `TableError`."""

    def __init__(self, path: Path, *, date_format: str | None = None) -> None:
        self._path = path
        self._cells = CellReader(date_format)
        try:
            self._names: Sequence[str] = parquet.read_schema(path).names
        except ArrowException as error:
            raise TableError(f"it is not Parquet ({type(error).__name__})") from None
        self.columns: Sequence[str] = checked_header(self._names, 0)

    def rows(self) -> Iterator[TableRow]:
        """All rows that have something in them."""
        line = 0
        try:
            with parquet.ParquetFile(self._path) as file:
                for batch in file.iter_batches(batch_size=_PORTION):
                    for values in batch.to_pylist():
                        line += 1
                        row = self._row(line, [values[name] for name in self._names])
                        if row.faults or any(row.cells.values()):
                            yield row
        except (ArrowException, OSError) as error:
            raise TableError(f"it can't be read beyond row {line} ({type(error).__name__})") from None

    def _row(self, line: int, values: Sequence[object]) -> TableRow:
        cells: dict[str, Value] = {}
        faults = []
        for column, value in zip(self.columns, values, strict=False):
            try:
                cells[column] = self._cells.read(value)
            except CellError as error:
                cells[column] = type(value).__name__
                faults.append(CellFault(line, column, str(error)))
        return TableRow(line, cells, tuple(faults))
