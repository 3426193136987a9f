"""Rows on their way, and which of them must wait for which."""

from __future__ import annotations

import bisect
from collections.abc import Iterator
from typing import Any, Literal, TypeAlias

import attrs

from usersapi_async._call import Call
from usersapi_async.errors import Delivery, OutcomeUnknown, PayloadError, UsersApiError
from usersapi_async.payloads import (
    REFERENCES,
    AddEmail,
    AddProduct,
    AnyPayload,
    Create,
    CreateChild,
    Ref,
    SetStatus,
    Update,
)
from usersapi_async.responses import Response
from usersapi_async.retry import Kind

from .keys import Keys
from .outcomes import Failed, InDoubt, Key, NotAttempted, Outcome, Succeeded

AfterFailure: TypeAlias = Literal["continue", "skip"]

_WRITES = (Create, CreateChild, Update, AddProduct, AddEmail, SetStatus)


@attrs.define(eq=False)
class Row:
    """One row that was taken and has not ended."""

    index: int
    key: Key = attrs.field(repr=False)
    taken_at: float
    payload: AnyPayload | None = attrs.field(default=None, repr=False)
    call: Call | None = None
    waiting: list[Row] = attrs.field(factory=list, repr=False)
    """Rows that wait for this one's end, in the order of the input."""
    owns_key: bool = False
    created: int | str | None = None
    """Once it has ended, if it owns its key: the id that it created, or why others can't refer to it."""
    references: dict[str, Row | int | str | None] = attrs.field(factory=dict, repr=False)
    """By field what its payload refers to: a row, or what became of one; None: there is none of that key."""
    user: int | None = None
    """The user that this row writes to, once it has its place in that user's order."""
    doubt: OutcomeUnknown | None = None
    """Why it is not known whether an earlier run carried it out."""
    withdrawn: bool = False
    """True once it was called back while it waited for its turn to be sent."""

    def not_attempted(self, reason: str) -> NotAttempted:
        """The outcome of a row that is left out."""
        return NotAttempted(index=self.index, key=self.key, payload=self.payload, reason=reason)


class Dependencies:
    """References between rows, and the order of writes to one user. `window` is that of `Keys`."""

    def __init__(self, after_failure: AfterFailure, window: int | None = None) -> None:
        self._after_failure = after_failure
        self._keys = Keys[Row](window)
        self._writers: dict[int, Row] = {}
        """Who has the turn to write to a user."""
        self._writes: dict[int, list[Row]] = {}
        """Who waits for it, in the order of the input: a row that had to wait for an id may come in late."""
        self._blocked: dict[int, str] = {}

    async def register(self, row: Row) -> None:
        """Takes the row's key. Raises `PayloadError` if an earlier row has it: then this one is known by its
        index, so that nobody takes that key for one that failed. Raises `JournalError`."""
        if isinstance(row.key, int):
            return
        if await self._keys.find([row.key]):
            row.key = row.index
            raise PayloadError(["an earlier row has the same key @ key"])
        self._keys.begin(row.key, row)
        row.owns_key = True

    async def bind(self, row: Row) -> None:
        """Finds what the row's payload refers to, once: it may wait long, and then nobody waits for it to be
        looked up. Raises `JournalError`."""
        values = ((name, getattr(row.payload, name, None)) for name in REFERENCES)
        named = {name: value.key for name, value in values if isinstance(value, Ref)}
        if named:
            known = await self._keys.find(named.values())
            row.references = {name: known.get(key) for name, key in named.items()}

    def admit(self, row: Row) -> Outcome | Literal["ready", "waiting"]:
        """Whether the row may be sent now, must wait for another's end, or has ended by what others did."""
        ids: dict[str, Any] = {}
        for name, known in row.references.items():
            if known is None or known is row:
                return lost(row, PayloadError([f"no earlier row has the key that it refers to @ $.{name}"]))
            created = known.created if isinstance(known, Row) else known
            if isinstance(known, Row) and created is None:
                known.waiting.append(row)
                return "waiting"
            if isinstance(created, str):
                return row.not_attempted(created)
            ids[name] = created
        if row.payload is not None and ids:
            row.payload = attrs.evolve(row.payload, **ids)
            # A row that was referred to need not be kept by this one; its own references may go on and on.
            row.references = {}
        return self._queue_for_user(row, row.payload)

    def close(self) -> None:
        """Lets go of what is known."""
        self._keys.close()

    def _queue_for_user(self, row: Row, payload: AnyPayload | None) -> Outcome | Literal["ready", "waiting"]:
        user = getattr(payload, "clogin_id", None)
        if not user or not isinstance(payload, _WRITES):
            return "ready"
        if user in self._blocked:
            return row.not_attempted(self._blocked[user])
        if row.user is not None:
            return "ready"
        row.user = user
        if user not in self._writers:
            self._writers[user] = row
            return "ready"
        bisect.insort(self._writes.setdefault(user, []), row, key=lambda waiting: waiting.index)
        return "waiting"

    def end(self, row: Row, outcome: Outcome) -> Iterator[Row]:
        """Notes the end of a row, and gives those that waited for it: each is to be admitted anew before the
        next is asked for."""
        if row.owns_key and isinstance(row.key, str):
            row.created = _created(row, outcome)
            self._keys.end(row.key, row.created)
        if row.user is not None:
            if isinstance(outcome, InDoubt):
                self._blocked[row.user] = "an earlier write to this user is in doubt"
            elif isinstance(outcome, Failed) and self._after_failure == "skip":
                self._blocked[row.user] = "an earlier write to this user failed"
        waiting, row.waiting = row.waiting, []
        yield from waiting
        if row.user is not None:
            yield from self._next_writer(row, row.user)

    def _next_writer(self, row: Row, user: int) -> Iterator[Row]:
        writes = self._writes.get(user, [])
        if self._writers[user] is not row:
            writes.remove(row)
        elif writes:
            self._writers[user] = writes.pop(0)
            yield self._writers[user]
        else:
            del self._writers[user]
            self._writes.pop(user, None)


