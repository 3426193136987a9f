"""Rows that back off."""

from __future__ import annotations

import asyncio
import itertools
from typing import TYPE_CHECKING

import pytest

from usersapi_async import BatchRunner, Credentials, Failed, RetryPolicy, UsersSession
from usersapi_async.emulator import Fault, Faults

from .support import never_twice, nothing_left, people, person, steps, told, until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from usersapi_async import Create
    from usersapi_async.emulator import Emulator

LONG = RetryPolicy(base=1000, cap=1000, max_pause=2000)


def patient(emulator: Emulator) -> UsersSession:
    """A session that waits for long before it tries again."""
    return UsersSession(
        Credentials(**emulator.credentials),
        group_id=emulator.group_id,
        base_url=emulator.base_url,
        retry=LONG,
        concurrency=100,  # given, so that refusals set no pace
    )


async def test_a_row_that_backs_off_holds_no_worker(emulator: Emulator) -> None:
    """With one worker and one row that waits for minutes, the others go on."""
    emulator.script(Fault.rate_limited())
    async with patient(emulator) as users:
        runner = BatchRunner(users, concurrency=1)
        working = asyncio.ensure_future(runner.run(people(20)))
        await until(lambda: runner.report.succeeded == 19)
        assert users.limiter.in_flight == 0
        await runner.stop(0)
        report = await working
    told(report, report.outcomes)
    assert [outcome.index for outcome in report.outcomes if isinstance(outcome, Failed)] == [0]


async def test_so_many_rows_are_parked(emulator: Emulator) -> None:
    """Four for each worker; then no more are taken until one goes on."""
    emulator.faults = Faults(rate_limited=1)
    for concurrency in (1, 3):
        emulator.received.clear()
        async with patient(emulator) as users:
            runner = BatchRunner(users, concurrency=concurrency)
            working = asyncio.ensure_future(runner.run(person(number) for number in itertools.count()))
            await until(lambda: emulator.received["create"] == 4 * concurrency)  # noqa: B023 (called at once)
            await until(lambda: users.limiter.in_flight == 0)
            await steps(100)
            assert runner.report.taken == emulator.received["create"] == 4 * concurrency
            await runner.stop(0)
            report = await working
            told(report, report.outcomes)
            assert report.failed == report.taken
            nothing_left(users)


async def test_they_end_with_a_crash(emulator: Emulator) -> None:
    """None of them goes on by itself when the batch is over."""
    emulator.script(Fault.rate_limited())

    def crash(_: object) -> None:
        raise ValueError("x")

    async with patient(emulator) as users:
        runner = BatchRunner(users, concurrency=1, on_progress=crash)
        with pytest.raises(ValueError, match="x"):
            await runner.run(people(5))
    told(runner.report, runner.report.outcomes)
    assert (runner.report.succeeded, runner.report.failed) == (1, 1)


async def test_they_end_with_an_exit(emulator: Emulator) -> None:
    """Nor when the rows themselves end in what is no error."""
    emulator.script(Fault.rate_limited())

    def rows() -> Iterator[Create]:
        yield person(0)
        raise GeneratorExit

    async with patient(emulator) as users:
        runner = BatchRunner(users, concurrency=1)
        with pytest.raises(GeneratorExit):
            await runner.run(rows())
    told(runner.report, runner.report.outcomes)
    assert (runner.report.taken, runner.report.failed) == (1, 1)


async def test_they_go_on(emulator: Emulator, users: UsersSession) -> None:
    """A row that was refused for the moment succeeds later, and says how often it was sent."""
    emulator.script(*[Fault.rate_limited()] * 2)
    report = await BatchRunner(users, concurrency=1).run(people(1))
    assert [outcome.attempts for outcome in report.outcomes] == [3]
    assert report.succeeded == 1


async def test_a_busy_server(emulator: Emulator, users: UsersSession) -> None:
    """Many refusals for the moment cost no row."""
    emulator.faults = Faults(rate_limited=0.2)
    report = await BatchRunner(users, concurrency=8).run(people(200))
    told(report, report.outcomes)
    never_twice(emulator, report.outcomes)
    assert report.in_doubt == 0
    assert report.succeeded >= 190
