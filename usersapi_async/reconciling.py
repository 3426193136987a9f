"""Finds out what became of creates whose fate is not known, by looking through the list of users.

The list has no snapshot: somebody who is excluded or added during a walk shifts the pages. So a walk includes
the excluded, its pages overlap, it counts only if it saw as many users as the service says there are, and
nobody is called absent before two such walks agree, after a late request would have taken effect.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Collection, Mapping
from typing import TypeAlias

import attrs

from . import _arguments
from .assumptions import PAGE_SIZE
from .errors import ActionRejected, OutcomeUnknown
from .payloads import AnyPayload, Create, CreateChild
from .responses import ListedUser, UserListResponse
from .session import UsersSession

Key: TypeAlias = "str | int"

_OVERLAP = 10
_MOST_WALKS = 5
_FIELDS = ("username", "main_email", "first_name", "last_name")


@attrs.frozen(kw_only=True)
class Reconciliation:
    """What is known now, by key.

    ``found`` were created: their ``clogin_id``. ``absent`` were not, and may be sent again if you decide so.
    ``ambiguous`` stay in doubt: the ids that they might have, none where nothing could tell. ``complete`` is
    False when no two walks agreed or ``max_pages`` was too few; then nobody is absent. ``pages`` counts the
    requests.
    """

    found: Mapping[Key, int] = attrs.field(repr=False)
    absent: tuple[Key, ...] = attrs.field(repr=False)
    ambiguous: Mapping[Key, tuple[int, ...]] = attrs.field(repr=False)
    complete: bool
    pages: int


@attrs.frozen
class _Sought:
    """How one doubt is recognised: this value in that field, under that parent."""

    field: str
    value: str
    parent: int | None = None


@attrs.frozen
class _Sight:
    """What one walk saw: candidates by what was sought, all ids, and whether it can be relied on."""

    candidates: Mapping[_Sought, frozenset[int]]
    fields: frozenset[str]
    ids: frozenset[int]
    sound: bool
    truncated: bool


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
    somebody who was there before. A create with a known ``clogin_id`` is settled by one ``get_info``. Other
    actions leave no trace in the list and stay ambiguous.

    `settle` is how many seconds after its sending a late request may still take effect (by default the
    session's ``RetryPolicy.settle``): the walks begin after that. `max_pages` bounds each walk. Raises what
    the reads raise.
    """
    settle = users.retry.settle if settle is None else _arguments.number("settle", settle)
    if max_pages is not None:
        _arguments.whole("max_pages", max_pages)
    groups = {error.group_id for error in doubts.values()}
    last_sent = max((error.sent_at or 0.0 for error in doubts.values()), default=0.0)
    await asyncio.sleep(max(0.0, last_sent + settle - clock()))

    tally = _Tally()
    for group_id in groups:
        of_group = {key: error.payload for key, error in doubts.items() if error.group_id == group_id}
        walker = _Walker(users, group_id, marker_field, max_pages, tally)
        await _settle_group(walker, of_group, known_ids)
    return Reconciliation(
        found=tally.found,
        absent=tuple(tally.absent),
        ambiguous=tally.ambiguous,
        complete=tally.complete,
        pages=tally.pages,
    )


@attrs.define
class _Tally:
    found: dict[Key, int] = attrs.field(factory=dict)
    absent: list[Key] = attrs.field(factory=list)
    ambiguous: dict[Key, tuple[int, ...]] = attrs.field(factory=dict)
    complete: bool = True
    pages: int = 0


