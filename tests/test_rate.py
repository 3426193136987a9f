"""The bound of a rate: kept in every window, and used up while there is work, however late timers fire."""

from __future__ import annotations

import asyncio
import functools
import math
import random
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from usersapi_async import Limiter, RateLimit
from usersapi_async.emulator import Fault
from usersapi_async.rate import Schedule

from .clocks import LateClock, ManualClock, ManualTimer, settle
from .servers import until
from .test_session import session

if TYPE_CHECKING:
    from usersapi_async.emulator import Emulator

RATES = st.builds(
    RateLimit,
    st.one_of(st.integers(1, 40), st.floats(0.2, 40)),
    per=st.sampled_from([0.02, 1.0, 3.0, 60.0]),
)
PORTIONS = st.one_of(st.just(0.0), st.floats(0, 0.5), st.floats(0, 5))
"""Times, in intervals of the rate: none, short ones, and some that are longer than an interval."""


def assert_kept(rate: RateLimit, turns: Sequence[float]) -> None:
    """No window holds more turns than allowed; those that begin with a turn hold the most."""
    most = math.ceil(rate.count)
    for turn, beyond in zip(turns, turns[most:], strict=False):
        assert beyond - turn >= rate.per * (1 - 1e-9)


@given(RATES, st.lists(st.tuples(PORTIONS, PORTIONS, st.integers(0, 3), st.booleans()), max_size=150))
def test_no_window_holds_more(rate: RateLimit, steps: list[tuple[float, float, int, bool]]) -> None:
    """Turns are taken late and used later still, several together, some are given back: the bound holds."""
    schedule = Schedule(rate)
    now, unused, used = 0.0, 0, []
    for late, later, together, kept in steps:
        now = max(now, schedule.ready_at()) + late * rate.interval
        while unused <= together and schedule.ready_at() <= now:
            schedule.take(now, -math.inf)
            unused += 1
        now += later * rate.interval
        for _ in range(unused):
            if kept:
                schedule.use(now)
                used.append(now)
            else:
                schedule.give_back()
        unused = 0
    assert_kept(rate, used)


def give_up(task: asyncio.Task[None]) -> None:
    """Cancels it."""
    task.cancel()


@given(RATES, st.lists(st.tuples(PORTIONS, PORTIONS), min_size=1, max_size=60), st.randoms())
def test_callers(rate: RateLimit, callers: list[tuple[float, float]], rng: random.Random) -> None:
    """Whoever comes and gives up when, and however late timers fire: the bound holds, and the order."""

    async def run() -> list[tuple[int, float]]:
        clock = LateClock(lambda: rng.choice([0, 0.1, 0.9, 3]) * rate.interval)
        limiter = Limiter(rate, 10, clock=clock)
        turns: list[tuple[int, float]] = []

        async def call(number: int) -> None:
            await limiter.take_turn()
            turns.append((number, clock.now()))

        tasks = []
        for number, (gap, patience) in enumerate(callers):
            task = asyncio.ensure_future(call(number))
            tasks.append(task)
            if patience < 0.5:
                clock.call_at(clock.time + patience * rate.interval, functools.partial(give_up, task))
            await clock.advance(gap * rate.interval)
        await clock.advance(6 * len(callers) * rate.interval)
        assert all(task.done() for task in tasks)
        return turns

    turns = asyncio.run(run())
    assert turns == sorted(turns)
    assert_kept(rate, [when for _, when in turns])


async def turns_in(seconds: float, limiter: Limiter, clock: ManualClock) -> list[float]:
    """When turns came while there always were enough that waited for one."""
    turns: list[float] = []

    async def work() -> None:
        while True:
            await limiter.take_turn()
            turns.append(clock.now())

    workers = [asyncio.ensure_future(work()) for _ in range(100)]
    await clock.advance(seconds)
    for worker in workers:
        worker.cancel()
    await asyncio.gather(*workers, return_exceptions=True)
    return turns


@pytest.mark.parametrize("rate", [RateLimit(1), RateLimit(7.5), RateLimit(100), RateLimit(600, per=60)])
async def test_the_whole_allowance(rate: RateLimit) -> None:
    """Not a turn is lost while there is work."""
    clock = ManualClock()
    turns = await turns_in(100 * rate.interval, Limiter(rate, 10, clock=clock), clock)
    assert turns == pytest.approx([number * rate.interval for number in range(101)])
    assert_kept(rate, turns)


def hiccups(rng: random.Random) -> float:
    """Mostly a millisecond or two, and sometimes what collecting garbage takes."""
    return rng.uniform(0.02, 0.05) if rng.random() < 0.02 else rng.uniform(0, 0.002)


