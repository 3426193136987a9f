"""Values compared apart from what a PHP server may do to them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from usersapi_async._recognition import Sign, plain


@pytest.mark.parametrize(
    ("sent", "shown"),
    [
        ("O'Neil", "O&#039;Neil"),
        ("O'Neil", "o&amp;#039;neil"),
        ("Rock & Roll", "ROCK &amp; ROLL"),
        ("a&param=1", "a&amp;param=1"),
        ("&amp;", "&amp;amp;"),
        ("Zoë", "Zoe\u0308"),
        ("\uff2eina", "nina"),
        ("ﬁn", "fin"),
        ("Straße", "STRASSE"),
        ("  Nina \t Simone\n", "nina simone"),
        ("Nina Simone", "Nina&nbsp;\u00a0Simone"),
        (7, "7"),
        ("007", "007 "),
    ],
)
def test_the_same(sent: object, shown: object) -> None:
    """Escapes, Unicode forms, white space and letters' case make no difference, on either side."""
    assert plain(sent) == plain(shown) != ""


@pytest.mark.parametrize(
    ("one", "other"), [("Nina", "Nine"), ("row 1", "row1"), ("7", "07"), ("Zoe", "Zoë"), (1, "True")]
)
def test_not_the_same(one: object, other: object) -> None:
    """Different letters, digits and words stay different."""
    assert plain(one) != plain(other)


@pytest.mark.parametrize("nothing", [None, "", " \n", True, False, 1.5, [], ["x"], {"x": "y"}])
def test_nothing(nothing: object) -> None:
    """What is no text and no int shows nothing."""
    assert plain(nothing) == ""
    assert Sign.read(("a",), {"a": nothing}) is None


@given(st.text())
def test_escaping_changes_nothing(text: str) -> None:
    """Whatever was sent, its escape by PHP's htmlspecialchars is the same."""
    escaped = text
    for mark, entity in {"&": "&amp;", '"': "&quot;", "'": "&#039;", "<": "&lt;", ">": "&gt;"}.items():
        escaped = escaped.replace(mark, entity)
    assert plain(escaped) == plain(text)


def test_signs() -> None:
    """A sign may stand in several fields; it shows nothing of them."""
    names = ("first_name", "last_name")
    sign = Sign.read(names, {"first_name": "Nina ", "last_name": "SIMONE"})
    assert sign == Sign(names, "nina simone")
    assert sign != Sign(("first_name",), "nina simone")
    assert Sign.read(names, {"last_name": "Simone"}) == Sign(names, "simone")
    assert Sign.read(names, {}) is None
    assert repr(sign) == "Sign()"
