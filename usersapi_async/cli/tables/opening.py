"""Chooses the reader by the file's ending."""

from __future__ import annotations

import codecs
from pathlib import Path

import attrs

from .rows import Table, TableError

_CSV = frozenset({".csv", ".tsv", ".txt"})
_JSONL = frozenset({".jsonl", ".ndjson"})
EXTRA = 'pip install "usersapi-async[cli,tables]"'


@attrs.frozen(kw_only=True)
class TableOptions:
    """What the user knows of the file; None: it is found out."""

    encoding: str | None = None
    delimiter: str | None = None
    sheet: str | None = None
    date_format: str | None = None


def open_table(path: Path, options: TableOptions) -> Table:
    """The table in that file, its header read. Raises `TableError` or `OSError`."""
    if not path.is_file():
        # A pipe could be read once only.
        raise TableError(f"{path}: there is no such file")
    ending = path.suffix.lower()
    try:
        return _opened(path, ending, options)
    except ModuleNotFoundError as error:
        raise TableError(f"{path}: {error.name} is missing to read it; install it with: {EXTRA}") from None
    except TableError as error:
        raise TableError(f"{path}: {error}") from None


def _opened(path: Path, ending: str, options: TableOptions) -> Table:
    # Each is imported when it is used, since some need a package that may not be there.
    if ending in _CSV:
        from .csv_file import CsvTable

        return CsvTable(path, encoding=_checked(options.encoding), delimiter=options.delimiter)
    if ending in _JSONL:
        from .jsonl_file import JsonTable

        return JsonTable(path)
    if ending == ".xlsx":
        from .xlsx_file import XlsxTable

        return XlsxTable(path, sheet=options.sheet, date_format=options.date_format)
    if ending == ".parquet":
        from .parquet_file import ParquetTable

        return ParquetTable(path, date_format=options.date_format)
    if ending in (".xls", ".ods", ".xlsm", ".xlsb"):
        raise TableError("save it as .xlsx, or as CSV in UTF-8")
    raise TableError("expected a file that ends in .csv, .tsv, .jsonl, .xlsx or .parquet")


def _checked(encoding: str | None) -> str | None:
    try:
        return encoding if encoding is None else codecs.lookup(encoding).name
    except LookupError:
        raise TableError(f"--encoding: Python knows no {encoding!r}; try utf-8, cp1252 or latin-1") from None
