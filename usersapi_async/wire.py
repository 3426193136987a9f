"""Payload → bytes; status, headers and bytes → response or error. No I/O.

A value of the answer that is odd never makes a success fail; only ``success`` itself, the ids that the
action needs, and an answer that names somebody else do.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import email.utils
import json
import math
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import attrs

from . import _arguments, _lenient, assumptions, payloads, responses
from ._converter import converter
from ._lenient import Unreadable
from ._masking import mask
from .errors import (
    ActionRejected,
    AuthenticationError,
    Delivery,
    MalformedResponse,
    PayloadError,
    RateLimited,
    RequestRejected,
    ResponseError,
    ServerError,
)


@attrs.frozen
class Answer:
    """One answer of the server, as far as it was read.

    ``flaw`` says why ``body`` is not whole ("cut short", "too large", …), None when it is. ``headers`` are
    asked for by lower-case names.
    """

    status: int
    headers: Mapping[str, str] = attrs.field(factory=dict, repr=False)
    body: bytes = attrs.field(default=b"", repr=False)
    flaw: str | None = None


@attrs.frozen
class Verdict:
    """What an answer means: None for ``error`` is success."""

    error: type[ResponseError] | None
    delivery: Delivery = Delivery.REFUSED


Classifier: TypeAlias = Callable[[int, "Mapping[str, Any] | None"], Verdict]


def classify(status: int, body: Mapping[str, Any] | None) -> Verdict:
    """What an answer means. `body` is its JSON object, or None if it holds none.

    The service's error format is not documented, so `UsersSession` takes another function of this shape;
    it may fall back to this one.
    """
    if status == 401:
        return Verdict(AuthenticationError)
    if status in (425, 429):
        return Verdict(RateLimited)
    if status == 408:
        return Verdict(RequestRejected, Delivery.UNKNOWN)
    if status >= 500:
        return Verdict(ServerError, Delivery.UNKNOWN)
    if 300 <= status < 400 and not assumptions.REDIRECT_MEANS_NOTHING_DONE:
        return Verdict(RequestRejected, Delivery.UNKNOWN)
    if status >= 300:
        return Verdict(RequestRejected)
    success = _success(body)
    if success is None:
        return Verdict(MalformedResponse, Delivery.UNKNOWN)
    if success:
        return Verdict(None)
    nothing_done = assumptions.REJECTED_MEANS_NOTHING_DONE
    return Verdict(ActionRejected, Delivery.REFUSED if nothing_done else Delivery.UNKNOWN)


def _success(body: Mapping[str, Any] | None) -> bool | None:
    try:
        return None if body is None else _lenient.read_bool(body.get("success"))
    except Unreadable:
        return None


def content(payload: payloads.AnyPayload, group_id: int | None) -> dict[str, Any]:
    """The request's JSON object. Raises `PayloadError` for a `Ref` that no batch has resolved."""
    faults = [
        f"a Ref stands for an id only within a batch @ $.{name}"
        for name in payloads.REFERENCES
        if isinstance(getattr(payload, name, None), payloads.Ref)
    ]
    if payload.group_id is None and group_id is None:
        faults.append("required: group_id, of the call or of the session @ $.group_id")
    if faults:
        raise PayloadError(faults)
    sent: dict[str, Any] = converter.unstructure(payload)
    return {"action": payload.action, "group_id": group_id, **sent}


def encode(sent: Mapping[str, Any]) -> bytes:
    """The request's body. Raises `PayloadError` for what JSON or UTF-8 can't say."""
    body: bytes | None = None
    with contextlib.suppress(TypeError, ValueError, RecursionError):
        body = json.dumps(sent, ensure_ascii=False, separators=(",", ":")).encode()
    if body is None:
        # Raised out here, since the original error holds the request.
        raise PayloadError(["can't be encoded as JSON in UTF-8 @ $"])
    return body


def parse(body: bytes) -> Any:
    """The JSON of an answer, or None if it is none."""
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return None


def read(
    payload: payloads.AnyPayload,
    sent: Mapping[str, Any],
    answer: Answer,
    *,
    classifier: Classifier = classify,
    secrets: tuple[str, ...] = (),
    now: float = 0.0,
) -> responses.Response | ResponseError:
    """What `answer` is to the request `sent`. Errors are returned, for the caller to raise from a frame
    that holds nothing of the answer; `now` is Unix time, for a Retry-After that names a date."""
    parsed = parse(answer.body) if answer.flaw is None else None
    body = parsed if isinstance(parsed, dict) else None
    verdict, fault = _judged(classifier, answer.status, body)
    kind, delivery = verdict.error, verdict.delivery
    fault = (
        fault or answer.flaw or ("not a JSON object" if body is None else "no readable success @ $.success")
    )
    if kind is None:
        response, fault = _decoded(payload, sent, body or {})
        if response is not None:
            return response
        kind, delivery = MalformedResponse, Delivery.UNKNOWN
    said = _said(body, "msg")
    msg = _masked(said, sent, secrets)
    error = kind(
        _sentence(payload.action, answer.status, kind, msg, fault),
        delivery=delivery,
        status=answer.status,
        msg=msg,
        msg_type=_masked(_said(body, "msg_type"), sent, secrets),
        retry_after=retry_after(answer.headers, now),
    )
    error.said = None if said is None else hash(said)
    return error


