"""Finds out what became of creates whose fate is not known, by looking through the list of users.

The list has no snapshot: somebody who is excluded or added during a walk shifts the pages. So a walk includes
the excluded, its pages overlap, it counts only if it saw as many users as the service says there are, and
nobody is called absent before two such walks agree, after a late request would have taken effect.
"""

from __future__ import annotations

import asyncio
import itertools
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import TypeAlias

import attrs

from . import _arguments
from ._recognition import Sought, kinds_of_signs
from ._sighting import Sight, Walker, by_workers
from .errors import (
    ActionRejected,
    AuthenticationError,
    ConfigurationError,
    OutcomeUnknown,
    SessionError,
    UsersApiError,
)
from .responses import UserListResponse
from .session import UsersSession
from .settings import Timeout

Key: TypeAlias = str | int
# After one of these no other read can go well.
_LASTING = (AuthenticationError, ConfigurationError, SessionError)


@attrs.frozen(kw_only=True)
class Reconciliation:
    """What is known now, by key.

    ``found`` were created: their ``clogin_id``. ``absent`` were not, and may be sent again if you decide so.
    ``ambiguous`` stay in doubt: the ids that they might have, none where nothing could tell. ``complete`` is
    False when no two walks agreed, ``max_pages`` was too few or a read failed; ``error`` is why the first
    of those reads failed. What a failed read would have settled is ambiguous. ``pages`` counts the requests.
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
    it users are matched by username, then email, then parent and full name, and only ids outside `known_ids`
    (those that were there before the run) count: without `known_ids` a match stays ambiguous, since it may be
    somebody who was there before. A child is looked for among the children of its parent, anybody else among
    those who are no children. A create with a known ``clogin_id`` is found by one ``get_info``, else it is
    looked for in the list. Other actions leave no trace in the list and stay ambiguous.

    Nobody is absent unless the list shows the field by which they are looked for: somebody in it must have a
    value there. Letters' case, white space and the server's escapes are ignored.

    `settle` is how many seconds after the end of its last attempt a request may still take effect (by
    default the session's ``RetryPolicy.settle``): the reads begin after that. `max_pages` bounds each walk.

    A read that fails is told in the result's ``error`` and costs nobody else what was found. Only what would
    fail every read (`AuthenticationError`, `ConfigurationError`, `SessionError`) is raised, and only while
    nobody is settled.
    """
    if not _are_doubts(doubts):
        del doubts
        raise ConfigurationError("doubts: expected a mapping of keys to OutcomeUnknown, as report.doubts is")
    settle = users.retry.settle if settle is None else _arguments.number("settle", settle)
    if max_pages is not None:
        _arguments.whole("max_pages", max_pages)
    wait = max((_unsettled_for(one, settle, users.timeout, clock()) for one in doubts.values()), default=0.0)
    tally = _Tally(doubts)
    groups = [
        _Group(users, group_id, tally, sought, marker_field, known_ids, max_pages)
        for group_id, sought in _by_group(doubts, marker_field).items()
    ]
    # Keys may be people's emails: this frame shows them no more, should a read raise.
    del doubts
    await asyncio.sleep(wait)
    for group in groups:
        try:
            await group.settle()
        except _LASTING as error:
            if not tally.settled:
                raise
            tally.fail(error)
            break
        except UsersApiError as error:
            tally.fail(error)
    return tally.result()


async def present_ids(users: UsersSession, *, group_id: int | None = None) -> frozenset[int] | None:
    """The ids of everybody in a group, the excluded too: what `reconcile` needs as ``known_ids``, if it is
    asked for before the creates.

    It walks through the list until two walks agree. None when none did, or a read failed.
    """

    async def page(position: int) -> UserListResponse:
        return await users.get_user_list(with_excluded=True, starting_position=position, group_id=group_id)

    try:
        sight, agreed = await Walker(page, (), None, None).agreed()
    except UsersApiError:
        return None
    return frozenset(sight.connected) if agreed else None


def _are_doubts(value: object) -> bool:
    return isinstance(value, Mapping) and all(isinstance(one, OutcomeUnknown) for one in value.values())


def _unsettled_for(doubt: OutcomeUnknown, settle: float, timeout: Timeout, now: float) -> float:
    """Seconds from `now` on in which what was left in doubt may still take effect.

    The time runs from the attempt's end and not from its beginning: the server may be at work on it until
    then, and beyond.
    """
    ended_at = doubt.ended_at
    if ended_at is None and doubt.sent_at is not None and timeout.attempt is not None:
        ended_at = doubt.sent_at + timeout.attempt
    # Without any time only this is sure: the attempt is over by now.
    return settle if ended_at is None else max(0.0, ended_at + settle - now)


def _by_group(
    doubts: Mapping[Key, OutcomeUnknown], marker_field: str | None
) -> Mapping[int | None, Sequence[Sought]]:
    groups: dict[int | None, list[Sought]] = {}
    for key, doubt in doubts.items():
        sought = Sought.of(key, doubt, marker_field)
        if sought is not None:
            groups.setdefault(doubt.group_id, []).append(sought)
    return groups


