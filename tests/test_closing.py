"""A session that closes: whatever its calls wait for, they end at once, and nobody else's do."""

from __future__ import annotations

import asyncio
import functools
import itertools
import random
from typing import TYPE_CHECKING

import pytest

from usersapi_async import (
    BatchRunner,
    Delivery,
    Failed,
    Limiter,
    OutcomeUnknown,
    RateLimit,
    RetryPolicy,
    SessionError,
    UsersSession,
)
from usersapi_async._timers import Timers
from usersapi_async.emulator import Fault

from .batch.support import people, told
from .clocks import ManualClock
from .servers import until
from .test_session import session

if TYPE_CHECKING:
    from collections.abc import Coroutine
    from pathlib import Path
    from typing import Any

    from usersapi_async.emulator import Emulator

HOURS = 10_000.0
PATIENT = RetryPolicy(base=HOURS, cap=HOURS, max_pause=HOURS, settle=HOURS)


@pytest.fixture
def limiter() -> Limiter:
    """Two slots and a turn an hour, on a clock that nobody moves."""
    return Limiter(RateLimit(1, per=3600), 2, clock=ManualClock())


async def closed_on(users: UsersSession, *work: Coroutine[Any, Any, Any], waiting: int) -> list[Any]:
    """What becomes of calls when the session is closed while so many of them wait in its limiter's lines."""
    async with users:
        calls = [asyncio.ensure_future(one) for one in work]
        await until(lambda: users.limiter.waiting == waiting)
    async with asyncio.timeout(10):
        return await asyncio.gather(*calls, return_exceptions=True)


async def test_in_line(emulator: Emulator, limiter: Limiter) -> None:
    """Calls that wait for a slot or a turn are not sent; those of another session stay where they are."""
    await limiter.take_turn()
    async with session(emulator, limiter=limiter) as other:
        staying = [asyncio.ensure_future(other.create()) for _ in range(3)]
        await until(lambda: limiter.waiting == 3)
        users = session(emulator, limiter=limiter)
        ended = await closed_on(users, *(users.create() for _ in range(3)), waiting=6)
        for error in ended:
            assert isinstance(error, SessionError)
            assert str(error) == "the session is closed; use it within `async with UsersSession(…)`"
            assert (error.delivery, error.action, error.attempts) == (Delivery.NOT_SENT, "create", 0)
        assert (limiter.waiting, limiter.in_flight) == (3, 2)
        assert users.statistics().failed == 3
    await asyncio.gather(*staying, return_exceptions=True)
    assert (limiter.waiting, limiter.in_flight) == (0, 0)
    assert emulator.received.total() == 0


async def test_during_a_pause(emulator: Emulator, limiter: Limiter) -> None:
    """Calls that a server's pause keeps waiting don't wait for its end."""
    limiter.pause(HOURS)
    users = session(emulator, limiter=limiter, retry=PATIENT)
    (error,) = await closed_on(users, users.get_user_list(), waiting=1)
    assert isinstance(error, SessionError)
    assert emulator.received.total() == 0


@pytest.mark.parametrize(
    ("fault", "delivery"),
    [
        (Fault.rate_limited(HOURS), Delivery.NOT_SENT),
        (Fault.rate_limited(), Delivery.NOT_SENT),
        (Fault.unavailable(), Delivery.UNKNOWN),
    ],
)
async def test_between_two_attempts(emulator: Emulator, fault: Fault, delivery: Delivery) -> None:
    """A call that would be repeated in hours is not, and says how often it was sent."""
    emulator.script(fault)
    async with session(emulator, retry=PATIENT, rng=random.Random(0)) as users:
        call = asyncio.ensure_future(users.get_user_list())
        await until(lambda: users._dispatcher.timers._waits)
    async with asyncio.timeout(10):
        with pytest.raises(SessionError) as caught:
            await call
    assert (caught.value.delivery, caught.value.attempts) == (delivery, 1)
    assert emulator.received.total() == 1


