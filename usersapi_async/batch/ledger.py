"""A batch's use of its journal: what an earlier run did to a row, and what this one does."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable, Iterable
from typing import Literal, Self, TypeVar, cast

import attrs

from usersapi_async._call import Call
from usersapi_async._recognition import natural_key
from usersapi_async.errors import JournalError, OutcomeUnknown, PayloadError, UsersApiError
from usersapi_async.payloads import AnyPayload
from usersapi_async.reconciling import Reconciliation, present_ids, reconcile
from usersapi_async.retry import Kind
from usersapi_async.session import UsersSession

from ._store import Columns
from ._tasks import all_ended
from .journal import Entry, Journal, JournalSource, State, canonical, journal_of
from .outcomes import InDoubt, Key, Outcome, Succeeded
from .rows import Row, lost, mark

_T = TypeVar("_T")
_PORTION = 1000


@attrs.define(eq=False)
class _Page:
    """What the journal is told of one row."""

    key: bytes = attrs.field(repr=False)
    payload: bytes = attrs.field(repr=False)
    person: bytes | None = attrs.field(repr=False)
    """Whom it is to make, as far as that can be told."""
    declared: bool = False
    """Whether it was told that the row is about to be sent."""
    recalled: bool = False
    """Whether it was asked: what this run adds it can't tell."""

    def now(
        self,
        state: State,
        *,
        clogin_id: int | None = None,
        sent_at: float | None = None,
        ended_at: float | None = None,
    ) -> Columns:
        """What is known of it now."""
        return self.payload, self.person, state, clogin_id, sent_at, ended_at


class _Intent:
    """What a call that must not be repeated does before it is sent, and before it waits to be sent again."""

    def __init__(self, journal: Journal, page: _Page) -> None:
        self._journal = journal
        self._page = page

    async def declare(self, now: float) -> None:
        """Makes durable, at Unix time `now`, that the request is about to be sent."""
        self._page.declared = True
        page = self._page
        await self._journal.declare(page.key, page.payload, page.person, now)

    async def withdraw(self) -> None:
        """Makes durable that it was not carried out."""
        if self._page.declared:
            await self._journal.withdraw(self._page.key)
            self._page.declared = False

    def hurry(self) -> None:
        """Has what is being declared written soon."""
        self._journal.hurry()


