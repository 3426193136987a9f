"""The rate, the slots and the server's pauses, on a clock that the test moves."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from usersapi_async import ConfigurationError, Limiter, RateLimit

from .clocks import ManualClock, settle


class Crowd:
    """Callers of one limiter, and when each got its turn."""

    def __init__(self, limiter: Limiter, clock: ManualClock) -> None:
        self.limiter = limiter
        self.clock = clock
        self.turns: list[tuple[str, float]] = []

    async def _turn(self, name: str) -> None:
        assert await self.limiter.take_turn()
        self.turns.append((name, round(self.clock.now(), 6)))

    def come(self, *names: str) -> list[asyncio.Task[None]]:
        """Callers that take a turn, in this order."""
        return [asyncio.ensure_future(self._turn(name)) for name in names]


@pytest.fixture
def clock() -> ManualClock:
    """Time that the test moves."""
    return ManualClock()


def crowd(clock: ManualClock, rate: RateLimit | None) -> Crowd:
    """Callers of a limiter with this rate."""
    return Crowd(Limiter(rate, 10, clock=clock), clock)


async def test_no_limit_no_wait(clock: ManualClock) -> None:
    """Without a rate and a pause every turn comes at once."""
    callers = crowd(clock, None)
    await asyncio.gather(*callers.come("a", "b", "c"))
    assert callers.turns == [("a", 0), ("b", 0), ("c", 0)]
    assert not clock.timers


def test_the_highest_limit() -> None:
    """A limit that was given is the highest there is; one that is found has a bound."""
    assert (Limiter(concurrency=7).most, Limiter().most) == (7, 100)


async def test_turns_are_spread_evenly(clock: ManualClock) -> None:
    """A rate hands out one turn each interval, first come, first served, and keeps no burst."""
    callers = crowd(clock, RateLimit(2, per=1))
    tasks = callers.come(*"abcd")
    await clock.advance(10)
    await asyncio.gather(*tasks)
    assert callers.turns == [("a", 0), ("b", 0.5), ("c", 1), ("d", 1.5)]
    late = callers.come(*"ef")
    await clock.advance(0)
    assert callers.turns[4:] == [("e", 10)]
    await clock.advance(1)
    assert callers.turns[5:] == [("f", 10.5)]
    await asyncio.gather(*late)


async def test_a_newcomer_queues(clock: ManualClock) -> None:
    """Whoever comes while others wait comes after them, even when a turn is free by then."""
    callers = crowd(clock, RateLimit(1))
    tasks = callers.come(*"ab")
    await settle()
    clock.time = 5.0
    tasks += callers.come("c")
    await settle()
    assert callers.turns == [("a", 0)]
    await clock.advance(10)
    assert [name for name, _ in callers.turns] == ["a", "b", "c"]
    await asyncio.gather(*tasks)


@given(
    st.floats(min_value=0.5, max_value=1000),
    st.lists(st.floats(min_value=0, max_value=3), min_size=1, max_size=60),
)
def test_the_rate_is_never_exceeded(count: float, gaps: list[float]) -> None:
    """In no span of time are there more turns than the rate allows."""

    async def run() -> list[float]:
        clock = ManualClock()
        callers = crowd(clock, RateLimit(count))
        tasks = []
        for gap in gaps:
            tasks += callers.come("x")
            await clock.advance(gap / count)
        await clock.advance(len(gaps) / count + 1)
        await asyncio.gather(*tasks)
        return [when for _, when in callers.turns]

    turns = asyncio.run(run())
    assert len(turns) == len(gaps)
    for first in range(len(turns)):
        for last in range(first, len(turns)):
            span = turns[last] - turns[first]
            assert last - first + 1 <= span * count + 1 + 1e-5 * count


async def test_a_late_timer_is_made_up_for(clock: ManualClock) -> None:
    """A turn that came late delays none of those behind it but that which would be one too many in a window;
    never is more than one interval made up for."""
    callers = crowd(clock, RateLimit(2, per=1))
    tasks = callers.come(*"abcdefg")
    await settle()
    await fire_late(clock, 0.9)
    await clock.advance(0.1)
    assert callers.turns == [("a", 0), ("b", 0.9), ("c", 1)]
    await clock.advance(1)
    assert callers.turns[3:] == [("d", 1.9), ("e", 2)]
    await fire_late(clock, 7.5)
    assert callers.turns[5:] == [("f", 7.5), ("g", 7.5)]
    tasks += callers.come("h")
    await clock.advance(1)
    assert callers.turns[7:] == [("h", 8.5)]
    await asyncio.gather(*tasks)


async def fire_late(clock: ManualClock, when: float) -> None:
    """Fires the next timer at a time that lies behind its own."""
    clock.time = when
    await clock.advance(0)


async def test_a_cancelled_waiter_leaves_its_turn(clock: ManualClock) -> None:
    """Who gives up while waiting costs nobody anything."""
    callers = crowd(clock, RateLimit(1))
    first, second, third = callers.come(*"abc")
    await settle()
    second.cancel()
    await clock.advance(1)
    assert callers.turns == [("a", 0), ("c", 1)]
    await asyncio.gather(first, third)


async def test_a_turn_cancelled_at_the_last_moment_goes_to_the_next(clock: ManualClock) -> None:
    """A turn that was given to somebody who is cancelled before using it is given back."""
    callers = crowd(clock, RateLimit(1))
    first, second, third = callers.come(*"abc")
    await settle()
    clock.time = 1.0
    callback = clock.timers.pop()[2].callback
    assert callback is not None
    callback()
    second.cancel()
    await settle()
    assert callers.turns == [("a", 0), ("c", 1)]
    await asyncio.gather(first, third)
    assert second.cancelled()


async def test_a_cancelled_turn_without_a_rate(clock: ManualClock) -> None:
    """After a pause nothing has to be given back, and the others still go."""
    callers = crowd(clock, None)
    callers.limiter.pause(5)
    first, second = callers.come(*"ab")
    await settle()
    clock.time = 5.0
    callback = clock.timers.pop()[2].callback
    assert callback is not None
    callback()
    first.cancel()
    await settle()
    assert callers.turns == [("b", 5)]
    await second


async def test_everyone_gave_up(clock: ManualClock) -> None:
    """A timer that finds nobody waiting does no harm."""
    callers = crowd(clock, RateLimit(1))
    first, second = callers.come(*"ab")
    await settle()
    second.cancel()
    await clock.advance(3)
    assert callers.turns == [("a", 0)]
    await asyncio.gather(first, *callers.come("c"))
    assert callers.turns == [("a", 0), ("c", 3)]


async def test_pauses(clock: ManualClock) -> None:
    """Nobody gets a turn during a pause, those who wait already included; the longest pause holds."""
    callers = crowd(clock, RateLimit(1))
    tasks = callers.come(*"ab")
    await clock.advance(0.5)
    callers.limiter.pause(10)
    callers.limiter.pause(2)
    assert callers.limiter.paused_for == 10
    tasks += callers.come("c")
    await clock.advance(10)
    assert callers.turns == [("a", 0), ("b", 10.5)]
    assert callers.limiter.paused_for == 0
    await clock.advance(1)
    assert callers.turns[2:] == [("c", 11.5)]
    await asyncio.gather(*tasks)


async def test_patience(clock: ManualClock) -> None:
    """A pause longer than one accepts sends one away without a turn; the others keep theirs."""
    limiter = Limiter(RateLimit(1), 10, clock=clock)
    limiter.pause(10)
    short, long, gone = (asyncio.ensure_future(limiter.take_turn(patience)) for patience in (20, 60, 20))
    await settle()
    gone.cancel()
    await settle()
    limiter.pause(30)
    assert await short is False
    assert await limiter.take_turn(29) is False
    late = asyncio.ensure_future(limiter.take_turn(30))
    await clock.advance(30)
    assert await long is True
    await clock.advance(1)
    assert await late is True


async def test_sent_away_and_cancelled(clock: ManualClock) -> None:
    """Who is cancelled when it has just been sent away has no turn to give back."""
    limiter = Limiter(RateLimit(1), 10, clock=clock)
    await limiter.take_turn()
    waiter = asyncio.ensure_future(limiter.take_turn(20))
    await settle()
    limiter.pause(30)
    waiter.cancel()
    await settle()
    assert waiter.cancelled()
    await clock.advance(30)
    first, second = (asyncio.ensure_future(limiter.take_turn()) for _ in range(2))
    await settle()
    assert (first.done(), second.done()) == (True, False)
    await clock.advance(1)
    assert second.done()


async def test_the_loops_clock() -> None:
    """Without a clock of its own a limiter goes by the event loop's time."""
    limiter = Limiter(RateLimit(1000))
    loop = asyncio.get_running_loop()
    began = loop.time()
    assert began <= limiter.now() <= loop.time()
    for _ in range(5):
        await limiter.take_turn()
    assert loop.time() - began >= 0.003
    limiter.pause(60)
    assert 59 < limiter.paused_for <= 60


@pytest.mark.parametrize(
    ("build", "named"),
    [
        (lambda: RateLimit(0), "count"),
        (lambda: RateLimit(-1), "count"),
        (lambda: RateLimit(True), "count"),
        (lambda: RateLimit(1, per=0), "per"),
        (lambda: RateLimit(1, per=float("inf")), "per"),
        (lambda: RateLimit("5"), "count"),  # type: ignore[arg-type]
        (lambda: Limiter(5), "rate"),  # type: ignore[arg-type]
        (lambda: Limiter(None, 0), "concurrency"),
        (lambda: Limiter(None, True), "concurrency"),
        (lambda: Limiter(None, "many"), "concurrency"),  # type: ignore[arg-type]
    ],
)
def test_arguments(build: Any, named: str) -> None:
    """What can't be right names its argument."""
    with pytest.raises(ConfigurationError) as caught:
        build()
    assert str(caught.value).startswith(f"{named}: expected ")
