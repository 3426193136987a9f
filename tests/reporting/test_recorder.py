"""What is recorded of a run while it works."""

from __future__ import annotations

import asyncio
import tracemalloc

import pytest

from tests.clocks import ManualClock
from tests.servers import until
from tests.test_observer import Failing, Recorder
from usersapi_async import (
    BatchRunner,
    ConfigurationError,
    Create,
    OutcomeUnknown,
    RunRecorder,
    UsersSession,
)
from usersapi_async.emulator import Emulator, Fault
from usersapi_async.reporting._timeline import MOST_SPANS

from .support import succeeded


async def test_calls_are_counted(emulator: Emulator, users: UsersSession) -> None:
    """By their ending, with requests, retries by evidence, pauses and how long they took."""
    clock = ManualClock()
    with RunRecorder(users, clock=clock, wall_clock=lambda: 1_795_000_000.0) as recorder:
        emulator.script(Fault.rate_limited(0.01))
        await recorder.users.create()
        emulator.script(Fault.drop_after())
        with pytest.raises(OutcomeUnknown):
            await recorder.users.create()
        emulator.script(Fault.slow(20))
        abandoned = asyncio.ensure_future(recorder.users.get_user_list())
        await until(lambda: emulator.received["get_user_list"] == 1)
        abandoned.cancel()
        await asyncio.gather(abandoned, return_exceptions=True)
        await clock.advance(0.3)
    facts = recorder.facts
    assert facts.endings == {"succeeded": 1, "in doubt": 1, "failed": 1}
    assert (facts.requests, facts.calls.count, facts.queued.count) == (4, 3, 4)
    assert {why: wait.count for why, wait in facts.retries.items()} == {"425, 429": 1}
    assert (facts.pauses[429].count, facts.pauses[429].seconds) == (1, 0.01)
    assert (facts.began, facts.group_id) == (1_795_000_000.0, emulator.group_id)
    assert facts.latest is not None
    assert facts.latest.attempts == 4
    spans = facts.timeline.spans
    assert [sum(getattr(span, name) for span in spans) for name in ("succeeded", "failed", "in_doubt")] == [
        1,
        1,
        1,
    ]
    assert sum(span.requests for span in spans) == 4
    assert sum(span.retries for span in spans) == 1
    assert spans[-1].p50 is not None


async def test_the_session_is_looked_at_now_and_then(users: UsersSession) -> None:
    """As the clock goes on, from the beginning to the end, and not afterwards."""
    clock = ManualClock()
    clock.time = 50.0
    with RunRecorder(users, clock=clock) as recorder:
        for _ in range(9):
            await clock.advance(0.1)
        assert len(recorder.facts.timeline.spans) == 9
        await clock.advance(0.05)
    spans = recorder.facts.timeline.spans
    assert spans[0].began == 0
    assert spans[-1].ended == pytest.approx(0.95)
    assert [span.limit for span in spans] == [users.limiter.limit] * len(spans)
    await clock.advance(100)
    assert recorder.facts.timeline.spans == spans
    assert all(timer.callback is None for _, _, timer in clock.timers)


async def test_a_batch_of_any_length(users: UsersSession) -> None:
    """The longer it takes, the longer the spans, and no more memory is held."""
    clock = ManualClock()
    with RunRecorder(users, clock=clock) as recorder:
        await clock.advance(200)
        tracemalloc.start()
        try:
            await clock.advance(400)
            held, _ = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
    assert MOST_SPANS / 2 <= len(recorder.facts.timeline.spans) <= MOST_SPANS
    assert held < 500_000


async def test_without_a_clock_the_loops_is_used(users: UsersSession) -> None:
    """The whole thing as it is used: a batch, watched and added row by row."""
    with RunRecorder(users) as recorder:
        runner = BatchRunner(recorder.users)
        async with runner.stream(Create() for _ in range(50)) as outcomes:
            async for outcome in outcomes:
                recorder.add(outcome)
    assert recorder.facts.tally.counted == recorder.facts.calls.count == 50
    assert sum(span.succeeded for span in recorder.facts.timeline.spans) == 50


async def test_an_observer_is_told_as_before(emulator: Emulator, users: UsersSession) -> None:
    """The session's own goes on seeing everything, once, and may fail as before."""
    seen, without = Recorder(), Recorder()
    assert users.observer is None
    emulator.script(Fault.rate_limited(0.01))
    await users.with_options(observer=without).create()
    watched = users.with_options(observer=seen)
    assert watched.observer is seen
    recorder = RunRecorder(watched)
    emulator.script(Fault.rate_limited(0.01))
    await recorder.users.create()
    assert seen.names == without.names
    assert len(seen.names) == 6

    failing = RunRecorder(users.with_options(observer=Failing()))
    await failing.users.create()
    assert failing.facts.calls.count == 1


async def test_it_may_be_left_before_it_was_entered(users: UsersSession) -> None:
    """Leaving it looks at the session once more, and that is all."""
    clock = ManualClock()
    recorder = RunRecorder(users, clock=clock)
    recorder.__exit__()
    assert len(recorder.facts.timeline.spans) == 1


def test_only_a_session_can_be_watched() -> None:
    """A wrong argument is told at once."""
    with pytest.raises(ConfigurationError, match="users: expected UsersSession"):
        RunRecorder("users")  # type: ignore[arg-type]  # what is tested


async def test_nothing_of_the_rows_is_held(users: UsersSession) -> None:
    """One bit a row, whatever was in it."""
    recorder = RunRecorder(users)
    rows = 20_000
    recorder.add(succeeded(0))
    tracemalloc.start()
    try:
        for index in range(rows):
            recorder.add(succeeded(index))
        held, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert held < rows
