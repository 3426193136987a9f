"""An answer that names somebody else belongs to another request."""

from __future__ import annotations

from typing import Any

import pytest

from usersapi_async import Create, CreateChild, Custom, GetInfo, GetUserList, Login, SetStatus, Update

from .test_responses import GROUP, INFO, bad, good

OTHER_GROUP = {**INFO, "group_id": str(GROUP + 1)}
OTHER_USER = {**INFO, "clogin_id": "6"}


@pytest.mark.parametrize(
    "payload", [Create(), Update(clogin_id=5, doc={}), GetInfo(clogin_id=5), Custom(action="x")]
)
def test_another_group(payload: Any) -> None:
    """The answer must be about the group of the request."""
    assert bad(payload, user_info=OTHER_GROUP) == "it names another group @ $.user_info.group_id"


@pytest.mark.parametrize("group", [None, "", "x"])
def test_no_group(group: Any) -> None:
    """An answer that names no group is not held against it."""
    assert good(Update(clogin_id=5, doc={}), user_info={**INFO, "group_id": group}).user_info.clogin_id == 5


def test_a_listed_user_of_another_group() -> None:
    """Nor may anyone in a list be of another group."""
    fault = "it names another group @ $.user_info.group_id"
    assert bad(GetUserList(), users=[{"user_info": INFO}, {"user_info": OTHER_GROUP}]) == fault
    assert len(good(GetUserList(), users=[{"user_info": INFO}]).users) == 1


@pytest.mark.parametrize(
    "payload",
    [
        Update(clogin_id=5, doc={}),
        GetInfo(clogin_id=5),
        SetStatus(clogin_id=5, status_id=0),
        Create(clogin_id=5),
        CreateChild(connected_to=5, clogin_id=5),
    ],
)
def test_another_user(payload: Any) -> None:
    """The answer must be about the user of the request."""
    assert bad(payload, user_info=OTHER_USER) == "it names another user @ $.user_info.clogin_id"


def test_another_users_token() -> None:
    """A token for somebody else must never be handed out."""
    fault = "it names another user @ $.user_info.clogin_id"
    assert bad(Login(clogin_id=5), user_token="t", user_info=OTHER_USER) == fault


def test_a_status_of_others() -> None:
    """The ids that set_status answers with must hold the user's."""
    assert bad(SetStatus(clogin_id=5, status_id=0), users=["6"]) == "it names another user @ $.users"
    assert good(SetStatus(clogin_id=5, status_id=0), users=[]).users == ()


def test_another_parent() -> None:
    """A new child must hang on the parent of the request."""
    child = {**INFO, "connected_to": "8"}
    fault = "it names another parent @ $.user_info.connected_to"
    assert bad(CreateChild(connected_to=7), user_info=child) == fault
    for named in ("7", "0", None):
        created = good(CreateChild(connected_to=7), user_info={**INFO, "connected_to": named})
        assert created.clogin_id == 5


def test_a_child_for_a_parent() -> None:
    """A new parent or individual is nobody's child; a person known from elsewhere may be."""
    child = {**INFO, "connected_to": "8"}
    assert bad(Create(), user_info=child) == "it names a child @ $.user_info.connected_to"
    assert bad(Create(clogin_id=False), user_info=child) == "it names a child @ $.user_info.connected_to"
    assert good(Create(clogin_id=5), user_info=child).user_info.is_child


@pytest.mark.parametrize("spelling", [5, "5", "five", None])
def test_an_id_that_extra_spells_its_own_way(spelling: Any) -> None:
    """An id put in by `extra` is compared by its value, and one that is none is not compared."""
    payload = Custom(action="x", extra={"clogin_id": spelling, "group_id": str(GROUP) if spelling else "x"})
    assert good(payload, user_info=INFO).user_info.clogin_id == 5
    if spelling in (5, "5"):
        assert bad(payload, user_info=OTHER_USER) == "it names another user @ $.user_info.clogin_id"
