"""Payload to bytes; status, headers and bytes to a response or an error."""

from __future__ import annotations

import time
from typing import Any

import pytest

from usersapi_async import (
    ActionRejected,
    AuthenticationError,
    Delivery,
    GetUserList,
    MalformedResponse,
    PayloadError,
    RateLimited,
    RequestRejected,
    Response,
    ResponseError,
    ServerError,
    Update,
    UpdateResponse,
    Verdict,
    assumptions,
    classify,
    wire,
)

OK = {"success": True}
REFUSED, UNKNOWN = Delivery.REFUSED, Delivery.UNKNOWN
MEANINGS: list[tuple[int, Any, type[ResponseError] | None, Delivery]] = [
    (200, OK, None, REFUSED),
    (201, {"success": "1"}, None, REFUSED),
    (200, {"success": 1}, None, REFUSED),
    (200, {"success": False}, ActionRejected, REFUSED),
    (200, {"success": "false"}, ActionRejected, REFUSED),
    (200, {"success": ""}, ActionRejected, REFUSED),
    (200, {"success": "maybe"}, MalformedResponse, UNKNOWN),
    (200, {"success": None}, MalformedResponse, UNKNOWN),
    (200, {}, MalformedResponse, UNKNOWN),
    (200, None, MalformedResponse, UNKNOWN),
    (204, None, MalformedResponse, UNKNOWN),
    (301, OK, RequestRejected, REFUSED),
    (302, None, RequestRejected, REFUSED),
    (400, OK, RequestRejected, REFUSED),
    (401, OK, AuthenticationError, REFUSED),
    (403, None, RequestRejected, REFUSED),
    (404, None, RequestRejected, REFUSED),
    (408, None, RequestRejected, UNKNOWN),
    (425, None, RateLimited, REFUSED),
    (429, {"success": False}, RateLimited, REFUSED),
    (500, OK, ServerError, UNKNOWN),
    (502, None, ServerError, UNKNOWN),
    (503, None, ServerError, UNKNOWN),
    (599, None, ServerError, UNKNOWN),
]


@pytest.mark.parametrize(("status", "body", "error", "delivery"), MEANINGS)
def test_classify(status: int, body: Any, error: type[ResponseError] | None, delivery: Delivery) -> None:
    """What an answer means."""
    assert classify(status, body) == Verdict(error, delivery)


def test_the_assumption_about_rejections(monkeypatch: pytest.MonkeyPatch) -> None:
    """If "success": false left open whether something was done, one line would say so."""
    monkeypatch.setattr("usersapi_async.assumptions.REJECTED_MEANS_NOTHING_DONE", False)
    assert classify(200, {"success": False}) == Verdict(ActionRejected, UNKNOWN)


def answered(status: int = 200, body: bytes = b"", **more: Any) -> Response | ResponseError:
    """What an answer is to an update."""
    payload = Update(clogin_id=5, doc={"name": "Simone"})
    flaw, headers = more.pop("flaw", None), more.pop("headers", {})
    return wire.read(payload, wire.content(payload, 1), wire.Answer(status, headers, body, flaw), **more)


@pytest.mark.parametrize(
    ("answer", "fault"),
    [
        ({"body": b"<html>"}, "not a JSON object"),
        ({"body": b"[]"}, "not a JSON object"),
        ({"body": b'{"success": tru'}, "not a JSON object"),
        ({"body": b"\xff\xfe"}, "not a JSON object"),
        ({"body": b"[" * 100_000}, "not a JSON object"),
        ({"body": b'{"success": "maybe"}'}, "no readable success @ $.success"),
        ({"body": b"{}"}, "no readable success @ $.success"),
        ({"body": b'{"success": true}', "flaw": "cut short"}, "cut short"),
        ({"body": b'{"success": true}', "flaw": "too large"}, "too large"),
    ],
)
def test_malformed(answer: dict[str, Any], fault: str) -> None:
    """A 2xx that can't be used says why, and leaves open what was done."""
    error = answered(**answer)
    assert isinstance(error, MalformedResponse)
    assert str(error) == f"update: the answer (HTTP 200) can't be used: {fault}"
    assert (error.delivery, error.status) == (UNKNOWN, 200)


def test_deep_lists_of_families(monkeypatch: pytest.MonkeyPatch) -> None:
    """A list nested beyond what Python can follow is malformed, not a RecursionError."""
    deep: dict[str, Any] = {"user_info": {"clogin_id": 1}}
    for _ in range(5000):
        deep = {"user_info": {"clogin_id": 1}, "children": [deep]}
    # From Python 3.12 on the decoder of JSON follows deeper than Python code does.
    monkeypatch.setattr(wire, "parse", lambda _: {"success": True, "users": [deep]})
    error = wire.read(GetUserList(), {"group_id": 1}, wire.Answer(200))
    assert isinstance(error, MalformedResponse)
    assert str(error).endswith(": nested too deeply")


