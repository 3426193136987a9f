"""What a `BatchRunner` takes, refuses, and can be used for again."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from usersapi_async import (
    BatchRunner,
    ConfigurationError,
    Create,
    Credentials,
    Outcome,
    SessionError,
    UsersSession,
)
from usersapi_async.emulator import Fault

from .support import never_twice, people, person, until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from usersapi_async.emulator import Emulator


def read_by(reader: list[int]) -> Iterator[Create]:
    for number in range(3):
        reader.append(number)
        yield person(number)


async def test_one_batch_at_a_time(emulator: Emulator, users: UsersSession) -> None:
    """A second run on a runner at work is refused, and leaves the first alone."""
    emulator.script(Fault.slow(0.05))
    runner = BatchRunner(users)
    first = asyncio.ensure_future(runner.run([person(1)]))
    await until(lambda: emulator.received["create"])
    read: list[int] = []
    with pytest.raises(SessionError, match="at work"):
        await runner.run(read_by(read))
    with pytest.raises(SessionError, match="at work"):
        async with runner.stream([person(2)]):
            raise AssertionError
    assert runner.report.taken == 1
    report = await first
    assert (report.succeeded, report is runner.report, read) == (1, True, [])


async def test_a_runner_may_be_used_again(users: UsersSession) -> None:
    """Each run has a report of its own."""
    runner = BatchRunner(users)
    first = await runner.run(people(3))
    second = await runner.run(people(2, "q"))
    assert (first.taken, second.taken, runner.report) == (3, 2, second)


async def test_two_runners_on_one_session(emulator: Emulator, users: UsersSession) -> None:
    """They share the pace and nothing else."""
    reports = await asyncio.gather(
        *[BatchRunner(users, concurrency=4).run(people(20, tag)) for tag in ("a", "b")]
    )
    assert [report.succeeded for report in reports] == [20, 20]
    outcomes: list[Outcome] = [outcome for report in reports for outcome in report.outcomes]
    never_twice(emulator, outcomes)


async def test_a_session_that_is_not_open(emulator: Emulator) -> None:
    """It is refused before a row is read."""
    users = UsersSession(Credentials(**emulator.credentials), group_id=1, base_url=emulator.base_url)
    runner = BatchRunner(users)
    read: list[int] = []
    rows = read_by(read)
    for state in ("new", "closed"):
        with pytest.raises(SessionError, match=state):
            await runner.run(rows)
        with pytest.raises(SessionError, match=state):
            async with runner.stream(rows):
                raise AssertionError
        if state == "new":
            async with users:
                pass
    assert read == []


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("concurrency", 0),
        ("concurrency", 1.5),
        ("concurrency", True),
        ("max_errors", 0),
        ("max_errors", -1),
        ("max_errors", float("nan")),
        ("max_errors", "3"),
        ("max_same_rejections", 0),
        ("after_failure", "stop"),
        ("keep", True),
        ("on_progress", "print"),
    ],
)
async def test_arguments_of_the_runner(users: UsersSession, name: str, value: Any) -> None:
    """A wrong one is named."""
    options: dict[str, Any] = {name: value}
    with pytest.raises(ConfigurationError, match=rf"^{name}: "):
        BatchRunner(users, **options)


async def test_the_session_argument() -> None:
    """Nor does anything pass for a session."""
    wrong: Any = object()
    with pytest.raises(ConfigurationError, match=r"^users: "):
        BatchRunner(wrong)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("deadline", 0),
        ("deadline", "soon"),
        ("build", "csv"),
        ("build", asyncio.sleep),
        ("items", 5),
        ("items", {}),
        ("limit", 0),
    ],
)
async def test_arguments_of_a_run(users: UsersSession, name: str, value: Any) -> None:
    """The same, and the runner stays usable."""
    runner = BatchRunner(users)
    arguments: dict[str, Any] = {"items": people(1), name: value}
    with pytest.raises(ConfigurationError, match=rf"^{name}: "):
        await runner.run(**arguments)
    with pytest.raises(ConfigurationError, match=rf"^{name}: "):
        async with runner.stream(**arguments):
            raise AssertionError
    assert (await runner.run(people(1))).succeeded == 1


@pytest.mark.parametrize("drain", [-1, "soon", float("inf")])
async def test_the_argument_of_stop(users: UsersSession, drain: Any) -> None:
    """And so is that of `stop`."""
    with pytest.raises(ConfigurationError, match=r"^drain: "):
        await BatchRunner(users).stop(drain)
