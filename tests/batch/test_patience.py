"""A batch outlasts a server that can't be reached or refuses for now."""

from __future__ import annotations

import asyncio
import random
from typing import TYPE_CHECKING

from tests.servers import free_port
from usersapi_async import (
    BatchRunner,
    Credentials,
    GetInfo,
    Observer,
    RateLimited,
    RetryPolicy,
    RetryScheduled,
    UsersSession,
)
from usersapi_async.emulator import Emulator, Fault, Faults, running_emulator

from .support import conserved, never_twice, people, told

if TYPE_CHECKING:
    from collections.abc import Callable

HASTY = RetryPolicy(attempts=2, base=0, cap=0.01, budget_burst=3)


class Hook(Observer):
    """Calls a function once so many retries were scheduled."""

    def __init__(self, retries: int, then: Callable[[], object]) -> None:
        self.left = retries
        self.then = then

    def retry_scheduled(self, event: RetryScheduled) -> None:
        self.left -= 1
        if self.left == 0:
            self.then()


def session(
    emulator: Emulator, observer: Observer | None = None, base_url: str | None = None
) -> UsersSession:
    """A session that gives up fast on its own."""
    return UsersSession(
        Credentials(**emulator.credentials),
        group_id=emulator.group_id,
        base_url=base_url or emulator.base_url,
        retry=HASTY,
        concurrency=5,  # as many refusals as are asked for, at once, and not at a pace
        observer=observer,
        rng=random.Random(0),
    )


async def test_an_outage_costs_no_rows() -> None:
    """While nobody listens rows wait, far beyond their attempts and the budget; then all are carried out."""
    port = free_port()
    down = asyncio.Event()
    async with running_emulator(seed=1) as twin:
        credentials, group = twin.credentials, twin.group_id
    async with UsersSession(
        Credentials(**credentials),
        group_id=group,
        base_url=f"http://127.0.0.1:{port}/reg/api2/users/",
        retry=HASTY,
        observer=Hook(300, down.set),
        rng=random.Random(0),
    ) as users:
        runner = BatchRunner(users, concurrency=5)
        batch = asyncio.ensure_future(runner.run(people(100)))
        await down.wait()
        assert runner.report.taken <= 5 * 4
        async with running_emulator(seed=1, port=port) as emulator:
            report = await batch
            told(report, report.outcomes)
            never_twice(emulator, report.outcomes)
            assert report.succeeded == 100


async def test_a_server_that_refuses_everybody_for_now(emulator: Emulator) -> None:
    """So it is with 429s that outlast the attempts of a row."""
    emulator.faults = Faults(rate_limited=1)
    observer = Hook(100, lambda: setattr(emulator, "faults", Faults()))
    async with session(emulator, observer) as users:
        report = await BatchRunner(users, concurrency=5).run(people(50))
    assert report.succeeded == 50
    never_twice(emulator, report.outcomes)


async def test_no_patience(emulator: Emulator) -> None:
    """Without it a row fails once its attempts or the budget are used."""
    emulator.faults = Faults(rate_limited=1)
    async with session(emulator) as users:
        report = await BatchRunner(users, concurrency=5, patience=0).run(people(50))
    conserved(report)
    assert report.failed == 50
    assert {type(error) for error in report.errors.values()} == {RateLimited}
    assert {outcome.attempts for outcome in report.outcomes} == {1, 2}


async def test_what_is_wrong_with_one_row_is_not_waited_for(emulator: Emulator) -> None:
    """A read that fails on the server again and again ends with its attempts."""
    emulator.script(Fault.error(500), Fault.error(500))
    async with session(emulator) as users:
        report = await BatchRunner(users).run([GetInfo(clogin_id=1)])
    assert [(type(outcome).__name__, outcome.attempts) for outcome in report.outcomes] == [("Failed", 2)]


async def test_rows_that_wait_for_the_server_can_be_stopped(emulator: Emulator) -> None:
    """A stop gives them up at the end of its drain; nothing of them was sent."""
    stopping = asyncio.Event()
    url = f"http://127.0.0.1:{free_port()}/"
    async with session(emulator, Hook(50, stopping.set), url) as users:
        runner = BatchRunner(users, concurrency=5)
        batch = asyncio.ensure_future(runner.run(people(50)))
        await stopping.wait()
        await runner.stop(drain=0)
        report = await batch
    conserved(report)
    assert report.not_attempted == report.taken <= 20
