"""Payloads as Python objects: frozen, deeply copied, silent about people, hashable."""

from __future__ import annotations

from typing import Any

import attrs
import pytest

from usersapi_async import (
    AddProduct,
    Create,
    Custom,
    GetInfo,
    PayloadError,
    Product,
    Update,
)

from .test_payloads import ACTIONS, DOCS, SECRET, VALID, email


@pytest.mark.parametrize("doc", [doc for doc, _ in DOCS if isinstance(doc, dict)])
def test_faults_hold_no_values(doc: dict[Any, Any]) -> None:
    """A fault names types and paths, never what somebody's field holds."""
    with pytest.raises(PayloadError) as caught:
        VALID["Create"](doc={"last_name": SECRET, "hidden": {SECRET}, **doc}, extra={"action": SECRET})
    assert len(caught.value.faults) >= 3
    assert SECRET not in str(caught.value)


def test_faults_of_all_kinds_hold_no_values() -> None:
    """Nor do the faults of ids, switches, names and addresses."""
    with pytest.raises(PayloadError) as caught:
        VALID["Update"](
            clogin_id=SECRET,
            group_id=SECRET,
            submit_forms=SECRET,
            doc={"main_email": SECRET, "password": SECRET[:5]},
            connected_to=SECRET,
        )
    assert len(caught.value.faults) == 6
    assert SECRET[:5] not in str(caught.value)


@pytest.mark.parametrize("name", VALID)
def test_frozen(name: str) -> None:
    """No field can be set, and no other one added."""
    payload = VALID[name]()
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        payload.group_id = 5


@pytest.mark.parametrize("name", VALID)
def test_keyword_only(name: str) -> None:
    """Arguments are named, so that two ids can't change places."""
    with pytest.raises(TypeError):
        type(VALID[name]())(1, 2)


def test_deep_copies() -> None:
    """What the caller changes later does not reach a payload that was checked."""
    tags, inner = ["a"], {"b": [1]}
    doc: dict[str, Any] = {"tags": tags, "inner": inner}
    extra = {"list": [1]}
    products = [Product(p_id=1)]
    created = Create(doc=doc, extra=extra)
    added = AddProduct(clogin_id=1, products=products)
    tags.append("b")
    inner["b"].append(2)
    doc["password"] = "x"
    extra["list"].append(2)
    products.clear()
    assert created.doc == {"tags": ("a",), "inner": {"b": (1,)}}
    assert created.extra == {"list": (1,)}
    assert added.products == (Product(p_id=1),)


def test_repr_hides_people() -> None:
    """What may hold people's data is not shown; ids and switches are."""
    shown = [
        repr(payload)
        for payload in (
            Create(doc={"last_name": SECRET}, extra={"x": SECRET}, group_id=77),
            Update(clogin_id=77, doc={"last_name": SECRET}),
            VALID["AddEmail"](emails=[email(body=SECRET, subject=SECRET)], clogin_id=77),
            AddProduct(clogin_id=77, products=[Product(p_id=1, product_remark=SECRET, extra={"x": SECRET})]),
            GetInfo(clogin_id=77, family={"name": SECRET}),
            Custom(action="report", extra={"x": SECRET}, group_id=77),
            email(sender=f"{SECRET}@example.org", to="a@b.org", cc="a@b.org", bcc="a@b.org", admin_id=77),
            Product(p_id=77, product_remark=SECRET, extra={"x": SECRET}),
        )
    ]
    for text in shown:
        assert SECRET not in text
        assert "@" not in text
        assert "77" in text


@pytest.mark.parametrize("name", VALID)
def test_hash_and_equality(name: str) -> None:
    """Equal payloads have equal hashes, with dicts in them too."""
    with_dict: dict[str, Any] = {} if name == "Email" else {"extra": {"a": [1]}}
    assert VALID[name](**with_dict) == VALID[name](**with_dict)
    assert hash(VALID[name](**with_dict)) == hash(VALID[name](**with_dict))


def test_data_makes_payloads_differ() -> None:
    """What the hash leaves out still counts for equality."""
    assert Create(doc={"a": 1}) != Create(doc={"a": 2})
    assert hash(Create(doc={"a": 1})) == hash(Create(doc={"a": 2}))


@pytest.mark.parametrize("name", ACTIONS)
def test_evolved_payloads_are_checked_again(name: str) -> None:
    """`attrs.evolve` can't lead around the rules."""
    with pytest.raises(PayloadError):
        attrs.evolve(VALID[name](), group_id=True)
