"""When a batch stops by itself."""

from __future__ import annotations

import asyncio
import dataclasses
import itertools
from typing import TYPE_CHECKING, Any

import pytest

from usersapi_async import (
    AuthenticationError,
    BatchRunner,
    Create,
    Credentials,
    Failed,
    NotAttempted,
    Outcome,
    RateLimit,
    RateLimited,
    RetryPolicy,
    SourceError,
    Succeeded,
    Update,
    UsersSession,
)
from usersapi_async.emulator import Fault, Faults

from .support import conserved, everything, kinds, never_twice, nothing_left, people, person, told, until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from usersapi_async.emulator import Emulator

    from .conftest import Gate


def endless(taken: list[int]) -> Iterator[Create]:
    for number in itertools.count():
        taken.append(number)
        yield person(number)


def session_on(emulator: Emulator, **options: Any) -> UsersSession:
    return UsersSession(
        Credentials(**emulator.credentials),
        group_id=emulator.group_id,
        base_url=emulator.base_url,
        **options,
    )


@pytest.mark.parametrize("fault", [Fault.rejected(), Fault.drop_after()])
async def test_a_count_of_errors(emulator: Emulator, users: UsersSession, fault: Fault) -> None:
    """Failures and doubts count; the rows taken by then end, and none is taken after."""
    emulator.script(None, fault, None, fault, fault)
    taken: list[int] = []
    report = await BatchRunner(users, concurrency=1, max_errors=3).run(endless(taken))
    told(report, report.outcomes)
    assert (report.succeeded, report.failed + report.in_doubt) == (2, 3)
    assert report.stopped_by == "3 rows failed or are in doubt (max_errors)"
    assert not report.exhausted
    assert report.taken == len(taken)
    never_twice(emulator, report.outcomes)


async def test_a_share_of_errors(emulator: Emulator, users: UsersSession) -> None:
    """It is taken of the rows tried, once there are 20."""
    emulator.script(*[fault for _ in range(30) for fault in (None, Fault.status(404))])
    report = await BatchRunner(users, concurrency=1, max_errors=0.4).run(people(60))
    assert (report.succeeded, report.failed) == (10, 10)
    conserved(report)


async def test_errors_before_sending_count(users: UsersSession) -> None:
    """A file that is wrong from the beginning is not read to its end."""
    report = await BatchRunner(users, max_errors=5).run(None for _ in range(1000))
    assert (report.failed, report.taken) == (5, 5)


@pytest.mark.parametrize("rows", [1, 10, 1000])
async def test_wrong_credentials(emulator: Emulator, users: UsersSession, rows: int) -> None:
    """One 401 stops the batch: what still waits for its turn is not sent, and the report says why."""
    emulator.faults = Faults()
    emulator.script(*[Fault.status(401)] * 1000)
    report = await BatchRunner(users).run(people(rows))
    told(report, report.outcomes)
    assert emulator.received["create"] <= 4
    assert report.failed == emulator.received["create"]
    assert all(isinstance(error, AuthenticationError) for error in report.errors.values())
    assert report.not_attempted == report.taken - report.failed
    assert report.stopped_by == "create: HTTP 401: Status 401."
    left = [outcome for outcome in report.outcomes if isinstance(outcome, NotAttempted)]
    assert all((outcome.reason, outcome.attempts) == (report.stopped_by, 0) for outcome in left)
    nothing_left(users)


@pytest.mark.parametrize("most", [3, None])
async def test_the_same_rejection_in_a_row(emulator: Emulator, users: UsersSession, most: int | None) -> None:
    """So many stop the batch, unless it is told not to."""
    emulator.script(*[Fault.rejected("Not you.")] * 10)
    runner = BatchRunner(users, concurrency=1, max_same_rejections=most)
    report = await runner.run(people(30))
    conserved(report)
    assert report.failed == (most or 10)
    assert report.exhausted is (most is None)
    if most:
        assert str(report.stopped_by).startswith("3 rows in a row were refused alike: create: ")


@pytest.mark.parametrize("fault", [Fault.rate_limited(1000), Fault.unavailable(1000)])
@pytest.mark.parametrize("rate", [None, RateLimit(5)])
async def test_a_long_pause(emulator: Emulator, fault: Fault, rate: RateLimit | None) -> None:
    """A pause beyond `max_pause` ends the batch at once, also for rows that stand in the queue for their
    turn; what was never sent was not attempted."""
    emulator.script(fault)
    async with session_on(emulator, rate=rate) as users, asyncio.timeout(20):
        report = await BatchRunner(users, concurrency=10).run(people(100))
        nothing_left(users)
    told(report, report.outcomes)
    assert "the server asks for a pause of 1000 s" in str(report.stopped_by)
    never_twice(emulator, report.outcomes)
    assert report.succeeded + report.failed + report.in_doubt == emulator.received["create"]
    assert all(outcome.attempts for outcome in report.outcomes if isinstance(outcome, Failed))
    assert report.not_attempted


