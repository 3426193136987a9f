"""What a payload looks like on its way out."""

from __future__ import annotations

import json
from typing import Any

import pytest

from usersapi_async import (
    AddEmail,
    AddProduct,
    Create,
    CreateChild,
    Custom,
    Email,
    GetInfo,
    GetUserList,
    Login,
    PayloadError,
    Product,
    Ref,
    SetStatus,
    Update,
    wire,
)

MAIL: dict[str, Any] = {"sender": "a@b.org", "to": "c@d.org", "subject": "s", "body": "t"}
FULL_MAIL = Email(**MAIL, cc="e@f.org", bcc="g@h.org", admin_id=3)
SWITCHES: dict[str, Any] = {"submit_forms": False, "disable_email_sending": True}
OPTIONS: dict[str, Any] = {
    "fields": ["first_name", "f_1"],
    "all_fields": True,
    "family": False,
    "user_products": True,
    "user_forms": {"page": 1},
    "user_cart": {"open": True},
    "user_payments": True,
    "utm": True,
}
ASKED = {
    "first_name": True,
    "f_1": True,
    "_allfields": True,
    "_family": False,
    "_userproducts": True,
    "_userforms": {"page": 1},
    "_usercart": {"open": True},
    "_userpayments": True,
    "_utm": True,
}
SENT: list[tuple[Any, dict[str, Any]]] = [
    (Create(), {"action": "create", "group_id": 1, "doc": {}}),
    (
        Create(clogin_id=False, doc={"a": "b", "tags": ["x"]}, group_id=2, **SWITCHES),
        {"action": "create", "group_id": 2, "clogin_id": False, "doc": {"a": "b", "tags": ["x"]}, **SWITCHES},
    ),
    (
        CreateChild(connected_to=7, clogin_id=5),
        {"action": "create_child", "group_id": 1, "connected_to": 7, "clogin_id": 5, "doc": {}},
    ),
    (Login(clogin_id=5), {"action": "login", "group_id": 1, "clogin_id": 5, "doc": {}}),
    (
        Update(clogin_id=5, doc={"a": 1}, connected_to=7, submit_forms=True),
        {
            "action": "update",
            "group_id": 1,
            "clogin_id": 5,
            "doc": {"a": 1},
            "connected_to": 7,
            "submit_forms": True,
        },
    ),
    (
        AddProduct(
            clogin_id=5,
            products=[
                Product(p_id=9, q=2),
                Product(
                    name="Lesson",
                    product_remark="r",
                    recurring_start_date="12-31-2025",
                    date_structure="mm-dd-yyyy",
                    extra={"price": "5.00"},
                ),
            ],
        ),
        {
            "action": "add_product",
            "group_id": 1,
            "clogin_id": 5,
            "product_list": [
                {"p_id": 9, "q": 2},
                {
                    "name": "Lesson",
                    "q": 1,
                    "product_remark": "r",
                    "recurring_start_date": "12-31-2025",
                    "date_structure": "mm-dd-yyyy",
                    "price": "5.00",
                },
            ],
        },
    ),
    (
        AddEmail(clogin_id=5, emails=[Email(**MAIL), FULL_MAIL]),
        {
            "action": "add_email",
            "group_id": 1,
            "clogin_id": 5,
            "doc": {
                "email_list": [
                    {"from": "a@b.org", "to": "c@d.org", "subject": "s", "body": "t"},
                    {
                        "from": "a@b.org",
                        "to": "c@d.org",
                        "subject": "s",
                        "body": "t",
                        "cc": "e@f.org",
                        "bcc": "g@h.org",
                        "admin_id": 3,
                    },
                ]
            },
        },
    ),
    (GetInfo(clogin_id=5, **OPTIONS), {"action": "get_info", "group_id": 1, "clogin_id": 5, "doc": ASKED}),
    (GetInfo(clogin_id=5), {"action": "get_info", "group_id": 1, "clogin_id": 5, "doc": {}}),
    (
        SetStatus(clogin_id=5, status_id=0),
        {"action": "set_status", "group_id": 1, "clogin_id": 5, "status_id": 0, "doc": {}},
    ),
    (
        GetUserList(
            **OPTIONS,
            with_excluded=True,
            only_excluded=False,
            only_parents=True,
            only_children=False,
            return_families=True,
            starting_position=0,
        ),
        {
            "action": "get_user_list",
            "group_id": 1,
            "doc": {
                **ASKED,
                "with_excluded": True,
                "only_excluded": False,
                "only_parents": True,
                "only_children": False,
                "return_families": True,
                "starting_position": 0,
            },
        },
    ),
    (Custom(action="report", repeatable=True), {"action": "report", "group_id": 1}),
    (
        Custom(action="report", extra={"doc": {"x": [1]}, "kind": None}),
        {"action": "report", "group_id": 1, "doc": {"x": [1]}, "kind": None},
    ),
    (
        Create(doc={"a": 1, "b": 2}, extra={"doc": {"b": 3}, "new": {"c": 4}, "group_id": 8}),
        {"action": "create", "group_id": 8, "doc": {"a": 1, "b": 3}, "new": {"c": 4}},
    ),
    (Create(extra={"doc": []}), {"action": "create", "group_id": 1, "doc": []}),
]


@pytest.mark.parametrize(("payload", "expected"), SENT, ids=lambda value: type(value).__name__)
def test_requests(payload: Any, expected: dict[str, Any]) -> None:
    """Each argument stands where the service wants it; what is None is left out."""
    assert json.loads(wire.encode(wire.content(payload, 1))) == expected


def test_encoding() -> None:
    """The body is compact JSON in UTF-8, with the action first."""
    sent = wire.content(Create(doc={"name": "Zoë"}), 1)
    assert wire.encode(sent) == '{"action":"create","group_id":1,"doc":{"name":"Zoë"}}'.encode()


def test_unresolved_references() -> None:
    """A reference means nothing outside a batch, and neither does a call without a group."""
    with pytest.raises(PayloadError) as caught:
        wire.content(Update(clogin_id=Ref("a"), connected_to=Ref("b"), doc={}), None)
    assert caught.value.faults == (
        "a Ref stands for an id only within a batch @ $.clogin_id",
        "a Ref stands for an id only within a batch @ $.connected_to",
        "required: group_id, of the call or of the session @ $.group_id",
    )