async def test_while_a_doubt_settles(emulator: Emulator) -> None:
    """A write that waits until an earlier one can't take effect any more is not sent."""
    async with session(emulator, retry=PATIENT) as users:
        clogin_id = (await users.create()).clogin_id
        emulator.script(Fault.drop_after(), action="update")
        with pytest.raises(OutcomeUnknown):
            await users.update(clogin_id, {"phone": "1"})
        second = asyncio.ensure_future(users.update(clogin_id, {"phone": "2"}))
        await until(lambda: users._dispatcher.timers._waits)
    async with asyncio.timeout(10):
        with pytest.raises(SessionError):
            await second
    assert emulator.received["update"] == 1


async def test_under_way(emulator: Emulator) -> None:
    """What was sent ends as it can, and is not sent again."""
    emulator.script(Fault.slow(60))
    async with session(emulator, retry=PATIENT) as users:
        read = asyncio.ensure_future(users.get_user_list())
        await until(lambda: emulator.received.total())
    async with asyncio.timeout(10):
        with pytest.raises(SessionError) as caught:
            await read
    assert (caught.value.delivery, caught.value.attempts) == (Delivery.UNKNOWN, 1)
    assert emulator.received.total() == 1


@pytest.mark.parametrize(("journal", "waiting", "parked"), [(False, 4, 1), (True, 1, 15)])
async def test_a_batch(
    emulator: Emulator, limiter: Limiter, tmp_path: Path, *, journal: bool, waiting: int, parked: int
) -> None:
    """A batch in which rows wait to be sent, and to be repeated, ends with all of them told; with a journal
    it goes on later with none in doubt."""
    emulator.script(Fault.rate_limited(HOURS))
    rows = [(f"row {number}", row) for number, row in enumerate(people(20))]
    path = tmp_path / "run.db" if journal else None
    async with session(emulator, limiter=limiter, retry=PATIENT) as users:
        runner = BatchRunner(users, concurrency=4)
        working = asyncio.ensure_future(runner.run(rows, journal=path))
        waits = users._dispatcher.timers._waits
        await until(lambda: (limiter.waiting, len(waits)) == (waiting, parked))
    async with asyncio.timeout(10):
        report = await working
    told(report, report.outcomes)
    failed = [outcome for outcome in report.outcomes if isinstance(outcome, Failed)]
    assert [(outcome.index, outcome.attempts) for outcome in failed] == [(0, 1)]
    assert report.stopped_by == "the session is closed; use it within `async with UsersSession(…)`"
    assert report.not_attempted == report.taken - 1
    assert limiter.in_flight == limiter.waiting == 0
    async with session(emulator) as users:
        report = await BatchRunner(users).run(rows, journal=path)
    assert report.succeeded == len(emulator.users) == 20


async def test_waits_end_by_and_by() -> None:
    """Very many waits don't end in one step of the loop; those begun later are none."""
    timers = Timers()
    over: list[int] = []
    for number in range(1000):
        timers.call_later(HOURS, functools.partial(over.append, number))
    timers.call_later(HOURS, over.clear).cancel()
    asleep = asyncio.ensure_future(timers.sleep(HOURS))
    cancelled = asyncio.ensure_future(timers.sleep(HOURS))
    await asyncio.sleep(0)
    cancelled.cancel()
    timers.end()
    steps = [len(over)]
    while not asleep.done():
        await asyncio.sleep(0)
        steps.append(len(over))
    assert over == list(range(1000))
    assert max(after - before for before, after in itertools.pairwise(steps)) <= 100
    assert cancelled.cancelled()
    await timers.sleep(HOURS)


async def test_a_wait_that_is_over() -> None:
    """Waits pass by themselves too, and are forgotten then."""
    timers = Timers()
    over: list[str] = []
    timers.call_later(0.01, lambda: over.append("a"))
    await timers.sleep(0.02)
    assert over == ["a"]
    assert not timers._waits
