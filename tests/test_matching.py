"""Whether a listed user is the one that was sought."""

from __future__ import annotations

from typing import Any

import pytest

from usersapi_async import AddEmail, Create, CreateChild, Email, ListedUser, Payload, Ref, UserInfo
from usersapi_async._matching import Listed, Sought, folded, listed, recognised


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Nina", " nina "),
        ("Stra\u00dfe", "STRASSE"),
        ("Zoe\u0308", "zo\u00eb"),
        ("\ufb01sh", "fish"),
        ("O'Neil", "O&#039;Neil"),
        ("Tom & Jerry", "Tom &amp; Jerry"),
        ("a  b", "a\u00a0\n b"),
        (441632, "441632"),
    ],
)
def test_the_same_value(one: object, other: object) -> None:
    """Case, blanks, HTML escapes, Unicode forms and the type of a number make no difference."""
    assert folded(one) == folded(other) != ""


@pytest.mark.parametrize("value", [None, True, 1.5, [], {}, "", "  ", "&nbsp;"])
def test_no_value(value: object) -> None:
    """What is nobody's value equals nothing that is sought."""
    assert folded(value) == ""


def user(clogin_id: int, connected_to: int | None = None, *children: ListedUser, **values: Any) -> ListedUser:
    """A listed user."""
    return ListedUser(
        user_info=UserInfo(clogin_id=clogin_id, connected_to=connected_to), values=values, children=children
    )


def test_listed() -> None:
    """Everyone, the nested too; a parent is known as one, and by where a child stands."""
    family = user(1, 1, user(2, None, a="B"), user(3, 1), user(4, 9))
    assert list(listed([family, user(5), user(6, 0)])) == [
        Listed(1, 0, {}),
        Listed(2, 1, {"a": "b"}),
        Listed(3, 1, {}),
        Listed(4, 9, {}),
        Listed(5, None, {}),
        Listed(6, None, {}),
    ]


EMAIL = Email(sender="a@b.org", to="c@d.org", subject="s", body="b")


@pytest.mark.parametrize(
    ("payload", "sought"),
    [
        (Create(doc={"ref": "R1", "username": "u"}, clogin_id=7), Sought("clogin_id", "7", exact=True)),
        (Create(doc={"ref": "R1", "username": "u"}, clogin_id=False), Sought("ref", "r1", exact=True)),
        (CreateChild(connected_to=Ref("p"), doc={"ref": "R1"}), Sought("ref", "r1", exact=True)),
        (CreateChild(connected_to=Ref("p"), doc={"username": "u"}), None),
        (
            Create(doc={"username": "U", "main_email": "E@x.org", "last_name": "L"}),
            Sought("username", "u", name="l"),
        ),
        (Create(doc={"main_email": "E@x.org"}), Sought("main_email", "e@x.org")),
        (Create(doc={"first_name": "A", "last_name": "B"}), None),
        (
            CreateChild(connected_to=5, doc={"first_name": "A", "last_name": "B"}),
            Sought("name", "a b", parent=5),
        ),
        (CreateChild(connected_to=5, doc={}), None),
        (AddEmail(clogin_id=5, emails=[EMAIL]), None),
    ],
)
def test_recognised(payload: Payload[Any], sought: Sought | None) -> None:
    """The surest first: a known id, the marker, username, email, and a child's name under its parent."""
    assert recognised(payload, "ref") == sought


CHILD = Sought("main_email", "e", parent=5, name="lisa simone")
PARENT = Sought("main_email", "e", name="nina simone")
LISA, NINA = {"first_name": "lisa", "last_name": "simone"}, {"first_name": "nina", "last_name": "simone"}


@pytest.mark.parametrize(
    ("sought", "parent", "values", "verdict"),
    [
        (CHILD, 5, LISA, True),
        (CHILD, 5, {}, True),
        (CHILD, 5, NINA, None),
        (CHILD, None, LISA, None),
        (CHILD, 6, LISA, False),
        (CHILD, 0, LISA, False),
        (PARENT, 0, NINA, True),
        (PARENT, None, NINA, True),
        (PARENT, 0, LISA, None),
        (PARENT, 5, NINA, False),
        (Sought("name", "lisa", parent=5), 5, {"first_name": "lisa"}, True),
        (Sought("ref", "r", exact=True), 5, NINA, True),
    ],
)
def test_match(sought: Sought, parent: int | None, values: dict[str, str], verdict: bool | None) -> None:
    """What contradicts rules out, what is missing or doubtful leaves it open."""
    assert sought.match(Listed(1, parent, values)) is verdict


def test_nothing_is_shown() -> None:
    """Values are people's."""
    assert "lisa" not in repr((CHILD, Listed(1, 5, LISA)))
