from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from usersapi_async.emulator.catalogue import FOREIGN_GROUP_ID, GROUP_ID, OTHER_GROUP_ID

from .support import Desk

if TYPE_CHECKING:
    from collections.abc import Mapping


def test_create_answers_as_documented(desk: Desk) -> None:
    """A new person gets an id, is connected to themselves, and has numbers and money as strings."""
    answer = desk.call("create", doc={"first_name": "Nina", "last_name": "Simone"}, clogin_id=False)
    clogin_id = answer["user_info"]["clogin_id"]
    assert answer == {
        "success": True,
        "msg": "The user was registered.",
        "msg_type": "success",
        "meta_info": {
            "u_name": "Nina Simone",
            "total_forms": "2",
            "completed_forms": "0",
            "total_user_forms": "2",
            "total_completed_user_forms": "0",
            "total_user_mandatory_forms": "2",
            "total_completed_user_mandatory_forms": "0",
            "total_order": "0.00",
            "total_paid": "0.00",
            "total_balance": "0.00",
            "status_id": "0",
            "status_name": None,
            "status_color": None,
        },
        "user_info": {"clogin_id": clogin_id, "group_id": str(GROUP_ID), "connected_to": clogin_id},
        "system_action": ["user_created", "forms_submitted"],
    }


def test_ids_and_secrets_follow_from_the_seed() -> None:
    """The same seed gives the same ids, which increase; another seed gives others."""
    first, again, other = Desk(1), Desk(1), Desk(2)
    ids = [first.new() for _ in range(3)]
    assert ids == [again.new() for _ in range(3)] == sorted(set(ids))
    assert first.organisation.credentials == again.organisation.credentials
    assert first.organisation.credentials != other.organisation.credentials
    assert ids != [other.new() for _ in range(3)]


@pytest.mark.parametrize("doc", [None, [], {}])
def test_create_needs_no_doc(desk: Desk, doc: object) -> None:
    """PHP writes an empty map as [], and a doc is optional."""
    user = desk.users[desk.new(doc=doc)]
    assert user.doc == {}
    assert user.username == f"user{user.clogin_id}"


@pytest.mark.parametrize(
    ("doc", "expected"),
    [
        ({"username": " nina ", "main_email": "nina@example.org"}, "nina"),
        ({"username": "", "main_email": "nina@example.org"}, "nina@example.org"),
        ({"main_email": "taken@example.org", "second": "other@example.org"}, "other@example.org"),
        ({"first_name": "Nina", "tags": ["a@example.org"]}, None),
        ({"main_email": "taken@example.org"}, None),
    ],
)
def test_username_fallback(desk: Desk, doc: dict[str, object], expected: str | None) -> None:
    """A blank username becomes the main email, else another email, else a generated one."""
    desk.new(doc={"username": "Taken@example.org"})
    clogin_id = desk.new(doc=doc)
    assert desk.users[clogin_id].username == (expected or f"user{clogin_id}")


def test_generated_username_is_unique() -> None:
    """A generated username steps aside for somebody who chose it before."""
    first, second = Desk(3), Desk(3)
    first.new()
    later = first.new()
    second.new(doc={"username": f"user{later}"})
    assert second.users[second.new()].username == f"user{later}_"


@pytest.mark.parametrize(
    ("doc", "msg"),
    [
        ({"username": "NINA"}, "already taken"),
        ({"username": ["nina"]}, "username must be a string"),
        ({"password": "12345"}, "six|6 characters"),
        ({"main_email": "nina"}, "not a valid email"),
        ({"main_email": "nina@localhost"}, "not a valid email"),
        ({"main_email": "nina@example.invalid"}, "not found in DNS"),
        ({"main_email": "nina@gone.example"}, "not found in DNS"),
        ({"_family": "x"}, "system field"),
        ({"first_name": None}, "first_name must be"),
        ({"first_name": True}, "first_name must be"),
        ({"first_name": [1]}, "first_name must be"),
        ("text", "doc must be an object"),
    ],
)
def test_create_refuses_bad_fields(desk: Desk, doc: object, msg: str) -> None:
    """A field that the service would not take leaves nobody behind."""
    desk.organisation.dead_domains.add("gone.example")
    desk.new(doc={"username": "nina"})
    before = len(desk.users)
    assert any(part in desk.refused("create", doc=doc) for part in msg.split("|"))
    assert len(desk.users) == before


