"""The rate that is learnt from 429s: its rules. How much of a server's rate it gets is in the simulation."""

from __future__ import annotations

import asyncio
import itertools
import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from usersapi_async import Limiter, RateLimit
from usersapi_async._concurrency import Signal
from usersapi_async._pacing import Found, LearntRate

from .clocks import ManualClock, settle


class Sender:
    """Sends one request after the other at the rate that is allowed, each answered after a while."""

    def __init__(self) -> None:
        self.rate = LearntRate()
        self.now = 0.0

    def send(
        self, count: int = 1, *, refused: bool = False, waiting: bool = True, pause: float = 0.0
    ) -> float:
        """So many, all answered alike; the rate that comes of it."""
        for _ in range(count):
            self.now += min(self.rate.interval, 60.0) or 0.01
            self.rate.sent(self.now)
            signal = Signal.LIMITED if refused else Signal.SUCCESS
            self.rate.observe(
                self.now,
                self.now + 0.001,
                signal,
                in_flight=1,
                waiting=waiting,
                paused=pause if refused else 0.0,
            )
            self.now += 0.002 + (pause if refused else 0.0)
        return 1 / self.rate.interval if self.rate.interval else math.inf

    def settle_at(self, rate: float, count: int = 400) -> float:
        """Meets a bucket of that rate and no burst, until it is found."""
        free_at = 0.0
        found = math.inf
        for _ in range(count):
            refused = self.now + (self.rate.interval or 0.01) < free_at
            found = self.send(refused=refused)
            if not refused:
                free_at = self.now + 1 / rate
        return found


def test_no_rate_without_refusals() -> None:
    """As long as nothing was refused with 429, turns don't wait, whatever else fails."""
    sender = Sender()
    assert sender.send(100) == math.inf
    for signal in (Signal.REFUSED, Signal.OTHER):
        for _ in range(10):
            sender.rate.observe(0.0, 0.1, signal, in_flight=9, waiting=True, paused=0.0)
    assert sender.rate.interval == 0.0


def test_one_refusal_is_chance() -> None:
    """A 429 now and then sets no rate; a few in a row do, at about what came through."""
    sender = Sender()
    sender.send(100)
    assert sender.send(2, refused=True) == math.inf
    found = sender.send(2, refused=True)
    assert 20 < found < 110
    assert sender.send() > found


@pytest.mark.parametrize("rate", [0.5, 3.0, 20.0])
def test_it_is_found(rate: float) -> None:
    """From far above, the rate comes near the server's."""
    assert 0.85 * rate < Sender().settle_at(rate) < 1.1 * rate


def test_once_a_round_trip() -> None:
    """Refusals of requests that were sent before the cut say nothing new."""
    sender = Sender()
    sender.settle_at(20)
    before = sender.send()
    began = sender.now
    for late in range(20):
        sender.rate.observe(
            began - 0.01, began + 0.001 * late, Signal.LIMITED, in_flight=20, waiting=True, paused=0.0
        )
    assert before > 1 / sender.rate.interval >= 0.89 * before


def test_growth_gets_faster_where_nothing_was_refused() -> None:
    """When the server allows more than before, the pace is there within some dozens of requests."""
    sender = Sender()
    before = sender.settle_at(5)
    assert sender.send(400) > 4 * before


def test_only_what_waits_makes_it_grow() -> None:
    """Where nobody waited for the rate, a success is no proof that a higher one is good; nor in a pause."""
    sender = Sender()
    sender.settle_at(5)
    before = sender.send()
    assert sender.send(50, waiting=False) == before
    sender.rate.observe(sender.now, sender.now, Signal.SUCCESS, in_flight=1, waiting=True, paused=9.0)
    assert sender.send(0) == before


def test_a_rate_that_nobody_reaches() -> None:
    """A refusal where the rate held nobody back is not blamed on it, unless there are many."""
    sender = Sender()
    sender.settle_at(50)
    before = sender.send(50)
    assert sender.send(refused=True, waiting=False) == before
    assert sender.send(5, refused=True, waiting=False) < 0.9 * before


