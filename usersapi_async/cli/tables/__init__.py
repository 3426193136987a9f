"""Tables of people in files: rows that know their line, whatever the format."""

from .opening import TableOptions, open_table
from .rows import CellFault, Table, TableError, TableRow

__all__ = ["CellFault", "Table", "TableError", "TableOptions", "TableRow", "open_table"]
