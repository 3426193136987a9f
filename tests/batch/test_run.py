"""A batch from its rows to its report."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from usersapi_async import (
    BatchRunner,
    Create,
    Credentials,
    Failed,
    GetInfo,
    InDoubt,
    PayloadError,
    Progress,
    SourceError,
    Succeeded,
    Update,
    UsersSession,
)
from usersapi_async.emulator import Fault

from .support import conserved, kinds, never_twice, nothing_left, people, person, told

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from usersapi_async.emulator import Emulator


async def test_all_succeed(emulator: Emulator, users: UsersSession) -> None:
    """Each row is carried out once, and the report holds each."""
    report = await BatchRunner(users, concurrency=8).run(people(50))
    told(report, report.outcomes)
    never_twice(emulator, report.outcomes)
    assert (report.succeeded, report.exhausted, report.stopped_by) == (50, True, None)
    assert emulator.executed == {"create": 50}
    assert report.elapsed > 0
    assert report.throughput > 0
    report.raise_for_errors()
    nothing_left(users)


async def test_no_rows(users: UsersSession) -> None:
    """An empty input is a whole batch."""
    report = await BatchRunner(users).run([])
    assert (report.taken, report.exhausted, report.stopped_by) == (0, True, None)


async def test_an_outcome(emulator: Emulator, users: UsersSession) -> None:
    """A success has the new id and the response, by the caller's key."""
    report = await BatchRunner(users).run([("nina", person("nina")), person("otto")])
    nina, otto = sorted(report.outcomes, key=lambda outcome: outcome.index)
    assert isinstance(nina, Succeeded)
    assert (nina.index, nina.key, otto.index, otto.key) == (0, "nina", 1, 1)
    assert nina.clogin_id in emulator.users
    assert nina.payload == person("nina")
    assert (nina.attempts, nina.resumed) == (1, False)
    assert nina.elapsed > 0
    assert set(report.meta_info) == {"nina", 1}


async def test_other_actions(users: UsersSession) -> None:
    """A success of an action on somebody has that user's id."""
    clogin_id = (await users.create({})).clogin_id
    report = await BatchRunner(users).run(
        [Update(clogin_id=clogin_id, doc={"first_name": "N"}), GetInfo(clogin_id=clogin_id)]
    )
    assert [getattr(outcome, "clogin_id", None) for outcome in report.outcomes] == [clogin_id] * 2


async def test_an_async_iterable(users: UsersSession) -> None:
    """Rows may come from one."""

    async def rows() -> AsyncIterator[Create]:
        for row in people(5):
            await asyncio.sleep(0)
            yield row

    assert (await BatchRunner(users).run(rows())).succeeded == 5


async def test_build(emulator: Emulator, users: UsersSession) -> None:
    """Raw rows become payloads in the order of the input; one that can't is one failure."""
    seen: list[Any] = []

    def build(raw: str) -> Create:
        seen.append(raw)
        return person(int(raw))

    report = await BatchRunner(users).run(["1", ("k", "2"), "three", ("k", "4"), (5, "5"), "6"], build=build)
    assert seen == ["1", "2", "three", "6"]
    told(report, report.outcomes)
    assert kinds(report.outcomes) == ["Succeeded", "Succeeded", "Failed", "Failed", "Failed", "Succeeded"]
    assert emulator.executed == {"create": 3}
    # The second row with a key is known by its index: running that key again would register the first twice.
    assert set(report.errors) == {2, 3, 4}
    failed = [outcome for outcome in report.outcomes if isinstance(outcome, Failed)]
    assert all(isinstance(outcome.error, PayloadError) and not outcome.attempts for outcome in failed)
    with pytest.raises(ExceptionGroup):
        report.raise_for_errors()


async def test_rows_that_are_no_payloads(emulator: Emulator, users: UsersSession) -> None:
    """Without `build` anything but a payload fails by itself."""
    report = await BatchRunner(users).run([person(1), {"doc": {}}, None])
    assert kinds(report.outcomes) == ["Succeeded", "Failed", "Failed"]


async def test_a_payload_that_can_not_be_sent(emulator: Emulator) -> None:
    """A fault that only shows on sending is one failure too."""
    session = UsersSession(Credentials(**emulator.credentials), base_url=emulator.base_url)
    async with session as users:
        report = await BatchRunner(users).run([person(1), Create(group_id=emulator.group_id)])
    assert kinds(report.outcomes) == ["Failed", "Succeeded"]


