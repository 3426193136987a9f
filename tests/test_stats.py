"""What a session says of itself in numbers."""

from __future__ import annotations

import asyncio
import json
import math
import random
from typing import TYPE_CHECKING

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from usersapi_async import (
    BatchRunner,
    Create,
    Credentials,
    Latency,
    Limiter,
    OutcomeUnknown,
    Pace,
    Pool,
    RateLimit,
    RetryPolicy,
    ServerError,
    UsersSession,
)
from usersapi_async.emulator import Fault
from usersapi_async.stats import Recorder

from .clocks import ManualClock
from .servers import until
from .test_session import session

if TYPE_CHECKING:
    from usersapi_async.emulator import Emulator


async def test_a_new_session() -> None:
    """Everything is nought before anything is sent, also before the session is open."""
    users = UsersSession(Credentials(1, "a", "t"), concurrency=7, connections=5)
    assert attrs.asdict(users.statistics(), recurse=False) == {
        "limit": 7,
        "in_flight": 0,
        "waiting": 0,
        "paused_for": 0,
        "pace": Pace(limit=7),
        "calls": 0,
        "succeeded": 0,
        "failed": 0,
        "in_doubt": 0,
        "abandoned": 0,
        "attempts": 0,
        "retries": 0,
        "refusals": 0,
        "rate": 0,
        "latency": None,
        "retry_budget": 100,
        "pool": Pool(open=0, in_use=0, limit=5),
    }
    assert users.statistics().under_way == 0


async def test_calls_and_attempts(emulator: Emulator) -> None:
    """Each call ends in one way, and each attempt is counted with what it was; views count together."""
    clock = ManualClock()
    policy = RetryPolicy(base=0, settle=0, attempts=2, budget_burst=50)
    async with session(emulator, limiter=Limiter(clock=clock), retry=policy) as users:
        emulator.script(Fault.rate_limited())
        await users.create()
        emulator.script(Fault.unavailable(), Fault.error())
        with pytest.raises(ServerError):
            await users.get_user_list()
        emulator.script(Fault.drop_after())
        with pytest.raises(OutcomeUnknown):
            await users.with_options(group_id=emulator.group_id).create()
        emulator.script(Fault.slow(20))
        abandoned = asyncio.ensure_future(users.create())
        await until(lambda: emulator.received["create"] == 4)
        now = users.statistics()
        assert (now.in_flight, now.under_way, now.pool.in_use) == (1, 1, 1)
        abandoned.cancel()
        await asyncio.gather(abandoned, return_exceptions=True)
        now = users.statistics()
        assert (now.calls, now.succeeded, now.failed, now.in_doubt, now.abandoned) == (4, 1, 1, 1, 1)
        assert (now.attempts, now.retries, now.refusals, now.under_way) == (6, 2, 2, 0)
        assert now.retry_budget == pytest.approx(50 - 2 + 3 * 0.1)
        assert now.latency == Latency(p50=0, p90=0, p99=0, attempts=5)
        assert (now.limit, now.pace) == (users.limiter.limit, users.limiter.pace)


async def test_who_waits(emulator: Emulator) -> None:
    """Calls that wait for a slot, a turn or the end of a pause are told, and how long that lasts."""
    clock = ManualClock()
    async with session(emulator, limiter=Limiter(RateLimit(1), 3, clock=clock)) as users:
        users.limiter.pause(10)
        calls = [asyncio.ensure_future(users.get_user_list()) for _ in range(5)]
        await until(lambda: users.statistics().waiting == 5)
        now = users.statistics()
        assert (now.in_flight, now.limit, now.paused_for, now.under_way) == (3, 3, 10, 5)
        for _ in range(5):
            await clock.advance(10)
            await until(lambda: users.statistics().waiting + emulator.received.total() == 5)
        await asyncio.gather(*calls)
        now = users.statistics()
        assert (now.waiting, now.paused_for, now.under_way) == (0, 0, 0)


async def test_a_batch_counts_too(emulator: Emulator, users: UsersSession) -> None:
    """A batch's rows are calls of its session."""
    await BatchRunner(users).run(Create() for _ in range(30))
    now = users.statistics()
    assert (now.calls, now.succeeded, now.attempts) == (30, 30, 30)
    assert now.latency is not None
    assert 0 < now.latency.p50 <= now.latency.p90 <= now.latency.p99
    assert now.rate > 0


