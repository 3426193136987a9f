"""What was sent is taken out of what the server says about it."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from usersapi_async import ResponseError, Update, wire
from usersapi_async._masking import mask

DOC: dict[str, Any] = {
    "first_name": "Nina",
    "last_name": "O'Hara <x>",
    "nick": "Al",
    "friend": "Philippa",
    "age": 36,
    "height": 1.75,
    "quote": 'say "hi"\n',
    "tags": ["Piano", ("Voice",)],
    "more": {"street": "Tryon Road 12"},
    "address": "Road 12/b",
    "vegan": True,
    "blank": "  ",
    "nothing": None,
}
SENT = {"action": "update", "group_id": 100909072, "clogin_id": 5, "submit_forms": False, "doc": DOC}
SAID = [
    ("Hello Nina!", "Hello ***!"),
    ("hello NINA", "hello ***"),
    ("Ninas Philippas", "Ninas ***s"),
    ("O'Hara <x> is taken", "*** is taken"),
    ("O&#x27;Hara &lt;x&gt; is taken", "*** is taken"),
    ("O&#039;Hara &lt;x&gt; is taken", "*** is taken"),
    (r"no road 12\/b in Leeds", "no *** in Leeds"),
    ("Hara is taken", "*** is taken"),
    ("Al is not Alice", "*** is not Alice"),
    ("the nina_field of a Ninacle", "the nina_field of a Ninacle"),
    ("boss.org is an organisation", "boss.org is an organisation"),
    ("36 is not 360", "*** is not 360"),
    ("1.75 m", "*** m"),
    (r"bad: say \"hi\"", "bad: ***"),
    ("Piano and Voice", "*** and ***"),
    ("no street Tryon Road 12", "no street ***"),
    ("the road", "the ***"),
    ("somebody.else@example.net has it", "*** has it"),
    ("(Jo <jo@example.net>)", "(Jo <***>)"),
    ("token 3F2-secret", "token ***"),
    ("group 100909072, user 5: update failed", "group 100909072, user 5: update failed"),
    ("True or False", "True or False"),
    ("", ""),
]


@pytest.mark.parametrize(("said", "masked"), SAID)
def test_mask(said: str, masked: str) -> None:
    """Values go in every spelling and case; ids, switches and the action stay."""
    assert mask(said, SENT, ["3f2-secret", "chief@boss.org"]) == masked


def test_short_ids_in_words() -> None:
    """An id or a switch that a field happens to hold too is masked as a word."""
    assert mask("user 5 of 50", {"doc": {"a": 5}}) == "user *** of 50"


def test_long_messages_are_cut() -> None:
    """A page of text is no message."""
    assert mask("x" * 10_000, {}) == "x" * 500


def test_a_value_that_the_cut_would_split() -> None:
    """Masking comes before cutting, so that no half of a value remains."""
    assert mask("." * 496 + "Beethoven", {"doc": {"a": "Beethoven"}}) == "." * 496 + "***"


def test_words_of_long_texts_stay() -> None:
    """The words of prose are everybody's: only the whole of it is masked."""
    prose = "The user must have a name that is shorter than this text, which is long."
    assert mask(f"user name: {prose}", {"doc": {"a": prose}}) == "user name: ***"


def test_ids_stay_readable() -> None:
    """Also those that stand deeper: without them a message is of no use."""
    sent = {"product_list": [{"p_id": 77, "product_remark": "for Nina"}]}
    assert mask("There is no product 77 for Nina.", sent) == "There is no product 77 ***."


@given(st.text(min_size=6, max_size=30), st.text(max_size=30), st.text(max_size=30))
def test_no_value_survives(value: str, before: str, after: str) -> None:
    """Whatever stands around it, a value of six letters or more is gone."""
    value = value.strip()
    assume(len(value) > 5 and value not in "******" and value not in before + after)
    assert value not in mask(before + value + after, {"doc": {"a": value}}).replace("***", "")


def test_errors_are_masked() -> None:
    """The message of an error, and its ``msg``, are masked with the request and the account's secrets."""
    payload = Update(clogin_id=5, doc={"name": "Simone"})
    answer = wire.Answer(200, body=b'{"success": false, "msg": "Simone, t0k3n, boss@example.org"}')
    error = wire.read(payload, wire.content(payload, 1), answer, secrets=("t0k3n", "boss@example.org"))
    assert isinstance(error, ResponseError)
    assert error.msg == "***, ***, ***"
    assert str(error) == "update: the service refused it: ***, ***, ***"