def _created(row: Row, outcome: Outcome) -> int | str:
    """The id that a row created, or why others can't refer to it."""
    if isinstance(outcome, Succeeded):
        if isinstance(row.payload, (Create, CreateChild)) and outcome.clogin_id is not None:
            return outcome.clogin_id
        return "the row that it refers to creates nobody"
    if isinstance(outcome, InDoubt):
        return "the row that it refers to is in doubt"
    if isinstance(outcome, Failed):
        return "the row that it refers to failed"
    return "the row that it refers to was not attempted"


def mark(row: Row, field: str) -> None:
    """Writes the row's key into that field of a create, by which the person can be found again.

    Raises `PayloadError` if something else stands there.
    """
    payload = row.payload
    if not isinstance(payload, (Create, CreateChild)):
        return
    if payload.doc.get(field) not in (None, "", row.key):
        raise PayloadError([f"holds something else than the row's key, which belongs there @ $.doc.{field}"])
    row.payload = attrs.evolve(payload, doc={**payload.doc, field: row.key})


def won(row: Row, response: Response) -> Succeeded:
    """The outcome of a row that was carried out."""
    asked = getattr(row.payload, "clogin_id", None)
    clogin_id = asked if response.user_info is None else response.user_info.clogin_id
    return Succeeded(
        index=row.index,
        key=row.key,
        payload=row.payload,
        clogin_id=clogin_id if isinstance(clogin_id, int) and clogin_id else None,
        response=response,
    )


def lost(row: Row, error: UsersApiError) -> Outcome:
    """The outcome of a row that ended with an error: a doubt if a write may have been carried out."""
    call = row.call
    if isinstance(error, OutcomeUnknown):
        return InDoubt(index=row.index, key=row.key, payload=row.payload, error=error)
    if call is not None and error.delivery is Delivery.UNKNOWN and call.kind is not Kind.READ:
        return InDoubt(index=row.index, key=row.key, payload=row.payload, error=call.unknown(error))
    return Failed(index=row.index, key=row.key, payload=row.payload, error=error)


def unfinished(row: Row, reason: str) -> Outcome:
    """The outcome of a row that the batch leaves behind."""
    call = row.call
    if row.doubt is not None:
        return lost(row, row.doubt)
    if call is None or call.delivery is Delivery.NOT_SENT:
        return row.not_attempted(reason)
    if call.watch is None and call.error is not None:
        return lost(row, call.final(call.error))
    error = UsersApiError(
        f"{call.payload.action}: given up while the request was under way: {reason}", delivery=call.delivery
    )
    return lost(row, call.final(error))
