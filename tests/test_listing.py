"""All users as one stream: pages ahead, shifting lists, interruptions."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import attrs
import pytest

from usersapi_async import (
    ConfigurationError,
    GetUserList,
    ListedUser,
    MalformedResponse,
    RequestRejected,
    UserInfo,
    UserListResponse,
    UsersSession,
)
from usersapi_async.emulator import Fault
from usersapi_async.listing import UserStream, walk

from .clocks import settle
from .servers import answer, answering, bodies, raw_server
from .test_session import on

if TYPE_CHECKING:
    from usersapi_async.emulator import Emulator


async def register(users: UsersSession, count: int) -> list[int]:
    """So many people, in the order of their registration."""
    return [(await users.create()).clogin_id for _ in range(count)]


async def gather_into(seen: list[int], stream: UserStream) -> None:
    """Notes each user as it comes, so that what came before an error is known."""
    async for user in stream:
        seen.append(user.clogin_id)  # noqa: PERF401


def positions(emulator: Emulator) -> list[Any]:
    """The positions that were asked for, in the order of their coming."""
    lists = [body for body in bodies(emulator) if body["action"] == "get_user_list"]
    return [body["doc"]["starting_position"] for body in lists]


@pytest.mark.parametrize("count", [0, 1, 50, 51, 100, 120])
async def test_everyone_in_order(emulator: Emulator, users: UsersSession, count: int) -> None:
    """All users come once, in the service's order, with no request more than it takes."""
    ids = await register(users, count)
    async with users.iter_users() as stream:
        assert [user.clogin_id async for user in stream] == ids
        assert (stream.total_users, stream.shifted) == (count, False)
        assert stream.position >= count
        with pytest.raises(StopAsyncIteration):
            await anext(stream)
    assert sorted(positions(emulator)) == list(range(0, max(count, 1), 50))


async def test_filters_and_fields(emulator: Emulator, users: UsersSession) -> None:
    """The walk takes the list's filters and fields."""
    parent = (await users.create({"first_name": "Nina"})).clogin_id
    child = (await users.create_child(parent)).clogin_id
    gone = (await users.create()).clogin_id
    await users.set_status(gone, 8103)

    async def ids(**filters: Any) -> list[int]:
        async with users.iter_users(["first_name"], **filters) as stream:
            found = [user async for user in stream]
        assert all("first_name" in user.values for user in found)
        return [user.clogin_id for user in found]

    assert await ids() == [parent, child]
    assert await ids(with_excluded=True, only_parents=True) == [parent, gone]
    assert await ids(only_excluded=True) == [gone]
    assert await ids(only_children=True) == [child]
    assert await ids(return_families=True) == [parent]
    assert await ids(starting_position=1) == [child]


async def test_another_group(emulator: Emulator, users: UsersSession) -> None:
    """The walk may go through another group."""
    other = (await users.create(group_id=emulator.other_group_id)).clogin_id
    async with users.iter_users(group_id=emulator.other_group_id) as stream:
        assert [user.clogin_id async for user in stream] == [other]


async def test_an_error_says_where_to_go_on(emulator: Emulator, users: UsersSession) -> None:
    """A walk that broke off goes on from the position in its error."""
    ids = await register(users, 120)
    emulator.script(None, Fault.status(400), action="get_user_list")
    seen: list[int] = []
    async with users.iter_users(prefetch=0) as stream:
        with pytest.raises(RequestRejected) as caught:
            await gather_into(seen, stream)
    assert caught.value.position == stream.position == 50
    async with users.iter_users(starting_position=caught.value.position) as rest:
        seen += [user.clogin_id async for user in rest]
    assert seen == ids


async def test_somebody_leaves_during_the_walk(emulator: Emulator, users: UsersSession) -> None:
    """When users shift, nobody comes twice, and the stream says that somebody may be missing."""
    ids = await register(users, 120)
    seen = []
    async with users.iter_users(prefetch=0) as stream:
        async for user in stream:
            seen.append(user.clogin_id)
            if len(seen) == 10:
                await users.set_status(ids[0], 8103)
    assert stream.shifted
    assert seen == [*ids[:50], *ids[51:]]


class Pages:
    """A service that answers each position with the ids given for it, when the test lets it."""

    def __init__(self, pages: dict[int, list[int]], total: int | None) -> None:
        self.pages = pages
        self.total = total
        self.asked: list[int] = []
        self.cancelled = 0
        self.gate = asyncio.Event()

    async def __call__(self, payload: GetUserList) -> UserListResponse:
        position = payload.starting_position or 0
        self.asked.append(position)
        try:
            if position:
                await self.gate.wait()
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        users = [ListedUser(user_info=UserInfo(clogin_id=one)) for one in self.pages.get(position, [])]
        return UserListResponse(users=tuple(users), total_users=self.total)


FULL = {start: list(range(start + 1, start + 51)) for start in range(0, 1000, 50)}


