from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from .support import Desk

EXCLUDING = 8103


@pytest.fixture
def full_desk(desk: Desk) -> Desk:
    """Three parents, the last one excluded; the first has two children, one of them excluded."""
    first, _, third = (desk.new(doc={"first_name": name}) for name in ("One", "Two", "Three"))
    child = desk.new("create_child", connected_to=first, doc={"first_name": "Four"})
    desk.new("create_child", connected_to=first, doc={"first_name": "Five"})
    for clogin_id in (third, child):
        desk.call("set_status", clogin_id=clogin_id, status_id=EXCLUDING, doc={})
    return desk


def names(items: list[dict[str, Any]]) -> list[str]:
    return [item["meta_info"]["u_name"] for item in items]


def test_get_info_of_fields(desk: Desk) -> None:
    """Fields are read by id or by name, under the key that asked, as strings or lists; a blank if unset."""
    doc = {"f_251473_6251473": "piano", "age": 70, "tags": ["a"], "username": "nina", "password": "secret"}
    clogin_id = desk.new(doc=doc)
    keys = (*doc, "your_instrument", "phone")
    answer = desk.call(
        "get_info", clogin_id=clogin_id, doc={**dict.fromkeys(keys, True), "first_name": False}
    )
    assert answer["doc"] == {
        "f_251473_6251473": "piano",
        "your_instrument": "piano",
        "age": "70",
        "tags": ["a"],
        "username": "nina",
        "password": "",
        "phone": "",
    }


def test_get_info_without_fields(desk: Desk) -> None:
    """An empty doc gives the metadata alone, and PHP writes the empty map as []."""
    answer = desk.call("get_info", clogin_id=desk.new(), doc={})
    assert answer["doc"] == []
    assert answer["meta_info"]["total_forms"] == "2"
    assert "field_index" not in answer


def test_get_info_of_all_fields(desk: Desk) -> None:
    """All fields come with the field index and the mandatory fields that are incomplete."""
    clogin_id = desk.new(doc={"your_instrument": "piano", "username": "nina", "age": 70})
    answer = desk.call("get_info", clogin_id=clogin_id, doc={"_allfields": True})
    assert answer["doc"] == {"username": "nina", "your_instrument": "piano", "age": "70"}
    assert answer["field_index"]["f_251474_6251480"] == {
        "name": "allergies",
        "form_id": "251474",
        "mandatory": "1",
    }
    assert sorted(answer["error"]) == ["allergies", "date_of_birth"]
    desk.call("update", clogin_id=clogin_id, doc={"allergies": "none", "date_of_birth": "02-21-1933"})
    assert desk.call("get_info", clogin_id=clogin_id, doc={"_allfields": "true"})["error"] == []


def test_get_info_of_the_family(full_desk: Desk) -> None:
    """A parent and a child see the same family: the parent's meta_info and those of all children."""
    parent, *_, child = full_desk.users
    for clogin_id in (parent, child):
        answer = full_desk.call("get_info", clogin_id=clogin_id, doc={"_family": True})
        assert answer["parent"]["u_name"] == "One"
        assert [item["u_name"] for item in answer["children"]] == ["Four", "Five"]


def test_get_info_of_sections(desk: Desk) -> None:
    """Cart, products, forms, payments and campaign data each have a key of their own."""
    clogin_id = desk.new(doc={"phone": "1", "org_name": "The Band", "_application_date": "01-31-2025"})
    bought = [{"p_id": 70104, "q": 1}, {"p_id": 70104, "q": 2}, {"name": "Locker", "q": 1}]
    desk.call("add_product", clogin_id=clogin_id, product_list=bought)
    asked = dict.fromkeys(("_userproducts", "_userforms", "_userpayments", "_utm", "_application_date"), True)
    answer = desk.call("get_info", clogin_id=clogin_id, doc={**asked, "_usercart": {"detail": True}})
    doc = answer["doc"]
    assert doc["_userproducts"] == [{"p_id": "70104", "name": "Bus ticket", "q": "3"}]
    assert [entry["name"] for entry in doc["_usercart"]] == ["Bus ticket", "Bus ticket", "Locker"]
    assert [form["completed"] for form in doc["_userforms"]] == ["1", "0"]
    assert (doc["_userpayments"], doc["_utm"], doc["_application_date"]) == ([], [], "01-31-2025")
    assert answer["meta_info"]["u_name"] == "The Band"