def _judged(
    classifier: Classifier, status: int, body: Mapping[str, Any] | None
) -> tuple[Verdict, str | None]:
    """The verdict, and what was wrong with the function that should have given one: its own error would show
    the answer, and nothing can be concluded from it."""
    try:
        verdict: object = classifier(status, body)
    except Exception as error:  # noqa: BLE001 (whatever that raises)
        fault = f"classify raised {_arguments.raised(error)}"
    else:
        if isinstance(verdict, Verdict) and (verdict.error is None or _is_response_error(verdict.error)):
            return verdict, None
        fault = f"classify returned {type(verdict).__name__}, not a Verdict of a ResponseError"
    return Verdict(MalformedResponse, Delivery.UNKNOWN), fault


def _is_response_error(kind: object) -> bool:
    return isinstance(kind, type) and issubclass(kind, ResponseError)


def _masked(text: str | None, sent: Mapping[str, Any], secrets: tuple[str, ...]) -> str | None:
    return None if text is None else mask(text, sent, secrets)


def _said(body: Mapping[str, Any] | None, key: str) -> str | None:
    value = body.get(key) if body else None
    return value if isinstance(value, str) and value else None


def _sentence(action: str, status: int, kind: type[ResponseError], msg: str | None, fault: str) -> str:
    if issubclass(kind, MalformedResponse):
        return f"{action}: the answer (HTTP {status}) can't be used: {fault}"
    start = f"{action}: the service refused it" if status < 300 else f"{action}: HTTP {status}"
    if status == 404 and not msg:
        return f"{start}: there is nothing at the session's base_url"
    return f"{start}: {msg}" if msg else start


def _decoded(
    payload: payloads.AnyPayload, sent: Mapping[str, Any], body: Mapping[str, Any]
) -> tuple[responses.Response | None, str]:
    """The typed response, or None and the reason why this body can't be the answer."""
    kind = payload.response
    try:
        response = converter.structure(body, kind)
    except Unreadable as odd:
        return None, f"{odd.reason} @ ${odd.path}"
    except RecursionError:
        return None, "nested too deeply"
    fault = _somebody_elses(payload, sent, response)
    return (None, fault) if fault else (response, "")


def _somebody_elses(
    payload: payloads.AnyPayload, sent: Mapping[str, Any], response: responses.Response
) -> str | None:
    """Why the response belongs to another request, if it names another user or group than this one did.

    Seen: an unsolicited second response on an idle connection is handed to the next call.
    """
    info = response.user_info
    groups = [] if info is None else [info.group_id]
    if isinstance(response, responses.UserListResponse):
        groups += [user.user_info.group_id for user in responses.flattened(response.everyone)]
    group_id = sent_id(sent, "group_id")
    if group_id is not None and any(group not in (None, group_id) for group in groups):
        return "it names another group @ $.user_info.group_id"
    asked = sent_id(sent, "clogin_id")
    if info is not None and asked and info.clogin_id != asked:
        return "it names another user @ $.user_info.clogin_id"
    if isinstance(response, responses.SetStatusResponse) and response.users and asked not in response.users:
        return "it names another user @ $.users"
    if isinstance(response, responses.CreateResponse) and response.clogin_id < 1:
        return "it names nobody @ $.user_info.clogin_id"
    parent = sent_id(sent, "connected_to")
    if isinstance(payload, payloads.CreateChild) and info is not None:
        if info.connected_to not in (None, 0, parent):
            return "it names another parent @ $.user_info.connected_to"
    elif isinstance(payload, payloads.Create) and not asked and info is not None and info.is_child:
        return "it names a child @ $.user_info.connected_to"
    return None


def names_its_own(response: responses.Response) -> bool:
    """Whether the response says to whom it belongs, so that no other request can have been meant.

    A page of the list names its users, though not the request.
    """
    if isinstance(response, responses.SetStatusResponse) and response.users:
        return True
    return response.user_info is not None or isinstance(response, responses.UserListResponse)


def sent_id(sent: Mapping[str, Any], key: str) -> int | None:
    """An id of the request, which ``extra`` may have put there in any spelling; None if it is none."""
    value = sent.get(key)
    try:
        return None if value is False else _lenient.read_int(value)
    except Unreadable:
        return None


def retry_after(headers: Mapping[str, str], now: float) -> float | None:
    """The wait in seconds that an answer names: whole or fractional seconds, or an HTTP date.

    A date is held against the server's own clock where the answer says it (``Date``), else against `now`.
    """
    value = headers.get("retry-after", "").strip()
    try:
        seconds = float(value)
    except ValueError:
        until = _http_date(value)
        if until is None:
            return None
        seconds = until - (_http_date(headers.get("date", "")) or now)
    if not math.isfinite(seconds):
        return None
    return max(0.0, seconds)


def _http_date(value: str) -> float | None:
    try:
        found = email.utils.parsedate_to_datetime(value)
    except (ValueError, OverflowError):
        return None
    # The oldest form of an HTTP date names no zone; all of them mean GMT.
    return (found if found.tzinfo else found.replace(tzinfo=dt.UTC)).timestamp()