class _Tally:
    """The result as it grows: whoever is not settled is ambiguous."""

    def __init__(self, keys: Iterable[Key]) -> None:
        self._found: dict[Key, int] = {}
        self._absent: list[Key] = []
        self._ambiguous: dict[Key, tuple[int, ...]] = dict.fromkeys(keys, ())
        self._error: UsersApiError | None = None
        self.complete = True
        self.pages = 0

    @property
    def settled(self) -> bool:
        return bool(self._found or self._absent)

    def fail(self, error: UsersApiError) -> None:
        self.complete = False
        self._error = self._error or error

    def found(self, sought: Sought, clogin_id: int) -> None:
        self._found[sought.key] = clogin_id
        del self._ambiguous[sought.key]

    def absent(self, sought: Sought) -> None:
        self._absent.append(sought.key)
        del self._ambiguous[sought.key]

    def ambiguous(self, sought: Sought, ids: Iterable[int]) -> None:
        self._ambiguous[sought.key] = tuple(sorted(ids))

    def result(self) -> Reconciliation:
        return Reconciliation(
            found=self._found,
            absent=tuple(self._absent),
            ambiguous=self._ambiguous,
            complete=self.complete,
            pages=self.pages,
            error=self._error,
        )


class _Group:
    """The doubts of one group. What it holds is not shown by a traceback with local variables."""

    def __init__(
        self,
        users: UsersSession,
        group_id: int | None,
        tally: _Tally,
        sought: Sequence[Sought],
        marker_field: str | None,
        known_ids: Collection[int] | None,
        max_pages: int | None,
    ) -> None:
        self._users = users
        self._group_id = users.group_id if group_id is None else group_id
        self._tally = tally
        self._sought = sought
        self._open = [one for one in sought if one.clogin_id is None]
        self._marker_field = marker_field
        self._known_ids = None if known_ids is None else frozenset(known_ids)
        self._max_pages = max_pages
        self._fields = list(dict.fromkeys(itertools.chain(*kinds_of_signs(marker_field))))
        for one in sought:
            tally.ambiguous(one, () if one.clogin_id is None else (one.clogin_id,))

    async def settle(self) -> None:
        """Asks for those whose ids are known, and looks for all others in the list."""
        await by_workers(self._ask, [one for one in self._sought if one.clogin_id is not None])
        if not self._open:
            return
        walker = Walker(self._page, self._open, self._marker_field, self._max_pages)
        sight, agreed = await walker.agreed()
        self._tally.complete = self._tally.complete and agreed
        claims = Counter(i for one in self._sought for i in self._candidates(one, sight))
        silent = self._new(sight.silent)
        for one in self._open:
            if one.clogin_id is not None:
                self._judge_known(one, one.clogin_id, sight, agreed=agreed)
                continue
            hidden = any(one.belongs_there(i, sight.connected[i]) is not False for i in silent)
            self._judge(one, sight, claims, provable=agreed and not hidden)

    async def _ask(self, sought: Sought) -> None:
        """A person whose id is known is there if ``get_info`` shows them. A refusal proves nothing: it may be
        about something else."""
        clogin_id = sought.clogin_id or 0
        self._tally.pages += 1
        try:
            info = (await self._users.get_info(clogin_id, group_id=self._group_id)).user_info
        except ActionRejected:
            info = None
        except _LASTING:
            raise
        except UsersApiError as error:
            self._tally.fail(error)
            return
        if (
            info is not None
            and info.group_id == self._group_id
            and sought.belongs_there(clogin_id, info.connected_to or None)
        ):
            self._tally.found(sought, clogin_id)
        else:
            self._open.append(sought)

    async def _page(self, position: int) -> UserListResponse:
        self._tally.pages += 1
        return await self._users.get_user_list(
            self._fields, with_excluded=True, starting_position=position, group_id=self._group_id
        )

    def _candidates(self, sought: Sought, sight: Sight) -> Collection[int]:
        if sought.clogin_id is not None:
            return {sought.clogin_id} & sight.connected.keys()
        ids = sight.sure.get(sought, set()) | sight.possible.get(sought, set())
        return ids if sought.exact else self._new(ids)

    def _new(self, ids: Iterable[int]) -> Collection[int]:
        """Those who may have come with a create that is in doubt."""
        known, given = self._known_ids or (), self._users.given_ids
        return {i for i in ids if i not in known and i not in given}

    def _judge(self, sought: Sought, sight: Sight, claims: Counter[int], *, provable: bool) -> None:
        ids = self._candidates(sought, sight)
        sure = sight.sure.get(sought, set())
        is_one = len(ids) == 1 and all(i in sure and claims[i] == 1 for i in ids)
        is_shown = sought.sent <= sight.shown or not sight.connected
        alike: Collection[int] = ()
        if is_one and (sought.exact or self._known_ids is not None):
            self._tally.found(sought, *ids)
        elif provable and is_shown and not ids and not (alike := self._alike(sought, sight)):
            self._tally.absent(sought)
        else:
            self._tally.ambiguous(sought, ids or alike)

    def _alike(self, sought: Sought, sight: Sight) -> Collection[int]:
        """Who else keeps one from saying that nobody is there.

        Somebody new with another of the signs, since a server may have changed, cut or dropped the surest;
        and who has that one and was given as somebody else, since answers may have been mixed up.
        """
        if sought.exact:
            return sight.similar.get(sought, set())
        sure = sight.sure.get(sought, set()) | sight.possible.get(sought, set())
        given = {i for i in sure if i in self._users.given_ids and i not in (self._known_ids or ())}
        return {*given, *self._new(sight.similar.get(sought, ()))}

    def _judge_known(self, sought: Sought, clogin_id: int, sight: Sight, *, agreed: bool) -> None:
        if clogin_id not in sight.connected:
            if agreed:
                self._tally.absent(sought)
        elif sought.belongs_there(clogin_id, sight.connected[clogin_id]):
            self._tally.found(sought, clogin_id)
