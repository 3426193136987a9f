"""Finds out what became of creates whose fate is not known, by looking through the list of users.

The list has no snapshot: somebody who is excluded or added during a walk shifts the pages. So a walk includes
the excluded, its pages overlap, it counts only if it saw as many users as the service says there are, and
nobody is called absent before two such walks agree, after a late request would have taken effect. Whatever is
not sure is ambiguous: an absent one may be sent again, and must not be there.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping
from typing import TypeAlias, TypeVar

import attrs

from . import _arguments
from ._matching import FIELDS, Listed, Sought, listed, recognised, trait
from .errors import ConfigurationError, OutcomeUnknown, UsersApiError
from .responses import UserListResponse
from .session import UsersSession

Key: TypeAlias = str | int

_T = TypeVar("_T")
_OVERLAP = 5
"""One user in so many of a page comes again on the next one."""
_MOST_WALKS = 5
_AT_ONCE = 8


@attrs.frozen(kw_only=True)
class Reconciliation:
    """What is known now, by key.

    ``found`` were created: their ``clogin_id``. ``absent`` were not, and may be sent again if you decide so.
    ``ambiguous`` stay in doubt: the ids that they might have, none where nothing could tell. ``complete`` is
    False when no two walks agreed, `max_pages` was too few, or a read failed; then nobody else is absent.
    ``error`` is what the first read that failed raised. ``pages`` counts the requests.
    """

    found: Mapping[Key, int] = attrs.field(repr=False)
    absent: tuple[Key, ...] = attrs.field(repr=False)
    ambiguous: Mapping[Key, tuple[int, ...]] = attrs.field(repr=False)
    complete: bool
    pages: int
    error: UsersApiError | None = None


async def reconcile(
    users: UsersSession,
    doubts: Mapping[Key, OutcomeUnknown],
    *,
    marker_field: str | None = None,
    known_ids: Collection[int] | None = None,
    settle: float | None = None,
    max_pages: int | None = None,
    clock: Callable[[], float] = time.time,
) -> Reconciliation:
    """Settles many doubts at once; sends nothing but reads.

    `doubts` maps your keys to the errors: ``report.doubts`` of a batch, or one of a single call. With
    `marker_field`, a form field into which each create wrote a value of its own, the match is exact. Without
    it users are matched by username, then email, then full name, children under their parent only; and only
    ids outside `known_ids` (those that were there before the run) count: without `known_ids` a match stays
    ambiguous, since it may be somebody who was there before. A create with a known ``clogin_id`` is asked for
    by that id. Other actions leave no trace in the list and stay ambiguous.

    `settle` is how many seconds after the end of its last attempt a request may still take effect (by default
    the session's ``RetryPolicy.settle``): the reads begin after that. `max_pages` bounds each walk.

    Raises what a read raises if nothing could be settled; else it is in ``error``.
    """
    if not _are_doubts(doubts):
        del doubts
        raise ConfigurationError("doubts: expected a mapping of keys to OutcomeUnknown, as report.doubts is")
    settle = users.retry.settle if settle is None else _arguments.number("settle", settle)
    if max_pages is not None:
        _arguments.whole("max_pages", max_pages)
    attempt = users.timeout.attempt
    begin = max((_ended_at(error, attempt, clock) for error in doubts.values()), default=0.0) + settle
    tally = _Tally()
    groups = [
        _Group(users, group_id, tally, doubts, marker_field, known_ids, max_pages)
        for group_id in {error.group_id for error in doubts.values()}
    ]
    # From here on no frame shows the keys, which may be people's emails.
    del doubts
    await asyncio.sleep(max(0.0, begin - clock()))
    for group in groups:
        await group.settle()
    if tally.error is not None and not tally.found and not tally.absent:
        raise tally.error
    return Reconciliation(
        found=tally.found,
        absent=tuple(tally.absent),
        ambiguous=tally.ambiguous,
        complete=tally.complete,
        pages=tally.pages,
        error=tally.error,
    )


def _are_doubts(value: object) -> bool:
    return isinstance(value, Mapping) and all(isinstance(one, OutcomeUnknown) for one in value.values())


def _ended_at(error: OutcomeUnknown, attempt: float | None, clock: Callable[[], float]) -> float:
    """When the last attempt was over, at the latest; now, if the error doesn't tell."""
    if error.ended_at is not None:
        return error.ended_at
    return clock() if error.sent_at is None or attempt is None else error.sent_at + attempt


class _Tally:
    """What is known by now, of all groups."""

    def __init__(self) -> None:
        self.found: dict[Key, int] = {}
        self.absent: list[Key] = []
        self.ambiguous: dict[Key, tuple[int, ...]] = {}
        self.complete = True
        self.pages = 0
        self.error: UsersApiError | None = None


@attrs.frozen
class _Sight:
    """What one walk saw: who is surely and who is perhaps whom, which fields the list shows of anybody, all
    ids, and whether it can be relied on."""

    sure: Mapping[Sought, frozenset[int]] = attrs.field(repr=False)
    perhaps: Mapping[Sought, frozenset[int]] = attrs.field(repr=False)
    shown: frozenset[str]
    ids: frozenset[int] = attrs.field(repr=False)
    sound: bool
    truncated: bool


class _Group:
    """Looks through one group for those who may have been created in it."""

    def __init__(
        self,
        users: UsersSession,
        group_id: int | None,
        tally: _Tally,
        doubts: Mapping[Key, OutcomeUnknown],
        marker_field: str | None,
        known_ids: Collection[int] | None,
        max_pages: int | None,
    ) -> None:
        self._users = users
        self._group_id = group_id
        self._tally = tally
        self._known_ids = known_ids
        self._max_pages = max_pages
        self._fields = (*FIELDS, marker_field) if marker_field else FIELDS
        self._sought: dict[Key, Sought] = {}
        for key, error in doubts.items():
            if error.group_id == group_id:
                sought = recognised(error.payload, marker_field)
                if sought is None:
                    tally.ambiguous[key] = ()
                else:
                    self._sought[key] = sought

    async def settle(self) -> None:
        """Asks for those whose id is known, then looks for the rest."""
        known = {int(sought.value) for sought in self._sought.values() if sought.field == "clogin_id"}
        self._find(set(filter(None, await _few_at_once(self._registered(one) for one in known))))
        if not self._sought:
            return
        try:
            sight = await self._agreed()
        except UsersApiError as error:
            self._note(error)
            sight = _Sight({}, {}, frozenset(), frozenset(), sound=False, truncated=False)
        self._tally.complete = self._tally.complete and sight.sound
        self._conclude(sight)

    def _find(self, there: set[int]) -> None:
        # A function of its own, so that no frame that a read's error comes through holds a key.
        for key, sought in list(self._sought.items()):
            if sought.field == "clogin_id" and int(sought.value) in there:
                self._tally.found[key] = int(sought.value)
                del self._sought[key]

    def _note(self, error: UsersApiError) -> None:
        self._tally.error = self._tally.error or error

    async def _registered(self, clogin_id: int) -> int | None:
        """The id, if this one read proves that it is in the group; that it fails proves nothing."""
        self._tally.pages += 1
        try:
            answer = await self._users.get_info(clogin_id, group_id=self._group_id)
        except UsersApiError:
            return None
        info = answer.user_info
        return clogin_id if info is not None and info.group_id == self._group_id else None

    def _conclude(self, sight: _Sight) -> None:
        shared = Counter(self._sought.values())
        for key, one in self._sought.items():
            sure = self._new(one, sight.sure.get(one, frozenset()))
            perhaps = self._new(one, sight.perhaps.get(one, frozenset()))
            told_apart = shared[one] == 1 and (one.exact or self._known_ids is not None)
            if len(sure) == 1 and not perhaps and told_apart:
                (self._tally.found[key],) = sure
            elif not sure and not perhaps and sight.sound and (one.field in sight.shown or not sight.ids):
                self._tally.absent.append(key)
            else:
                self._tally.ambiguous[key] = tuple(sorted(sure | perhaps))

    def _new(self, one: Sought, ids: frozenset[int]) -> frozenset[int]:
        """Without those who were there before, or whom this session was given as somebody else."""
        if one.exact:
            return ids
        before = self._known_ids or ()
        return frozenset(i for i in ids if i not in self._users.given_ids and i not in before)

    async def _agreed(self) -> _Sight:
        """The sight of two sound walks in a row that saw the same, or an unsound one."""
        before: _Sight | None = None
        for _ in range(_MOST_WALKS):
            sight = await self._walk()
            if sight.truncated:
                break
            if sight.sound and sight == before:
                return sight
            before = sight
        return attrs.evolve(sight, sound=False)

    async def _walk(self) -> _Sight:
        """One walk over all pages."""
        first = await self._page(0)
        size = max(1, len(first.everyone))
        # By what came and not by what a page is said to hold: a gap would hide somebody.
        step = size - size // _OVERLAP
        positions = range(step, first.total_users or 0, step) if size < (first.total_users or 0) else range(0)
        allowed = len(positions) if self._max_pages is None else self._max_pages - 1
        rest = await _few_at_once(self._page(position) for position in positions[:allowed])
        return self._sight([first, *rest], truncated=allowed < len(positions))

    def _sight(self, pages: Collection[UserListResponse], *, truncated: bool) -> _Sight:
        people = {user.clogin_id: user for page in pages for user in listed(page.everyone)}
        on_top = {user.clogin_id for page in pages for user in page.everyone}
        wanted = set(self._sought.values())
        alike: dict[tuple[str, str], list[Listed]] = defaultdict(list)
        for field in {one.field for one in wanted}:
            for user in people.values():
                alike[field, trait(user, field)].append(user)
        verdicts = {
            one: [(user.clogin_id, one.match(user)) for user in alike.get((one.field, one.value), ())]
            for one in wanted
        }
        return _Sight(
            {one: frozenset(i for i, is_it in found if is_it) for one, found in verdicts.items()},
            {one: frozenset(i for i, is_it in found if is_it is None) for one, found in verdicts.items()},
            frozenset(field for field, value in alike if value),
            frozenset(people),
            # Whether the total counts children that are nested under their parents isn't documented.
            sound={page.total_users for page in pages} in ({len(people)}, {len(on_top)}),
            truncated=truncated,
        )

    async def _page(self, position: int) -> UserListResponse:
        self._tally.pages += 1
        return await self._users.get_user_list(
            self._fields, with_excluded=True, starting_position=position, group_id=self._group_id
        )


async def _few_at_once(calls: Iterable[Awaitable[_T]]) -> list[_T]:
    """The results of all calls, in no order; the first that raises ends it."""
    results: list[_T] = []
    # A generator's calls are made one by one, as the workers ask for them.
    waiting = iter(calls)

    async def work() -> None:
        for call in waiting:
            results.append(await call)  # noqa: PERF401 (the others add to it meanwhile)

    workers = [asyncio.ensure_future(work()) for _ in range(_AT_ONCE)]
    try:
        await asyncio.gather(*workers)
    finally:
        for worker in workers:
            worker.cancel()
        await asyncio.gather(*workers, return_exceptions=True)
    return results
