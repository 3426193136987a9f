"""What comes back: typed, lenient about details, strict about whose answer it is."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from usersapi_async import (
    AddProduct,
    Create,
    CreateChild,
    GetInfo,
    GetUserList,
    Login,
    MalformedResponse,
    MetaInfo,
    Product,
    Response,
    ResponseError,
    SetStatus,
    Update,
    UserInfo,
    wire,
)
from usersapi_async.errors import Delivery

if TYPE_CHECKING:
    from usersapi_async.payloads import AnyPayload

GROUP = 100909072
INFO = {"clogin_id": "5", "group_id": str(GROUP), "connected_to": "5"}
META = {
    "u_name": "Nina Simone",
    "total_forms": "2",
    "completed_forms": "0",
    "total_user_forms": "2",
    "total_completed_user_forms": "1",
    "total_user_mandatory_forms": "2",
    "total_completed_user_mandatory_forms": 1,
    "total_order": "1,234.00",
    "total_paid": 34,
    "total_balance": "1200.00",
    "status_id": "0",
    "status_name": None,
    "status_color": "#fff",
}


def read(payload: AnyPayload, **body: Any) -> Response | ResponseError:
    """What an answer of this content is to the payload."""
    sent = wire.content(payload, GROUP)
    answer = wire.Answer(200, body=json.dumps({"success": True, **body}).encode())
    return wire.read(payload, sent, answer)


def good(payload: AnyPayload, **body: Any) -> Any:
    """The response, which must be one."""
    found = read(payload, **body)
    assert isinstance(found, payload.response)
    return found


def bad(payload: AnyPayload, **body: Any) -> str:
    """Why this is no answer to the payload."""
    found = read(payload, **body)
    assert isinstance(found, MalformedResponse)
    assert found.delivery is Delivery.UNKNOWN
    return str(found).partition("can't be used: ")[2]


def test_meta_info() -> None:
    """Counts are ints, money is Decimal, what is unknown is kept."""
    meta = good(Update(clogin_id=5, doc={}), user_info=INFO, meta_info=META).meta_info
    assert meta == MetaInfo(
        u_name="Nina Simone",
        total_forms=2,
        completed_forms=0,
        total_user_forms=2,
        total_completed_user_forms=1,
        total_user_mandatory_forms=2,
        total_completed_user_mandatory_forms=1,
        total_order=Decimal("1234.00"),
        total_paid=Decimal(34),
        total_balance=Decimal("1200.00"),
        status_id=0,
        status_name=None,
        extra={"status_color": "#fff"},
    )


def test_odd_details_are_notes() -> None:
    """What can't be read is None, with a note at the place where it stood, and no value in it."""
    response = good(
        Update(clogin_id=5, doc={}),
        user_info=INFO,
        meta_info={**META, "total_forms": "Nina", "total_paid": ["Nina"]},
        msg={"text": "Nina"},
    )
    assert response.meta_info.total_forms is None
    assert response.meta_info.total_paid is None
    assert response.msg is None
    assert response.problems == (
        "expected a string, got dict @ $.msg",
        "expected a whole number, got str @ $.meta_info.total_forms",
        "expected an amount, got list @ $.meta_info.total_paid",
    )
    assert response.meta_info.problems == (
        "expected a whole number, got str @ $.total_forms",
        "expected an amount, got list @ $.total_paid",
    )


def test_a_part_that_is_no_object() -> None:
    """A whole part that can't be read is one note."""
    response = good(Update(clogin_id=5, doc={}), meta_info="none", user_info=5)
    assert (response.meta_info, response.user_info) == (MetaInfo(), None)
    assert response.problems == (
        "expected an object, got str @ $.meta_info",
        "expected an object, got int @ $.user_info",
    )


@pytest.mark.parametrize("empty", [[], {}, None])
def test_empty_parts(empty: Any) -> None:
    """An empty object, a list in PHP, stands for nothing said, and is no problem."""
    response = good(Update(clogin_id=5, doc={}), meta_info=empty, user_info=empty)
    assert (response.meta_info, response.user_info, response.problems) == (MetaInfo(), None, ())


