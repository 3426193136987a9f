"""Single calls and batches share a session's pace, and neither keeps the other from being sent."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from tests.clocks import ManualClock
from tests.servers import bodies
from tests.test_session import session
from usersapi_async import BatchRunner, Limiter, RateLimit, UsersSession

from .support import people, until

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from usersapi_async.emulator import Emulator


async def crowd(users: UsersSession, workers: int, singles: int) -> Awaitable[object]:
    """A batch, all of whose workers wait to be sent, and single calls that come after them."""
    limiter = users.limiter
    batch = asyncio.ensure_future(BatchRunner(users, concurrency=workers).run(people(workers)))
    await until(lambda: limiter.waiting == workers)
    calls = [asyncio.ensure_future(users.get_user_list()) for _ in range(singles)]
    await until(lambda: limiter.waiting == workers + singles)
    return asyncio.gather(batch, *calls)


def order(emulator: Emulator) -> str:
    """What the server received, by the first letters of the actions."""
    return "".join(body["action"][0] for body in bodies(emulator))


async def test_slots_are_shared(emulator: Emulator) -> None:
    """Where slots are few, every second one that becomes free goes to a single call while there are any."""
    limiter = Limiter(None, 1, clock=ManualClock())
    async with session(emulator, limiter=limiter) as users:
        await limiter.acquire_slot()
        work = await crowd(users, workers=20, singles=3)
        limiter.release_slot()
        await work
    assert order(emulator) == "cgcgcg" + 17 * "c"


async def test_turns_are_shared(emulator: Emulator) -> None:
    """Where a rate is what one waits for, so does every second turn."""
    clock = ManualClock()
    limiter = Limiter(RateLimit(1), 100, clock=clock)
    async with session(emulator, limiter=limiter) as users:
        await limiter.take_turn()
        work = await crowd(users, workers=20, singles=3)
        for sent in range(23):
            assert emulator.received.total() == sent
            await clock.advance(1)
            await until(lambda: emulator.received.total() > sent)  # noqa: B023 (it is called in this round)
        await work
    assert order(emulator) == "cgcgcg" + 17 * "c"


async def test_views_share_their_lines(emulator: Emulator) -> None:
    """A view of a session is no other caller: what it sends waits behind what the session sent before."""
    limiter = Limiter(None, 1, clock=ManualClock())
    async with session(emulator, limiter=limiter) as users:
        await limiter.acquire_slot()
        view = users.with_options(group_id=emulator.group_id)
        calls = [asyncio.ensure_future(users.get_user_list()) for _ in range(2)]
        await until(lambda: limiter.waiting == 2)
        last = asyncio.ensure_future(view.create())
        await until(lambda: limiter.waiting == 3)
        limiter.release_slot()
        await asyncio.gather(*calls, last)
    assert order(emulator) == "ggc"
