"""Events that the platform posts: what is read of them, what is refused, and what is shown."""

from __future__ import annotations

import json
import traceback
from decimal import Decimal
from typing import Any
from urllib.parse import urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from usersapi_async import (
    ConfigurationError,
    CredentialsEdited,
    FormSubmitted,
    LoginSucceeded,
    MetaInfo,
    UserInfo,
    UserRegistered,
    WebhookError,
    WebhookEvent,
    parse_webhook,
)

INFOS: dict[str, Any] = {
    "user_info": {"clogin_id": "102670540", "group_id": "100909072", "connected_to": "102670540"},
    "meta_info": {"u_name": "Nina Simone", "total_forms": "2", "total_balance": "1,250.00", "status_x": "1"},
}
FORM: dict[str, Any] = {
    **INFOS,
    "form_info": {"form_id": "251473", "name": "Health"},
    "doc": {"your_instrument": "piano", "allergies": ["nuts", "wasps"], "f_1": {"x": {"y": "1"}}},
    "gclid": "abc",
}


def _body(**values: Any) -> bytes:
    return json.dumps({**INFOS, **values}).encode()


def _php_form(values: dict[str, Any], *, numbered: bool = True) -> str:
    """What PHP's http_build_query makes of it; `numbered` writes the indices of lists."""
    fields: list[tuple[str, str]] = []

    def add(name: str, value: Any) -> None:
        if isinstance(value, dict):
            for key, below in value.items():
                add(f"{name}[{key}]", below)
        elif isinstance(value, list):
            for at, below in enumerate(value):
                add(f"{name}[{at if numbered else ''}]", below)
        else:
            fields.append((name, value))

    for name, value in values.items():
        add(name, value)
    return urlencode(fields)


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("user_registered", UserRegistered),
        ("login_success", LoginSucceeded),
        ("edit_user_credentials", CredentialsEdited),
        ("form_submitted", FormSubmitted),
        ("form_submitted_251473", FormSubmitted),
        ("form_submitted_*", FormSubmitted),
        ("payment_made", WebhookEvent),
        ("user_registered_today", WebhookEvent),
    ],
)
def test_each_event_has_its_class(name: str, kind: type[WebhookEvent]) -> None:
    """By the name in the body, or by the one that the caller knows the URL is for."""
    for event in (
        parse_webhook(_body(event=name)),
        parse_webhook(_body(), event=name),
        parse_webhook(_body(event="something_else"), event=name),
    ):
        assert type(event) is kind
        assert event.event == name
        assert event.user_info == UserInfo(
            clogin_id=102670540, group_id=100909072, connected_to=102670540, extra={}
        )
        assert event.meta_info == MetaInfo(
            u_name="Nina Simone", total_forms=2, total_balance=Decimal("1250.00"), extra={"status_x": "1"}
        )


def test_without_a_name() -> None:
    """Only a form's submission shows what it is; everything else is an event whose name is not known."""
    assert type(parse_webhook(_body())) is WebhookEvent
    assert parse_webhook(_body()).event is None
    assert isinstance(parse_webhook(json.dumps(FORM)), FormSubmitted)


def test_unknown_events_are_kept_whole() -> None:
    """Whatever else came is in `extra`, as it came."""
    event = parse_webhook(_body(event="payment_made", payment={"sum": "9.00", "lines": [1, 2]}, note=None))
    assert event.extra == {"payment": {"sum": "9.00", "lines": [1, 2]}, "note": None}
    assert event.problems == ()


@pytest.mark.parametrize("odd", ["Nina Simone", "nina@example.org", 7, None, "", {"a": 1}, "x" * 65])
def test_what_can_be_no_name_is_kept(odd: Any) -> None:
    """It is not taken for the event's name, which logs may show."""
    event = parse_webhook(_body(event=odd))
    assert event.event is None
    assert event.extra == {"event": odd}


def test_the_parts_of_a_form_and_of_credentials() -> None:
    """What a kind of event brings is typed; what analytics add is kept."""
    submitted = parse_webhook(json.dumps(FORM))
    assert isinstance(submitted, FormSubmitted)
    assert submitted.form_info == FORM["form_info"]
    assert submitted.values == FORM["doc"]
    assert submitted.extra == {"gclid": "abc"}

    edited = parse_webhook(_body(username="nina@example.org"), event="edit_user_credentials")
    assert isinstance(edited, CredentialsEdited)
    assert edited.username == "nina@example.org"