def test_refusals_that_mean_nothing() -> None:
    """A share that stays whatever the rate doesn't push it down for good."""
    sender = Sender()
    sender.settle_at(20)
    rng = random.Random(1)
    for _ in range(3000):
        sender.send(refused=rng.random() < 0.02)
    assert 1 / sender.rate.interval > 20


def test_each_refusal_costs_a_pause() -> None:
    """Where 429s name a wait, the rate is sought with fewer of them."""
    eager, careful = Sender(), Sender()
    for sender, pause in ((eager, 0.0), (careful, 1.0)):
        sender.settle_at(20)
        sender.send(60)
        sender.send(refused=True, pause=pause)
        sender.send(20)
    assert careful.rate.interval > eager.rate.interval


def test_most_of_the_time_in_pauses() -> None:
    """Ten at once and then a second of pause, again and again: that is ten a second, not a hundred."""
    sender = Sender()
    sender.send(20)
    sender.send(4, refused=True, pause=1.0)
    for _ in range(12):
        sender.send(10)
        sender.send(refused=True, pause=1.0)
    assert 1 / sender.rate.interval < 40


def test_an_outage() -> None:
    """A server that refuses all for minutes is asked now and then; after that the pace is soon as before."""
    sender = Sender()
    before = sender.settle_at(50)
    assert sender.send(100, refused=True) == pytest.approx(0.2)
    assert sender.send() >= 0.4 * before
    assert sender.send(20) > before


@given(
    st.lists(
        st.tuples(st.floats(0, 5), st.floats(0, 5), st.sampled_from(Signal), st.booleans(), st.booleans()),
        max_size=200,
    )
)
def test_bounds(attempts: list[tuple[float, float, Signal, bool, bool]]) -> None:
    """Whatever attempts report, there is a rate above 0, or none."""
    found, now = Found(), 0.0
    for gap, latency, signal, waiting, sent in attempts:
        now += gap
        if sent:
            found.sent(now)
        paused = latency if waiting else 0.0
        found.observe(now, now + latency, signal, in_flight=1, waiting=waiting, paused=paused)
        assert 0 <= found.interval <= 5.001
        assert 1 <= found.limit <= found.most


async def test_turns_are_spread_at_the_rate_that_is_found() -> None:
    """After 429s, turns don't come in waves, however many slots there are; and a known rate still binds."""
    clock = ManualClock()
    limiter = Limiter(RateLimit(50), clock=clock)
    turns: list[float] = []

    async def work() -> None:
        while True:
            await limiter.acquire_slot()
            await limiter.take_turn()
            turns.append(clock.now())
            refused = 20 < len(turns) <= 26
            limiter.observe(clock.now(), 0.0, Signal.LIMITED if refused else Signal.SUCCESS)
            limiter.release_slot()

    tasks = [asyncio.ensure_future(work()) for _ in range(4)]
    await clock.advance(30)
    gaps = [after - before for before, after in itertools.pairwise(turns[26:])]
    assert limiter.rate == pytest.approx(50)
    assert gaps[0] > 0.02
    assert all(later - first >= 1 - 1e-9 for first, later in zip(turns, turns[50:], strict=False))
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def test_who_waits_for_a_turn_is_not_in_flight() -> None:
    """The limit doesn't grow by what waits in a pause, though it has its slots."""
    clock = ManualClock()
    limiter = Limiter(clock=clock)
    for _ in range(limiter.limit):
        await limiter.acquire_slot()
    limiter.pause(60)
    waiting = [asyncio.ensure_future(limiter.take_turn()) for _ in range(limiter.limit - 1)]
    await settle()
    for _ in range(50):
        limiter.observe(clock.now(), 0.1, Signal.SUCCESS)
    assert limiter.limit == 4
    await clock.advance(60)
    assert await asyncio.gather(*waiting) == [True] * 3
    assert limiter.rate == math.inf
