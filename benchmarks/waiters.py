"""What very many waiters cost, and whether the loop goes on meanwhile: ``python -m benchmarks.waiters``.

Waiters come a hundred in each step of the loop, so that what their tasks cost in one step hides nothing. A
row gives the cost of a waiter, its task included, and the longest that the loop was kept from going on: both
in CPU time, so that they don't depend on what else the machine does, and without the garbage collector, which
looks at all tasks in one step, whatever they wait for (``--gc`` leaves it on). ``asyncio.Semaphore``, the
standard library's own line of waiters, stands beside where it can do the same.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import time
from collections.abc import Awaitable, Callable

from usersapi_async import Limiter, RateLimit
from usersapi_async._queue import Flow

_CHUNK = 100
_SLOTS = 64


class Lag:
    """The longest that the loop was kept from going on while it is watched, in seconds of CPU time."""

    def __init__(self) -> None:
        self._worst = 0.0
        self._task = asyncio.ensure_future(self._watch())

    async def _watch(self) -> None:
        while True:
            began = time.process_time()
            await asyncio.sleep(0.001)
            self._worst = max(self._worst, time.process_time() - began)

    def stop(self) -> float:
        """What it was."""
        self._task.cancel()
        return self._worst


class Crowd:
    """Tasks that wait, and the end of the last of them; ``gather`` would look at all in one step."""

    def __init__(self, wait: Callable[[], Awaitable[object]]) -> None:
        self._wait = wait
        self._tasks: list[asyncio.Task[None]] = []
        self._last = asyncio.Event()
        self.ended = 0

    async def _run(self) -> None:
        try:
            await self._wait()
        finally:
            self.ended += 1
            if self.ended == len(self._tasks):
                self._last.set()

    async def come(self, count: int) -> None:
        """So many begin to wait."""
        while len(self._tasks) < count:
            few = min(_CHUNK, count - len(self._tasks))
            self._tasks += [asyncio.ensure_future(self._run()) for _ in range(few)]
            await asyncio.sleep(0)

    async def leave(self) -> None:
        """All give up, those first who came last: the worst order for a list."""
        for number, task in enumerate(reversed(self._tasks)):
            task.cancel()
            if number % _CHUNK == 0:
                await asyncio.sleep(0)

    async def go(self) -> None:
        """Waits until all of them have ended."""
        await self._last.wait()


async def served(count: int) -> None:
    """Each gets a slot, and gives it back in the next step."""
    limiter = Limiter(None, _SLOTS)

    async def work() -> None:
        await limiter.acquire_slot(300)
        await asyncio.sleep(0)
        limiter.release_slot()

    held = [await limiter.acquire_slot() for _ in range(_SLOTS)]
    crowd = Crowd(work)
    await crowd.come(count)
    for _ in held:
        limiter.release_slot()
    await crowd.go()


async def served_by_semaphore(count: int) -> None:
    """The same with the standard library's means."""
    semaphore = asyncio.Semaphore(_SLOTS)

    async def work() -> None:
        async with semaphore:
            await asyncio.sleep(0)

    held = [await semaphore.acquire() for _ in range(_SLOTS)]
    crowd = Crowd(work)
    await crowd.come(count)
    for _ in held:
        semaphore.release()
    await crowd.go()


async def cancelled(count: int) -> None:
    """All of them give up."""
    limiter = Limiter(None, 1)
    await limiter.acquire_slot()
    crowd = Crowd(lambda: limiter.acquire_slot(300))
    await crowd.come(count)
    await crowd.leave()
    await crowd.go()


async def cancelled_at_semaphore(count: int) -> None:
    """The same with the standard library's means."""
    semaphore = asyncio.Semaphore(1)
    await semaphore.acquire()
    crowd = Crowd(semaphore.acquire)
    await crowd.come(count)
    await crowd.leave()
    await crowd.go()


async def paused(count: int) -> None:
    """A pause comes that is too long for all of them, and is repeated by a hundred answers."""
    limiter = Limiter(None, 1)
    await limiter.acquire_slot()
    crowd = Crowd(lambda: limiter.acquire_slot(300))
    await crowd.come(count)
    for _ in range(100):
        limiter.pause(600)
    await crowd.go()


async def closed(count: int) -> None:
    """Their session closes."""
    limiter, flow = Limiter(None, 1), Flow()
    await limiter.acquire_slot()
    crowd = Crowd(lambda: limiter.acquire_slot(300, flow))
    await crowd.come(count)
    limiter.close(flow)
    await crowd.go()


async def resumed(count: int) -> None:
    """A pause ends, and nothing else bounds them."""
    limiter = Limiter()
    limiter.pause(count * 1e-4)
    crowd = Crowd(limiter.take_turn)
    await crowd.come(count)
    await crowd.go()


CASES: list[tuple[str, Callable[[int], Awaitable[None]]]] = [
    ("served, slot by slot", served),
    ("  asyncio.Semaphore", served_by_semaphore),
    ("cancelled, the last first", cancelled),
    ("  asyncio.Semaphore", cancelled_at_semaphore),
    ("sent away by a pause", paused),
    ("sent away by a close", closed),
    ("let go by a pause's end", resumed),
]


async def measure(case: Callable[[int], Awaitable[None]], count: int) -> tuple[float, float]:
    """Seconds that a waiter costs, and the worst lag."""
    gc.collect()
    lag, began = Lag(), time.process_time()
    await case(count)
    return (time.process_time() - began) / count, lag.stop()


async def rate(count: int, per_second: float, seconds: float) -> tuple[float, float]:
    """The share of the allowance that is used while so many wait, and the longest lag meanwhile."""
    limiter, loop = Limiter(RateLimit(per_second), 1), asyncio.get_running_loop()
    crowd = Crowd(limiter.take_turn)
    await crowd.come(count)
    gc.collect()
    lag, began, before = Lag(), loop.time(), crowd.ended
    await asyncio.sleep(seconds)
    used, took = crowd.ended - before, loop.time() - began
    worst = lag.stop()
    await crowd.leave()
    await crowd.go()
    return used / (took * per_second), worst


def main() -> None:
    """Runs every case and prints the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--waiters", type=int, nargs="+", default=[1_000, 10_000, 100_000])
    parser.add_argument("--seconds", type=float, default=2.0, help="how long a rate is watched")
    parser.add_argument("--gc", action="store_true", help="leave the garbage collector on")
    options = parser.parse_args()
    if not options.gc:
        gc.disable()
    print(f"{'cost of a waiter, longest lag':<30}" + "".join(f"{count:>22,}" for count in options.waiters))
    for name, case in CASES:
        cells = ""
        for count in options.waiters:
            cost, worst = asyncio.run(measure(case, count))
            cells += f"{1e6 * cost:>10.1f} us {1000 * worst:>5.1f} ms"
        print(f"{name:<30}{cells}")
    print(f"{'share of a rate, longest lag':<30}" + "".join(f"{count:>22,}" for count in options.waiters))
    for per_second in (100.0, 1000.0):
        cells = ""
        for count in options.waiters:
            if count < 2 * options.seconds * per_second:
                cells += f"{'too few':>22}"
                continue
            share, worst = asyncio.run(rate(count, per_second, options.seconds))
            cells += f"{100 * share:>11.1f} % {1000 * worst:>5.1f} ms"
        print(f"{per_second:>6g} a second{'':<15}{cells}")


if __name__ == "__main__":
    main()