@pytest.mark.parametrize("numbered", [True, False])
def test_a_form_says_the_same_as_json(numbered: bool) -> None:
    """PHP's brackets, with the indices of lists or without, also with a byte order mark."""
    form = _php_form({"event": "form_submitted", **FORM}, numbered=numbered)
    expected = parse_webhook(json.dumps(FORM), event="form_submitted")
    assert parse_webhook(form) == expected
    assert parse_webhook(form.encode()) == expected
    assert parse_webhook(b"\xef\xbb\xbf\n" + json.dumps(FORM).encode(), event="form_submitted") == expected


def test_a_form_whose_parts_are_json() -> None:
    """Parts that are JSON are read as such; other fields that look so are text, and broken ones too."""
    form = urlencode(
        {**{key: json.dumps(value) for key, value in FORM.items()}, "note": "[1]", "form_info": "{"}
    )
    event = parse_webhook(form, event="form_submitted")
    assert isinstance(event, FormSubmitted)
    assert event.user_info.clogin_id == 102670540
    assert event.values == FORM["doc"]
    assert event.extra == {"gclid": '"abc"', "note": "[1]"}
    assert event.problems == ("expected an object, got str @ $.form_info",)


def test_forms_that_contradict_themselves() -> None:
    """The later one of two counts, a gap makes a map of a list, and odd brackets are part of a name."""
    form = (
        "user_info=1&user_info[clogin_id]=7&b[x][y]=1&b[x]=2&c[1]=1&c[2]=2&d[][k]=1&d[][k]=2&e]f[=3&g=&[h]=4"
    )
    assert parse_webhook(form).extra == {
        "b": {"x": "2"},
        "c": {"1": "1", "2": "2"},
        "d": [{"k": "1"}, {"k": "2"}],
        "e]f[": "3",
        "g": "",
        "[h]": "4",
    }


def test_odd_values_are_noted() -> None:
    """As in a response: the event stays, with a note that names types."""
    event = parse_webhook(_body(meta_info={"total_forms": "two", "u_name": "Nina"}))
    assert event.meta_info.total_forms is None
    assert event.problems == ("expected a whole number, got str @ $.meta_info.total_forms",)
    assert parse_webhook(_body(meta_info=[])).meta_info == MetaInfo()


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b"", "required field missing @ $.user_info"),
        (b"{}", "required field missing @ $.user_info"),
        (b'{"user_info": {}}', "required field missing @ $.user_info.clogin_id"),
        (b'{"user_info": {"clogin_id": "x"}}', "expected a whole number, got str @ $.user_info.clogin_id"),
        (b'{"user_info": {"clogin_id": 0}}', "it names nobody @ $.user_info.clogin_id"),
        (b'{"user_info": {"clogin_id": -7}}', "it names nobody @ $.user_info.clogin_id"),
        (b'{"user_info": null}', "required field missing @ $.user_info.clogin_id"),
        (b'{"user_info": 5}', "expected an object, got int @ $.user_info"),
        (b"user_info[clogin_id]=", "required field is empty @ $.user_info.clogin_id"),
        (b"[]", "no JSON object"),
        (b"null", "no JSON object"),
        (b"{", "no JSON object"),
        (b"--x\r\nContent-Disposition: form-data\r\n\r\n1\r\n--x--", "no JSON object"),
        (b'{"a": ' * 60 + b"1" + b"}" * 60, "no JSON object"),
        (b"a" + b"[b]" * 60 + b"=1", "no JSON object"),
        (b'{"a":' * 100_000, "no JSON object"),
        (b'{"a":' + b"9" * 10_000 + b"}", "no JSON object"),
        (b"&".join(b"a[%d]=1" % at for at in range(10_001)), "no JSON object"),
    ],
)
def test_what_is_no_event(body: bytes, says: str) -> None:
    """One error, whose message says what is wrong and shows nothing of the body."""
    for given_body in (body, body.decode("latin-1")):
        with pytest.raises(WebhookError) as caught:
            parse_webhook(given_body)
        assert says in str(caught.value)