def test_unknown_keys_are_kept() -> None:
    """At every level, what the documentation does not name stands in ``extra``."""
    response = good(
        Update(clogin_id=5, doc={}), user_info={**INFO, "new": 1}, added={"a": [1]}, success="true"
    )
    assert response.extra == {"success": "true", "added": {"a": [1]}}
    assert response.user_info.extra == {"new": 1}
    assert response.problems == ()


def test_messages_stay_out_of_repr() -> None:
    """A response shows ids and counts, not people."""
    shown = repr(
        good(Update(clogin_id=5, doc={}), user_info=INFO, meta_info=META, msg="Hello Nina", more="Nina")
    )
    assert "Nina" not in shown
    assert "clogin_id=5" in shown


def test_responses_can_be_hashed() -> None:
    """Objects inside don't keep a response out of a set."""
    first, second = (good(GetInfo(clogin_id=5), user_info=INFO, doc={"a": []}) for _ in range(2))
    assert {first, second} == {first}


@pytest.mark.parametrize(
    ("connected_to", "child"), [("5", False), ("7", True), (None, False), ("0", False), ("", False)]
)
def test_children(connected_to: Any, child: bool) -> None:
    """A child is connected to somebody else."""
    info = good(Update(clogin_id=5, doc={}), user_info={**INFO, "connected_to": connected_to}).user_info
    assert info.is_child is child


def test_create_needs_an_id() -> None:
    """Without the new person's id the answer is of no use."""
    created = good(Create(), user_info=INFO, system_action=["user_created", 5])
    assert (created.clogin_id, created.system_action) == (5, ("user_created", 5))
    assert created.user_info == UserInfo(clogin_id=5, group_id=GROUP, connected_to=5)
    assert bad(Create()) == "required field missing @ $.user_info"
    assert bad(Create(), user_info=None) == "required field missing @ $.user_info.clogin_id"
    assert bad(Create(), user_info={}) == "required field missing @ $.user_info.clogin_id"
    assert bad(Create(), user_info={"clogin_id": ""}) == "required field is empty @ $.user_info.clogin_id"
    assert bad(Create(), user_info={"clogin_id": "x"}) == (
        "expected a whole number, got str @ $.user_info.clogin_id"
    )
    assert bad(Create(), user_info=[5]) == "expected an object, got list @ $.user_info"


@pytest.mark.parametrize("nobody", ["0", 0, -1])
def test_nobodys_id(nobody: Any) -> None:
    """An id is positive: a failed look-up must not pass for a person."""
    fault = "it names nobody @ $.user_info.clogin_id"
    assert bad(Create(), user_info={"clogin_id": nobody}) == fault
    assert bad(CreateChild(connected_to=7), user_info={"clogin_id": nobody}) == fault


def test_login_needs_its_token() -> None:
    """A login without a token is none."""
    assert good(Login(clogin_id=5), user_token="t").user_token == "t"
    assert "user_token" not in repr(good(Login(clogin_id=5), user_token="t"))
    assert bad(Login(clogin_id=5)) == "required field missing @ $.user_token"
    assert bad(Login(clogin_id=5), user_token=None) == "required field is empty @ $.user_token"
    assert bad(Login(clogin_id=5), user_token=[]) == "expected a string, got list @ $.user_token"


@pytest.mark.parametrize("name", ["product_list", "products", "cart", "_usercart"])
def test_carts(name: str) -> None:
    """The cart's entries are found under each name that they may have."""
    entries = {"0": {"cart_id": "9", "p_id": None, "name": "Camp", "q": "2"}, "2": {"q": "x"}}
    response = good(AddProduct(clogin_id=5, products=[Product(p_id=1)]), **{name: entries})
    assert [(entry.cart_id, entry.name, entry.q) for entry in response.cart] == [
        (9, "Camp", 2),
        (None, None, None),
    ]
    assert response.problems == (f"expected a whole number, got str @ $.{name}[1].q",)