class Ledger:
    """Stands between the engine and the journal.

    Rows that an earlier run left in doubt are held until all of them have been read, or nothing else is left
    to do, and then looked up together.
    """

    def __init__(
        self, users: UsersSession, journal: Journal, *, settles: bool, marker_field: str | None
    ) -> None:
        self._users = users
        self._journal = journal
        self._settles = settles
        self._marker_field = marker_field
        self._pages: dict[int, _Page] = {}
        self._held: list[Row] = []
        self._unread = 0
        self._is_new = False

    @property
    def holds(self) -> bool:
        """Whether rows wait to be looked up."""
        return bool(self._held)

    @property
    def due(self) -> bool:
        """Whether those are all that an earlier run left in doubt."""
        return self.holds and self._unread <= 0

    async def __aenter__(self) -> Self:
        """Opens the journal. Raises `JournalError`."""
        await self._journal.open(await self._users.identity())
        try:
            operations, self._unread = await self._journal.count()
            self._is_new = not operations
            if self._is_new and self._settles and self._marker_field is None:
                # Who was there before can't be told any more once a create is in doubt.
                present = await present_ids(self._users)
                if present is not None:
                    await self._journal.remember(present)
        except BaseException:
            await self._close()
            raise
        return self

    async def __aexit__(self, kind: object, error: BaseException | None, traceback: object) -> None:
        """Writes what is still to be written. Raises `JournalError` if that failed, and nothing else did."""
        await self._close()
        if error is None and self._journal.error is not None:
            raise self._journal.error

    async def _close(self) -> None:
        await all_ended([asyncio.ensure_future(self._journal.close())], pass_on=False)

    def enter(self, row: Row) -> None:
        """Takes the row's fingerprint: of its payload as it was given, references and all."""
        digest, person = self._journal.digest, natural_key(row.payload)
        self._pages[row.index] = _Page(
            digest("key", str(row.key)),
            digest("payload", canonical(row.payload)),
            None if person is None else digest("person", person),
        )

    async def recall(self, row: Row) -> Outcome | Literal["held"] | None:
        """How the row ended in an earlier run; None: it didn't, or was not carried out."""
        page = self._pages[row.index]
        if self._is_new or page.recalled:
            # What this run adds is never asked for: no key comes twice.
            return None
        entry = await self._journal.find(page.key)
        page.recalled = True
        if entry is None:
            if page.person is not None and await self._journal.has_person(page.person):
                fault = (
                    "the journal holds the same person under another key; keep the keys from run to run @ key"
                )
                return lost(row, PayloadError([fault]))
            return None
        self._unread -= entry.state is not State.SUCCEEDED
        if entry.payload != page.payload:
            then, now = entry.payload.hex()[:12], page.payload.hex()[:12]
            fault = f"the journal holds another payload under this key, {then}, and not this one, {now} @ key"
            return lost(row, PayloadError([fault]))
        if entry.state is State.SUCCEEDED:
            return _resumed(row, entry.clogin_id)
        row.doubt = self._doubt(row, entry)
        if not self._settles:
            return lost(row, row.doubt)
        self._held.append(row)
        return "held"

    def _doubt(self, row: Row, entry: Entry) -> OutcomeUnknown:
        payload = cast("AnyPayload", row.payload)
        words = "was in flight" if entry.state is State.SENDING else "was in doubt"
        return OutcomeUnknown(
            f"{payload.action}: it {words} when an earlier run ended; look for it before you send it again",
            cause=JournalError(words),
            payload=payload,
            group_id=self._users.group_id if payload.group_id is None else payload.group_id,
            sent_at=entry.sent_at,
            ended_at=entry.ended_at,
        )

    def intent(self, row: Row, call: Call) -> _Intent | None:
        """What `call` must make durable before it is sent; None for one that may be repeated."""
        return _Intent(self._journal, self._pages[row.index]) if call.kind is Kind.NOT_REPEATABLE else None

    def release(self) -> list[Row]:
        """The rows that were held, which are not looked up any more."""
        held, self._held = self._held, []
        return held

    async def settle(self, rows: list[Row]) -> list[tuple[Row, Outcome | None]]:
        """Looks those rows up: how each ended, or None for one that is not there and is to be sent."""
        doubts: dict[Key, OutcomeUnknown] = {row.index: row.doubt for row in rows if row.doubt is not None}
        # It was noted who was in the session's group, not in another that a row may name.
        is_noted = all(doubt.group_id == self._users.group_id for doubt in doubts.values())
        try:
            found = await reconcile(
                self._users,
                doubts,
                marker_field=self._marker_field,
                known_ids=await self._journal.known_ids() if is_noted else None,
            )
            for row in rows:
                if row.index in found.absent:
                    await self._journal.withdraw(self._pages[row.index].key)
        except UsersApiError:
            return [(row, _unsettled(row)) for row in rows]
        return [(row, _settled(row, found)) for row in rows]

    def record(self, row: Row, outcome: Outcome) -> None:
        """Has the end of a row written."""
        page, call = self._pages.pop(row.index, None), row.call
        if page is None:
            return
        if isinstance(outcome, Succeeded):
            found = row.doubt is not None
            if found or (call is not None and call.kind in (Kind.NOT_REPEATABLE, Kind.ABSOLUTE_WRITE)):
                self._journal.record(page.key, page.now(State.SUCCEEDED, clogin_id=outcome.clogin_id))
        elif not page.declared:
            return
        elif isinstance(outcome, InDoubt):
            error = outcome.error
            self._journal.record(
                page.key, page.now(State.IN_DOUBT, sent_at=error.sent_at, ended_at=error.ended_at)
            )
        else:
            self._journal.record(page.key, None)


def introduce(row: Row, ledger: Ledger | None, marker_field: str | None) -> None:
    """Has the row known by its key, in the journal and by the server. Raises `PayloadError`."""
    if ledger is None and marker_field is None:
        return
    if isinstance(row.key, int):
        raise PayloadError(["required for a journal or a marker: a key, the same in every run @ key"])
    if ledger is not None:
        ledger.enter(row)
    if marker_field is not None:
        mark(row, marker_field)


def _resumed(row: Row, clogin_id: int | None) -> Succeeded:
    return Succeeded(
        index=row.index, key=row.key, payload=row.payload, clogin_id=clogin_id, response=None, resumed=True
    )


def _settled(row: Row, known: Reconciliation) -> Outcome | None:
    if row.index in known.found:
        return _resumed(row, known.found[row.index])
    if row.index in known.absent:
        row.doubt = None
        return None
    return _unsettled(row)


def _unsettled(row: Row) -> Outcome:
    """The outcome of a row that stays in doubt as an earlier run left it."""
    return lost(row, cast("OutcomeUnknown", row.doubt))


async def noted_in(
    journal: JournalSource,
    users: UsersSession,
    rows: Iterable[tuple[_T, str]],
    on_noted: Callable[[list[_T]], object],
) -> None:
    """Hands on those of `rows`, each with its key, of which the journal knows something, in portions.

    Raises `JournalError`.
    """
    journal = journal_of(journal)
    await journal.open(await users.identity())
    try:
        left = iter(rows)
        while portion := list(itertools.islice(left, _PORTION)):
            entries = await asyncio.gather(*(journal.find(journal.digest("key", key)) for _, key in portion))
            on_noted([row for (row, _), entry in zip(portion, entries, strict=True) if entry is not None])
    finally:
        await journal.close()
