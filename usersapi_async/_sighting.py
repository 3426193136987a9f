"""Walks through the list of users: who was seen of those sought, and whether that can be relied on."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Awaitable, Callable, Collection, Iterable
from typing import TypeVar

from ._recognition import Sign, Sought, kinds_of_signs, plain
from .listing import page_size, require_users
from .responses import ListedUser, UserListResponse, flattened

_T = TypeVar("_T")

_OVERLAP = 10
_MOST_WALKS = 5
_WORKERS = 8
_FARTHEST = 10**9


class Sight:
    """What one walk through a list saw of those who are sought."""

    def __init__(self, sought: Iterable[Sought], marker_field: str | None) -> None:
        self._kinds = kinds_of_signs(marker_field)
        self._fields = {field for kind in self._kinds for field in kind}
        self._by_sign: dict[Sign, list[Sought]] = {}
        self._by_other_sign: dict[Sign, list[Sought]] = {}
        for one in sought:
            if one.sign is not None:
                self._by_sign.setdefault(one.sign, []).append(one)
            for sign in one.others:
                self._by_other_sign.setdefault(sign, []).append(one)
        self._totals: set[int | None] = set()
        self._listed: set[int] = set()
        self._telling: set[int] = set()
        self.connected: dict[int, int | None] = {}
        """Everybody who was seen, and to whom they are connected where the list tells that."""
        self.sure: dict[Sought, set[int]] = {}
        """Who shows a sign and stands at its place in a family."""
        self.possible: dict[Sought, set[int]] = {}
        """Who shows a sign, but may stand elsewhere; or an exact sign that stands elsewhere."""
        self.similar: dict[Sought, set[int]] = {}
        """Who shows another of a person's signs, and may stand at its place in a family."""
        self.shown: set[str] = set()
        """The fields in which somebody has a value."""
        self.ended = False

    @property
    def sound(self) -> bool:
        """Whether nobody was missed: all pages name one total, and so many were seen.

        Where children stand under their parents, a total may count everybody or only those listed apart.
        """
        return len(self._totals) == 1 and self._totals <= {len(self.connected), len(self._listed)}

    @property
    def silent(self) -> Collection[int]:
        """Those of whom the list shows nothing: they may be anybody."""
        return self.connected.keys() - self._telling

    def agrees_with(self, other: Sight | None) -> bool:
        """Whether both are sound and saw the same."""
        return other is not None and self.seen() == other.seen() and self.sound and other.sound

    def seen(self) -> tuple[object, ...]:
        """All that two walks must agree on."""
        return self.connected, self.sure, self.possible, self.similar, self.shown, self._telling, self._totals

    def take(self, page: UserListResponse) -> None:
        """Looks at one page; one with nobody new is the end."""
        before = len(self.connected)
        self._totals.add(page.total_users)
        self._listed.update(user.clogin_id for user in page.everyone)
        for user in flattened(page.everyone):
            self._look_at(user)
        self.ended = self.ended or len(self.connected) == before

    def _look_at(self, user: ListedUser) -> None:
        clogin_id = user.clogin_id
        connected_to = user.user_info.connected_to or self.connected.get(clogin_id)
        self.connected[clogin_id] = connected_to
        self.shown.update(field for field in self._fields - self.shown if plain(user.values.get(field)))
        for kind in self._kinds:
            sign = Sign.read(kind, user.values)
            if sign is None:
                continue
            self._telling.add(clogin_id)
            for sought in self._by_other_sign.get(sign, ()):
                if sought.belongs_there(clogin_id, connected_to) is not False:
                    self.similar.setdefault(sought, set()).add(clogin_id)
            for sought in self._by_sign.get(sign, ()):
                at_home = sought.belongs_there(clogin_id, connected_to)
                if at_home:
                    self.sure.setdefault(sought, set()).add(clogin_id)
                elif at_home is None or sought.exact:
                    self.possible.setdefault(sought, set()).add(clogin_id)


class Walker:
    """Walks for `sought`, whom a walk's frames don't show; `fetch` gives the page at a position."""

    def __init__(
        self,
        fetch: Callable[[int], Awaitable[UserListResponse]],
        sought: Collection[Sought],
        marker_field: str | None,
        max_pages: int | None,
    ) -> None:
        self._fetch = fetch
        self._sought = sought
        self._marker_field = marker_field
        self._max_pages = max_pages

    async def agreed(self) -> tuple[Sight, bool]:
        """What the last walk saw, and whether it and the one before are sound and saw the same.

        Raises what `fetch` raises, or `MalformedResponse` for a list that shows nobody of those it counts.
        """
        before: Sight | None = None
        for _ in range(_MOST_WALKS):
            sight, conclusive = await self._walk()
            if not conclusive:
                break
            if sight.agrees_with(before):
                return sight, True
            before = sight
        return sight, False

    async def _walk(self) -> tuple[Sight, bool]:
        """What one walk saw, and whether walks like this one can be sound at all."""
        sight = Sight(self._sought, self._marker_field)

        async def look_at(position: int) -> None:
            sight.take(await self._fetch(position))

        first = await self._fetch(0)
        require_users(first, 0)
        sight.take(first)
        total = first.total_users
        end = _FARTHEST if total is None else total
        size = page_size(first)
        # Less than half, so that each page has somebody of its own, whatever the order in which they come.
        step = max(1, size - min(_OVERLAP, size // 3))
        positions = range(step, end, step) if len(first.everyone) < end else range(0)
        allowed = len(positions) if self._max_pages is None else self._max_pages - 1
        await by_workers(look_at, itertools.takewhile(lambda _: not sight.ended, positions[:allowed]))
        return sight, total is not None and allowed >= len(positions)


async def by_workers(work: Callable[[_T], Awaitable[None]], items: Iterable[_T]) -> None:
    """Does the work for each item, a few at a time; the first error ends all of it."""
    left = iter(items)

    async def work_on() -> None:
        for item in left:
            await work(item)

    tasks = [asyncio.ensure_future(work_on()) for _ in range(_WORKERS)]
    try:
        await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