def test_get_info_refuses_what_it_does_not_know(desk: Desk) -> None:
    """An unknown system field, and a value that is no yes or no, are refused."""
    clogin_id = desk.new()
    assert "no system field _friends" in desk.refused("get_info", clogin_id=clogin_id, doc={"_friends": True})
    assert "first_name must be" in desk.refused("get_info", clogin_id=clogin_id, doc={"first_name": "Nina"})
    assert "_utm must be" in desk.refused("get_info", clogin_id=clogin_id, doc={"_utm": {}})


@pytest.mark.parametrize(
    ("options", "parents", "children"),
    [
        ({}, ["One", "Two"], ["Five"]),
        ({"with_excluded": True}, ["One", "Two", "Three"], ["Four", "Five"]),
        ({"only_excluded": True}, ["Three"], ["Four"]),
        ({"only_parents": True}, ["One", "Two"], []),
        ({"only_children": True}, [], ["Five"]),
        ({"only_children": True, "only_excluded": True}, [], ["Four"]),
        ({"starting_position": 1}, ["Two"], ["Five"]),
        ({"starting_position": "3"}, [], []),
    ],
)
def test_list_filters(full_desk: Desk, options: object, parents: list[str], children: list[str]) -> None:
    """Parents and children stand in lists of their own; excluded ones only if asked for."""
    answer = full_desk.call("get_user_list", doc=options)
    assert (names(answer["parents"]), names(answer["children"])) == (parents, children)


@pytest.mark.parametrize(
    ("options", "families"),
    [
        ({}, {"One": ["Five"], "Two": []}),
        ({"with_excluded": True}, {"One": ["Four", "Five"], "Two": [], "Three": []}),
        ({"only_excluded": True}, {"Three": []}),
    ],
)
def test_list_of_families(full_desk: Desk, options: dict[str, bool], families: dict[str, list[str]]) -> None:
    """With families, children are nested under their parents, and only the parents are counted."""
    answer = full_desk.call("get_user_list", doc={**options, "return_families": True})
    assert {item["meta_info"]["u_name"]: names(item["children"]) for item in answer["parents"]} == families
    assert answer["total_users"] == str(len(families))
    assert answer["children"] == []


def test_list_items_hold_what_was_asked(full_desk: Desk) -> None:
    """The keys of get_info add a nested doc to each user, which holds also what get_info puts beside it."""
    plain = full_desk.call("get_user_list", doc={})
    assert sorted(plain["parents"][0]) == ["meta_info", "user_info"]
    asked = {"first_name": True, "_allfields": True, "_family": True, "with_excluded": False}
    item = full_desk.call("get_user_list", doc=asked)["children"][0]
    assert item["doc"]["first_name"] == "Five"
    assert sorted(item["doc"]) == ["children", "error", "field_index", "first_name", "parent", "username"]


def test_list_pages_hold_fifty(desk: Desk) -> None:
    """Pages count parents and children together, in the order of registration, without gap or overlap."""
    parent = desk.new()
    for _ in range(60):
        desk.new()
        desk.new("create_child", connected_to=parent, doc={})
    seen: list[str] = []
    sizes = []
    for start in (0, 50, 100, 150):
        answer = desk.call("get_user_list", doc={"starting_position": start})
        page = [item["user_info"]["clogin_id"] for item in answer["parents"] + answer["children"]]
        assert (answer["total_users"], answer["records_per_page"]) == ("121", "50")
        sizes.append(len(page))
        seen += sorted(page)
    assert sizes == [50, 50, 21, 0]
    assert seen == [str(clogin_id) for clogin_id in desk.users]


def test_lists_follow_changes(desk: Desk) -> None:
    """A list that was walked before shows those who joined or were excluded since."""
    first = desk.new()
    assert desk.call("get_user_list")["total_users"] == "1"
    desk.new()
    assert desk.call("get_user_list")["total_users"] == "2"
    desk.call("set_status", clogin_id=first, status_id=EXCLUDING, doc={})
    assert desk.call("get_user_list")["total_users"] == "1"


@pytest.mark.parametrize(
    ("options", "msg"),
    [
        ({"only_children": True, "only_parents": True}, "only_children goes with neither"),
        ({"only_children": True, "return_families": True}, "only_children goes with neither"),
        ({"starting_position": -1}, "starting_position must be"),
        ({"with_excluded": 2}, "with_excluded must be"),
        ({"_friends": True}, "no system field"),
    ],
)
def test_list_refuses_bad_options(desk: Desk, options: object, msg: str) -> None:
    """Options that contradict each other or have no meaning are refused."""
    assert msg in desk.refused("get_user_list", doc=options)
