"""Retry-After: waited out in full, by everyone who shares the pace, never beyond what one accepts."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import TYPE_CHECKING

import pytest

from usersapi_async import Delivery, Limiter, RateLimited, RetryPolicy, ServerError, UsersSession
from usersapi_async.emulator import Fault

from .clocks import ManualClock, settle
from .servers import answer, answering, raw_server, until
from .test_session import on, session

if TYPE_CHECKING:
    from usersapi_async.emulator import Emulator


async def test_the_wait_is_obeyed(emulator: Emulator, users: UsersSession) -> None:
    """The next attempt comes no sooner than the server said."""
    loop = asyncio.get_running_loop()
    emulator.script(Fault.rate_limited(0.08))
    began = loop.time()
    await users.create()
    assert loop.time() - began >= 0.08
    assert emulator.executed["create"] == 1


@pytest.mark.parametrize("fault", [Fault.rate_limited(30), Fault.unavailable(30)])
async def test_everyone_waits(emulator: Emulator, fault: Fault) -> None:
    """Another call, and another session with the same limiter, wait too; by the limiter's own clock."""
    clock = ManualClock()
    limiter = Limiter(clock=clock)
    once = RetryPolicy(attempts=1)
    emulator.script(fault)
    async with (
        session(emulator, limiter=limiter, retry=once) as first,
        session(emulator, limiter=limiter, retry=once) as second,
    ):
        with pytest.raises((RateLimited, ServerError)) as caught:
            await first.get_user_list()
        assert getattr(caught.value, "retry_after", None) == 30
        assert limiter.paused_for == 30
        others = [asyncio.ensure_future(users.get_user_list()) for users in (first, second)]
        await clock.advance(29.9)
        assert emulator.received["get_user_list"] == 1
        await clock.advance(0.2)
        await asyncio.gather(*others)
    assert emulator.received["get_user_list"] == 3


async def test_dates_go_by_the_servers_clock() -> None:
    """A date means what it means where the answer comes from, whatever this machine's clock says."""
    elsewhere = datetime(2001, 2, 3, 4, 5, 6, tzinfo=UTC)
    headers = [
        f"{name}: {format_datetime(elsewhere.replace(second=second), usegmt=True)}"
        for name, second in (("Date", 6), ("Retry-After", 26))
    ]
    limited = answer({"success": False}, *headers, status="429 Too Many Requests")
    async with raw_server(answering(limited)) as server, on(server.url) as users:
        once = users.with_options(retry=RetryPolicy(attempts=1))
        with pytest.raises(RateLimited) as caught:
            await once.create()
        assert caught.value.retry_after == 20
        assert 19 < users.limiter.paused_for <= 20


async def test_a_pause_too_long(emulator: Emulator) -> None:
    """Beyond ``max_pause`` a call fails at once with the time, and so does each that comes after it."""
    emulator.script(Fault.rate_limited(3600))
    async with session(emulator, retry=RetryPolicy(max_pause=300)) as users:
        with pytest.raises(RateLimited) as first:
            await users.create()
        with pytest.raises(RateLimited, match="pause that still lasts 3600 s") as second:
            await users.create()
        patient = users.with_options(retry=RetryPolicy(max_pause=4000))
        waiting = asyncio.ensure_future(patient.create())
        await settle()
        assert not waiting.done()
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
    assert (first.value.delivery, first.value.attempts, first.value.retry_after) == (
        Delivery.REFUSED,
        1,
        3600,
    )
    assert (second.value.delivery, second.value.attempts) == (Delivery.NOT_SENT, 0)
    assert 3590 < (second.value.retry_after or 0) <= 3600
    assert emulator.received["create"] == 1


async def test_a_pause_too_long_for_those_who_wait(emulator: Emulator) -> None:
    """Calls that were waiting for their turn when the pause came fail at once too."""
    clock = ManualClock()
    limiter = Limiter(clock=clock)
    async with session(emulator, limiter=limiter, retry=RetryPolicy(max_pause=300)) as users:
        limiter.pause(10)
        waiting = asyncio.ensure_future(users.create())
        await settle()
        limiter.pause(3600)
        await until(waiting.done)
        with pytest.raises(RateLimited) as caught:
            await waiting
    assert (caught.value.delivery, caught.value.retry_after) == (Delivery.NOT_SENT, 3600)
    assert limiter.in_flight == 0
    assert emulator.received.total() == 0


async def test_no_wait_is_no_pause(emulator: Emulator, users: UsersSession) -> None:
    """A wait of nothing, or one that can't be read, leaves the backoff alone."""
    emulator.script(Fault.rate_limited(0), Fault.rate_limited("soon"))
    await users.create()
    assert emulator.received["create"] == 3