@pytest.mark.parametrize(
    ("rate", "lateness"),
    [
        (RateLimit(1), lambda rng: rng.uniform(0, 0.01)),
        (RateLimit(10), lambda rng: rng.uniform(0, 0.01)),
        (RateLimit(10, per=60), lambda rng: rng.uniform(0, 0.5)),
        (RateLimit(200), lambda rng: rng.uniform(0, 0.01)),
        (RateLimit(200), hiccups),
        (RateLimit(1000), hiccups),
    ],
)
async def test_late_timers_hardly_cost(rate: RateLimit, lateness: Callable[[random.Random], float]) -> None:
    """At least 99 % of the allowance is used, and the bound holds."""
    rng = random.Random(1)
    clock = LateClock(lambda: lateness(rng))
    seconds = max(10 * rate.per, 200 * rate.interval)
    turns = await turns_in(seconds, Limiter(rate, 10, clock=clock), clock)
    assert len(turns) >= 0.99 * seconds / rate.interval
    assert_kept(rate, turns)


async def test_what_may_come_at_once() -> None:
    """After a busy time of the loop, what fell due in its last 50 ms comes with the turn that is due; after a
    rest or a pause nothing does."""
    clock = ManualClock()
    limiter = Limiter(RateLimit(100), 10, clock=clock)
    times: list[float] = []

    async def call() -> None:
        await limiter.take_turn()
        times.append(round(clock.now(), 6))

    tasks = [asyncio.ensure_future(call()) for _ in range(10)]
    await settle()
    clock.time = 0.2
    await clock.advance(0)
    assert times == [0] + 6 * [0.2]
    await clock.advance(0.02)
    assert times[7:] == [0.21, 0.22]
    await clock.advance(5)
    tasks += [asyncio.ensure_future(call()) for _ in range(2)]
    await clock.advance(0.01)
    assert times[10:] == [5.22, 5.23]
    limiter.pause(3)
    tasks += [asyncio.ensure_future(call()) for _ in range(2)]
    await clock.advance(3.01)
    assert times[12:] == [8.23, 8.24]
    await asyncio.gather(*tasks)


class InTheMidst(ManualClock):
    """A clock that lets something happen just after each timer, before anybody that it woke runs."""

    def __init__(self, happens: Callable[[], object]) -> None:
        super().__init__()
        self._happens = happens

    def call_at(self, when: float, callback: Callable[[], None]) -> ManualTimer:
        """A timer with a consequence."""

        def fire() -> None:
            callback()
            self._happens()

        return super().call_at(when, fire)


async def test_a_turn_counts_from_its_use() -> None:
    """A loop that is busy between giving a turn and its use makes no window too full."""

    def be_busy() -> None:
        clock.time += rng.uniform(0, 0.4)

    rng = random.Random(1)
    clock = InTheMidst(be_busy)
    limiter = Limiter(RateLimit(3), 10, clock=clock)
    assert_kept(RateLimit(3), await turns_in(30, limiter, clock))


@given(st.integers(1, 5), st.lists(st.integers(0, 4), max_size=40))
def test_who_gives_up_costs_no_turn(count: int, which: list[int]) -> None:
    """Whoever gives up, also with the turn just given, costs the others nothing."""

    async def run() -> None:
        waiting: list[asyncio.Task[bool]] = []
        given_up: list[asyncio.Task[bool]] = []
        times: list[float] = []

        def give_up() -> None:
            if which and waiting:
                given_up.append(waiting.pop(min(which.pop(), len(waiting) - 1)))
                given_up[-1].cancel()

        async def call() -> bool:
            await limiter.take_turn()
            times.append(clock.now())
            waiting.remove(asyncio.current_task())  # type: ignore[arg-type]  # it runs in a task
            return True

        clock = InTheMidst(give_up)
        limiter = Limiter(RateLimit(count), 10, clock=clock)
        waiting.extend(asyncio.ensure_future(call()) for _ in range(50))
        everybody = waiting.copy()
        await clock.advance(51 / count)
        assert not waiting
        assert times == pytest.approx([number / count for number in range(50 - len(given_up))])
        done = await asyncio.gather(*everybody, return_exceptions=True)
        assert done.count(True) == 50 - len(given_up)

    asyncio.run(run())


async def test_every_attempt_takes_a_turn(emulator: Emulator) -> None:
    """A retry waits for a turn like the first attempt."""
    clock = ManualClock()
    limiter = Limiter(RateLimit(1), clock=clock)
    emulator.script(Fault.error(), Fault.rate_limited())
    async with session(emulator, limiter=limiter) as users:
        call = asyncio.ensure_future(users.get_user_list())
        for attempt in (1, 2):
            await until(lambda: limiter.waiting == 1)
            assert emulator.received["get_user_list"] == attempt
            await clock.advance(1)
        await call
    assert emulator.received["get_user_list"] == 3
