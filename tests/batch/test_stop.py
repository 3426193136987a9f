"""Stopping a batch from outside."""

from __future__ import annotations

import asyncio
import itertools
from typing import TYPE_CHECKING

import pytest

from usersapi_async import BatchRunner, Create, InDoubt, NotAttempted, Outcome, UsersSession
from usersapi_async.emulator import Fault, Faults

from .support import conserved, never_twice, nothing_left, people, person, told, until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from usersapi_async.emulator import Emulator

    from .conftest import Gate


class Endless:
    """Rows without end; `asked` counts how often one was asked for."""

    def __init__(self) -> None:
        self.asked = 0

    def __iter__(self) -> Iterator[Create]:
        for number in itertools.count():
            self.asked += 1
            yield person(number)


@pytest.mark.parametrize("drain", [None, 20])
@pytest.mark.parametrize("concurrency", [1, 5])
async def test_stop(emulator: Emulator, users: UsersSession, drain: float | None, concurrency: int) -> None:
    """No further row is read, those taken are carried out, and the caller waits for that."""
    rows = Endless()
    runner = BatchRunner(users, concurrency=concurrency)
    working = asyncio.ensure_future(runner.run(rows))
    await until(lambda: runner.report.succeeded > 10)
    asked = rows.asked
    await runner.stop(drain)
    report = await working
    assert rows.asked == asked == report.next_index
    told(report, report.outcomes)
    assert report.succeeded == report.taken
    assert (report.stopped_by, report.exhausted) == ("stopped by the caller", False)
    never_twice(emulator, report.outcomes)
    nothing_left(users)


@pytest.mark.parametrize("drain", [0, 0.05])
async def test_stop_without_patience(emulator: Emulator, users: UsersSession, drain: float) -> None:
    """What is under way after `drain` seconds is given up; what was sent is in doubt."""
    emulator.script(*[Fault.slow(20)] * 3)
    runner = BatchRunner(users, concurrency=3)
    working = asyncio.ensure_future(runner.run(Endless()))
    await until(lambda: emulator.received["create"] == 3)
    await runner.stop(drain)
    report = await working
    told(report, report.outcomes)
    assert report.in_doubt == 3
    doubts = [outcome for outcome in report.outcomes if isinstance(outcome, InDoubt)]
    assert all("stopped by the caller" in str(doubt.error.cause) for doubt in doubts)
    left = [outcome for outcome in report.outcomes if isinstance(outcome, NotAttempted)]
    assert all(outcome.reason == "stopped by the caller" for outcome in left)
    nothing_left(users)


async def test_stop_while_a_row_is_waited_for(emulator: Emulator, users: UsersSession) -> None:
    """An input that gives no row for now does not hold up the end; it was not exhausted."""

    async def slow() -> AsyncIterator[Create]:
        yield person(0)
        await asyncio.Event().wait()

    runner = BatchRunner(users, concurrency=2)
    working = asyncio.ensure_future(runner.run(slow()))
    await until(lambda: runner.report.succeeded)
    await runner.stop()
    report = await working
    assert (report.succeeded, report.exhausted, report.stopped_by) == (1, False, "stopped by the caller")
    nothing_left(users)


async def test_stopping_twice(emulator: Emulator, users: UsersSession) -> None:
    """A second, less patient stop overrules the first."""
    emulator.script(Fault.slow(20))
    runner = BatchRunner(users, concurrency=1)
    working = asyncio.ensure_future(runner.run(Endless()))
    await until(lambda: emulator.received["create"])
    first = asyncio.ensure_future(runner.stop())
    await asyncio.sleep(0)
    assert not first.done()
    await runner.stop(0)
    await first
    assert (await working).in_doubt == 1


async def test_stopping_after_the_deadline(emulator: Emulator, users: UsersSession) -> None:
    """A batch that only waits for its last requests can still be given up."""
    emulator.script(Fault.slow(20))
    runner = BatchRunner(users, concurrency=3)
    working = asyncio.ensure_future(runner.run(people(1), deadline=0.05))
    await until(lambda: runner.report.stopped_by)
    await runner.stop(0)
    report = await working
    assert (report.in_doubt, report.stopped_by) == (1, "the deadline passed")
    nothing_left(users)


async def test_nothing_to_stop(users: UsersSession) -> None:
    """Before a run and after it there is nothing to wait for."""
    runner = BatchRunner(users)
    await runner.stop()
    report = await runner.run(people(2))
    await runner.stop(0)
    assert (report.succeeded, report.stopped_by) == (2, None)