def test_application_date_only_at_creation(desk: Desk) -> None:
    """The one system field that may be set can't be updated later."""
    clogin_id = desk.new(doc={"_application_date": "01-31-2025"})
    assert desk.users[clogin_id].doc == {"_application_date": "01-31-2025"}
    assert "system field" in desk.refused("update", clogin_id=clogin_id, doc={"_application_date": "x"})


def test_forms_and_mails(desk: Desk) -> None:
    """Submitted forms count as completed by what is filled in, and send mails unless told not to."""
    fields = {"f_251473_6251473": "piano", "allergies": ""}
    done = desk.call("create", doc=fields)
    assert done["meta_info"]["completed_forms"] == "1"
    assert desk.organisation.mails_sent == 1
    quiet = desk.call("create", doc=fields, disable_email_sending=True)
    assert quiet["meta_info"]["completed_forms"] == "1"
    held = desk.call("create", doc=fields, submit_forms="false")
    assert held["meta_info"]["completed_forms"] == "0"
    assert held["system_action"] == ["user_created"]
    assert desk.organisation.mails_sent == 1
    clogin_id = held["user_info"]["clogin_id"]
    assert desk.users[int(clogin_id)].doc == {"your_instrument": "piano", "allergies": ""}
    updated = desk.call("update", clogin_id=clogin_id, doc={"doctor": "Dr No"})
    assert updated["meta_info"]["completed_forms"] == "1"
    desk.call("update", clogin_id=clogin_id, doc={"first_name": "Nina"})
    assert desk.organisation.mails_sent == 2
    assert "submit_forms" in desk.refused("create", submit_forms="perhaps")


def test_create_in_another_group_connects_the_accounts(desk: Desk) -> None:
    """A known clogin_id is registered once in each group, with its own doc there and one username."""
    clogin_id = desk.new(doc={"username": "nina", "first_name": "Nina"})
    desk.new(doc={"username": "miles"})
    assert "already registered" in desk.refused("create", clogin_id=clogin_id)
    assert "not known" in desk.refused("create", clogin_id=1)
    taken = {"username": "miles"}
    assert "taken" in desk.refused("create", clogin_id=clogin_id, group_id=OTHER_GROUP_ID, doc=taken)
    moved = desk.call(
        "create", clogin_id=str(clogin_id), group_id=OTHER_GROUP_ID, doc={"username": "nina", "phone": "1"}
    )
    assert moved["user_info"]["clogin_id"] == str(clogin_id)
    assert moved["system_action"][0] == "user_connected"
    there = desk.organisation.groups[OTHER_GROUP_ID].users[clogin_id]
    assert there.account is desk.users[clogin_id].account
    assert (there.doc, desk.users[clogin_id].doc) == ({"phone": "1"}, {"first_name": "Nina"})


def test_create_child(desk: Desk) -> None:
    """A child is connected to a parent of the same group, and needs a doc, though it may be empty."""
    parent = desk.new()
    answer = desk.call("create_child", connected_to=parent, doc=[])
    child = int(answer["user_info"]["clogin_id"])
    assert answer["user_info"]["connected_to"] == str(parent)
    assert desk.users[child].is_child
    assert not desk.users[parent].is_child
    assert "connected_to is missing" in desk.refused("create_child", doc={})
    assert "doc is missing" in desk.refused("create_child", connected_to=parent)
    for nobody in (child, 1):
        assert "must be a parent" in desk.refused("create_child", connected_to=nobody, doc={})
    elsewhere: Mapping[str, Any] = {"connected_to": parent, "group_id": OTHER_GROUP_ID, "doc": {}}
    assert "must be a parent" in desk.refused("create_child", **elsewhere)