@pytest.mark.usefixtures("any_transport")
async def test_the_pool(emulator: Emulator) -> None:
    """Connections that are used, kept and gone, those of the other pool too, and after the session's end."""
    async with session(emulator, connections=3) as users:
        emulator.script(*[Fault.slow(0.2)] * 2)
        calls = [asyncio.ensure_future(users.create()) for _ in range(2)]
        await until(lambda: emulator.received["create"] == 2)
        assert users.statistics().pool == Pool(open=2, in_use=2, limit=3)
        await asyncio.gather(*calls)
        assert users.statistics().pool == Pool(open=2, in_use=0, limit=3)
        emulator.script(Fault.drop_before(), Fault.slow(0.2))
        read = asyncio.ensure_future(users.get_user_list())
        await until(lambda: emulator.received["get_user_list"] == 2)
        assert users.statistics().pool == Pool(open=2, in_use=1, limit=3)
        await read
        assert users.statistics().pool == Pool(open=1, in_use=0, limit=3)
    assert users.statistics().pool == Pool(open=0, in_use=0, limit=3)


async def test_plain_numbers(emulator: Emulator, users: UsersSession) -> None:
    """They can be written as JSON, and name nobody."""
    await users.create({"first_name": "Nina", "main_email": "nina@example.org"})
    text = json.dumps(attrs.asdict(users.statistics()))
    assert json.loads(text)["latency"]["attempts"] == 1
    assert not any(secret in text for secret in ("Nina", "nina@", *map(str, emulator.credentials.values())))


@given(st.lists(st.floats(0, 100), min_size=1, max_size=300))
def test_percentiles(latencies: list[float]) -> None:
    """So large a share of the attempts took so long or less, and a smaller share less than that."""
    recorder = Recorder()
    for latency in latencies:
        recorder.attempt_ended(latency, refused=False)
    told = recorder.latency()
    assert told is not None
    assert told.attempts == len(latencies)
    for share, percentile in ((0.5, told.p50), (0.9, told.p90), (0.99, told.p99)):
        assert sum(latency <= percentile for latency in latencies) >= share * len(latencies)
        assert sum(latency < percentile for latency in latencies) < share * len(latencies)


def test_the_latest_attempts() -> None:
    """Only the last thousand count, and no more is kept."""
    recorder = Recorder()
    for number in range(5000):
        recorder.attempt_ended(float(number), refused=False)
    told = recorder.latency()
    assert told == Latency(p50=4499.0, p90=4899.0, p99=4989.0, attempts=1000)


@pytest.mark.parametrize(
    ("times", "now", "rate"),
    [
        ([], 0.0, 0.0),
        ([5.0] * 3, 5.0, 3.0),
        ([5.0, 5.5, 6.0, 6.5], 7.0, 2.0),
        ([100 + number / 10 for number in range(300)], 130.0, 10.0),
        ([100 + number / 10 for number in range(300)], 135.0, 5.0),
        ([100 + number / 10 for number in range(300)], 140.9, 0.0),
        ([100.0, 100.0, 10_000.0], 10_000.5, 0.1),
    ],
)
def test_the_rate(times: list[float], now: float, rate: float) -> None:
    """Attempts of the last ten seconds, or of all seconds that there were."""
    recorder = Recorder()
    for time in times:
        recorder.attempt_began(time, again=False)
    assert recorder.rate(now) == pytest.approx(rate, abs=0.01)


@given(st.integers(1, 200), st.floats(0, 1e6))
def test_the_rate_of_steady_work(per_second: int, start: float) -> None:
    """Whenever one asks, it is what is sent, and little is kept."""
    recorder, rng = Recorder(), random.Random(1)
    for number in range(30 * per_second):
        recorder.attempt_began(start + number / per_second, again=False)
        if rng.random() < 0.01:
            recorder.rate(start + number / per_second)
    assert recorder.rate(start + 30) == pytest.approx(per_second, abs=math.ceil(per_second / 10))
    assert len(recorder._begun) == 11
