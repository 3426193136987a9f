"""Time that moves only when a test moves it."""

from __future__ import annotations

import asyncio
import heapq
import itertools
from collections.abc import Callable


class ManualTimer:
    """A timer of `ManualClock`."""

    def __init__(self, callback: Callable[[], None]) -> None:
        self.callback: Callable[[], None] | None = callback

    def cancel(self) -> None:
        """Calls it off."""
        self.callback = None


class ManualClock:
    """A clock for a limiter; `advance` moves it, and fires the timers that come due on the way."""

    def __init__(self) -> None:
        self.time = 0.0
        self.timers: list[tuple[float, int, ManualTimer]] = []
        self._order = itertools.count()

    def now(self) -> float:
        """Seconds since the test began."""
        return self.time

    def call_at(self, when: float, callback: Callable[[], None]) -> ManualTimer:
        """A timer for `advance`."""
        timer = ManualTimer(callback)
        heapq.heappush(self.timers, (when, next(self._order), timer))
        return timer

    async def advance(self, seconds: float) -> None:
        """Lets so much time pass, and everything run that was waiting for it."""
        await settle()
        end = self.time + seconds
        while self.timers and self.timers[0][0] <= end + 1e-9:
            when, _, timer = heapq.heappop(self.timers)
            self.time = max(self.time, when)
            if timer.callback is not None:
                timer.callback()
            await settle()
        self.time = end


class LateClock(ManualClock):
    """A clock whose timers fire late, by as many seconds as `lateness` says each time."""

    def __init__(self, lateness: Callable[[], float]) -> None:
        super().__init__()
        self._lateness = lateness

    def call_at(self, when: float, callback: Callable[[], None]) -> ManualTimer:
        """A timer that fires after its time."""
        return super().call_at(max(when, self.time) + self._lateness(), callback)


async def settle() -> None:
    """Lets every task run until all of them wait for something."""
    for _ in range(20):
        await asyncio.sleep(0)
