"""Which values go where, and when two of them are the same."""

from __future__ import annotations

from typing import Any

import pytest

from usersapi_async.errors import ConfigurationError
from usersapi_async.migration import FieldMap, MigrationOptions
from usersapi_async.migration.fields import looks_escaped, unlike


def test_without_a_mapping_all_go_under_their_own_names() -> None:
    """But for what means nothing in another project, and what the login brings along."""
    moved = FieldMap().moved(
        {
            "first_name": "Nina",
            "your_instrument": ["piano", "voice"],
            "age": 7,
            "_application_date": "2026-01-01",
            "f_251473_6251473": "piano",
            "username": "nina",
            "password": "never to be seen",
            "_secret": "x",
            "field_index": {"f_1_2": {}},
            "error": {"phone": "This field is mandatory."},
        }
    )
    assert moved.doc == {
        "first_name": "Nina",
        "your_instrument": ["piano", "voice"],
        "age": 7,
        "_application_date": "2026-01-01",
    }
    assert {name for name, place in moved.places.items() if place is None} == {
        "f_251473_6251473",
        "username",
        "password",
        "_secret",
    }
    assert "never" not in repr(moved)


def test_a_mapping_renames_ignores_and_adds() -> None:
    """Ids of forms' fields and usernames go where it says."""
    mapping = FieldMap(
        fields={"f_251473_6251473": "instrument", "username": "username"},
        ignore=["phone"],
        constants={"camp": "2027", "days": ["Mo"]},
    )
    moved = mapping.moved({"f_251473_6251473": "harp", "username": "nina", "phone": "1", "last_name": "S"})
    assert moved.doc == {
        "camp": "2027",
        "days": ["Mo"],
        "instrument": "harp",
        "username": "nina",
        "last_name": "S",
    }


@pytest.mark.parametrize("value", ["", "  ", None, [], {}, ()])
def test_what_is_empty_goes_nowhere(value: object) -> None:
    """An empty value would empty a field of the target."""
    moved = FieldMap().moved({"phone": value})
    assert (moved.doc, moved.places, moved.left_out) == ({}, {}, {})


@pytest.mark.parametrize(
    ("value", "why"),
    [
        (True, "a truth value"),
        (False, "a truth value"),
        (1.5, "a fraction"),
        ({"street": "x"}, "an object"),
        ([1, 2], "a list of other things than texts"),
        ([{"a": 1}], "a list of other things than texts"),
    ],
)
def test_odd_values_are_left_out_and_told(value: object, why: str) -> None:
    """The service takes texts, whole numbers and lists of texts; nothing is made up for the rest."""
    moved = FieldMap().moved({"address": value, "first_name": "Nina"})
    assert moved.doc == {"first_name": "Nina"}
    assert moved.left_out == {"address": why}


def test_what_the_mapping_puts_somewhere_is_not_overwritten() -> None:
    """A field of that name in the source is told, and does not win by chance."""
    mapping = FieldMap(fields={"a": "b"}, constants={"c": 1})
    moved = mapping.moved({"b": "own", "a": "mapped", "c": "own"})
    assert moved.doc == {"b": "mapped", "c": 1}
    assert set(moved.left_out) == {"b", "c"}


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"fields": {"x": "password"}}, "password can't be set"),
        ({"fields": {"x": "_status"}}, "_status can't be set"),
        ({"constants": {"_x": "1"}}, "_x can't be set"),
        ({"fields": {"x": "z", "y": "z"}}, "two things go into z"),
        ({"fields": {"x": "z"}, "constants": {"z": "1"}}, "two things go into z"),
        ({"fields": {"x": "z"}, "ignore": ["x"]}, "x is both mapped and ignored"),
        ({"fields": {"password": "x"}}, "password can't be moved"),
        ({"constants": {"x": True}}, "x: expected a text"),
    ],
)
def test_a_mapping_that_cannot_be_right(more: dict[str, Any], words: str) -> None:
    """Is refused before anything is read."""
    with pytest.raises(ConfigurationError, match=words):
        FieldMap(**more)


def test_options_that_cannot_be_right() -> None:
    """A group can't move into itself, and there are two ways with who is there."""
    with pytest.raises(ConfigurationError, match="two groups"):
        MigrationOptions(source=1, target=1)
    with pytest.raises(ConfigurationError, match="existing"):
        MigrationOptions(source=1, target=2, existing="replace")  # type: ignore[arg-type]  # what is tested


@pytest.mark.parametrize(
    ("sent", "shown"),
    [
        (5, "5"),
        ("O'Brien", "O&#039;Brien"),
        ("a  b ", "a b"),
        ("Zo\u00eb", "Zoe\u0308"),
        (["a", "b"], ["a", "b "]),
        (["a"], "a"),
        ("", None),
    ],
)
def test_alike(sent: Any, shown: Any) -> None:
    """How a server shows a value makes no difference."""
    assert list(unlike({"x": sent}, {"x": shown})) == []


@pytest.mark.parametrize(("sent", "shown"), [("a", "A"), ("a", None), (["a", "b"], ["b", "a"]), (5, "6")])
def test_not_alike(sent: Any, shown: Any) -> None:
    """All else does."""
    assert list(unlike({"x": sent}, {"x": shown})) == ["x"]
    assert list(unlike({"x": sent}, {})) == ["x"]


def test_texts_with_escapes() -> None:
    """They are found, in lists too."""
    assert looks_escaped("R&amp;B")
    assert looks_escaped(["x", "&#39;"])
    assert not looks_escaped("R&B")
    assert not looks_escaped(5)
    assert not looks_escaped(["x"])
