"""When a batch stops by itself, as pure state."""

from __future__ import annotations

import json

import pytest

from usersapi_async import (
    ActionRejected,
    AuthenticationError,
    BatchReport,
    ConnectError,
    Create,
    OutcomeUnknown,
    RateLimited,
    RequestRejected,
    ResponseError,
    SessionError,
    UsersApiError,
    wire,
)
from usersapi_async.batch.stopping import StopRules


def rules(max_errors: float | None = None, same: int | None = 3) -> StopRules:
    return StopRules(max_errors, same, max_pause=300)


def rejected(msg: str = "no") -> ActionRejected:
    return ActionRejected("create: the service refused it", status=200, msg=msg)


@pytest.mark.parametrize(
    "error", [AuthenticationError("create: HTTP 401", status=401), SessionError("closed")]
)
def test_what_is_the_same_for_every_row(error: UsersApiError) -> None:
    """One refusal of the credentials is enough, and so is a session that is closed."""
    assert rules().after_error(error) == str(error)


@pytest.mark.parametrize("error", [ConnectError("x"), OutcomeUnknown("x"), RequestRejected("x", status=404)])
def test_what_may_differ_from_row_to_row(error: UsersApiError) -> None:
    """Other errors stop nothing, however many."""
    found = rules()
    assert [found.after_error(error) for _ in range(50)] == [None] * 50


@pytest.mark.parametrize(("seconds", "stops"), [(None, False), (300, False), (300.5, True)])
def test_a_long_pause(seconds: float | None, stops: bool) -> None:
    """A pause that is longer than allowed stops the batch and is named."""
    reason = rules().after_error(RateLimited("x", status=429, retry_after=seconds))
    assert (reason is not None) is stops
    assert reason is None or "300 s" in reason


def test_the_same_rejection_in_a_row() -> None:
    """The third one that is alike stops the batch."""
    found = rules()
    reasons = [found.after_error(rejected()) for _ in range(3)]
    assert reasons[:2] == [None, None]
    assert reasons[2] == "3 rows in a row were refused alike: create: the service refused it"


def test_forbidden_in_a_row() -> None:
    """403 counts the same way."""
    found = rules()
    error = RequestRejected("create: HTTP 403", status=403)
    assert [bool(found.after_error(error)) for _ in range(3)] == [False, False, True]


def test_other_rejections_begin_anew() -> None:
    """Another message, or a success in between, begins the count again."""
    found = rules()
    errors = [rejected(), rejected(), rejected("else"), rejected(), rejected()]
    assert [found.after_error(error) for error in errors] == [None] * 5
    found.after_success()
    assert [bool(found.after_error(rejected())) for _ in range(3)] == [False, False, True]


def test_rejections_without_a_bound() -> None:
    """None lets them go on."""
    found = rules(same=None)
    assert not any(found.after_error(rejected()) for _ in range(100))


@pytest.mark.parametrize(
    ("most", "report", "stops"),
    [
        (None, BatchReport(failed=1000), False),
        (3, BatchReport(failed=2, succeeded=9), False),
        (3, BatchReport(failed=2, in_doubt=1), True),
        (1, BatchReport(in_doubt=1), True),
        (0.5, BatchReport(failed=19), False),
        (0.5, BatchReport(failed=10, succeeded=10), False),
        (0.5, BatchReport(failed=11, succeeded=9), True),
        (0.5, BatchReport(failed=1, succeeded=19, not_attempted=1000), False),
    ],
)
def test_too_many_errors(most: float | None, report: BatchReport, stops: bool) -> None:
    """From 1 on a count, below it a share of the rows tried, of which there must be 20."""
    reason = rules(most).after_outcome(report)
    assert (reason is not None) is stops
    if reason is not None:
        assert reason == f"{report.failed + report.in_doubt} rows failed or are in doubt (max_errors)"


def answered(name: str, status: int, msg: str) -> ResponseError:
    """What the service's message is to a create of somebody with that name."""
    payload = Create(doc={"first_name": name})
    answer = wire.Answer(status, body=json.dumps({"success": False, "msg": msg}).encode())
    error = wire.read(payload, wire.content(payload, 1), answer)
    assert isinstance(error, ResponseError)
    return error


@pytest.mark.parametrize(
    ("status", "msg"),
    [
        (200, "Your access is not valid for the project."),
        (200, "The name {} is not allowed."),
        (403, "No {}, never."),
    ],
)
def test_the_same_rejection_of_different_rows(status: int, msg: str) -> None:
    """Neither the row's own values in a message nor words that happen to be some row's value hide that."""
    found = rules()
    errors = [answered(name, status, msg.format(name)) for name in ("Nina", "valid", "Bob")]
    assert [bool(found.after_error(error)) for error in errors] == [False, False, True]