class _Walker:
    """Looks through one group."""

    def __init__(
        self,
        users: UsersSession,
        group_id: int | None,
        marker_field: str | None,
        max_pages: int | None,
        tally: _Tally,
    ) -> None:
        self.users = users
        self.group_id = group_id
        self.marker_field = marker_field
        self.tally = tally
        self._max_pages = max_pages
        self._fields = (*_FIELDS, marker_field) if marker_field else _FIELDS

    async def agreed(self, sought: Collection[_Sought]) -> _Sight:
        """The sight of two sound walks in a row that saw the same, or an unsound one."""
        before: _Sight | None = None
        for _ in range(_MOST_WALKS):
            sight = await self._walk(sought)
            if sight.truncated:
                break
            if sight.sound and before is not None and sight == before:
                return sight
            before = sight
        return attrs.evolve(sight, sound=False)

    async def _walk(self, sought: Collection[_Sought]) -> _Sight:
        """One walk over all pages, those after the first at the session's pace."""
        first = await self._page(0)
        step = PAGE_SIZE - _OVERLAP
        positions = range(step, first.total_users or 0, step)
        allowed = len(positions) if self._max_pages is None else self._max_pages - 1
        tasks = [asyncio.ensure_future(self._page(position)) for position in positions[:allowed]]
        try:
            pages = [first, *(await asyncio.gather(*tasks))]
        finally:
            for task in tasks:
                task.cancel()
        listed = {user.clogin_id: user for page in pages for user in page.everyone}
        return _Sight(
            {one: frozenset(i for i, user in listed.items() if _matches(one, user)) for one in sought},
            frozenset(field for user in listed.values() for field in user.values),
            frozenset(listed),
            sound={page.total_users for page in pages} == {len(listed)},
            truncated=allowed < len(positions),
        )

    async def _page(self, position: int) -> UserListResponse:
        self.tally.pages += 1
        return await self.users.get_user_list(
            self._fields, with_excluded=True, starting_position=position, group_id=self.group_id
        )


async def _settle_group(
    walker: _Walker, payloads: Mapping[Key, AnyPayload], known_ids: Collection[int] | None
) -> None:
    tally = walker.tally
    sought: dict[Key, _Sought] = {}
    for key, payload in payloads.items():
        known = getattr(payload, "clogin_id", None)
        if not isinstance(payload, (Create, CreateChild)):
            tally.ambiguous[key] = ()
        elif isinstance(known, int) and known:
            await _settle_known(walker, key, known)
        elif (one := _recognised(payload, walker.marker_field)) is None:
            tally.ambiguous[key] = ()
        else:
            sought[key] = one
    if not sought:
        return
    sight = await walker.agreed(set(sought.values()))
    tally.complete = tally.complete and sight.sound
    shared = Counter(sought.values())
    for key, one in sought.items():
        exact = one.field == walker.marker_field
        seen = sight.candidates[one]
        new = seen if exact else frozenset(i for i in seen if i not in walker.users.given_ids)
        if known_ids is not None and not exact:
            new = frozenset(i for i in new if i not in known_ids)
        if len(new) == 1 and shared[one] == 1 and (exact or known_ids is not None):
            (tally.found[key],) = new
        elif not new and sight.sound and (one.field in sight.fields or not sight.ids):
            tally.absent.append(key)
        else:
            tally.ambiguous[key] = tuple(sorted(new))


async def _settle_known(walker: _Walker, key: Key, clogin_id: int) -> None:
    """A person whose id is known is in the group or is not."""
    walker.tally.pages += 1
    try:
        await walker.users.get_info(clogin_id, group_id=walker.group_id)
    except ActionRejected:
        walker.tally.absent.append(key)
    else:
        walker.tally.found[key] = clogin_id


def _recognised(payload: Create | CreateChild, marker_field: str | None) -> _Sought | None:
    """What to look for, the surest first; None when nothing tells this person from others."""
    parent = payload.connected_to if isinstance(payload, CreateChild) else None
    for field in filter(None, (marker_field, "username", "main_email")):
        value = _folded(payload.doc.get(field))
        if value:
            return _Sought(field, value)
    name = _name(payload.doc)
    if name and isinstance(parent, int):
        return _Sought("first_name", name, parent)
    return None


def _matches(sought: _Sought, user: ListedUser) -> bool:
    if sought.parent is not None:
        return user.user_info.connected_to == sought.parent and _name(user.values) == sought.value
    return _folded(user.values.get(sought.field)) == sought.value


def _name(values: Mapping[str, object]) -> str:
    return f"{_folded(values.get('first_name'))} {_folded(values.get('last_name'))}".strip()


def _folded(value: object) -> str:
    return str(value).strip().casefold() if isinstance(value, (str, int)) else ""