async def test_rejections_and_doubts(emulator: Emulator, users: UsersSession) -> None:
    """A refusal is a failure, a lost answer a doubt, whether or not the work was done."""
    emulator.script(Fault.rejected(), Fault.drop_after(), Fault.drop_before(), Fault.status(404))
    report = await BatchRunner(users, concurrency=1).run(people(5))
    assert kinds(report.outcomes) == ["Failed", "InDoubt", "InDoubt", "Failed", "Succeeded"]
    told(report, report.outcomes)
    never_twice(emulator, report.outcomes)
    assert emulator.received["create"] == 5


async def test_a_repeatable_write_of_unknown_fate(emulator: Emulator, users: UsersSession) -> None:
    """When all its attempts went unanswered it is a doubt and no failure: it may have been carried out."""
    clogin_id = (await users.create({})).clogin_id
    emulator.script(*[Fault.drop_after()] * 5, action="update")
    silent = Update(clogin_id=clogin_id, doc={}, submit_forms=False, disable_email_sending=True)
    report = await BatchRunner(users).run([silent])
    (outcome,) = report.outcomes
    assert isinstance(outcome, InDoubt)
    assert outcome.attempts == 5


async def test_keep(users: UsersSession) -> None:
    """The report counts all and holds what it is asked to."""
    runner = BatchRunner(users, keep=lambda outcome: isinstance(outcome, Failed))
    report = await runner.run([person(1), None, person(2)])
    assert (report.taken, report.succeeded, report.failed) == (3, 2, 1)
    assert kinds(report.outcomes) == ["Failed"]


async def test_on_progress(users: UsersSession) -> None:
    """It is told of each end, with counts that always add up."""
    seen: list[Progress] = []
    report = await BatchRunner(users, concurrency=3, on_progress=seen.append).run([*people(9), None])
    assert [progress.done for progress in seen] == list(range(1, 11))
    assert all(progress.taken - progress.done <= 12 for progress in seen)
    assert seen[-1] == report.progress() or seen[-1].done == report.taken


@pytest.mark.parametrize("argument", ["keep", "on_progress"])
@pytest.mark.parametrize("crash", [ValueError("x"), GeneratorExit("x")])
@pytest.mark.parametrize("concurrency", [1, 4])
async def test_a_crash_of_the_callers_function(
    emulator: Emulator, users: UsersSession, argument: str, crash: BaseException, concurrency: int
) -> None:
    """It comes out as it is, and what has happened to each row is told all the same.

    An error is no reason to break off what is under way, which would leave it in doubt; an exit is.
    """
    calls = 0

    def crashing(_: object) -> bool:
        nonlocal calls
        calls += 1
        if calls == 3:
            raise crash
        return True

    options: dict[str, Any] = {argument: crashing}
    runner = BatchRunner(users, concurrency=concurrency, **options)
    with pytest.raises(type(crash)) as caught:
        await runner.run(people(50))
    assert caught.value is crash
    assert calls == 3
    told(runner.report, runner.report.outcomes)
    assert runner.report.succeeded >= 3
    assert runner.report.stopped_by == "the batch crashed"
    assert not runner.report.in_doubt or not isinstance(crash, Exception)
    never_twice(emulator, runner.report.outcomes)
    nothing_left(users)
    assert (await BatchRunner(users).run(people(3, "after"))).succeeded == 3


async def test_a_crash_at_the_very_end(users: UsersSession) -> None:
    """The last row counts too."""

    def crash(_: object) -> None:
        raise ValueError("x")

    runner = BatchRunner(users, on_progress=crash)
    with pytest.raises(ValueError, match="x"):
        await runner.run([person(1)])
    assert runner.report.succeeded == 1
    conserved(runner.report)


@pytest.mark.parametrize("asynchronous", [False, True])
async def test_a_source_that_breaks_off(emulator: Emulator, users: UsersSession, asynchronous: bool) -> None:
    """The rows up to then are carried out, then the error comes out."""

    def rows() -> Iterator[Create]:
        yield from people(10)
        raise KeyError("x")

    async def async_rows() -> AsyncIterator[Create]:
        for row in rows():
            await asyncio.sleep(0)
            yield row

    runner = BatchRunner(users, concurrency=2)
    with pytest.raises(SourceError) as caught:
        await runner.run(async_rows() if asynchronous else rows())
    assert isinstance(caught.value.__cause__, KeyError)
    assert (runner.report.succeeded, runner.report.next_index) == (10, 10)
    assert runner.report.stopped_by == "the iterable of rows raised"
    assert not runner.report.exhausted
    nothing_left(users)


async def test_an_ordered_run(emulator: Emulator, users: UsersSession) -> None:
    """The report of an ordered runner has its outcomes in the order of the input."""
    emulator.script(Fault.rate_limited(0.01), Fault.rate_limited(0.01))
    report = await BatchRunner(users, ordered=True).run(people(50))
    assert [outcome.index for outcome in report.outcomes] == list(range(50))