def test_errors_say_what_the_service_said() -> None:
    """The service's own words are kept; without them, the status speaks."""
    error = answered(200, b'{"success":false,"msg":"No such user.","msg_type":"error"}')
    assert isinstance(error, ActionRejected)
    assert str(error) == "update: the service refused it: No such user."
    assert (error.msg, error.msg_type) == ("No such user.", "error")
    assert str(answered(500, b'{"msg":"Down."}')) == "update: HTTP 500: Down."
    for body in (b"<html>", b'{"msg":5}', b'{"msg":""}', b"[]", b"{}"):
        assert str(answered(400, body)) == "update: HTTP 400"
    assert str(answered(404, b"<html>")) == "update: HTTP 404: there is nothing at the session's base_url"
    assert str(answered(200, b'{"success":false}')) == "update: the service refused it"


def test_errors_of_a_broken_answer() -> None:
    """An error status needs no whole body."""
    error = answered(503, b'{"msg":"Do', flaw="cut short")
    assert isinstance(error, ServerError)
    assert error.msg is None


def test_own_classification() -> None:
    """Another function may decide what an answer means, with a body or without."""
    seen: list[Any] = []

    def own(status: int, body: Any) -> Verdict:
        seen.append((status, body))
        return Verdict(None) if body is None else Verdict(ServerError, REFUSED)

    done = answered(204, classifier=own)
    assert isinstance(done, UpdateResponse)
    assert done.user_info is None
    refused = answered(200, b'{"success": true}', classifier=own)
    assert isinstance(refused, ServerError)
    assert refused.delivery is REFUSED
    assert seen == [(204, None), (200, {"success": True})]


NOW = 1_700_000_000.0
WAITS: list[tuple[dict[str, str], float | None]] = [
    ({}, None),
    ({"retry-after": ""}, None),
    ({"retry-after": "soon"}, None),
    ({"retry-after": "7"}, 7.0),
    ({"retry-after": " 0.25 "}, 0.25),
    ({"retry-after": "0"}, 0.0),
    ({"retry-after": "-3"}, 0.0),
    ({"retry-after": "nan"}, None),
    ({"retry-after": "inf"}, None),
    ({"retry-after": "1e400"}, None),
    ({"retry-after": "Tue, 14 Nov 2023 22:13:50 GMT"}, 30.0),
    ({"retry-after": "Tuesday, 14-Nov-23 22:13:50 GMT"}, 30.0),
    ({"retry-after": "Tue Nov 14 22:13:50 2023"}, 30.0),
    ({"retry-after": "Tue, 14 Nov 2023 22:13:00 GMT"}, 0.0),
    ({"retry-after": "Tue, 14 Nov 2023 23:00:10 GMT", "date": "Tue, 14 Nov 2023 23:00:00 GMT"}, 10.0),
    ({"retry-after": "Tue, 14 Nov 2023 22:13:50 GMT", "date": "today"}, 30.0),
    ({"retry-after": "Tue, 14 Nov 99999999999 22:13:50 GMT"}, None),
]


@pytest.mark.parametrize(("headers", "seconds"), WAITS)
def test_retry_after(headers: dict[str, str], seconds: float | None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Seconds, whole or not, or a date in any of HTTP's forms, by the server's clock if it tells it."""
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    time.tzset()
    try:
        assert wire.retry_after(headers, NOW) == seconds
    finally:
        monkeypatch.undo()
        time.tzset()


def test_errors_carry_the_wait() -> None:
    """An error of any kind has the wait that its answer named."""
    error = answered(503, headers={"retry-after": "Tue, 14 Nov 2023 22:13:50 GMT"}, now=NOW)
    assert isinstance(error, ServerError)
    assert error.retry_after == 30.0


def test_redirects_by_assumption(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever knows that forms answer with a redirect changes one line."""
    monkeypatch.setattr(assumptions, "REDIRECT_MEANS_NOTHING_DONE", False)
    assert wire.classify(303, None) == wire.Verdict(RequestRejected, Delivery.UNKNOWN)


def test_what_can_not_be_encoded() -> None:
    """Whatever has slipped through the payload's own check is a fault, and shows nothing."""
    for odd in ({"a": {1}}, {"a": "\udce9"}):
        with pytest.raises(PayloadError, match=r"^can't be encoded as JSON in UTF-8 @ \$$") as caught:
            wire.encode(odd)
        assert caught.value.__context__ is None