@pytest.mark.parametrize("taken", [0, 3])
async def test_a_source_that_never_gives_another_row(users: UsersSession, taken: int) -> None:
    """An async iterable is broken off in its wait."""
    broken_off: list[str] = []
    blocked = asyncio.Event()

    async def rows() -> AsyncIterator[Create]:
        for row in people(taken):
            yield row
        blocked.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            broken_off.append("yes")
            raise

    runner = BatchRunner(users, concurrency=2)
    working = asyncio.ensure_future(runner.run(rows()))
    await blocked.wait()
    await asyncio.wait_for(runner.stop(), 5)
    report = await working
    assert (report.succeeded, report.taken, broken_off) == (taken, taken, ["yes"])
    assert (report.stopped_by, report.exhausted) == ("stopped by the caller", False)
    nothing_left(users)


async def test_a_row_that_comes_with_the_stop(users: UsersSession) -> None:
    """What the iterable hands out although it is broken off is not lost."""

    async def rows() -> AsyncIterator[Create]:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            yield person("late")

    runner = BatchRunner(users)
    working = asyncio.ensure_future(runner.run(rows()))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    await runner.stop()
    report = await working
    assert (report.taken, report.succeeded) == (1, 1)


async def test_a_source_that_stops_its_own_batch(users: UsersSession) -> None:
    """It is broken off there, and the batch ends."""
    runner = BatchRunner(users)

    async def rows() -> AsyncIterator[Create]:
        yield person(1)
        await runner.stop()
        yield person(2)

    report = await asyncio.wait_for(runner.run(rows()), 5)
    assert (report.succeeded, report.taken) == (1, 1)


@pytest.mark.parametrize("rows", [9, None])
@pytest.mark.parametrize("ordered", [False, True])
async def test_the_consumer_stops(
    emulator: Emulator, users: UsersSession, rows: int | None, ordered: bool
) -> None:
    """A consumer that waits for the end takes no outcome meanwhile, and still gets them all after it."""
    runner = BatchRunner(users, concurrency=2, ordered=ordered)
    seen: list[Outcome] = []
    async with runner.stream(Endless() if rows is None else people(rows)) as outcomes:
        async for outcome in outcomes:
            seen.append(outcome)
            if len(seen) == 3:
                await asyncio.wait_for(runner.stop(), 5)
    told(runner.report, seen)
    never_twice(emulator, seen)


async def test_the_consumer_stops_an_input_read_to_its_end(gated: UsersSession, gate: Gate) -> None:
    """The same when nothing is left to read, and the outcomes alone fill the stream."""
    runner = BatchRunner(gated, concurrency=2)
    async with runner.stream(people(4)) as outcomes:
        await until(lambda: runner.report.succeeded == 2)
        gate.open()
        await asyncio.wait_for(runner.stop(), 5)
        assert len([outcome async for outcome in outcomes]) == runner.report.taken
    conserved(runner.report)


async def test_stopped_before_it_begins(users: UsersSession) -> None:
    """A stream that is stopped at once takes no row."""
    rows = Endless()
    runner = BatchRunner(users)
    async with runner.stream(rows) as outcomes:
        await runner.stop()
        assert [outcome async for outcome in outcomes] == []
    assert (rows.asked, runner.report.taken) == (0, 0)


async def test_stop_waits_for_rows_that_back_off(emulator: Emulator, users: UsersSession) -> None:
    """They were taken, so they are carried out."""
    emulator.faults = Faults(rate_limited=0.3)
    runner = BatchRunner(users, concurrency=2)
    working = asyncio.ensure_future(runner.run(Endless()))
    await until(lambda: runner.report.succeeded > 5)
    await runner.stop()
    report = await working
    told(report, report.outcomes)
    never_twice(emulator, report.outcomes)
    assert report.not_attempted == 0


@pytest.mark.parametrize("count", [19, 20, 50])
async def test_a_canary(emulator: Emulator, users: UsersSession, count: int) -> None:
    """At most so many rows are taken, and the report says where the rest begins."""
    rows = iter(people(count))
    report = await BatchRunner(users, concurrency=4).run(rows, limit=20)
    told(report, report.outcomes)
    assert report.succeeded == report.next_index == min(count, 20)
    assert (report.exhausted, report.stopped_by) == (
        (True, None) if count < 20 else (False, "the limit of 20 rows")
    )
    assert len(list(rows)) == max(0, count - 20)
    never_twice(emulator, report.outcomes)


async def test_a_canary_of_a_stream(users: UsersSession) -> None:
    """The same for a stream; a runner may go on with the rest."""
    runner, rows = BatchRunner(users, concurrency=2), iter(people(9))
    async with runner.stream(rows, limit=3) as outcomes:
        assert len([outcome async for outcome in outcomes]) == 3
    assert (await runner.run(rows)).succeeded == 6
