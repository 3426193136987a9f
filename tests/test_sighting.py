"""Walks that look for somebody: pages of any size, overlapping, a few at a time."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from usersapi_async import (
    Create,
    ListedUser,
    MalformedResponse,
    OutcomeUnknown,
    RequestRejected,
    UserInfo,
    UserListResponse,
)
from usersapi_async._recognition import Sought
from usersapi_async._sighting import Walker

from .clocks import settle

if TYPE_CHECKING:
    from usersapi_async._sighting import Sight

DOUBT = OutcomeUnknown("x", payload=Create(doc={"username": "nina"}))


class Pages:
    """A list of the people 1 to `count`, of whom the last has the username that is sought."""

    def __init__(
        self, count: int, size: int, *, total: int | None = -1, stated: int | None = None, gated: bool = False
    ) -> None:
        self.count = count
        self.size = size
        self.total = count if total == -1 else total
        self.stated = stated
        self.asked: list[int] = []
        self.under_way = 0
        self.most_under_way = 0
        self.gate = asyncio.Event()
        if not gated:
            self.gate.set()

    async def __call__(self, position: int) -> UserListResponse:
        self.asked.append(position)
        self.under_way += 1
        self.most_under_way = max(self.most_under_way, self.under_way)
        try:
            await (self.gate.wait() if position else asyncio.sleep(0))
        finally:
            self.under_way -= 1
        ids = range(position + 1, min(position + self.size, self.count) + 1)
        return UserListResponse(
            users=tuple(self.user(one) for one in ids), total_users=self.total, records_per_page=self.stated
        )

    def user(self, clogin_id: int) -> ListedUser:
        """One of them."""
        name = "nina" if clogin_id == self.count else f"user{clogin_id}"
        return ListedUser(user_info=UserInfo(clogin_id=clogin_id), values={"username": name})


async def seen(pages: Pages, max_pages: int | None = None) -> tuple[Sight, bool]:
    """What a search for the last one comes to."""
    sought = Sought.of("key", DOUBT, None)
    assert sought is not None
    sight, agreed = await Walker(pages, [sought], None, max_pages).agreed()
    assert sight.sure.get(sought, {pages.count}) == {pages.count}
    return sight, agreed


@pytest.mark.parametrize("count", [0, 1, 2, 3, 4, 19, 20, 21, 130])
@pytest.mark.parametrize("size", [1, 2, 3, 7, 20])
@pytest.mark.parametrize("stated", [None, 0, -1, 2, 20, 100])
async def test_pages_of_any_size(count: int, size: int, stated: int | None) -> None:
    """Everybody is seen whatever a page holds and whatever it states; two walks agree."""
    pages = Pages(count, size, stated=stated)
    sight, agreed = await seen(pages)
    assert agreed
    assert sorted(sight.connected) == list(range(1, count + 1))
    assert len(sight.sure) == bool(count)


@pytest.mark.parametrize(("size", "step"), [(50, 40), (30, 20), (12, 8), (3, 2), (2, 2), (1, 1)])
async def test_pages_overlap(size: int, step: int) -> None:
    """By ten users, or by a third of a page that is small."""
    pages = Pages(size * 3, size)
    assert (await seen(pages))[1]
    assert pages.asked == [*range(0, size * 3, step)] * 2


async def test_one_page_is_enough_for_a_list_that_fits() -> None:
    """A first page with everybody needs no second."""
    pages = Pages(45, 50, stated=50)
    assert (await seen(pages))[1]
    assert pages.asked == [0, 0]


async def test_a_service_that_does_not_count() -> None:
    """Without a total a walk goes on until a page has nobody new, and proves nothing."""
    pages = Pages(130, 50, total=None)
    sight, agreed = await seen(pages)
    assert not agreed
    assert len(sight.connected) == 130
    assert len(pages.asked) < 20
    assert pages.asked.count(0) == 1


@pytest.mark.parametrize("total", [129, 131, 10**15])
async def test_a_total_that_does_not_fit(total: int) -> None:
    """Walks that saw more or fewer users than the total prove nothing; an absurd total ends them no later."""
    pages = Pages(130, 50, total=total)
    sight, agreed = await seen(pages)
    assert not agreed
    assert len(sight.connected) == 130
    assert len(pages.asked) < 100


async def test_lists_of_an_unknown_name() -> None:
    """A list that counts people and shows nobody is an error, not an empty list."""
    with pytest.raises(MalformedResponse, match="no known list of its 7 users"):
        await seen(Pages(0, 50, total=7))


@pytest.mark.parametrize(("max_pages", "agreed"), [(1, False), (3, False), (4, True), (9, True)])
async def test_a_bound_of_pages(max_pages: int, *, agreed: bool) -> None:
    """A walk that may not see all pages proves nothing, so there is one."""
    pages = Pages(130, 50)
    assert (await seen(pages, max_pages))[1] is agreed
    assert len(pages.asked) == (8 if agreed else max_pages)


async def test_a_few_pages_at_a_time() -> None:
    """However long the list, a walk has eight requests and eight tasks on their way."""
    before = len(asyncio.all_tasks())
    pages = Pages(100_000, 50, gated=True)
    walk = asyncio.ensure_future(seen(pages, 20))
    await settle()
    assert pages.under_way == 8
    assert len(asyncio.all_tasks()) == before + 1 + 8
    pages.gate.set()
    await walk
    assert (pages.most_under_way, len(pages.asked)) == (8, 20)


async def test_an_error_ends_the_walk() -> None:
    """The other requests are given up, and no task is left."""
    before = asyncio.all_tasks()

    class Failing(Pages):
        async def __call__(self, position: int) -> UserListResponse:
            if position == 80:
                raise RequestRejected("x", status=404)
            return await super().__call__(position)

    pages = Failing(1000, 50, gated=True)
    with pytest.raises(RequestRejected):
        await seen(pages)
    assert pages.under_way == 0
    assert asyncio.all_tasks() == before
