"""Waits of a session that are over, at the latest, when it closes."""

from __future__ import annotations

import asyncio
import itertools
from collections import OrderedDict
from collections.abc import Callable

_AT_ONCE = 100
"""Timers that run out in one step of the loop at the most, so that the loop goes on meanwhile."""


class Timer:
    """One wait."""

    def __init__(self, waits: OrderedDict[Timer, None], seconds: float, callback: Callable[[], None]) -> None:
        self._waits = waits
        self._callback = callback
        self._handle = asyncio.get_running_loop().call_later(seconds, self.run_out)
        waits[self] = None

    def run_out(self) -> None:
        """The wait is over."""
        self.cancel()
        self._callback()

    def cancel(self) -> None:
        """Calls it off."""
        self._handle.cancel()
        self._waits.pop(self, None)


class Timers:
    """All waits of a session."""

    def __init__(self) -> None:
        self._waits: OrderedDict[Timer, None] = OrderedDict()
        self._ended = False

    def call_later(self, seconds: float, callback: Callable[[], None]) -> Timer:
        """Calls `callback` after so many seconds, or once the session closes."""
        return Timer(self._waits, 0 if self._ended else seconds, callback)

    async def sleep(self, seconds: float) -> None:
        """Waits so many seconds, or until the session closes."""
        over = asyncio.get_running_loop().create_future()

        def wake() -> None:
            # It may have been cancelled in this very step of the loop.
            if not over.done():
                over.set_result(None)

        timer = self.call_later(seconds, wake)
        try:
            await over
        finally:
            timer.cancel()

    def end(self) -> None:
        """Lets all of them run out now, in the order in which they were begun."""
        self._ended = True
        for timer in list(itertools.islice(self._waits, _AT_ONCE)):
            timer.run_out()
        if self._waits:
            asyncio.get_running_loop().call_soon(self.end)
