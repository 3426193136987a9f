"""Facts of the platform's documentation that no other test names, each quoted in short."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from usersapi_async import (
    AddEmail,
    AddProduct,
    Create,
    CreateChild,
    Email,
    GetInfo,
    GetUserList,
    Login,
    MetaInfo,
    Product,
    SetStatus,
    Update,
    UserInfo,
    UsersSession,
    assumptions,
    wire,
)
from usersapi_async.actions import Actions

from .servers import bodies

if TYPE_CHECKING:
    from usersapi_async.emulator import Emulator

MAIL = Email(sender="a@b.org", to="c@d.org", subject="s", body="t")
ONE_OF_EACH: list[Any] = [
    Create(),
    CreateChild(connected_to=7),
    Login(clogin_id=5),
    Update(clogin_id=5, doc={}),
    AddProduct(clogin_id=5, products=[Product(p_id=1)]),
    AddEmail(clogin_id=5, emails=[MAIL]),
    GetInfo(clogin_id=5),
    SetStatus(clogin_id=5, status_id=0),
    GetUserList(),
]


def sent(payload: Any) -> dict[str, Any]:
    """The request as the service sees it."""
    decoded: dict[str, Any] = json.loads(wire.encode(wire.content(payload, 100909072)))
    return decoded


def test_where_the_service_is() -> None:
    """ "POST https://www.regpack.com/reg/api2/users/"."""
    assert assumptions.DEFAULT_BASE_URL == "https://www.regpack.com/reg/api2/users/"


async def test_every_request_is_a_post_of_json(emulator: Emulator, users: UsersSession) -> None:
    """ "One JSON object": the emulator takes nothing but a POST of one, and it took this."""
    await users.create()
    assert isinstance(emulator.requests[-1].body, dict)


def test_the_nine_actions() -> None:
    """The actions are these nine, each with a coroutine of its name, and none deletes."""
    names = [payload.action for payload in ONE_OF_EACH]
    assert names == [
        "create",
        "create_child",
        "login",
        "update",
        "add_product",
        "add_email",
        "get_info",
        "set_status",
        "get_user_list",
    ]
    assert all(callable(getattr(Actions, name)) for name in names)
    assert not any("delete" in name for name in dir(UsersSession))


@pytest.mark.parametrize("payload", ONE_OF_EACH, ids=lambda payload: payload.action)
def test_action_and_group_are_always_there(payload: Any) -> None:
    """ "action: always", "group_id: always", as a string and an integer."""
    assert sent(payload)["action"] == payload.action
    assert sent(payload)["group_id"] == 100909072


@pytest.mark.parametrize("payload", ONE_OF_EACH, ids=lambda payload: payload.action)
def test_who_needs_a_central_login_id(payload: Any) -> None:
    """ "Mandatory except in create and create_child (get_user_list has none)"."""
    without = {"create", "create_child", "get_user_list"}
    assert ("clogin_id" in sent(payload)) is (payload.action not in without)


def test_false_is_a_person_who_is_new() -> None:
    """ "For a person who is new to the organisation it is false"."""
    assert sent(Create(clogin_id=False))["clogin_id"] is False
    assert sent(Create(clogin_id=102670540))["clogin_id"] == 102670540


@pytest.mark.parametrize("payload", ONE_OF_EACH, ids=lambda payload: payload.action)
def test_empty_docs_are_objects(payload: Any) -> None:
    """An empty ``doc`` goes out as ``{}``; only add_product sends none."""
    if payload.action == "add_product":
        assert "doc" not in sent(payload)
    else:
        assert isinstance(sent(payload)["doc"], dict)


def test_products_stand_at_the_top_level() -> None:
    """Where ``product_list`` stands is not certain: "send it there", at the top level."""
    assert sent(AddProduct(clogin_id=5, products=[Product(p_id=1)]))["product_list"] == [{"p_id": 1, "q": 1}]


def test_defaults_are_left_to_the_server() -> None:
    """ "server default true", "server default false": neither switch is sent unless it was said."""
    for payload in ONE_OF_EACH:
        assert not {"submit_forms", "disable_email_sending"} & sent(payload).keys()


async def test_what_the_switches_do(emulator: Emulator, users: UsersSession) -> None:
    """``submit_forms`` false fires no trigger; ``disable_email_sending`` true keeps mails from going out."""
    doc = {"phone": "1"}
    kept = await users.create(doc, submit_forms=False)
    assert emulator.users[kept.clogin_id].completed_forms == set()
    submitted = await users.create(doc, disable_email_sending=True)
    assert emulator.users[submitted.clogin_id].completed_forms == {251473}
    assert emulator.mails_sent == 0
    await users.create(doc)
    assert emulator.mails_sent == 1
    assert bodies(emulator)[-1].keys() == {"action", "group_id", "doc"}


SAMPLE = {
    "success": True,
    "msg": "",
    "msg_type": "info",
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
        "status_since": "2024",
    },
    "user_info": {"clogin_id": "102670540", "group_id": "100909072", "connected_to": "102670540"},
}


def test_the_documented_sample() -> None:
    """The sample of the documentation is read whole, with no problem and no key lost."""
    payload = Create()
    answer = wire.Answer(200, body=json.dumps(SAMPLE).encode())
    response = wire.read(payload, wire.content(payload, 100909072), answer)
    assert response == payload.response(
        msg="",
        msg_type="info",
        meta_info=MetaInfo(
            u_name="Nina Simone",
            total_forms=2,
            completed_forms=0,
            total_user_forms=2,
            total_completed_user_forms=0,
            total_user_mandatory_forms=2,
            total_completed_user_mandatory_forms=0,
            total_order=Decimal("0.00"),
            total_paid=Decimal("0.00"),
            total_balance=Decimal("0.00"),
            status_id=0,
            extra={"status_since": "2024"},
        ),
        user_info=UserInfo(clogin_id=102670540, group_id=100909072, connected_to=102670540),
        extra={"success": True},
    )


async def test_blank_usernames(emulator: Emulator, users: UsersSession) -> None:
    """ "A blank username becomes main_email if that is not taken, else … a generated value"."""
    doc = {"main_email": "nina@example.org", "username": ""}
    first, second = [(await users.create(doc)).clogin_id for _ in range(2)]
    assert emulator.users[first].username == "nina@example.org"
    assert emulator.users[second].username != "nina@example.org"


async def test_pages_of_fifty(users: UsersSession) -> None:
    """ "At most 50 users a page", with ``total_users`` and ``records_per_page``."""
    for _ in range(51):
        await users.create()
    page = await users.get_user_list()
    assert (len(page.everyone), page.total_users, page.records_per_page) == (50, 51, 50)


def test_names_that_the_lists_may_have() -> None:
    """ "Accept users, parents/parent, children/child"."""
    names = assumptions.USER_LISTS + assumptions.PARENT_LISTS + assumptions.CHILD_LISTS
    assert names == ("users", "parents", "parent", "children", "child")


def test_effected_is_spelled_so() -> None:
    """ "effected_users (count; spelled so)"."""
    payload = SetStatus(clogin_id=5, status_id=0)
    body = {"success": True, "users": [5], "effected_users": 1, "affected_users": 9}
    response = wire.read(payload, wire.content(payload, 1), wire.Answer(200, body=json.dumps(body).encode()))
    assert getattr(response, "effected_users", None) == 1
