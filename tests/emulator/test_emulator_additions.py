from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from .support import Desk

MAIL = {"from": "a@example.org", "to": "b@example.org, c@example.org", "subject": "Hello", "body": "Text"}


def test_products_add_up(desk: Desk) -> None:
    """Cart entries carry their ids and prices, and the totals show in the meta_info."""
    clogin_id = desk.new()
    answer = desk.call(
        "add_product",
        clogin_id=clogin_id,
        product_list=[
            {"p_id": 70102, "q": 2, "product_remark": "Mondays", "recurring_start_date": "12-31-2025"},
            {"name": "Locker", "q": "1", "price": "5.5", "colour": "red"},
            {
                "name": "Free gift",
                "q": 1,
                "recurring_start_date": "2025/12/31",
                "date_structure": "yyyy/mm/dd",
            },
        ],
    )
    lesson, locker, gift = desk.users[clogin_id].cart
    assert [entry.cart_id for entry in (lesson, locker, gift)] == [
        int(entry["cart_id"]) for entry in answer["product_list"]
    ]
    assert (lesson.p_id, lesson.quantity, lesson.total, lesson.remark) == (70102, 2, Decimal(125), "Mondays")
    assert (locker.p_id, locker.name, locker.extra) == (None, "Locker", {"colour": "red"})
    assert gift.price == 0
    assert answer["product_list"][1]["p_id"] is None
    assert answer["product_list"][0]["total"] == "125.00"
    assert answer["meta_info"]["total_order"] == answer["meta_info"]["total_balance"] == "130.50"
    assert answer["meta_info"]["total_paid"] == "0.00"


def test_product_list_inside_doc(desk: Desk) -> None:
    """The documentation is not sure where the list stands, so both places are taken."""
    clogin_id = desk.new()
    desk.call("add_product", clogin_id=clogin_id, doc={"product_list": [{"p_id": 70104, "q": 1}]})
    assert [entry.p_id for entry in desk.users[clogin_id].cart] == [70104]


@pytest.mark.parametrize(
    ("products", "msg"),
    [
        (None, "product_list must be"),
        ([], "product_list must be"),
        ([7], "product_list must be"),
        ({"p_id": 70101, "q": 1}, "product_list must be"),
        ([{"p_id": 70101, "q": 1}, {"p_id": 1, "q": 1}], "no product 1"),
        ([{"p_id": "camp", "q": 1}], "p_id must be an integer"),
        ([{"p_id": 70101}], "q must be 1 or more"),
        ([{"p_id": 70101, "q": 0}], "q must be 1 or more"),
        ([{"q": 1}], "needs a p_id, or a name"),
        ([{"name": " ", "q": 1}], "needs a p_id, or a name"),
        ([{"name": "Locker", "q": 1, "price": "much"}], "price must be"),
        ([{"name": "Locker", "q": 1, "price": -1}], "price must be"),
        ([{"name": "Locker", "q": 1, "price": "NaN"}], "price must be"),
        ([{"p_id": 70101, "q": 1, "recurring_start_date": "31-12-2025"}], "must be a date"),
    ],
)
def test_bad_products_are_refused_whole(desk: Desk, products: object, msg: str) -> None:
    """One bad product keeps the good ones beside it out of the cart as well."""
    clogin_id = desk.new()
    assert msg in desk.refused("add_product", clogin_id=clogin_id, product_list=products)
    assert desk.users[clogin_id].cart == []


def test_emails_are_recorded(desk: Desk) -> None:
    """One mail or a list of them goes into the user's history, and nothing is sent."""
    clogin_id = desk.new(disable_email_sending=True)
    desk.call("add_email", clogin_id=clogin_id, doc={"email_list": MAIL})
    more = [{**MAIL, "cc": "d@example.org", "bcc": "e@example.org", "admin_id": "12"}, MAIL]
    answer = desk.call("add_email", clogin_id=clogin_id, doc={"email_list": more})
    assert answer["success"]
    first, second, third = desk.users[clogin_id].emails
    assert first == third
    assert (first.sender, first.to, first.subject, first.body) == tuple(MAIL.values())
    assert (second.cc, second.bcc, second.admin_id) == ("d@example.org", "e@example.org", 12)
    assert desk.organisation.mails_sent == 0


@pytest.mark.parametrize(
    ("emails", "msg"),
    [
        (None, "email_list must be"),
        ([], "email_list must be"),
        ([MAIL, {**MAIL, "subject": ""}], "subject is missing"),
        ({**MAIL, "body": 1.5}, "body must be a string"),
        ({**MAIL, "to": "b@example.org, nobody"}, "to is not a valid email: nobody"),
        ({**MAIL, "cc": "x@example.invalid"}, "not found in DNS"),
        ({**MAIL, "admin_id": "me"}, "admin_id must be an integer"),
    ],
)
def test_bad_emails_are_refused_whole(desk: Desk, emails: object, msg: str) -> None:
    """One bad mail keeps the good ones beside it out of the history as well."""
    clogin_id = desk.new()
    assert msg in desk.refused("add_email", clogin_id=clogin_id, doc={"email_list": emails})
    assert desk.users[clogin_id].emails == []