def test_an_unreadable_cart_is_a_detail() -> None:
    """A success does not turn into a doubt over a list that it did not need."""
    response = good(AddProduct(clogin_id=5, products=[Product(p_id=1)]), cart=[5])
    assert (response.cart, response.problems) == ((), ("expected an object, got int @ $.cart[0]",))


@pytest.mark.parametrize("empty", [[], {}, None, ""])
def test_empty_values(empty: Any) -> None:
    """An empty map may arrive as a list."""
    assert good(GetInfo(clogin_id=5), doc=empty).values == {}


FAMILY = {"parent": {"u_name": "P"}, "children": [{"u_name": "C", "clogin_id": "8"}]}


@pytest.mark.parametrize(
    "body",
    [
        FAMILY,
        {"_family": FAMILY},
        {"family": FAMILY},
        {"doc": {"_family": FAMILY}},
        {"doc": {"family": FAMILY}},
    ],
)
def test_families(body: dict[str, Any]) -> None:
    """Parent and children are found at the top and wherever else they may stand."""
    response = good(GetInfo(clogin_id=5), field_index={"f": 1}, error=[], **body)
    assert response.parent == MetaInfo(u_name="P")
    assert response.children == (MetaInfo(u_name="C", extra={"clogin_id": "8"}),)
    assert (response.field_index, response.error) == ({"f": 1}, [])


def test_half_a_family() -> None:
    """A family that names no children leaves those at the top alone."""
    response = good(GetInfo(clogin_id=5), _family={"parent": {"u_name": "P"}}, doc=[])
    assert (response.parent, response.children) == (MetaInfo(u_name="P"), ())


def test_statuses() -> None:
    """The ids and the count that set_status answers with."""
    response = good(SetStatus(clogin_id=5, status_id=1), users=["5", 6], effected_users="2")
    assert (response.users, response.effected_users) == ((5, 6), 2)
    odd = good(SetStatus(clogin_id=5, status_id=1), users=["x"], effected_users=True)
    assert (odd.users, odd.effected_users) == ((), None)
    assert odd.problems == (
        "expected a whole number, got str @ $.users[0]",
        "expected a whole number, got bool @ $.effected_users",
    )


@pytest.mark.parametrize("name", ["users", "parents", "parent", "children", "child"])
def test_lists_of_users(name: str) -> None:
    """Each of the names that the lists may have."""
    response = good(
        GetUserList(), **{name: [{"user_info": INFO, "meta_info": META, "doc": {"a": "b"}}]}, total_users="1"
    )
    (user,) = response.everyone
    assert (user.clogin_id, user.meta_info.total_forms, user.values) == (5, 2, {"a": "b"})
    assert (response.total_users, response.records_per_page) == (1, None)


def test_nested_children() -> None:
    """Families nest, and are not counted twice."""
    child = {"user_info": {**INFO, "clogin_id": 6}}
    response = good(GetUserList(), parents={"0": {"user_info": INFO, "child": [child]}})
    (parent,) = response.everyone
    assert [inner.clogin_id for inner in parent.children] == [6]


def test_spread_out_users() -> None:
    """A listed user whose ids and figures stand side by side is put in order."""
    (user,) = good(GetUserList(), users=[{**INFO, **META, "more": 1}]).everyone
    assert (user.user_info.clogin_id, user.meta_info.total_forms) == (5, 2)
    assert user.extra == {"status_color": "#fff", "more": 1}
    (half,) = good(GetUserList(), users=[{**INFO, "meta_info": META, "u_name": "kept"}]).everyone
    assert (half.meta_info.u_name, half.extra) == ("Nina Simone", {"u_name": "kept"})


def test_users_without_ids() -> None:
    """A list whose users can't be told apart is no answer: somebody would be missed."""
    assert bad(GetUserList(), users=[{"u_name": "x"}]) == (
        "required field missing @ $.users[0].user_info.clogin_id"
    )
    assert bad(GetUserList(), parents="x") == "expected a list, got str @ $.parents"
    assert bad(GetUserList(), users=[{"user_info": INFO, "children": 5}]) == (
        "expected a list, got int @ $.users[0].children"
    )
