"""Operations as JSON says them: payloads, or all that is wrong with them."""

from __future__ import annotations

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
)
from usersapi_async.cli.operations import ACTIONS, OperationBuilder
from usersapi_async.payloads import AnyPayload

_QUIET: dict[str, Any] = {"submit_forms": False, "disable_email_sending": True}
_MAIL = {"from": "a@example.org", "to": "b@example.org", "subject": "s", "body": "b"}
_EMAIL = Email(sender="a@example.org", to="b@example.org", subject="s", body="b")


@pytest.mark.parametrize(
    ("operation", "expected"),
    [
        ({"action": "create"}, Create(**_QUIET)),
        (
            {"action": "create", "doc": {"a": "b"}, "submit_forms": True, "disable_email_sending": False},
            Create(doc={"a": "b"}, submit_forms=True, disable_email_sending=False),
        ),
        (
            {"action": "create_child", "connected_to": {"ref": "p"}, "group_id": 3},
            CreateChild(connected_to=Ref("p"), group_id=3, **_QUIET),
        ),
        ({"action": "login", "clogin_id": 1, "doc": {}}, Login(clogin_id=1, **_QUIET)),
        (
            {"action": "update", "clogin_id": 1, "doc": {"a": ["b"]}, "extra": {"x": 1}},
            Update(clogin_id=1, doc={"a": ["b"]}, extra={"x": 1}, **_QUIET),
        ),
        (
            {"action": "add_product", "clogin_id": 1, "product_list": {"p_id": 2, "odd": 3}},
            AddProduct(clogin_id=1, products=[Product(p_id=2, extra={"odd": 3})], **_QUIET),
        ),
        (
            {"action": "add_product", "clogin_id": 1, "products": [{"name": "x", "q": 2}]},
            AddProduct(clogin_id=1, products=[Product(name="x", q=2)], **_QUIET),
        ),
        (
            {"action": "add_email", "clogin_id": 1, "doc": {"email_list": _MAIL}},
            AddEmail(clogin_id=1, emails=[_EMAIL], **_QUIET),
        ),
        (
            {"action": "add_email", "clogin_id": 1, "emails": [_MAIL]},
            AddEmail(clogin_id=1, emails=[_EMAIL], **_QUIET),
        ),
        (
            {"action": "get_info", "clogin_id": 1, "doc": {"_allfields": True, "a": True, "b": False}},
            GetInfo(clogin_id=1, fields=["a"], all_fields=True),
        ),
        (
            {"action": "get_user_list", "doc": {"with_excluded": True, "a": True}, "starting_position": 50},
            GetUserList(fields=["a"], with_excluded=True, starting_position=50),
        ),
        (
            {"action": "set_status", "clogin_id": 1, "status_id": 0},
            SetStatus(clogin_id=1, status_id=0, **_QUIET),
        ),
        (
            {"action": "new_one", "clogin_id": 1, "repeatable": True},
            Custom(action="new_one", repeatable=True, extra={"clogin_id": 1}),
        ),
    ],
)
def test_payloads(operation: dict[str, Any], expected: AnyPayload) -> None:
    """By the names of the requests or of the library; mails and forms off unless they are said."""
    assert OperationBuilder().payload(operation) == expected


def test_every_action_is_known() -> None:
    """The nine of the endpoint."""
    assert len(ACTIONS) == 9


def test_mails_and_forms_for_all() -> None:
    """Where an operation does not say it."""
    builder = OperationBuilder(send_emails=True, submit_forms=True)
    assert builder.payload({"action": "create"}) == Create(submit_forms=True, disable_email_sending=False)
    assert builder.payload({"action": "create", "submit_forms": False}).submit_forms is False


@pytest.mark.parametrize(
    ("operation", "faults"),
    [
        ({}, ["required: the name of an action @ $.action"]),
        ({"action": 1}, ["required: the name of an action @ $.action"]),
        ({"action": "update", "clogin_id": 1}, ["required @ $.doc"]),
        ({"action": "set_status"}, ["required @ $.clogin_id", "required @ $.status_id"]),
        (
            {"action": "login", "clogin_id": 1, "odd": 1},
            ["no argument of login; if the service knows it, give it in extra @ $.odd"],
        ),
        ({"action": "login", "clogin_id": {"ref": ""}}, ['expected an id or {"ref": "key"} @ $.clogin_id']),
        (
            {"action": "login", "clogin_id": "1"},
            ["invalid type, expected a positive int, got str @ $.clogin_id"],
        ),
        ({"action": "login", "clogin_id": 1, "doc": 1}, ["expected an object @ $.doc"]),
        ({"action": "login", "clogin_id": 1, "doc": {"a": True}}, ["does not belong there @ $.doc.a"]),
        ({"action": "get_info", "clogin_id": 1, "doc": {"a": 1}}, ["does not belong there @ $.doc.a"]),
        (
            {"action": "add_product", "clogin_id": 1, "products": [], "product_list": [1]},
            ["given twice @ $.product_list"],
        ),
        (
            {"action": "add_product", "clogin_id": 1, "product_list": [1]},
            ["expected an object @ $.product_list[0]"],
        ),
        (
            {"action": "add_product", "clogin_id": 1, "product_list": [{"p_id": 1, "q": 0}]},
            ["must be at least 1 @ $.product_list[0].q"],
        ),
        (
            {"action": "add_product", "clogin_id": 1, "product_list": 5},
            ["invalid type, expected a list of Product, got int @ $.product_list"],
        ),
        (
            {"action": "add_email", "clogin_id": 1, "emails": {"from": "a@example.org", "odd": 1}},
            [
                "does not belong there @ $.emails[0].odd",
                "required @ $.emails[0].to",
                "required @ $.emails[0].subject",
                "required @ $.emails[0].body",
            ],
        ),
    ],
)
def test_faults(operation: dict[str, Any], faults: list[str]) -> None:
    """All at once, with their paths."""
    with pytest.raises(PayloadError) as caught:
        OperationBuilder().payload(operation)
    assert list(caught.value.faults) == faults
