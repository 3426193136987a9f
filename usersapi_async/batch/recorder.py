"""A batch's use of its file of results."""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable, Iterator
from typing import Any, Self, TypeAlias

from usersapi_async.errors import ResultsError

from ._lines import Input, ResultLine
from .outcomes import Key, Outcome
from .report import BatchReport
from .results import PathLike, ResultWriter
from .source import Item, Items, check_items

ResultsTarget: TypeAlias = PathLike | ResultWriter


class Recorder:
    """Holds each row until its outcome is known and has it written then, and stops the batch if that fails.

    A writer that was given stays open; the file of a path is closed with the batch.
    """

    # Known once it is open.
    _report: BatchReport
    _stop: Callable[[str], object]

    def __init__(self, results: ResultsTarget) -> None:
        self._is_given = isinstance(results, ResultWriter)
        self._writer = results if isinstance(results, ResultWriter) else ResultWriter(results)
        self._rows: dict[int, tuple[Key, Input | None]] = {}
        self._taken = 0
        self._error: ResultsError | None = None

    def watch(self, items: Items) -> Items:
        """The same rows; each is noted when it is taken."""
        check_items(items)
        if isinstance(items, AsyncIterable):
            return _WatchedLater(items, self._take)
        return _Watched(items, self._take)

    def open(self, report: BatchReport, stop: Callable[[str], object]) -> None:
        """Makes the file, and has the outcomes that `report` counts written. `stop` is called with the reason
        when that fails. Raises `ResultsError`."""
        try:
            if self._is_given:
                self._writer.require_open()
            else:
                self._writer.__enter__()
        except ResultsError as error:
            report.stopped_by = str(error)
            raise
        self._report, self._stop = report, stop
        report.record_by(self._record)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> None:
        """Raises `ResultsError` if something could not be written, and nothing else failed."""
        self._report.record_by(None)
        error = error or self._error
        if not self._is_given:
            self._writer.__exit__(None, error, None)
        if self._error is not None and error is self._error:
            raise self._error

    def _take(self, item: Item) -> None:
        # A copy is made before the row is worked on, which may change it.
        self._rows[self._taken] = item.key_or(self._taken), self._writer.input_from(item)
        self._taken += 1

    def _record(self, outcome: Outcome) -> bool:
        key, row = self._rows.pop(outcome.index, (outcome.key, None))
        try:
            self._writer.add(ResultLine.of(outcome, key=key, row=row))
        except ResultsError as error:
            if self._error is None:
                # Without this frame, which holds the row.
                self._error = error.with_traceback(None)
                self._stop(str(error))
            return False
        return True


class _Watched:
    """An iterable whose rows are told as they are taken; it shows nothing of them."""

    def __init__(self, items: Iterable[Any], take: Callable[[Item], None]) -> None:
        self._items = items
        self._take = take

    def __iter__(self) -> Iterator[Any]:
        self._rows = iter(self._items)
        return self

    def __next__(self) -> Any:
        item = Item(next(self._rows))
        self._take(item)
        return item.read


class _WatchedLater:
    """The same of an async iterable."""

    def __init__(self, items: AsyncIterable[Any], take: Callable[[Item], None]) -> None:
        self._items = items
        self._take = take

    def __aiter__(self) -> AsyncIterator[Any]:
        self._rows = aiter(self._items)
        return self

    async def __anext__(self) -> Any:
        item = Item(await anext(self._rows))
        self._take(item)
        return item.read
