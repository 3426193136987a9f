"""What is known of each key of a batch."""

from __future__ import annotations

import asyncio
import itertools
import math
import sqlite3
from collections.abc import Collection
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Generic, TypeVar

from usersapi_async.errors import JournalError

from ._spilled import Spilled
from ._store import words

WINDOW = 8192
_PORTION = 1000
_RowT = TypeVar("_RowT")


class Keys(Generic[_RowT]):
    """By key the row that has it, then the id that it created or the reason why there is none.

    In memory that takes about 130 bytes, with a short key. With a `window` only so many of those that ended
    last stay there, and the others go to a temporary file.
    """

    def __init__(self, window: int | None = None) -> None:
        self._open: dict[str, _RowT] = {}
        self._ended: dict[str, int | str] = {}
        self._portion = _PORTION if window is None else min(window, _PORTION)
        self._most = math.inf if window is None else window + self._portion
        self._reasons: list[str] = []
        self._spilled: Spilled | None = None
        self._executor: ThreadPoolExecutor | None = None

    def begin(self, key: str, row: _RowT) -> None:
        """Notes whose key it is."""
        self._open[key] = row

    def end(self, key: str, created: int | str) -> None:
        """Notes the id that its row created, or why there is none."""
        del self._open[key]
        self._ended[key] = created

    async def find(self, keys: Collection[str]) -> dict[str, _RowT | int | str]:
        """What is known of those of `keys` that there are: to be called by one at a time.

        Raises `JournalError` when the temporary file can't be used; then this is of no more use.
        """
        if len(self._ended) >= self._most:
            await self._spill()
        found: dict[str, _RowT | int | str] = {}
        for key in keys:
            known = self._open.get(key) or self._ended.get(key) or await self._find_on_disk(key)
            if known is not None:
                found[key] = known
        return found

    def close(self) -> None:
        """Removes the temporary file, without a wait."""
        if self._executor is not None and self._spilled is not None:
            self._executor.submit(self._spilled.close)
            self._executor.shutdown(wait=False)

    async def _find_on_disk(self, key: str) -> int | str | None:
        spilled = self._spilled
        if spilled is None or not spilled.may_hold(key):
            return None
        number = spilled.nearby(key)
        if number is None:
            number = await self._in_thread(spilled.find, key)
        return number if number is None or number > 0 else self._reasons[~number]

    async def _spill(self) -> None:
        """Moves those to disk that ended first."""
        if self._spilled is None:
            self._spilled = Spilled()
            self._executor = ThreadPoolExecutor(1, thread_name_prefix="usersapi-keys")
        oldest = list(itertools.islice(self._ended.items(), self._portion))
        await self._in_thread(self._spilled.add, [(key, self._number(created)) for key, created in oldest])
        for key, _ in oldest:
            del self._ended[key]

    def _number(self, created: int | str) -> int:
        """An id as it is, and a reason, of which there are few, as a negative number."""
        if isinstance(created, int):
            return created
        if created not in self._reasons:
            self._reasons.append(created)
        return ~self._reasons.index(created)

    async def _in_thread(self, function: Any, argument: Any) -> Any:
        failure: JournalError | None = None
        try:
            return await asyncio.get_running_loop().run_in_executor(self._executor, function, argument)
        except sqlite3.Error as error:
            failure = JournalError(f"the temporary file of the batch's keys: {words(error)}")
        raise failure
