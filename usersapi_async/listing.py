"""All pages of ``get_user_list`` as one stream."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Self

import attrs

from . import _arguments
from .errors import UsersApiError
from .payloads import GetUserList
from .responses import ListedUser, UserListResponse

_Fetch = Callable[[GetUserList], Awaitable[UserListResponse]]


class UserStream:
    """Users one by one, in the service's order, none handed out twice.

    ``position`` is where to begin again after an interruption; everything before it was handed out.
    ``total_users`` is what the service said last. ``shifted`` turns true when the total changed during the
    walk, or is not the number of users seen at its end: then somebody may have been missed, and only another
    walk can tell.
    """

    def __init__(self, fetch: _Fetch, first: GetUserList, prefetch: int) -> None:
        self._fetch = fetch
        self._template = first
        self._prefetch = prefetch
        self._pages: deque[tuple[int, asyncio.Task[UserListResponse]]] = deque()
        self._given_up: list[asyncio.Task[UserListResponse]] = []
        self._ready: deque[ListedUser] = deque()
        self._seen: set[int] = set()
        self._nested: set[int] = set()
        self._start = self._next = first.starting_position or 0
        self._page_size = 0
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
        except UsersApiError as error:
            error.position = position
            raise
        self._pages.popleft()
        self._take(position, page)

    def _request_ahead(self) -> None:
        # Until the first page has said how many users there are, there may be no second.
        ahead = 1 if self.total_users is None else 1 + self._prefetch
        while len(self._pages) < ahead:
            if self._pages and self._next >= (self.total_users or 0):
                return
            payload = attrs.evolve(self._template, starting_position=self._next)
            self._pages.append((self._next, asyncio.ensure_future(self._fetch(payload))))
            self._next += self._page_size

    def _take(self, position: int, page: UserListResponse) -> None:
        users = page.everyone
        new = [user for user in users if user.clogin_id not in self._seen]
        self._seen.update(user.clogin_id for user in new)
        self._nested.update(child.clogin_id for user in new for child in user.children)
        self._ready.extend(new)
        self.shifted = self.shifted or self.total_users not in (None, page.total_users)
        self.total_users = page.total_users
        self._page_size = len(users)
        self._go_on_from(position + len(users))
        # A page with nobody new also ends the walk: a server that ignored the position would never end it.
        self._ended = not new or (self.total_users is not None and self._next_page >= self.total_users)
        if self._ended and self.total_users is not None:
            # Whether children who stand under their parents are counted is not documented.
            counts = (len(self._seen), len(self._seen | self._nested))
            self.shifted = self.shifted or max(0, self.total_users - self._start) not in counts

    @property
    def _next_page(self) -> int:
        return self._pages[0][0] if self._pages else self._next

    def _go_on_from(self, position: int) -> None:
        """Goes by what came, not by what a page is said to hold: a page shorter than those before it would
        make a gap, so what was requested beyond it is given up."""
        if self._next_page == position:
            return
        for _, task in self._pages:
            task.cancel()
            self._given_up.append(task)
        self._pages.clear()
        self._next = position

    async def aclose(self) -> None:
        """Gives up the pages that are on their way."""
        tasks = self._given_up + [task for _, task in self._pages]
        self._pages.clear()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


@asynccontextmanager
async def walk(fetch: _Fetch, first: GetUserList, prefetch: int) -> AsyncIterator[UserStream]:
    """Opens the stream; at most `prefetch` pages beyond the one being read are requested ahead."""
    stream = UserStream(fetch, first, _arguments.whole("prefetch", prefetch, 0))
    try:
        yield stream
    finally:
        await stream.aclose()
