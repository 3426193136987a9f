"""What a row's call says about the row's end."""

from __future__ import annotations

from typing import Any

import pytest

from usersapi_async import (
    ConnectError,
    Create,
    Delivery,
    Failed,
    GetInfo,
    InDoubt,
    Login,
    NotAttempted,
    OutcomeUnknown,
    Payload,
    RateLimited,
    RequestTimeout,
    RetryPolicy,
    SetStatus,
    UsersApiError,
)
from usersapi_async._attempts import Phase, Record
from usersapi_async._call import Call
from usersapi_async._queue import Flow
from usersapi_async.batch.rows import Row, lost, unfinished

READ = GetInfo(clogin_id=5)
SILENT = SetStatus(clogin_id=5, status_id=0, submit_forms=False, disable_email_sending=True)


def begun(payload: Payload[Any], *ended_with: UsersApiError, under_way: Phase | None = None) -> Row:
    """A row whose attempts ended with these errors, and which may be in another."""
    row = Row(0, 0, 0.0, payload, Call.of(payload, 1, RetryPolicy(), began=0.0, flow=Flow()))
    assert row.call is not None
    for error in ended_with:
        row.call.begin_attempt(0.0, Record())
        row.call.end_attempt(error)
    if under_way is not None:
        row.call.begin_attempt(0.0, watch := Record())
        watch.phase = under_way
    return row


def test_never_begun() -> None:
    """A row without a call was not attempted."""
    outcome = unfinished(Row(0, 0, 0.0), "why")
    assert isinstance(outcome, NotAttempted)
    assert outcome.reason == "why"


@pytest.mark.parametrize("payload", [Create(), READ, SILENT])
@pytest.mark.parametrize(
    "row",
    [
        lambda payload: begun(payload),
        lambda payload: begun(payload, ConnectError("x")),
        lambda payload: begun(payload, ConnectError("x"), under_way=Phase.CONNECTING),
        lambda payload: begun(payload, under_way=Phase.QUEUED),
    ],
)
def test_never_sent(payload: Payload[Any], row: Any) -> None:
    """Nor was one of which nothing left this machine."""
    assert isinstance(unfinished(row(payload), "why"), NotAttempted)


def test_refused_and_waiting() -> None:
    """A row that the server refused, and that waits to be sent again, failed for that reason."""
    refusal = RateLimited("x", status=429)
    outcome = unfinished(begun(Create(), refusal), "why")
    assert isinstance(outcome, Failed)
    assert outcome.error is refusal


def test_refused_and_connecting() -> None:
    """Nothing of the second attempt was sent, so a create that was refused before is no doubt."""
    outcome = unfinished(begun(Create(), RateLimited("x"), under_way=Phase.CONNECTING), "why")
    assert isinstance(outcome, Failed)
    assert outcome.error.delivery is Delivery.REFUSED


@pytest.mark.parametrize("payload", [Create(), SILENT, Login(clogin_id=5)])
def test_under_way(payload: Payload[Any]) -> None:
    """A write that was sent may have been carried out."""
    outcome = unfinished(begun(payload, under_way=Phase.WRITING), "why")
    assert isinstance(outcome, InDoubt)
    assert isinstance(outcome.error.cause, UsersApiError)
    assert "why" in str(outcome.error.cause)


def test_a_read_under_way() -> None:
    """Whether a read was carried out matters to nobody."""
    outcome = unfinished(begun(READ, under_way=Phase.WRITING), "why")
    assert isinstance(outcome, Failed)
    assert outcome.error.attempts == 1


@pytest.mark.parametrize("phase", [None, Phase.CONNECTING, Phase.WRITING])
def test_a_doubt_stays(phase: Phase | None) -> None:
    """What an earlier attempt left open, a later one that is given up does not settle."""
    assert isinstance(unfinished(begun(SILENT, RequestTimeout("x"), under_way=phase), "why"), InDoubt)


def test_a_write_of_unknown_fate_is_a_doubt() -> None:
    """Also one that may be repeated, once it is not repeated any more."""
    row = begun(SILENT, RequestTimeout("x"))
    cause = RequestTimeout("late")
    outcome = lost(row, cause)
    assert isinstance(outcome, InDoubt)
    assert outcome.error.cause is cause


def test_an_unknown_outcome_is_passed_on() -> None:
    """The session's own error is not wrapped again."""
    row = begun(Create(), RequestTimeout("x"))
    error = OutcomeUnknown("x")
    outcome = lost(row, error)
    assert isinstance(outcome, InDoubt)
    assert outcome.error is error


@pytest.mark.parametrize(
    ("payload", "error"),
    [(READ, RequestTimeout("x")), (Create(), RateLimited("x")), (Create(), ConnectError())],
)
def test_what_was_not_carried_out_failed(payload: Payload[Any], error: UsersApiError) -> None:
    """A read, a refusal, and what was never sent."""
    assert isinstance(lost(begun(payload, error), error), Failed)
