"""All pages of ``get_user_list`` as one stream, and how pages are read."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Self

import attrs

from . import _arguments
from .errors import MalformedResponse, UsersApiError
from .payloads import GetUserList
from .responses import ListedUser, UserListResponse, flattened

_Fetch = Callable[[GetUserList], Awaitable[UserListResponse]]


def page_size(page: UserListResponse) -> int:
    """How many positions a page covers: what the service says of its pages, but no more than came.

    Children that stand under their parent have no position.
    """
    received = len(page.everyone)
    stated = page.records_per_page or 0
    return min(stated, received) if stated > 0 else received


def require_users(page: UserListResponse, position: int) -> None:
    """Raises `MalformedResponse` if the page should hold somebody and shows nobody.

    The names of the lists are an assumption: if it fails, the list must not look like an empty one.
    """
    total = page.total_users or 0
    if total > position and not page.everyone:
        error = MalformedResponse(
            f"get_user_list: the answer can't be used: no known list of its {total} users @ $", status=200
        )
        error.action, error.position = GetUserList.action, position
        raise error


class UserStream:
    """Users one by one, in the service's order, none handed out twice.

    Children that stand under their parent come after it, unless families were asked for: then they are in
    its ``children``. ``position`` is where to begin again after an interruption; everything before it was
    handed out. ``total_users`` is what the service said last. ``shifted`` turns true when the list changed
    during the walk (a user came twice, or the total changed), or when a walk from the list's beginning to its
    end saw more or fewer users than the total: then somebody may have been missed, and only another walk can
    tell.
    """

    def __init__(self, fetch: _Fetch, first: GetUserList, prefetch: int) -> None:
        self._fetch = fetch
        self._template = first
        self._prefetch = prefetch
        self._pages: deque[tuple[int, asyncio.Task[UserListResponse]]] = deque()
        self._abandoned: set[asyncio.Task[UserListResponse]] = set()
        self._ready: deque[ListedUser] = deque()
        self._seen: set[int] = set()
        self._nested = 0
        self._next = first.starting_position or 0
        self._step = 0
        self._ended = False
        self.position = self._next
        self.total_users: int | None = None
        self.shifted = False

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> ListedUser:
        while not self._ready:
            await self._turn_page()
        return self._ready.popleft()

    async def _turn_page(self) -> None:
        """Takes the next page in, and keeps the pages after it on their way."""
        self.position = self._pages[0][0] if self._pages else self._next
        if self._ended:
            raise StopAsyncIteration
        self._request_ahead()
        position, task = self._pages[0]
        try:
            page = await asyncio.shield(task)
            self._check(position, page)
        except UsersApiError as error:
            error.position = position
            raise
        self._pages.popleft()
        self._take(position, page)

    def _request_ahead(self) -> None:
        if not self._pages:
            self._request(self._next)
        # Only once a page has said how many users there are is it known that there are more pages.
        ahead = 0 if self.total_users is None else self._prefetch
        while len(self._pages) <= ahead:
            position = self._pages[-1][0] + self._step
            if position >= (self.total_users or 0):
                return
            self._request(position)

    def _request(self, position: int) -> None:
        payload = attrs.evolve(self._template, starting_position=position)
        self._pages.append((position, asyncio.ensure_future(self._fetch(payload))))

    def _check(self, position: int, page: UserListResponse) -> None:
        """Refuses the walk's first page if it shows nobody where there should be somebody.

        A filter may leave nobody of those whom the total counts, though, and on a later page a total may
        still count people who have no position of their own.
        """
        asked = self._template
        if not (self._seen or asked.only_excluded or asked.only_parents or asked.only_children):
            require_users(page, position)

    def _take(self, position: int, page: UserListResponse) -> None:
        everyone = list(flattened(page.everyone))
        handed_out = page.everyone if self._template.return_families else everyone
        new = {user.clogin_id: user for user in handed_out if user.clogin_id not in self._seen}
        distinct = {user.clogin_id for user in everyone} - self._seen
        changed = self.total_users not in (None, page.total_users)
        self.shifted = self.shifted or changed or len(distinct) < len(everyone)
        self.total_users = page.total_users
        self._seen |= distinct
        self._nested += len(everyone) - len(page.everyone)
        self._ready.extend(new.values())
        self._go_on(position, page_size(page), any_new=bool(new))

    def _go_on(self, position: int, size: int, *, any_new: bool) -> None:
        self._next = position + size
        self._step = size
        # A page with nobody new also ends the walk: a server that ignored the position would never end it.
        last = self.total_users is not None and self._next >= self.total_users
        self._ended = last or not any_new
        if self._ended:
            self.shifted = self.shifted or not self._is_whole()
        elif self._pages and self._pages[0][0] != self._next:
            # The page was shorter or longer than the one before it: what was requested ahead leaves a gap.
            self._abandon_pages()

    def _is_whole(self) -> bool:
        """Whether a walk from the beginning saw all users. A total may count nested children or not."""
        seen = len(self._seen)
        return bool(self._template.starting_position) or self.total_users in (None, seen, seen - self._nested)

    def _abandon_pages(self) -> None:
        for _, task in self._pages:
            self._abandoned.add(task)
            task.add_done_callback(self._forget)
            task.cancel()
        self._pages.clear()

    def _forget(self, task: asyncio.Task[UserListResponse]) -> None:
        self._abandoned.discard(task)
        # An error that nobody asked for any more is none.
        _ = task.cancelled() or task.exception()

    async def aclose(self) -> None:
        """Gives up the pages that are on their way."""
        self._abandon_pages()
        await asyncio.gather(*self._abandoned, return_exceptions=True)


@asynccontextmanager
async def walk(fetch: _Fetch, first: GetUserList, prefetch: int) -> AsyncIterator[UserStream]:
    """Opens the stream; at most `prefetch` pages beyond the one being read are requested ahead."""
    stream = UserStream(fetch, first, _arguments.whole("prefetch", prefetch, 0))
    try:
        yield stream
    finally:
        await stream.aclose()