def test_update(desk: Desk) -> None:
    """Fields are merged, a username moves and frees the old one, a password stays out of the doc."""
    clogin_id = desk.new(doc={"username": "nina", "first_name": "Nina"})
    desk.new(doc={"username": "miles"})
    update = {
        "first_name": "Eunice",
        "age": 70,
        "tags": ["a", "b"],
        "username": "eunice",
        "password": "secret",
    }
    assert desk.call("update", clogin_id=clogin_id, doc=update)["meta_info"]["u_name"] == "Eunice"
    user = desk.users[clogin_id]
    assert user.doc == {"first_name": "Eunice", "age": 70, "tags": ["a", "b"]}
    assert (user.username, user.account.password) == ("eunice", "secret")
    desk.call("update", clogin_id=clogin_id, doc={"username": "", "password": ""})
    assert (user.username, user.account.password) == ("eunice", "secret")
    desk.call("update", clogin_id=clogin_id, doc={"username": "Eunice"})
    assert desk.users[desk.new(doc={"username": "nina"})].username == "nina"
    assert "taken" in desk.refused("update", clogin_id=clogin_id, doc={"username": "miles"})
    assert user.username == "Eunice"


def test_update_checks_the_family(desk: Desk) -> None:
    """`connected_to` of an update must be the parent that the child has."""
    parent, stranger = desk.new(), desk.new()
    child = desk.new("create_child", connected_to=parent, doc={})
    assert desk.call("update", clogin_id=child, connected_to=parent, doc={"phone": "1"})["success"]
    assert "not the parent" in desk.refused("update", clogin_id=child, connected_to=stranger, doc={})


@pytest.mark.parametrize(
    ("clogin_id", "msg"),
    [
        (False, "clogin_id is missing"),
        (0, "clogin_id is missing"),
        (None, "clogin_id is missing"),
        (7, "no such user"),
        ("7", "no such user"),
        ("seven", "must be an integer"),
        ("\u0667", "must be an integer"),
        (7.0, "must be an integer"),
        (True, "must be an integer"),
        (-7, "must be an integer"),
        ("9" * 40, "must be an integer"),
    ],
)
def test_update_needs_a_user(desk: Desk, clogin_id: object, msg: str) -> None:
    """An id is a number or its digits, and must be somebody's."""
    assert msg in desk.refused("update", clogin_id=clogin_id, doc={})


def test_login_tokens_are_single_use(desk: Desk) -> None:
    """Each login gives a new token of 32 hexadecimal digits, which lets one in once."""
    clogin_id = desk.new()
    tokens = [desk.call("login", clogin_id=clogin_id, doc={})["user_token"] for _ in range(2)]
    assert desk.users[clogin_id].logins == tokens
    assert all(len(token) == 32 and int(token, 16) for token in tokens)
    assert tokens[0] != tokens[1]
    assert desk.organisation.use_token(tokens[0]) == clogin_id
    assert desk.organisation.use_token(tokens[0]) is None


def test_set_status(desk: Desk) -> None:
    """A status shows in the meta_info until 0 removes it; others than the group's are refused."""
    clogin_id = desk.new()
    answer = desk.call("set_status", clogin_id=clogin_id, status_id="8101", doc={})
    assert (answer["users"], answer["effected_users"]) == ([str(clogin_id)], "1")
    assert (answer["meta_info"]["status_id"], answer["meta_info"]["status_name"]) == ("8101", "Accepted")
    removed = desk.call("set_status", clogin_id=clogin_id, status_id=0, doc={})
    assert (removed["meta_info"]["status_id"], removed["meta_info"]["status_name"]) == ("0", None)
    assert "no status 9" in desk.refused("set_status", clogin_id=clogin_id, status_id=9)
    assert "status_id is missing" in desk.refused("set_status", clogin_id=clogin_id)


@pytest.mark.parametrize("action", ["delete", None, ["create"], ""])
def test_unknown_actions_are_refused(desk: Desk, action: object) -> None:
    """Only the nine documented actions exist."""
    assert "There is no action" in desk.refused(action)


def test_groups_are_checked(desk: Desk) -> None:
    """A group is needed, and must be one of the organisation's own."""
    assert "group_id is missing" in desk.refused("create", group_id=None)
    assert "another organisation" in desk.refused("create", group_id=FOREIGN_GROUP_ID)
