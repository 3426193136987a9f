"""Waiting: for tasks that must not be left alone, and for work."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence

import anyio


async def all_ended(tasks: Sequence[asyncio.Task[None]], *, pass_on: bool = True) -> None:
    """Waits for the end of all; a cancellation meanwhile is passed on to them, unless they must not be broken
    off, and raised after that: what a task left behind does to its rows would never be told."""
    cancelled: asyncio.CancelledError | None = None
    # Shielded, since anyio would else repeat a cancellation in each step of the loop.
    with anyio.CancelScope(shield=True):
        while pending := [task for task in tasks if not task.done()]:
            try:
                await asyncio.wait(pending)
            except asyncio.CancelledError as error:
                cancelled = error
                for task in pending if pass_on else ():
                    task.cancel()
    if cancelled is not None:
        raise cancelled


class Sleepers:
    """Workers that have nothing to do for now, in the order of their coming."""

    def __init__(self) -> None:
        self._waiters: deque[asyncio.Future[None]] = deque()

    async def sleep(self) -> None:
        """Waits until it is woken."""
        waiter = asyncio.get_running_loop().create_future()
        self._waiters.append(waiter)
        await waiter

    def wake(self, count: int) -> None:
        """Wakes so many."""
        while count > 0 and self._waiters:
            waiter = self._waiters.popleft()
            if not waiter.done():
                waiter.set_result(None)
                count -= 1

    def wake_all(self) -> None:
        """Wakes everybody."""
        self.wake(len(self._waiters))
