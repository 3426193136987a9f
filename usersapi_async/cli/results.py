"""The file that says what became of each row."""

from __future__ import annotations

import csv
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from usersapi_async.batch import Failed, InDoubt, NotAttempted, Outcome, Succeeded

COLUMNS = ("key", "outcome", "clogin_id", "error", "message", "attempts")
_OUTCOMES = {
    Succeeded: "succeeded",
    Failed: "failed",
    InDoubt: "in doubt",
    NotAttempted: "not attempted",
}
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def outcome_name(outcome: Outcome) -> str:
    """The outcome in a word or two."""
    return _OUTCOMES[type(outcome)]


def complaint(outcome: Outcome) -> tuple[str, str]:
    """The kind of error and its message, or the reason alone; both empty for a success."""
    if isinstance(outcome, (Failed, InDoubt)):
        return type(outcome.error).__name__, str(outcome.error)
    return "", outcome.reason if isinstance(outcome, NotAttempted) else ""


def neutral(cell: str) -> str:
    """The cell such that a spreadsheet shows it as text, and runs nothing."""
    return f"'{cell}" if cell.startswith(_FORMULA) else cell


class ResultsWriter:
    """Writes one line a row.

    A row that did not succeed keeps the cells of its input, so that the file can be mended and given in
    again; the columns of the results go first, and take the place of input columns of the same name.
    """

    def __init__(self, path: Path, file_writer: csv.DictWriter[str]) -> None:
        self.path = path
        self._writer = file_writer

    def write(self, outcome: Outcome, row: Mapping[str, str]) -> None:
        """Adds the line of one outcome; `row` is its input."""
        error, message = complaint(outcome)
        clogin_id = outcome.clogin_id if isinstance(outcome, Succeeded) else None
        line = {} if isinstance(outcome, Succeeded) else dict(row)
        line |= {
            "key": str(outcome.key),
            "outcome": outcome_name(outcome),
            "clogin_id": line.get("clogin_id", "") if clogin_id is None else str(clogin_id),
            "error": error,
            "message": message,
            "attempts": str(outcome.attempts),
        }
        self._writer.writerow({column: neutral(cell) for column, cell in line.items()})


@contextmanager
def results_file(path: Path, input_columns: Sequence[str]) -> Iterator[ResultsWriter]:
    """A new file at `path`, readable by nobody else, since it holds people's data."""
    columns = [*COLUMNS, *(column for column in input_columns if column not in COLUMNS)]
    with open(path, "w", encoding="utf-8", newline="", opener=_private) as file:
        writer = csv.DictWriter(file, columns, restval="")
        writer.writeheader()
        yield ResultsWriter(path, writer)


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)
