"""Files that say what became of each row of a batch.

Each line is written whole, at once, when its row has ended, so that a killed process leaves all of them but
perhaps a part of the last one, which is not read.
"""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Self, TypeAlias, cast

import attrs

from usersapi_async import _arguments
from usersapi_async._files import private
from usersapi_async.errors import ConfigurationError, ResultsError
from usersapi_async.observer import logger

from ._formats import CsvWriting, FileFormat, JsonWriting, Writing, read_csv, read_jsonl
from ._lines import Input, ResultLine, Unreadable, plain_row
from .outcomes import Outcome
from .source import Item

PathLike: TypeAlias = str | os.PathLike[str]

_FORMATS: Mapping[str, FileFormat] = {".csv": "csv", ".jsonl": "jsonl", ".ndjson": "jsonl"}
_READERS = {"csv": read_csv, "jsonl": read_jsonl}


def _words(error: OSError) -> str:
    """What the system says, without the path."""
    return error.strerror or type(error).__name__


def _format_of(path: Path, given: FileFormat | None) -> FileFormat:
    found = _FORMATS.get(path.suffix.lower()) if given is None else given
    if found not in _READERS:
        raise ConfigurationError('file_format: expected "csv" or "jsonl", or a path that ends so')
    return found


class ResultWriter:
    """Writes what became of each row into a new file, in CSV or, one object a line, in JSON.

    Give one to `BatchRunner.run` or `stream`, or `write` outcomes yourself. The format is that of the path's
    ending unless ``file_format`` says it. The file is its owner's alone, since it holds people's data, and is
    never written over another one.

    A row that is a mapping is kept with its line, unless it succeeded (``keep_succeeded`` keeps those too).
    Of other rows ``input_of`` gives the mapping. ``columns`` are those of the input in a CSV file, by default
    the first row's; what other rows have besides is kept too, but in no column of its own.

    Use it with ``with``. Raises `ResultsError` when the file is there already, or can't be written: then it
    holds the lines before that one, and nothing more is written.
    """

    def __init__(
        self,
        path: PathLike,
        *,
        file_format: FileFormat | None = None,
        columns: Iterable[str] | None = None,
        input_of: Callable[[Any], Mapping[str, Any] | None] | None = None,
        keep_succeeded: bool = False,
    ) -> None:
        self._path = Path(path)
        self._format = _format_of(self._path, file_format)
        self._columns: Sequence[Any] | None = None if columns is None else tuple(columns)
        self._input_of = input_of
        self._keep_succeeded = _arguments.instance("keep_succeeded", keep_succeeded, bool)
        self._file: io.FileIO | None = None
        self._writing: Writing | None = None
        self._size = 0
        self._error: str | None = None

    def __enter__(self) -> Self:
        failure: str | None = None
        try:
            self._file = open(self._path, "xb", buffering=0, opener=private)
        except FileExistsError:
            failure = "it is there already, and is not written over"
        except OSError as error:
            failure = _words(error)
        if failure is not None:
            raise self._failed(failure)
        return self

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> None:
        failure = self._close()
        if failure is not None and error is None:
            raise self._failed(failure)

    def write(self, outcome: Outcome, row: Any = None) -> None:
        """Adds the line of one outcome; `row` is what it was made of."""
        item = Item((outcome.key, row))
        del row
        self.add(ResultLine.of(outcome, row=self.input_from(item)))

    def input_from(self, item: Item) -> Input | None:
        """The columns of a row as they are kept, copied. Raises `ConfigurationError`."""
        failure: ConfigurationError | None = None
        try:
            found = item.row if self._input_of is None else self._input_of(item.row)
        except Exception as error:  # noqa: BLE001 (the caller's own function; raised below)
            failure = ConfigurationError(f"input_of raised {_arguments.raised(error)}")
        if failure is not None:
            raise failure
        if not isinstance(found, Mapping):
            return None
        self._note_columns(found)
        return plain_row(found)

    def add(self, line: ResultLine) -> None:
        """Adds a line."""
        self.require_open()
        self._note_columns(line.input)
        if line.status == "succeeded" and not self._keep_succeeded:
            line = attrs.evolve(line, input=None)
        failure = self._append(self._head(), self._begun().line(line))
        if failure is not None:
            raise self._failed(failure)

    def _note_columns(self, row: Mapping[Any, Any] | None) -> None:
        if self._columns is None and row is not None:
            self._columns = tuple(row)

    def require_open(self) -> None:
        """Raises `ResultsError` unless lines can be added."""
        if self._error is not None:
            raise ResultsError(self._error)
        if self._file is None:
            raise self._failed("it is not open; use the writer with `with`")

    def _begun(self) -> Writing:
        if self._writing is None:
            self._writing = CsvWriting(self._columns or ()) if self._format == "csv" else JsonWriting()
        return self._writing

    def _head(self) -> bytes:
        return b"" if self._size else self._begun().head()

    def _append(self, *parts: bytes) -> str | None:
        """Writes it in one piece, or nothing; why it could not."""
        data = b"".join(parts)
        file, left = cast("io.FileIO", self._file), memoryview(data)
        try:
            while left:
                left = left[file.write(left) or 0 :]
        except OSError as error:
            failure = _words(error)
        else:
            self._size += len(data)
            return None
        # If that fails too, readers leave the part of a line out as the end of a file that was cut.
        with suppress(OSError):
            file.truncate(self._size)
        return failure

    def _close(self) -> str | None:
        """Closes the file, which has a header even if it has no line; why it could not."""
        failure = self._append(self._head()) if self._error is None else None
        try:
            cast("io.FileIO", self._file).close()
        except OSError as error:
            failure = failure or _words(error)
        self._file = None
        return failure

    def _failed(self, words: str) -> ResultsError:
        error = ResultsError(f"results {self._path.name}: {words}")
        if self._file is not None:
            self._error = str(error)
        return error


def read_results(path: PathLike, *, file_format: FileFormat | None = None) -> Iterator[ResultLine]:
    """The lines of a file of results, one by one, in the order of their writing.

    A file that ends in the middle of a line is read up to there, with a warning in the log. CSV may have been
    saved by a spreadsheet, with other columns in another order, and another delimiter. Raises `ResultsError`.
    """
    path = Path(path)
    found_format = _format_of(path, file_format)

    def on_cut() -> None:
        logger.warning("results %s: the last line is not whole, and is left out", path.name)

    try:
        with path.open("rb") as file:
            yield from _READERS[found_format](file, on_cut)
    except Unreadable as error:
        failure = str(error)
    except OSError as error:
        failure = _words(error)
    else:
        return
    raise ResultsError(f"results {path.name}: {failure}")
