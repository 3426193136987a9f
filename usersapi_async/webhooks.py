"""Events that the platform posts to a URL of yours: bytes → typed event. No I/O.

Nothing in a webhook proves who sent it: treat one as a hint to look, not as a fact. The names of the events
are documented, the shape of the request is not; what is assumed of it stands in `usersapi_async.assumptions`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import parse_qsl

import attrs

from . import _arguments, assumptions, wire
from ._converter import converter
from ._lenient import Unreadable
from .errors import WebhookError
from .responses import MetaInfo, Record, UserInfo, private, under

_MIB: Final = 1024 * 1024
_DEEPEST = 50
_MOST_FIELDS = 10_000
_NAME = re.compile(r"[a-z][a-z0-9_*]{0,63}")
_ONE_FORM = re.compile(r"_(?:\d+|\*)\Z")
_STEP = re.compile(r"\[([^\[\]]*)\]")
_FORM_KEY = re.compile(r"([^\[\]]+)((?:\[[^\[\]]*\])+)\Z")


@attrs.frozen(kw_only=True)
class WebhookEvent(Record):
    """Something happened to a user. An event of a kind that this library does not know is of this class
    itself, with what came besides the two objects in ``extra``.

    ``event`` is the event's name, None where neither the body nor the caller told it.
    """

    event: str | None = attrs.field(default=None, metadata=under())
    user_info: UserInfo = attrs.field(metadata=under("user_info", required=True))
    meta_info: MetaInfo = attrs.field(factory=MetaInfo)


@attrs.frozen(kw_only=True)
class UserRegistered(WebhookEvent):
    """``user_registered``: somebody registered for the first time."""


@attrs.frozen(kw_only=True)
class LoginSucceeded(WebhookEvent):
    """``login_success``: a user logged in, other than by being remembered."""


@attrs.frozen(kw_only=True)
class CredentialsEdited(WebhookEvent):
    """``edit_user_credentials``: a user changed the username, which mostly is an email, or the password."""

    username: str | None = private()


@attrs.frozen(kw_only=True)
class FormSubmitted(WebhookEvent):
    """``form_submitted``, or ``form_submitted_`` and the id of one form: a user sent in a form.

    ``values`` maps its fields to what the user entered; ``form_info`` says what form it was, as it came.
    """

    form_info: Mapping[str, Any] = attrs.field(factory=dict, repr=False, hash=False)
    values: Mapping[str, Any] = attrs.field(
        factory=dict, repr=False, hash=False, metadata=under(*assumptions.VALUES)
    )


_EVENTS: Mapping[str, type[WebhookEvent]] = {
    "user_registered": UserRegistered,
    "login_success": LoginSucceeded,
    "edit_user_credentials": CredentialsEdited,
    "form_submitted": FormSubmitted,
}


def parse_webhook(body: bytes | str, *, event: str | None = None, max_bytes: int = _MIB) -> WebhookEvent:
    """The event that the body of a request tells of; a JSON object, or a form as PHP writes it.

    `event` is the name of the event for which the platform was given this URL. Each URL gets one kind of
    event, and whether the body names it is not documented. Without `event` and a name in the body, a form's
    submission is known by its ``form_info``, and everything else is a plain `WebhookEvent`.

    Raises `WebhookError` for a body that is longer than `max_bytes`, nested more than 50 deep, neither a JSON
    object nor a form, or that doesn't say which user it is about. Odd values are read as in a `Response`:
    what isn't sure is None, with a note in ``problems``.
    """
    wrong: Exception | None = None if isinstance(body, str) else _arguments.misfit("body", body, bytes)
    if event is not None:
        wrong = wrong or _arguments.misfit("event", event, str)
    if wrong is None:
        found = _read(body, event, _arguments.whole("max_bytes", max_bytes))
        if isinstance(found, WebhookEvent):
            return found
        wrong = WebhookError(f"webhook: {found}")
    # It is somebody's data, and a traceback with local variables would show it.
    del body
    raise wrong


def _read(body: bytes | str, named: str | None, most: int) -> WebhookEvent | str:
    """The event, or what is wrong with the body."""
    # An encoded text has a byte a character at the least.
    if len(body) > most or len(raw := _encoded(body)) > most:
        return f"more than {most:,} bytes"
    values = _values(raw.removeprefix(b"\xef\xbb\xbf").strip())
    if values is None or _is_deeper(values, _DEEPEST):
        return f"no JSON object and no form that is nested {_DEEPEST} deep at the most"
    name = named or _named_in(values)
    try:
        found: WebhookEvent = converter.structure(values, _kind_of(name, values))
    except Unreadable as odd:
        return f"{odd.reason} @ ${odd.path}"
    if found.user_info.clogin_id < 1:
        return "it names nobody @ $.user_info.clogin_id"
    return attrs.evolve(found, event=name)


def _encoded(body: bytes | str) -> bytes:
    return body.encode("utf-8", "replace") if isinstance(body, str) else body


def _values(raw: bytes) -> dict[str, Any] | None:
    if raw.startswith((b"{", b"[")):
        values = wire.parse(raw)
        return values if isinstance(values, dict) else None
    try:
        fields = parse_qsl(
            raw.decode(), keep_blank_values=True, strict_parsing=True, max_num_fields=_MOST_FIELDS
        )
    except ValueError:
        return None
    return _form(fields)


def _form(fields: list[tuple[str, str]]) -> dict[str, Any] | None:
    """The object that PHP's ``http_build_query`` made a form of; a part may also be JSON."""
    tree: dict[str, Any] = {}
    for key, value in fields:
        if key.count("[") > _DEEPEST:
            return None
        found = _FORM_KEY.match(key)
        _put(tree, [key] if found is None else [found[1], *_STEP.findall(found[2])], value)
    return {name: _decoded(name, value) for name, value in tree.items()}


