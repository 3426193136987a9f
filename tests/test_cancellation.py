"""A call can be cancelled at any moment, and leaves nothing behind."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest

from tests.servers import until
from tests.transports import usual_transport
from usersapi_async import CallFinished, Credentials, Delivery, Observer, RateLimit, RetryPolicy, UsersSession
from usersapi_async.emulator import Fault, Faults, emulator_in_thread

if TYPE_CHECKING:
    from collections.abc import Iterator

    from usersapi_async.emulator import Emulator

CALLS = 2100


class Endings(Observer):
    """Counts how calls ended."""

    def __init__(self) -> None:
        self.events: list[CallFinished] = []

    def call_finished(self, event: CallFinished) -> None:
        """Keeps it."""
        self.events.append(event)


@pytest.fixture
def distant() -> Iterator[Emulator]:
    """An emulator in a thread of its own, so that its work doesn't march in step with ours."""
    faults = Faults(
        rate_limited=0.05,
        retry_after="0.001",
        drop_before=0.02,
        drop_after=0.02,
        slow=0.05,
        slow_seconds=0.002,
    )
    with emulator_in_thread(faults=faults) as emulator:
        yield emulator


def connections_in_use(users: UsersSession) -> int:
    """How many connections of a session are not idle."""
    transport: Any = users._dispatcher._transport
    pools = (transport._pool, transport._fresh)
    if usual_transport() == "httptools":
        return sum(pool.in_use for pool in pools)
    return sum(len(pool.connector._acquired) for pool in pools)


async def cancelled_after(steps: int, users: UsersSession, number: int) -> None:
    """Makes a call and cancels it after so many turns of the event loop."""
    task = asyncio.ensure_future(
        users.create({"first_name": f"N{number}"}) if number % 3 else users.get_info(1)
    )
    for _ in range(steps):
        await asyncio.sleep(0)
    task.cancel()
    await asyncio.wait([task])


@pytest.mark.usefixtures("any_transport")
async def test_thousands_of_random_cancellations_leave_nothing(distant: Emulator) -> None:
    """After thousands of cancellations no slot, turn, connection or task is left, and nobody exists twice."""
    rng = random.Random(7)
    endings = Endings()
    async with UsersSession(
        Credentials(**distant.credentials),
        group_id=distant.group_id,
        base_url=distant.base_url,
        rate=RateLimit(20_000),
        concurrency=8,
        connections=6,
        retry=RetryPolicy(base=0.001),
        rng=rng,
        observer=endings,
    ) as users:
        tasks = asyncio.all_tasks()
        for batch in range(0, CALLS, 30):
            await asyncio.gather(
                *(cancelled_after(rng.randrange(1, 60), users, number) for number in range(batch, batch + 30))
            )
        assert users.limiter.in_flight == 0
        await until(lambda: not connections_in_use(users))
        await until(lambda: asyncio.all_tasks() <= tasks)
        await users.get_user_list()
    assert Counter(event.ending for event in endings.events).total() == CALLS + 1
    assert {event.ending for event in endings.events} >= {"abandoned", "succeeded"}
    names = Counter(user.doc["first_name"] for user in distant.users.values())
    assert set(names.values()) <= {1}


async def test_the_caller_s_own_timeout_is_reported_with_its_delivery(emulator: Emulator) -> None:
    """A call that the caller's own timeout cuts off is told as one that may have been done."""
    endings = Endings()
    emulator.script(Fault.slow(30), action="create")
    async with UsersSession(
        Credentials(**emulator.credentials),
        group_id=emulator.group_id,
        base_url=emulator.base_url,
        observer=endings,
    ) as users:
        call = asyncio.ensure_future(users.create())
        await until(lambda: emulator.received["create"])
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0):
                await call
    (event,) = endings.events
    assert (event.ending, event.delivery, event.attempts) == ("abandoned", Delivery.UNKNOWN, 1)


async def test_a_call_cancelled_before_its_turn_was_not_sent(emulator: Emulator) -> None:
    """A call that is cancelled in the limiter's queue is told to the observer as not sent."""
    endings = Endings()
    emulator.script(Fault.slow(30))
    async with UsersSession(
        Credentials(**emulator.credentials),
        group_id=emulator.group_id,
        base_url=emulator.base_url,
        concurrency=1,
        observer=endings,
    ) as users:
        first = asyncio.ensure_future(users.get_info(1))
        await until(lambda: emulator.received["get_info"])
        second = asyncio.ensure_future(users.create())
        await asyncio.sleep(0)
        for task in (second, first):
            task.cancel()
            await asyncio.wait([task])
    assert [(event.action, event.delivery) for event in endings.events] == [
        ("create", Delivery.NOT_SENT),
        ("get_info", Delivery.UNKNOWN),
    ]
