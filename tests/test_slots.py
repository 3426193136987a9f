"""How many at a time: slots, first come, first served."""

from __future__ import annotations

import asyncio

import pytest

from usersapi_async import Limiter, RateLimit, SessionError
from usersapi_async._concurrency import Signal

from .clocks import ManualClock, settle


@pytest.fixture
def clock() -> ManualClock:
    """Time that stands still."""
    return ManualClock()


async def test_slots(clock: ManualClock) -> None:
    """So many at a time; a slot given back goes to whoever has waited longest."""
    limiter = Limiter(None, 2, clock=clock)
    order: list[str] = []

    async def work(name: str) -> None:
        await limiter.acquire_slot()
        order.append(name)

    tasks = [asyncio.ensure_future(work(name)) for name in "abcd"]
    await settle()
    assert (order, limiter.in_flight, limiter.limit) == (["a", "b"], 2, 2)
    limiter.release_slot()
    await settle()
    assert (order, limiter.in_flight) == (["a", "b", "c"], 2)
    limiter.release_slot()
    await asyncio.gather(*tasks)
    assert order == ["a", "b", "c", "d"]
    limiter.release_slot()
    limiter.release_slot()
    assert limiter.in_flight == 0


async def test_a_cancelled_slot_goes_to_the_next(clock: ManualClock) -> None:
    """Cancelled while waiting, or with the slot in hand: either way the next gets it."""
    limiter = Limiter(None, 1, clock=clock)
    await limiter.acquire_slot()
    waiting, handed, last = (asyncio.ensure_future(limiter.acquire_slot()) for _ in range(3))
    await settle()
    waiting.cancel()
    await settle()
    limiter.release_slot()
    handed.cancel()
    await settle()
    assert [task.cancelled() for task in (waiting, handed, last)] == [True, True, False]
    assert last.done()
    assert limiter.in_flight == 1
    limiter.release_slot()
    assert limiter.in_flight == 0


async def test_a_newcomer_passes_over_those_who_gave_up(clock: ManualClock) -> None:
    """A free slot is taken at once, whoever has left the queue before."""
    limiter = Limiter(None, 1, clock=clock)
    await limiter.acquire_slot()
    gone = asyncio.ensure_future(limiter.acquire_slot())
    await settle()
    gone.cancel()
    await settle()
    newcomer = asyncio.ensure_future(limiter.acquire_slot())
    await settle()
    assert not newcomer.done()
    limiter.release_slot()
    await newcomer
    assert limiter.in_flight == 1


async def test_a_higher_limit_lets_waiters_in(clock: ManualClock) -> None:
    """What the limiter learns takes effect at once."""
    limiter = Limiter(clock=clock)
    start = limiter.limit
    for _ in range(start):
        await limiter.acquire_slot()
    waiter = asyncio.ensure_future(limiter.acquire_slot())
    await settle()
    assert not waiter.done()
    for _ in range(10):
        limiter.observe(limiter.now(), 0.1, Signal.SUCCESS)
    await waiter
    assert limiter.limit > start
    assert limiter.in_flight == start + 1


async def test_a_long_pause_sends_waiters_away(clock: ManualClock) -> None:
    """Who waits for a slot with less patience than the server's pause lasts leaves at once, without one."""
    limiter = Limiter(None, 1, clock=clock)
    await limiter.acquire_slot()
    hasty, patient, cancelled = (
        asyncio.ensure_future(limiter.acquire_slot(patience)) for patience in (60, 600, 60)
    )
    await settle()
    limiter.pause(300)
    cancelled.cancel()
    await settle()
    assert (hasty.result(), patient.done(), cancelled.cancelled()) == (False, False, True)
    assert not await limiter.acquire_slot(60)
    limiter.release_slot()
    assert await patient
    assert limiter.in_flight == 1


async def test_another_loop() -> None:
    """A limiter serves one event loop: who waits in another would never be woken."""
    limiter = Limiter(RateLimit(1))
    assert await limiter.acquire_slot()

    def elsewhere(wait: str) -> str:
        with pytest.raises(SessionError) as caught:
            asyncio.run(getattr(limiter, wait)())
        return str(caught.value)

    for wait in ("acquire_slot", "take_turn"):
        assert "belongs to another event loop" in await asyncio.to_thread(elsewhere, wait)
