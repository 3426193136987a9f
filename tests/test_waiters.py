"""Very many waiters: what each costs, and how many are woken in one step of the loop. Counted, not timed."""

from __future__ import annotations

import asyncio
import math
from typing import TYPE_CHECKING

import pytest

from usersapi_async import Limiter, RateLimit
from usersapi_async._queue import FairQueue, Flow

from .clocks import ManualClock

if TYPE_CHECKING:
    from collections.abc import Coroutine

MANY = 100_000
ENOUGH = 5_000
"""To see that they are woken by and by."""


class Counted(float):
    """A patience that counts how often it is compared."""

    comparisons = 0

    def __lt__(self, other: float) -> bool:
        Counted.comparisons += 1
        return float(self) < float(other)


class Crowd:
    """Very many tasks, and how many ended in each step of the loop."""

    def __init__(self, waits: list[Coroutine[None, None, bool]]) -> None:
        self.results: list[bool] = []
        self.tasks = [asyncio.ensure_future(self._watched(wait)) for wait in waits]

    async def _watched(self, wait: Coroutine[None, None, bool]) -> None:
        self.results.append(await wait)

    async def most_in_a_step(self, count: int = ENOUGH) -> int:
        """Runs until so many have ended, and says how many did at once at the most."""
        most = 0
        while len(self.results) < count:
            before = len(self.results)
            await asyncio.sleep(0)
            most = max(most, len(self.results) - before)
        return most

    async def dissolve(self) -> None:
        """Cancels the rest, the last first."""
        for task in reversed(self.tasks):
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)


class Waiter:
    """One that waits in a queue, driven by hand: 100,000 tasks would take longer than what is looked at."""

    def __init__(self, queue: FairQueue, flow: Flow, patience: float) -> None:
        self._wait = queue.wait(
            flow, Counted(patience), joined=lambda: None, give_back=lambda: None
        ).__await__()
        self._future = next(self._wait)

    def cancel(self) -> None:
        """What a task does when it is cancelled."""
        self._future.cancel()
        with pytest.raises(asyncio.CancelledError):
            self._wait.throw(asyncio.CancelledError())

    def end(self) -> bool:
        """What a task does when it is woken."""
        with pytest.raises(StopIteration) as ended:
            next(self._wait)
        return bool(ended.value.value)


async def test_each_costs_little() -> None:
    """Coming, leaving in any order and being served: comparisons grow as n log n, and nothing of who has left
    is kept for long."""
    queue, flow = FairQueue(), Flow()
    Counted.comparisons = 0
    waiters = [Waiter(queue, flow, number * 7919 % MANY) for number in range(MANY)]
    for waiter in waiters[1::2]:
        waiter.cancel()
    assert len(queue) == MANY / 2
    for _ in range(MANY // 4):
        assert queue.release_one()
    assert queue.send_away(math.inf, MANY) == MANY / 4
    assert not queue
    left = waiters[::2]
    assert [waiter.end() for waiter in left] == [number < MANY // 4 for number in range(MANY // 2)]
    for _ in range(1000):
        waiter = Waiter(queue, flow, 1)
        queue.release_one()
        assert waiter.end()
    assert len(queue._hasty) < 100
    assert Counted.comparisons < 2 * MANY * math.log2(MANY)


async def test_a_long_pause_wakes_few_at_a_time() -> None:
    """All leave soon, but the loop goes on meanwhile; repeated pauses don't hurry them."""
    limiter = Limiter(RateLimit(1), 1, clock=ManualClock())
    await limiter.acquire_slot()
    await limiter.take_turn()
    half = ENOUGH // 2
    crowd = Crowd(
        [limiter.acquire_slot(60) for _ in range(half)] + [limiter.take_turn(60) for _ in range(half)]
    )
    await asyncio.sleep(0)
    assert limiter.waiting == ENOUGH
    for _ in range(10):
        limiter.pause(300)
    assert await crowd.most_in_a_step() <= 200
    assert limiter.waiting == crowd.results.count(True) == 0


async def test_the_end_of_a_pause_wakes_few_at_a_time() -> None:
    """Without a rate everybody may go then, but not in one step."""
    clock = ManualClock()
    limiter = Limiter(None, 1, clock=clock)
    limiter.pause(10)
    crowd = Crowd([limiter.take_turn() for _ in range(ENOUGH)])
    await asyncio.sleep(0)
    clock.time = 10
    # A loop's own clock calls a timer whose time has come in its next step.
    ticking = asyncio.ensure_future(tick(clock))
    assert await crowd.most_in_a_step() <= 100
    assert limiter.waiting == 0
    ticking.cancel()


async def tick(clock: ManualClock) -> None:
    """Fires in each step of the loop the timers that are due."""
    while True:
        for _, _, timer in [clock.timers.pop() for _ in clock.timers.copy()]:
            assert timer.callback is not None
            timer.callback()
        await asyncio.sleep(0)


async def test_a_closed_flow_leaves_few_at_a_time() -> None:
    """All of a session's callers leave when it closes; those of another stay in line."""
    limiter = Limiter(None, 1, clock=ManualClock())
    await limiter.acquire_slot()
    closing = Flow()
    crowd = Crowd([limiter.acquire_slot(flow=closing) for _ in range(ENOUGH)])
    others = Crowd([limiter.acquire_slot() for _ in range(10)])
    await asyncio.sleep(0)
    limiter.close(closing)
    assert await crowd.most_in_a_step() <= 200
    assert limiter.waiting == 10
    assert not others.results
    await others.dissolve()
