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
from usersapi_async.responses import flattened

from .clocks import settle
from .servers import bodies

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

    def __init__(self, pages: dict[int, list[int]], total: int | None, stated: int | None = None) -> None:
        self.pages = pages
        self.total = total
        self.stated = stated
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
        return UserListResponse(users=tuple(users), total_users=self.total, records_per_page=self.stated)


def cut(total: int, size: int) -> dict[int, list[int]]:
    """Pages of this size, from every position on, of the people 1 to `total`."""
    return {start: list(range(start + 1, min(start + size, total) + 1)) for start in range(total)}


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
    pages = Pages({position: [1, 2] for position in FULL}, 1000)
    pages.gate.set()
    async with walk(pages, GetUserList(), 0) as stream:
        assert [user.clogin_id async for user in stream] == [1, 2]
    assert stream.shifted
    assert pages.asked == [0, 2]


@pytest.mark.parametrize("prefetch", [0, 1, 3])
@pytest.mark.parametrize("stated", [None, 0, -1, 20, 50, 100])
async def test_pages_of_another_size(stated: int | None, prefetch: int) -> None:
    """Positions follow the pages that come, whatever the service says of their size: nobody is left out."""
    pages = Pages(cut(130, 20), 130, stated)
    pages.gate.set()
    async with walk(pages, GetUserList(), prefetch) as stream:
        assert [user.clogin_id async for user in stream] == list(range(1, 131))
    assert not stream.shifted
    assert pages.asked == list(range(0, 130, 20))


async def test_more_users_than_a_page_states() -> None:
    """Who comes beyond the stated size has no position of their own there: they may come again."""
    pages = Pages(cut(60, 50), 60, 30)
    pages.gate.set()
    async with walk(pages, GetUserList(), 0) as stream:
        assert [user.clogin_id async for user in stream] == list(range(1, 61))
    assert pages.asked == [0, 30]


@pytest.mark.parametrize("prefetch", [0, 1, 3])
async def test_a_page_that_is_shorter_than_the_others(prefetch: int) -> None:
    """After a page that is not full the walk goes on right behind it: pages requested ahead are dropped."""
    before = asyncio.all_tasks()
    pages = Pages({**cut(300, 50), 50: list(range(51, 71))}, 300, 50)
    async with walk(pages, GetUserList(), prefetch) as stream:
        for _ in range(50):
            await anext(stream)
        turning = asyncio.ensure_future(anext(stream))
        await settle()
        pages.gate.set()
        rest = [await turning, *[user async for user in stream]]
    assert [user.clogin_id for user in rest] == list(range(51, 301))
    assert not stream.shifted
    assert {0, 50, 70} < {*pages.asked}
    assert asyncio.all_tasks() == before


async def test_an_error_of_a_page_that_was_dropped() -> None:
    """What a page that nobody needs any more ended with troubles nobody."""
    pages = Pages({**cut(120, 50), 50: list(range(51, 71))}, 120, 50)
    pages.gate.set()

    async def fetch(payload: GetUserList) -> UserListResponse:
        if payload.starting_position == 100:
            raise RequestRejected("x", status=404)
        await settle()
        return await pages(payload)

    async with walk(fetch, GetUserList(), 2) as stream:
        assert [user.clogin_id async for user in stream] == list(range(1, 121))
    assert not stream.shifted


@pytest.mark.parametrize(("total", "shifted"), [(59, True), (60, False), (61, True), (None, False)])
async def test_a_walk_that_saw_another_number_of_users(total: int | None, *, shifted: bool) -> None:
    """A whole walk that saw more or fewer users than the total may have missed somebody."""
    pages = Pages({0: list(range(1, 51)), 50: list(range(51, 61))}, total, 50)
    pages.gate.set()
    async with walk(pages, GetUserList(), 0) as stream:
        assert len([user async for user in stream]) == 60
    assert stream.shifted is shifted
    async with walk(pages, GetUserList(starting_position=50), 0) as rest:
        assert len([user async for user in rest]) == 10
    assert not rest.shifted


@pytest.mark.parametrize("position", [0, 50])
async def test_lists_of_an_unknown_name(position: int) -> None:
    """A page that should hold somebody and shows nobody is no empty list."""
    pages = Pages({}, 60)
    pages.gate.set()
    async with walk(pages, GetUserList(starting_position=position), 0) as stream:
        for _ in range(2):
            with pytest.raises(MalformedResponse, match="no known list") as caught:
                await anext(stream)
    assert (caught.value.position, caught.value.action) == (position, "get_user_list")
    assert pages.asked == [position]


@pytest.mark.parametrize("options", [{"only_excluded": True}, {"starting_position": 60}])
async def test_nobody_is_left(options: dict[str, Any]) -> None:
    """A filter may leave nobody of a total, nor is there anybody behind the last."""
    pages = Pages({}, 60)
    pages.gate.set()
    async with walk(pages, GetUserList(**options), 0) as stream:
        assert [user async for user in stream] == []
    assert stream.shifted is ("only_excluded" in options)


async def test_nobody_from_the_middle_on() -> None:
    """A walk that finds nobody where there should be somebody ends, and says that it is not whole."""
    pages = Pages({0: [1, 2]}, 4)
    pages.gate.set()
    async with walk(pages, GetUserList(), 0) as stream:
        assert [user.clogin_id async for user in stream] == [1, 2]
    assert stream.shifted


def family(parent: int, *children: int) -> ListedUser:
    """A parent with these children under it, who don't say whose they are."""
    nested = tuple(ListedUser(user_info=UserInfo(clogin_id=child)) for child in children)
    return ListedUser(user_info=UserInfo(clogin_id=parent, connected_to=parent), children=nested)


@pytest.mark.parametrize(("total", "shifted"), [(2, False), (5, False), (3, True), (6, True)])
async def test_a_service_that_always_nests(total: int, *, shifted: bool) -> None:
    """Nested children are handed out after their parent unless families were asked for; a total may count
    them or not."""

    async def fetch(payload: GetUserList) -> UserListResponse:
        families = () if payload.starting_position else (family(1, 11, 12), family(2, 21))
        return UserListResponse(parents=families, total_users=total, records_per_page=50)

    async with walk(fetch, GetUserList(), 0) as stream:
        listed = [(user.clogin_id, user.user_info.connected_to) async for user in stream]
    assert listed == [(1, 1), (11, 1), (12, 1), (2, 2), (21, 2)]
    assert stream.shifted is shifted
    async with walk(fetch, GetUserList(return_families=True), 0) as families:
        assert [user.clogin_id async for user in families] == [1, 2]
    assert families.shifted is shifted


def test_nested_deeply() -> None:
    """Whoever stands under somebody comes right after them; a parent that is named is kept."""
    grandchild = ListedUser(user_info=UserInfo(clogin_id=3, connected_to=9))
    child = attrs.evolve(family(2), children=(grandchild,))
    users = [attrs.evolve(family(1, 5), children=(child, *family(1, 5).children)), family(8)]
    found = [(user.clogin_id, user.user_info.connected_to) for user in flattened(users)]
    assert found == [(1, 1), (2, 2), (3, 9), (5, 1), (8, 8)]


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
