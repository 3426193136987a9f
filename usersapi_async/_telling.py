"""The events of a call, made only where somebody watches: of most calls nobody does, and each event costs."""

from __future__ import annotations

from ._call import Call
from .errors import Delivery, OutcomeUnknown, ResponseError, UsersApiError
from .observer import (
    AttemptStarted,
    CallFinished,
    CallStarted,
    Ending,
    Observer,
    RetryScheduled,
    is_watched,
    notify,
)
from .retry import Kind, evidence_of


def call_started(observer: Observer | None, call: Call) -> None:
    """A call was made."""
    if is_watched(observer):
        group_id = call.sent["group_id"]
        notify(observer, CallStarted(call=call.number, action=call.payload.action, group_id=group_id))


def attempt_started(observer: Observer | None, call: Call, waited: float) -> None:
    """A request is about to go out."""
    if is_watched(observer):
        notify(
            observer,
            AttemptStarted(
                call=call.number,
                action=call.payload.action,
                attempt=call.attempts,
                waited=waited,
                fresh=call.fresh,
            ),
        )


def retry_scheduled(observer: Observer | None, call: Call, error: UsersApiError, wait: float) -> None:
    """An attempt failed, and another will follow."""
    notify(
        observer,
        RetryScheduled(
            call=call.number,
            action=call.payload.action,
            attempt=call.attempts,
            error=type(error).__name__,
            status=status_of(error),
            delivery=error.delivery,
            evidence=evidence_of(error).value,
            wait=wait,
        ),
    )


def call_finished(
    observer: Observer | None,
    call: Call,
    error: UsersApiError | None,
    *,
    ending: Ending,
    delivery: Delivery | None,
    elapsed: float,
) -> None:
    """A call is over. One that may have changed something without its caller's knowing is told to the log."""
    if delivery is not Delivery.UNKNOWN and not is_watched(observer):
        return
    cause = error.cause if isinstance(error, OutcomeUnknown) else None
    notify(
        observer,
        CallFinished(
            call=call.number,
            action=call.payload.action,
            ending=ending,
            attempts=call.attempts,
            elapsed=elapsed,
            delivery=delivery,
            error=None if error is None else type(error).__name__,
            cause=None if cause is None else type(cause).__name__,
            status=status_of(cause or error),
            reads_only=call.kind is Kind.READ,
        ),
    )


def status_of(error: UsersApiError | None) -> int | None:
    """The HTTP status of the answer that it tells of."""
    return error.status or None if isinstance(error, ResponseError) else None
