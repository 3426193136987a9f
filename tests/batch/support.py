"""What the tests of the batch runner share."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import TYPE_CHECKING

from tests.servers import until as until
from usersapi_async import BatchReport, Create, Failed, InDoubt, NotAttempted, Outcome, Succeeded

if TYPE_CHECKING:
    from collections.abc import Coroutine, Iterable

    from usersapi_async import UsersSession
    from usersapi_async.emulator import Emulator


def everything(_: Outcome) -> bool:
    """What to keep."""
    return True


def person(marker: object) -> Create:
    """Somebody who can be told from all others by `marker`, registered without mails."""
    return Create(doc={"first_name": f"<{marker}>"}, disable_email_sending=True)


def people(count: int, tag: object = "p") -> list[Create]:
    return [person(f"{tag}-{number}") for number in range(count)]


def registered(emulator: Emulator) -> Counter[object]:
    """How often each marker was registered."""
    return Counter(user.doc.get("first_name") for user in list(emulator.users.values()))


def marker_of(outcome: Outcome) -> object:
    assert isinstance(outcome.payload, Create)
    return outcome.payload.doc["first_name"]


def kinds(outcomes: Iterable[Outcome]) -> list[str]:
    """The names of the outcomes' classes, in the order of the input."""
    return [type(outcome).__name__ for outcome in sorted(outcomes, key=lambda outcome: outcome.index)]


def conserved(report: BatchReport) -> None:
    """Every row taken has ended once, and a batch that did not read to the end says why."""
    assert report.taken == report.succeeded + report.failed + report.in_doubt + report.not_attempted
    assert report.next_index == report.taken
    assert report.exhausted or report.stopped_by


def told(report: BatchReport, outcomes: Iterable[Outcome]) -> None:
    """`outcomes` are exactly what the report counts, each row once."""
    outcomes = list(outcomes)
    conserved(report)
    assert sorted(outcome.index for outcome in outcomes) == list(range(report.taken))
    counts = Counter(type(outcome) for outcome in outcomes)
    assert counts[Succeeded] == report.succeeded
    assert counts[Failed] == report.failed
    assert counts[InDoubt] == report.in_doubt
    assert counts[NotAttempted] == report.not_attempted


def never_twice(emulator: Emulator, outcomes: Iterable[Outcome]) -> None:
    """What the server did to each create is what its outcome says; ask once nothing is under way."""
    times = registered(emulator)
    for outcome in outcomes:
        done = times[marker_of(outcome)]
        if isinstance(outcome, Succeeded):
            assert done == 1
        elif isinstance(outcome, InDoubt):
            assert done <= 1
            assert outcome.attempts
        else:
            assert done == 0
        if isinstance(outcome, NotAttempted):
            assert outcome.reason


def nothing_left(users: UsersSession) -> None:
    """No slot of the limiter and no task of the batch outlives it."""
    assert users.limiter.in_flight == 0
    names = [getattr(task.get_coro(), "__qualname__", "") for task in asyncio.all_tasks()]
    assert not [name for name in names if name.startswith(("Engine.", "BatchRunner."))]


async def steps(count: int) -> None:
    """Lets the loop run so many times."""
    for _ in range(count):
        await asyncio.sleep(0)


async def cancelled_after(count: int, work: Coroutine[object, object, object]) -> bool:
    """Cancels `work` after so many steps of the loop; False when it had ended by then."""
    task = asyncio.ensure_future(work)
    await steps(count)
    in_time = task.cancel()
    try:
        await task
    except asyncio.CancelledError:
        return True
    return in_time
