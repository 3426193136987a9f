"""One operation on its way: what is sent, and what is known of it by now. No I/O."""

from __future__ import annotations

import itertools
from collections import OrderedDict
from collections.abc import Mapping
from typing import Any, Protocol

import attrs

from . import payloads, wire
from ._attempts import Record
from ._queue import Flow
from .errors import DeadlineExceeded, Delivery, MalformedResponse, OutcomeUnknown, UsersApiError
from .responses import CreateResponse, Response
from .retry import Decision, Kind, RetryPolicy, decide, kind_of

_REMEMBERED_IDS = 65_536
_numbers = itertools.count(1)


class Intent(Protocol):
    """What a journal is told of a call that must not be repeated."""

    async def declare(self, now: float) -> None:
        """Makes durable, at Unix time `now`, that a request is about to be sent."""

    async def withdraw(self) -> None:
        """Makes durable that it was not carried out."""

    def hurry(self) -> None:
        """Has what is being made durable, for this call and others, done soon: they hold up the sending."""


@attrs.define(eq=False)
class Call:
    """The state of one operation from its first attempt to its end."""

    number: int
    payload: payloads.AnyPayload
    sent: Mapping[str, Any] = attrs.field(repr=False)
    body: bytes = attrs.field(repr=False)
    kind: Kind
    began: float
    flow: Flow = attrs.field(repr=False)
    """The line that it stands in when it waits to be sent."""
    patience: float = 0.0
    """Seconds for which it goes on while the server as a whole can't be had."""
    attempts: int = 0
    sent_at: float | None = None
    ended_at: float | None = None
    fresh: bool = False
    error: UsersApiError | None = None
    watch: Record | None = attrs.field(default=None, repr=False)
    intent: Intent | None = attrs.field(default=None, repr=False)
    doubt: bool = False
    """True once an attempt ended without an answer that tells what it did."""

    @classmethod
    def of(
        cls,
        payload: payloads.AnyPayload,
        group_id: int | None,
        policy: RetryPolicy,
        *,
        began: float,
        flow: Flow,
        patience: float = 0.0,
    ) -> Call:
        """Prepares a call; encodes it once. Raises `PayloadError`."""
        sent = wire.content(payload, group_id)
        kind = kind_of(payload, sent, policy)
        return cls(next(_numbers), payload, sent, wire.encode(sent), kind, began, flow, patience)

    @property
    def delivery(self) -> Delivery:
        """How far the operation came, over all its attempts, one under way or broken off included."""
        under_way = self.watch is not None and self.watch.delivery is Delivery.UNKNOWN
        if self.doubt or under_way:
            return Delivery.UNKNOWN
        return Delivery.NOT_SENT if self.error is None else self.error.delivery

    def begin_attempt(self, now: float, watch: Record) -> None:
        """Counts an attempt, at Unix time `now`, of which the transport keeps `watch`."""
        self.attempts += 1
        self.sent_at, self.ended_at = now, None
        self.watch = watch

    def end_attempt(self, error: UsersApiError) -> UsersApiError:
        """Notes that the attempt ended with `error`, and gives it back."""
        self.watch = None
        self.error = error
        self.doubt = self.doubt or error.delivery is Delivery.UNKNOWN
        self.fresh = error.delivery is Delivery.UNKNOWN
        return error

    def succeed(self) -> None:
        """Notes that the attempt was the last."""
        self.watch = None
        self.error = None

    def decide(self, error: UsersApiError, policy: RetryPolicy) -> Decision:
        """What follows from the last attempt, which ended with `error`."""
        return decide(error, self.kind, self.attempts, policy)

    def final(self, error: UsersApiError) -> UsersApiError:
        """The error that the caller gets: `error`, or `OutcomeUnknown` if the action must not be repeated."""
        error.action = self.payload.action
        error.attempts = self.attempts
        if self.doubt or error.delivery is Delivery.UNKNOWN:
            error.delivery = Delivery.UNKNOWN
            if self.kind is Kind.NOT_REPEATABLE:
                return self.unknown(error)
        return error

    def unknown(self, cause: UsersApiError) -> OutcomeUnknown:
        """The error that says that nobody knows; `cause` is why."""
        error = OutcomeUnknown(
            f"{self.payload.action}: whether it was carried out is not known "
            f"({type(cause).__name__}: {cause}); look for it before you send it again",
            cause=cause,
            payload=self.payload,
            group_id=self.sent["group_id"],
            sent_at=self.sent_at,
            ended_at=self.ended_at,
        )
        error.action, error.attempts = self.payload.action, self.attempts
        return error

    def out_of_time(self) -> UsersApiError:
        """The error of a call whose whole time has passed."""
        late = DeadlineExceeded(
            f"{self.payload.action}: the whole call took too long", delivery=self.delivery
        )
        return self.final(late)


class _Ids:
    """The latest of many ids."""

    def __init__(self) -> None:
        self._ids: OrderedDict[int, None] = OrderedDict()

    def __contains__(self, clogin_id: object) -> bool:
        return clogin_id in self._ids

    def add(self, clogin_id: int) -> None:
        self._ids[clogin_id] = None
        if len(self._ids) > _REMEMBERED_IDS:
            self._ids.popitem(last=False)


class GivenIds(_Ids):
    """The ids that this session was given for new people, the latest of them.

    A second person with the same id can't be, nor a new one with the id of somebody who was there before:
    such an answer belongs to another request.
    """

    def __init__(self) -> None:
        super().__init__()
        self._others = _Ids()

    def check(self, call: Call, response: Response) -> MalformedResponse | None:
        """Remembers the id of a new person, or says why it can't be new."""
        info = response.user_info
        if not isinstance(response, CreateResponse) or wire.sent_id(call.sent, "clogin_id"):
            if info is not None:
                self._others.add(info.clogin_id)
            return None
        clogin_id = response.clogin_id
        if clogin_id in self or clogin_id in self._others:
            return MalformedResponse(
                f"{call.payload.action}: the answer names an id that somebody else had before", status=200
            )
        self.add(clogin_id)
        return None