def _put(tree: dict[str, Any], steps: list[str], value: str) -> None:
    for step in steps[:-1]:
        key = step or str(len(tree))
        below = tree.get(key)
        if not isinstance(below, dict):
            # Of two, the later one counts, as in PHP.
            below = tree[key] = {}
        tree = below
    tree[steps[-1] or str(len(tree))] = value


def _decoded(name: str, value: Any) -> Any:
    if name in assumptions.WEBHOOK_PARTS and isinstance(value, str) and value.startswith(("{", "[")):
        parsed = wire.parse(value.encode())
        return value if parsed is None else parsed
    return _with_lists(value)


def _with_lists(value: Any) -> Any:
    """Lists, which a form can only say as maps from their indices."""
    if not isinstance(value, dict):
        return value
    inner = {key: _with_lists(below) for key, below in value.items()}
    is_list = bool(inner) and list(inner) == [str(at) for at in range(len(inner))]
    return list(inner.values()) if is_list else inner


def _is_deeper(value: Any, most: int) -> bool:
    level = [value]
    for _ in range(most):
        below: list[Any] = []
        for one in level:
            if isinstance(one, dict):
                below.extend(one.values())
            elif isinstance(one, list):
                below.extend(one)
        level = below
        if not level:
            return False
    return any(isinstance(one, (dict, list)) for one in level)


def _named_in(values: dict[str, Any]) -> str | None:
    """The name that the body gives its event. What can't be one stays among the rest: it may be anything."""
    for key in assumptions.WEBHOOK_NAMES:
        name = values.get(key)
        if isinstance(name, str) and _NAME.fullmatch(name):
            del values[key]
            return name
    return None


def _kind_of(name: str | None, values: Mapping[str, Any]) -> type[WebhookEvent]:
    if name is None:
        return FormSubmitted if "form_info" in values else WebhookEvent
    return _EVENTS.get(name) or _EVENTS.get(_ONE_FORM.sub("", name), WebhookEvent)
