"""A batch that is cancelled, at whatever moment."""

from __future__ import annotations

import asyncio
import random
from typing import TYPE_CHECKING, Any

import pytest

from usersapi_async import (
    BatchRunner,
    Create,
    Credentials,
    Outcome,
    RateLimit,
    RetryPolicy,
    SourceError,
    Timeout,
    Update,
    UsersSession,
)
from usersapi_async.emulator import Fault, Faults, emulator_in_thread

from .support import (
    cancelled_after,
    conserved,
    everything,
    marker_of,
    never_twice,
    nothing_left,
    people,
    person,
    registered,
    steps,
    told,
    until,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from usersapi_async.emulator import Emulator

STORM = Faults(
    rate_limited=0.2,
    unavailable=0.05,
    error=0.05,
    drop_before=0.05,
    drop_after=0.05,
    slow=0.1,
    html=0.05,
    broken_json=0.05,
    rejected=0.05,
    slow_seconds=0.002,
)


def session_on(emulator: Emulator, **options: Any) -> UsersSession:
    return UsersSession(
        Credentials(**emulator.credentials),
        group_id=emulator.group_id,
        base_url=emulator.base_url,
        **{"retry": RetryPolicy(base=0), **options},
    )


async def consume(runner: BatchRunner, rows: Any, seen: list[Outcome]) -> None:
    async with runner.stream(rows) as outcomes:
        seen.extend([outcome async for outcome in outcomes])


async def slowly(rows: list[Create]) -> AsyncIterator[Create]:
    for row in rows:
        await asyncio.sleep(0)
        yield row


@pytest.mark.parametrize("faults", [None, STORM])
@pytest.mark.parametrize("way", ["run", "stream", "ordered", "async"])
async def test_cancelled_at_any_step(emulator: Emulator, way: str, faults: Faults | None) -> None:
    """Whatever the moment: each row ends once, what it ends as is true, and nothing is left behind."""
    emulator.faults = faults
    ended: list[Outcome] = []
    in_time = 0
    source = random.Random(way)
    # A connection that leaked would soon be missing among so few.
    async with session_on(emulator, connections=4, timeout=Timeout(connect=2), concurrency=4) as users:
        for number in range(40):
            runner = BatchRunner(users, concurrency=4, ordered=way == "ordered", keep=everything)
            rows = people(12, f"{way}-{number}")
            work = runner.run(slowly(rows) if way == "async" else rows)
            if way in ("stream", "ordered"):
                work.close()
                work = consume(runner, rows, [])  # type: ignore[assignment]
            in_time += await cancelled_after(source.randrange(1, 3 * number + 4), work)
            told(runner.report, runner.report.outcomes)
            nothing_left(users)
            ended += runner.report.outcomes
        emulator.faults = None
        assert (await BatchRunner(users).run(people(20, "after"))).succeeded == 20
    assert in_time > 5
    never_twice(emulator, ended)


async def test_cancelled_over_a_thread() -> None:
    """The same with the server elsewhere, so that no task in the loop may be anybody else's."""
    ended: list[Outcome] = []
    with emulator_in_thread(faults=STORM) as emulator:
        async with session_on(emulator) as users:
            await users.limiter.acquire_slot()
            users.limiter.release_slot()
            before = asyncio.all_tasks()
            for number in range(100):
                runner = BatchRunner(users, concurrency=3)
                await cancelled_after(1 + number * 2, runner.run(people(9, number)))
                assert asyncio.all_tasks() == before
                told(runner.report, runner.report.outcomes)
                ended += runner.report.outcomes
            emulator.faults = None
            report = await BatchRunner(users, concurrency=1).run(people(3, "after"))
            assert report.succeeded == 3
        never_twice(emulator, ended)


async def test_creates_in_flight_are_in_doubt(emulator: Emulator, users: UsersSession) -> None:
    """What was on the wire is in doubt, what stood in the queue was not attempted."""
    emulator.script(*[Fault.slow(20)] * 2)
    runner = BatchRunner(users, concurrency=2)
    working = asyncio.ensure_future(runner.run(people(100)))
    await until(lambda: emulator.received["create"] == 2)
    working.cancel()
    with pytest.raises(asyncio.CancelledError):
        await working
    report = runner.report
    told(report, report.outcomes)
    assert (report.in_doubt, report.not_attempted) == (2, report.taken - 2)
    assert report.stopped_by == "the batch was cancelled"
    assert report.next_index < 100
    assert not registered(emulator)


async def test_rows_that_wait_for_the_pace(emulator: Emulator) -> None:
    """A cancellation does not wait for turns, and gives them back."""
    async with session_on(emulator, rate=RateLimit(1, per=60), concurrency=2) as users:
        runner = BatchRunner(users, concurrency=5)
        working = asyncio.ensure_future(runner.run(people(9)))
        await until(lambda: runner.report.succeeded)
        working.cancel()
        await asyncio.wait([working], timeout=5)
        assert working.cancelled()
        nothing_left(users)
    conserved(runner.report)
    assert runner.report.not_attempted == runner.report.taken - 1


async def test_no_rows_on_their_way(users: UsersSession) -> None:
    """A batch that is cancelled while it waits for a row says so too."""

    async def rows() -> AsyncIterator[Create]:
        await asyncio.Event().wait()
        yield person(1)

    runner = BatchRunner(users)
    assert await cancelled_after(9, runner.run(rows()))
    assert (runner.report.taken, runner.report.stopped_by) == (0, "the batch was cancelled")
    nothing_left(users)


async def test_no_row_is_read_after_it(users: UsersSession) -> None:
    """The iterable is left where it was."""
    taken: list[int] = []

    def rows() -> Iterator[Create]:
        for number in range(1000):
            taken.append(number)
            yield person(number)

    iterator = rows()
    runner = BatchRunner(users, concurrency=3)
    assert await cancelled_after(40, runner.run(iterator))
    count = len(taken)
    await steps(50)
    assert len(taken) == count == runner.report.next_index
    assert next(iterator) == person(count)


class Stubborn:
    """A session's credentials that let a cancellation through only at the third time."""

    def __init__(self, credentials: Credentials) -> None:
        self._credentials = credentials
        self.asked = self.refused = 0

    async def __call__(self) -> Credentials:
        self.asked += 1
        while True:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                self.refused += 1
                if self.refused % 3 == 0:
                    raise


@pytest.mark.parametrize("way", ["run", "stream"])
async def test_cancelled_while_it_ends(emulator: Emulator, way: str) -> None:
    """A second and a third cancellation leave no worker behind that would go on by itself."""
    stubborn = Stubborn(Credentials(**emulator.credentials))
    async with UsersSession(stubborn, group_id=emulator.group_id, base_url=emulator.base_url) as users:
        runner = BatchRunner(users, concurrency=1)
        work = runner.run(people(3)) if way == "run" else consume(runner, people(3), [])
        working = asyncio.ensure_future(work)
        await until(lambda: stubborn.asked)
        while not working.done():
            working.cancel()
            await steps(5)
        assert working.cancelled()
        assert stubborn.refused == 3
        nothing_left(users)
    conserved(runner.report)
    assert runner.report.not_attempted == runner.report.taken > 0


@pytest.mark.parametrize("where", ["source", "request"])
async def test_a_cancellation_from_elsewhere(emulator: Emulator, where: str) -> None:
    """One that the caller's own function lets out ends the batch, instead of leaving it without a worker."""
    own = asyncio.ensure_future(asyncio.sleep(60))
    own.cancel()
    asked = 0

    async def credentials() -> Credentials:
        nonlocal asked
        asked += 1
        if where == "request" and asked == 3:
            await own
        return Credentials(**emulator.credentials)

    async def rows() -> AsyncIterator[Create]:
        for row in people(3):
            yield row
        if where == "source":
            await own

    async with UsersSession(credentials, group_id=emulator.group_id, base_url=emulator.base_url) as users:
        runner = BatchRunner(users, concurrency=2)
        working = asyncio.ensure_future(runner.run(rows()))
        await asyncio.wait([working], timeout=5)
        assert working.done()
        if where == "source":
            assert isinstance(working.exception(), SourceError)
        else:
            assert (await working).stopped_by == "credentials: the function raised CancelledError"
        told(runner.report, runner.report.outcomes)
        nothing_left(users)
    never_twice(emulator, runner.report.outcomes)


async def test_a_worker_that_is_cancelled_from_outside(emulator: Emulator, users: UsersSession) -> None:
    """Somebody who cancels every task of the loop ends the batch, and each row is told."""
    emulator.script(*[Fault.slow(20)] * 2)
    runner = BatchRunner(users, concurrency=2)
    working = asyncio.ensure_future(runner.run(people(3)))
    await until(lambda: emulator.received["create"] == 2)
    next(task for task in asyncio.all_tasks() if "Engine._work" in str(task.get_coro())).cancel()
    report = await working
    assert report.stopped_by == "the batch was cancelled"
    told(report, report.outcomes)
    nothing_left(users)


async def test_waiting_writes_are_cancelled_too(emulator: Emulator, users: UsersSession) -> None:
    """Rows that wait for others end with the batch, those ahead of them in doubt."""
    known = (await users.create({})).clogin_id
    emulator.script(*[Fault.slow(20)] * 2)
    rows: list[Any] = [Update(clogin_id=known, doc={"first_name": str(number)}) for number in range(5)]
    runner = BatchRunner(users, concurrency=2)
    working = asyncio.ensure_future(runner.run([*rows, *people(1)]))
    await until(lambda: len(emulator.requests) == 3)
    working.cancel()
    await asyncio.wait([working])
    told(runner.report, runner.report.outcomes)
    assert (runner.report.in_doubt, runner.report.not_attempted) == (2, 4)
    assert {marker_of(outcome) for outcome in runner.report.outcomes if outcome.index == 5} == {"<p-0>"}
