"""After a write whose fate is open, the next write to the same user waits: a late one must not come after."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from usersapi_async import OutcomeUnknown, RetryPolicy, SetStatus, UsersSession
from usersapi_async.emulator import Fault

from .test_session import session

if TYPE_CHECKING:
    from usersapi_async.emulator import Emulator


async def doubt(emulator: Emulator, users: UsersSession, clogin_id: int) -> None:
    """Leaves an update of this user in doubt."""
    emulator.script(Fault.drop_after(), action="update")
    with pytest.raises(OutcomeUnknown):
        await users.update(clogin_id, {"phone": "1"})


async def test_the_next_write_waits(emulator: Emulator) -> None:
    """A write to that user waits; a read, and a write to another user, do not."""
    async with session(emulator, retry=RetryPolicy(base=0, settle=60)) as users:
        one, other = [(await users.create()).clogin_id for _ in range(2)]
        await doubt(emulator, users, one)
        waiting = asyncio.ensure_future(users.update(one, {"phone": "2"}))
        await users.get_info(one)
        await users.update(other, {"phone": "3"})
        await users.create()
        assert not waiting.done()
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
    assert emulator.users[one].doc["phone"] == "1"


async def test_the_wait_ends(emulator: Emulator) -> None:
    """After the settle time the next write goes out."""
    loop = asyncio.get_running_loop()
    async with session(emulator, retry=RetryPolicy(base=0, settle=0.1)) as users:
        clogin_id = (await users.create()).clogin_id
        await doubt(emulator, users, clogin_id)
        doubted = users._dispatcher._unsettled[clogin_id]
        await users.update(clogin_id, {"phone": "2"})
        assert loop.time() >= doubted
    assert emulator.users[clogin_id].doc["phone"] == "2"


async def test_no_settle_time(emulator: Emulator, users: UsersSession) -> None:
    """0 seconds is no wait."""
    clogin_id = (await users.create()).clogin_id
    await doubt(emulator, users, clogin_id)
    async with asyncio.timeout(5):
        await users.update(clogin_id, {"phone": "2"})
    assert emulator.users[clogin_id].doc["phone"] == "2"


async def test_the_memory_of_doubts_is_bounded(
    emulator: Emulator, users: UsersSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Doubts whose time is over make room for new ones."""
    monkeypatch.setattr("usersapi_async.dispatch._MOST_UNSETTLED", 1)
    ids = [(await users.create()).clogin_id for _ in range(3)]
    for clogin_id in ids:
        await doubt(emulator, users, clogin_id)
    assert list(users._dispatcher._unsettled) == ids[-1:]


async def test_a_doubt_that_comes_up_while_others_wait(emulator: Emulator) -> None:
    """A write that already waited for its slot when the doubt arose waits too."""
    async with session(emulator, concurrency=1, retry=RetryPolicy(base=0, settle=60)) as users:
        clogin_id = (await users.create()).clogin_id
        emulator.script(Fault.drop_after(), action="update")
        first = asyncio.ensure_future(users.update(clogin_id, {"phone": "1"}))
        second = asyncio.ensure_future(users.update(clogin_id, {"phone": "2"}))
        with pytest.raises(OutcomeUnknown):
            await first
        await users.get_info(clogin_id)
        assert not second.done()
        second.cancel()
        await asyncio.gather(second, return_exceptions=True)
    assert emulator.received["update"] == 1


async def test_a_retry_waits_too(emulator: Emulator) -> None:
    """A write that was refused for now finds, when its time comes, that another is in doubt."""
    async with session(emulator, retry=RetryPolicy(base=0, settle=60)) as users:
        clogin_id = (await users.create()).clogin_id
        emulator.script(Fault.rate_limited(), action="set_status")
        call = users.prepare(SetStatus(clogin_id=clogin_id, status_id=0))
        assert await users.step(call) == 0
        await doubt(emulator, users, clogin_id)
        assert 50 < await users.step(call) <= 60  # type: ignore[operator]
        assert call.attempts == 1
        users.finish(call, None, abandoned=True)