async def test_a_deadline(emulator: Emulator) -> None:
    """After it no row is begun, and none waits for its turn."""
    taken: list[int] = []
    async with session_on(emulator, rate=RateLimit(1, per=60)) as users, asyncio.timeout(20):
        report = await BatchRunner(users, concurrency=3).run(endless(taken), deadline=0.05)
        nothing_left(users)
    told(report, report.outcomes)
    assert report.stopped_by == "the deadline passed"
    assert (report.succeeded, len(taken)) == (1, report.taken)
    assert report.not_attempted == report.taken - 1


async def test_a_deadline_that_does_not_pass(users: UsersSession) -> None:
    """It leaves nothing behind."""
    report = await BatchRunner(users).run(people(3), deadline=600)
    assert (report.succeeded, report.stopped_by) == (3, None)


async def test_a_deadline_lets_requests_end(emulator: Emulator, users: UsersSession) -> None:
    """What is on the wire is let finish, and its answer counts."""
    emulator.script(Fault.slow(0.2))
    report = await BatchRunner(users, concurrency=1).run(endless([]), deadline=0.05)
    conserved(report)
    assert report.succeeded == 1


async def test_a_deadline_before_a_refusal(emulator: Emulator, users: UsersSession) -> None:
    """A request that is let finish, and is told to come again, does not come again."""
    emulator.script(dataclasses.replace(Fault.rate_limited(), seconds=0.2))
    report = await BatchRunner(users, concurrency=1).run(people(1), deadline=0.05)
    assert kinds(report.outcomes) == ["Failed"]
    assert isinstance(report.errors[0], RateLimited)
    assert emulator.received == {"create": 1}


@pytest.mark.parametrize("stream", [False, True])
async def test_parked_rows_end_with_the_batch(emulator: Emulator, stream: bool) -> None:
    """A row that backs off was refused, or was never sent; it is not waited for."""
    emulator.script(*[Fault.rate_limited()] * 4)
    emulator.faults = Faults(rate_limited=1)
    slow = RetryPolicy(base=1000, cap=1000, max_pause=2000)
    async with session_on(emulator, retry=slow) as users, asyncio.timeout(20):
        runner = BatchRunner(users, concurrency=1, keep=everything)
        if stream:
            async with runner.stream(people(50), deadline=1.0) as outcomes:
                seen: list[Outcome] = [outcome async for outcome in outcomes]
        else:
            seen = (await runner.run(people(50), deadline=1.0)).outcomes
    told(runner.report, seen)
    assert kinds(seen) == ["Failed"] * 4


async def test_a_closed_session(emulator: Emulator) -> None:
    """When the session is closed under the batch, the rows that were not sent were not attempted."""
    users = session_on(emulator)
    async with users:
        runner = BatchRunner(users, concurrency=2)
        working = asyncio.ensure_future(runner.run(endless([])))
        await until(lambda: runner.report.succeeded > 3)
    report = await working
    told(report, report.outcomes)
    assert "the session is closed" in str(report.stopped_by)
    assert not [outcome for outcome in report.outcomes if isinstance(outcome, Failed)]
    never_twice(emulator, report.outcomes)


async def test_a_source_that_breaks_off_after_an_abort(gated: UsersSession, gate: Gate) -> None:
    """An iterable that raises when it is broken off has its error told."""

    async def rows() -> AsyncIterator[Create]:
        yield person(1)
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            raise KeyError("x") from None

    runner = BatchRunner(gated, concurrency=2)
    working = asyncio.ensure_future(runner.run(rows()))
    await until(lambda: runner.report.taken)
    stopping = asyncio.ensure_future(runner.stop())
    gate.open()
    with pytest.raises(SourceError):
        await working
    await stopping
    assert (runner.report.succeeded, runner.report.stopped_by) == (1, "stopped by the caller")


async def test_a_users_later_writes_after_an_abort(emulator: Emulator, users: UsersSession) -> None:
    """Rows that wait for others end with them."""
    clogin_id = (await users.create({})).clogin_id
    emulator.script(Fault.status(401), action="update")
    rows = [Update(clogin_id=clogin_id, doc={}) for _ in range(3)]
    report = await BatchRunner(users).run(rows)
    assert kinds(report.outcomes) == ["Failed", "NotAttempted", "NotAttempted"]
    assert not any(isinstance(outcome, Succeeded) for outcome in report.outcomes)


async def test_credentials_that_can_not_be_had(emulator: Emulator) -> None:
    """A credentials function that raises would do so for every row, so the batch stops with nothing sent."""

    def vault() -> Credentials:
        raise OSError("sealed")

    async with UsersSession(vault, group_id=emulator.group_id, base_url=emulator.base_url) as users:
        report = await BatchRunner(users).run(people(500))
    conserved(report)
    assert report.not_attempted == report.taken < 500
    assert report.stopped_by == "credentials: the function raised OSError"
    assert not emulator.requests