@pytest.mark.parametrize("prefetch", [0, 1, 3])
async def test_so_many_pages_ahead(prefetch: int) -> None:
    """At most ``prefetch`` pages beyond the one being waited for are requested."""
    pages = Pages(FULL, 1000)
    async with walk(pages, GetUserList(), prefetch) as stream:
        for _ in range(50):
            await anext(stream)
        assert pages.asked == [0]
        turning = asyncio.ensure_future(anext(stream))
        await settle()
        assert pages.asked == [0, *range(50, 50 * (prefetch + 2), 50)]
        pages.gate.set()
        assert (await turning).clogin_id == 51
        assert stream.position == 50


async def test_leaving_early() -> None:
    """Who leaves the stream leaves no request behind."""
    pages = Pages(FULL, 1000)
    before = asyncio.all_tasks()
    async with walk(pages, GetUserList(), 3) as stream:
        for _ in range(50):
            await anext(stream)
        turning = asyncio.ensure_future(anext(stream))
        await settle()
        turning.cancel()
        await asyncio.gather(turning, return_exceptions=True)
    assert pages.cancelled == 4
    assert asyncio.all_tasks() == before


async def test_a_cancelled_wait_goes_on() -> None:
    """A wait for the next user that was cancelled loses nobody: the page is still on its way."""
    pages = Pages(FULL, 100)
    async with walk(pages, GetUserList(), 0) as stream:
        for _ in range(50):
            await anext(stream)
        turning = asyncio.ensure_future(anext(stream))
        await settle()
        turning.cancel()
        await asyncio.gather(turning, return_exceptions=True)
        pages.gate.set()
        assert [user.clogin_id async for user in stream] == list(range(51, 101))
    assert pages.asked == [0, 50]


async def test_a_service_that_does_not_count() -> None:
    """Without a total the walk goes page by page until one has nobody new."""
    pages = Pages({0: [1, 2], 2: [3]}, None)
    pages.gate.set()
    async with walk(pages, GetUserList(), 5) as stream:
        assert [user.clogin_id async for user in stream] == [1, 2, 3]
    assert pages.asked == [0, 2, 3]
    assert (stream.total_users, stream.shifted) == (None, False)


async def test_a_service_that_ignores_positions() -> None:
    """The same page again and again ends the walk, and nobody comes twice."""
    pages = Pages({position: [1, 2] for position in range(1000)}, 1000)
    pages.gate.set()
    async with walk(pages, GetUserList(), 0) as stream:
        assert [user.clogin_id async for user in stream] == [1, 2]
    assert stream.shifted
    assert pages.asked == [0, 2]


async def test_pages_by_what_came() -> None:
    """A page shorter than those before it makes no gap: what was asked for beyond it is given up."""
    pages = Pages({0: [1, 2, 3], 3: [4], 4: [5, 6], 6: [7], **{at: [99] for at in (5, 7, 8, 9)}}, 7)
    pages.gate.set()
    async with walk(pages, GetUserList(), 2) as stream:
        assert [user.clogin_id async for user in stream] == [1, 2, 3, 4, 5, 6, 7]
        assert (stream.shifted, stream.position) == (False, 7)
    assert pages.asked[:3] == [0, 3, 6]


@pytest.mark.parametrize("total", [1, 2, 3, 4])
async def test_the_end_is_counted(total: int) -> None:
    """A total that fits neither the users nor all of their children says that somebody may be missing."""
    pages = Pages({0: [1, 2]}, total)
    pages.gate.set()

    async def families(payload: GetUserList) -> UserListResponse:
        page = await pages(payload)
        child = ListedUser(user_info=UserInfo(clogin_id=9))
        return attrs.evolve(page, users=tuple(attrs.evolve(user, children=(child,)) for user in page.users))

    async with walk(families, GetUserList(), 0) as stream:
        assert [user.clogin_id async for user in stream] == [1, 2]
    assert stream.shifted is (total not in (2, 3))


async def test_a_list_under_an_unknown_name() -> None:
    """An answer whose users can't be found is no empty list: it is malformed, and the position is told."""
    empty = {"success": True, "total_users": "0"}
    odd = {"success": True, "total_users": "7", "people": [{"user_info": {"clogin_id": 1}}]}
    async with (
        raw_server(answering(*[answer(odd)] * 5)) as server,
        on(server.url) as elsewhere,
        elsewhere.iter_users(starting_position=3) as stream,
    ):
        with pytest.raises(MalformedResponse, match="no list of users under a name that is known") as caught:
            await anext(stream)
    assert caught.value.position == 3
    async with raw_server(answering(answer(empty))) as server, on(server.url) as elsewhere:
        assert (await elsewhere.get_user_list()).everyone == ()


async def test_prefetch_is_checked(users: UsersSession) -> None:
    """``prefetch`` is an int of 0 or more."""
    for wrong in (-1, True, 1.5):
        with pytest.raises(ConfigurationError, match="prefetch: expected an int of 0 or more"):
            async with users.iter_users(prefetch=wrong):  # type: ignore[arg-type]
                pass


async def test_a_stream_iterates_itself() -> None:
    """A stream can be looped over twice; the second loop goes on where the first stopped."""
    pages = Pages({0: [1, 2, 3]}, 3)
    stream = UserStream(pages, GetUserList(), 0)
    async for user in stream:
        if user.clogin_id == 2:
            break
    assert [user.clogin_id async for user in stream] == [3]
    await stream.aclose()