def test_bytes_that_are_no_text() -> None:
    """Neither JSON nor a form may be in another encoding than UTF-8."""
    for body in (
        b"\xff=1",
        b'{"user_info": {"clogin_id": 1}, "a": "\xff"}',
        _body().decode().encode("utf-16"),
    ):
        with pytest.raises(WebhookError, match="no JSON object"):
            parse_webhook(body)


def test_depth() -> None:
    """As deep as the limit is fine, one deeper is not."""
    for levels, fits in ((49, True), (50, False)):
        nested: Any = "x"
        for _ in range(levels):
            nested = [nested]
        try:
            assert parse_webhook(_body(nested=nested)).extra["nested"] == nested
        except WebhookError:
            assert not fits
        else:
            assert fits


def test_size() -> None:
    """Bytes count, not characters, up to the limit and not beyond it."""
    body = _body().decode()
    text = body.replace("Nina", "Ñina")
    size = len(text.encode())
    assert parse_webhook(text, max_bytes=size).meta_info.u_name == "Ñina Simone"
    for given_body in (text, text.encode(), text.replace("}", "}" + "\n" * 100, 1)):
        with pytest.raises(WebhookError, match=f"more than {size - 1:,} bytes"):
            parse_webhook(given_body, max_bytes=size - 1)
    with pytest.raises(WebhookError, match="more than 1,048,576 bytes"):
        parse_webhook(" " * (1024 * 1024 + 1))


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"body": None}, "body: expected bytes, got NoneType"),
        ({"body": {"user_info": 1}}, "body: expected bytes, got dict"),
        ({"body": "{}", "event": 7}, "event: expected str, got int"),
        ({"body": "{}", "max_bytes": 0}, "max_bytes: expected an int of 1 or more"),
    ],
)
def test_wrong_arguments(arguments: dict[str, Any], says: str) -> None:
    """A mistake of the caller's is told apart from a bad body."""
    with pytest.raises(ConfigurationError, match=says):
        parse_webhook(**arguments)


def test_nothing_personal_is_shown() -> None:
    """Neither by an event, nor by an error and the local variables of its frames."""
    secrets = ["Nina", "Simone", "nina@example.org", "wasps", "abc", "Health"]
    body = json.dumps({**FORM, "username": "nina@example.org", "status_name": "wasps"})
    shown = [
        repr(parse_webhook(body, event=name)) for name in ("a", "edit_user_credentials", "form_submitted")
    ]
    shown += [repr(parse_webhook(body))]
    for broken in (body.replace("102670540", "Nina"), body[:-1], f"{body}{body}"):
        with pytest.raises(WebhookError) as caught:
            parse_webhook(broken)
        assert caught.value.__cause__ is caught.value.__context__ is None
        shown.append(repr(caught.value))
        shown += [
            repr(frame.f_locals)
            for frame, _ in traceback.walk_tb(caught.value.__traceback__)
            if frame.f_code.co_filename.endswith("webhooks.py") and "test_" not in frame.f_code.co_filename
        ]
    assert len(shown) > 8
    for secret in secrets:
        assert secret not in "\n".join(shown)


def test_events_are_values() -> None:
    """Equal ones have equal hashes, so that what is posted twice can be known."""
    one, other = parse_webhook(json.dumps(FORM)), parse_webhook(json.dumps(FORM))
    assert one == other
    assert len({one, other}) == 1


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)
_KEYS = st.sampled_from(["user_info", "meta_info", "doc", "form_info", "event", "action", "clogin_id", "a"])


@given(
    st.one_of(
        st.binary(),
        st.text(),
        st.text("[]{}=&%\"',:a1"),
        st.dictionaries(_KEYS, _JSON).map(json.dumps),
        st.dictionaries(_KEYS, _JSON).map(lambda extra: _body(**{**extra, "user_info": INFOS["user_info"]})),
        st.lists(st.tuples(st.text("ab[]", min_size=1), st.text())).map(urlencode),
    )
)
def test_whatever_is_posted(body: bytes | str) -> None:
    """An event about somebody or the one error, and nothing else."""
    try:
        event = parse_webhook(body)
    except WebhookError:
        return
    assert event.user_info.clogin_id > 0
    hash(event)
