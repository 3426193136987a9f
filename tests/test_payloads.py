"""What goes out is checked in full when it is built."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
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
from usersapi_async.errors import Delivery

SECRET = "Simone-7261"


def faults_of(build: Callable[..., object], **arguments: Any) -> tuple[str, ...]:
    """The faults of a payload that must not be built."""
    with pytest.raises(PayloadError) as caught:
        build(**arguments)
    assert caught.value.delivery is Delivery.NOT_SENT
    return caught.value.faults


def email(**changes: Any) -> Email:
    """A mail without faults, but for the changes."""
    parts = {"sender": "a@example.org", "to": "b@example.org", "subject": "Hello", "body": "Welcome."}
    return Email(**{**parts, **changes})


VALID: dict[str, Callable[..., Any]] = {
    "Create": Create,
    "CreateChild": lambda **more: CreateChild(**{"connected_to": 1, **more}),
    "Login": lambda **more: Login(**{"clogin_id": 1, **more}),
    "Update": lambda **more: Update(**{"clogin_id": 1, "doc": {}, **more}),
    "AddProduct": lambda **more: AddProduct(**{"clogin_id": 1, "products": [Product(p_id=1)], **more}),
    "AddEmail": lambda **more: AddEmail(**{"clogin_id": 1, "emails": [email()], **more}),
    "GetInfo": lambda **more: GetInfo(**{"clogin_id": 1, **more}),
    "SetStatus": lambda **more: SetStatus(**{"clogin_id": 1, "status_id": 0, **more}),
    "GetUserList": GetUserList,
    "Custom": lambda **more: Custom(**{"action": "report", **more}),
    "Product": lambda **more: Product(**{"p_id": 1, **more}),
    "Email": email,
}
ACTIONS = [name for name in VALID if name not in ("Product", "Email")]

NOT_IDS = [
    (True, "invalid type, expected a positive int, got bool"),
    (False, "invalid type, expected a positive int, got bool"),
    ("5", "invalid type, expected a positive int, got str"),
    (5.0, "invalid type, expected a positive int, got float"),
    (0, "must be at least 1"),
    (-4, "must be at least 1"),
    (2**63, "must fit into 64 bits"),
]


@pytest.mark.parametrize("name", ACTIONS)
@pytest.mark.parametrize(("value", "reason"), NOT_IDS)
def test_group_ids(name: str, value: object, reason: str) -> None:
    """A group is a positive int in every action, and no bool."""
    assert faults_of(VALID[name], group_id=value) == (f"{reason} @ $.group_id",)


@pytest.mark.parametrize("name", ["CreateChild", "Update"])
@pytest.mark.parametrize(("value", "reason"), NOT_IDS)
def test_parents(name: str, value: object, reason: str) -> None:
    """So is a parent's id."""
    assert faults_of(VALID[name], connected_to=value) == (f"{reason} @ $.connected_to",)


@pytest.mark.parametrize("name", ["Login", "Update", "AddProduct", "AddEmail", "GetInfo", "SetStatus"])
@pytest.mark.parametrize(
    ("value", "reason"), [*NOT_IDS, (None, "invalid type, expected a positive int, got NoneType")]
)
def test_users(name: str, value: object, reason: str) -> None:
    """So is a user's id where the action is about somebody who exists; there False has no meaning."""
    assert faults_of(VALID[name], clogin_id=value) == (f"{reason} @ $.clogin_id",)


@pytest.mark.parametrize("name", ["Create", "CreateChild"])
def test_new_people(name: str) -> None:
    """``clogin_id`` may be False, an id or a reference where somebody is registered, and nothing else."""
    for value in (False, 5, Ref("row-1"), None):
        assert VALID[name](clogin_id=value).clogin_id == value
    assert faults_of(VALID[name], clogin_id=0) == ("must be at least 1 @ $.clogin_id",)
    (fault,) = faults_of(VALID[name], clogin_id=True)
    assert fault.endswith("got bool @ $.clogin_id")


def test_references() -> None:
    """A reference stands wherever an id of the batch may, and its key is a string."""
    assert Login(clogin_id=Ref("a")).clogin_id == Ref("a")
    assert faults_of(Login, clogin_id=Ref(5)) == (  # type: ignore[arg-type]
        "invalid type, expected str, got int @ $.clogin_id.key",
    )


def test_status_ids() -> None:
    """0 takes the status away; less than that, or a bool, is no status."""
    assert SetStatus(clogin_id=1, status_id=0).status_id == 0
    assert faults_of(SetStatus, clogin_id=1, status_id=-1) == ("must be at least 0 @ $.status_id",)
    assert faults_of(SetStatus, clogin_id=1, status_id=False) == (
        "invalid type, expected an int of 0 or more, got bool @ $.status_id",
    )


@pytest.mark.parametrize("name", ACTIONS)
@pytest.mark.parametrize("switch", ["submit_forms", "disable_email_sending"])
def test_switches(name: str, switch: str) -> None:
    """A switch is a bool or absent; 1 and "true" are neither."""
    for value in (True, False, None):
        assert getattr(VALID[name](**{switch: value}), switch) is value
    assert faults_of(VALID[name], **{switch: 1}) == (f"invalid type, expected bool, got int @ $.{switch}",)


def test_every_fault_at_once() -> None:
    """One look shows all that is wrong, in the order of the fields, with paths."""
    assert faults_of(
        Update,
        clogin_id=0,
        group_id=True,
        submit_forms="yes",
        connected_to=-1,
        doc={"password": "short", "_status": 1, "main_email": "nobody", "size": {1, 2}},
        extra={"action": "delete"},
    ) == (
        "invalid type, expected a positive int, got bool @ $.group_id",
        "invalid type, expected bool, got str @ $.submit_forms",
        "can't be overridden; use Custom for another action @ $.extra.action",
        "must be at least 1 @ $.clogin_id",
        "invalid type, expected str, int, float, bool, None, a list or a mapping, got set @ $.doc.size",
        "must have 6 characters or more @ $.doc.password",
        "not an email address @ $.doc.main_email",
        "a system field can't be updated @ $.doc._status",
        "must be at least 1 @ $.connected_to",
    )


DOCS: list[tuple[Any, str]] = [
    ("a=1", "invalid type, expected a mapping, got str @ $.doc"),
    ([], "invalid type, expected a mapping, got list @ $.doc"),
    (None, "invalid type, expected a mapping, got NoneType @ $.doc"),
    ({5: "x"}, "a key must be a str that is not empty, got int @ $.doc"),
    ({"": "x"}, "a key must be a str that is not empty, got str @ $.doc"),
    ({"\ud800": "x"}, "a key holds a lone surrogate, which UTF-8 can't encode @ $.doc"),
    ({"a": "\ud800"}, "holds a lone surrogate, which UTF-8 can't encode @ $.doc.a"),
    ({"a": ["x", "\ud800"]}, "holds a lone surrogate, which UTF-8 can't encode @ $.doc.a[1]"),
    ({"a": float("nan")}, "must be a finite number @ $.doc.a"),
    ({"a": {"b": float("inf")}}, "must be a finite number @ $.doc.a.b"),
    ({"a": -(2**63)}, "must fit into 64 bits @ $.doc.a"),
    (
        {"a": b"x"},
        "invalid type, expected str, int, float, bool, None, a list or a mapping, got bytes @ $.doc.a",
    ),
    ({"password": "12345"}, "must have 6 characters or more @ $.doc.password"),
    ({"main_email": "nina"}, "not an email address @ $.doc.main_email"),
    ({"main_email": 5}, "invalid type, expected str, got int @ $.doc.main_email"),
    ({"main_email": "a@b.org,c"}, "not an email address @ $.doc.main_email"),
]


@pytest.mark.parametrize("name", ["Create", "CreateChild", "Update"])
@pytest.mark.parametrize(("doc", "fault"), DOCS)
def test_docs(name: str, doc: Any, fault: str) -> None:
    """User data must be sayable in JSON, and keep the documented rules of its named fields."""
    assert faults_of(VALID[name], doc=doc) == (fault,)


def test_docs_that_are_fine() -> None:
    """Blank emails, six characters, lists, nested objects and text of any script pass."""
    doc: dict[str, Any] = {
        "main_email": "",
        "password": "123456",
        "tags": ["ä", "東京"],
        "more": {"a": [1, 2.5, None, True]},
    }
    assert Create(doc=doc).doc == {**doc, "tags": ("ä", "東京"), "more": {"a": (1, 2.5, None, True)}}


def test_system_fields_at_creation() -> None:
    """``_application_date`` is a field of the service's own that a new person may bring along."""
    assert Create(doc={"_application_date": "01-02-2025"}).doc == {"_application_date": "01-02-2025"}


def test_depth() -> None:
    """What nests too deeply, or holds itself, is a fault and no RecursionError."""
    loop: dict[str, Any] = {}
    loop["a"] = loop
    (fault,) = faults_of(Create, doc=loop)
    assert fault == "nested more than 20 deep @ $.doc" + ".a" * 21


def test_extra() -> None:
    """``extra`` is any JSON object that leaves the action alone."""
    assert faults_of(Create, extra=[]) == ("invalid type, expected a mapping, got list @ $.extra",)
    assert faults_of(Create, extra={"x": {1}})[0].endswith("got set @ $.extra.x")
    assert faults_of(Product, p_id=1, extra={"action": "x"})[0].endswith("@ $.extra.action")


def test_products() -> None:
    """A product has an id or, if it is private, a name, and is ordered once at least."""
    assert Product(name="Lesson").q == 1
    assert faults_of(Product) == ("required: p_id, or name for a private product @ $.p_id",)
    assert faults_of(Product, q=0, name=" ", product_remark=5) == (
        "must not be blank @ $.name",
        "must be at least 1 @ $.q",
        "invalid type, expected str, got int @ $.product_remark",
    )
    assert faults_of(Product, p_id=1, recurring_start_date="", date_structure="") == (
        "must not be blank @ $.recurring_start_date",
        "must not be blank @ $.date_structure",
    )


@pytest.mark.parametrize("name", ["AddProduct", "AddEmail"])
def test_lists_of_parts(name: str) -> None:
    """Products and mails come as a list that isn't empty, each of its own class."""
    field, path, kind = {
        "AddProduct": ("products", "$.product_list", "Product"),
        "AddEmail": ("emails", "$.doc.email_list", "Email"),
    }[name]
    assert faults_of(VALID[name], **{field: []}) == (f"must hold at least one {kind} @ {path}",)
    assert faults_of(VALID[name], **{field: "x"}) == (
        f"invalid type, expected a list of {kind}, got str @ {path}",
    )
    assert faults_of(VALID[name], **{field: {}}) == (
        f"invalid type, expected a list of {kind}, got dict @ {path}",
    )
    assert faults_of(VALID[name], **{field: [{}]}) == (
        f"invalid type, expected {kind}, got dict @ {path}[0]",
    )


def test_emails() -> None:
    """Addresses may be several, joined by commas; each that is none is named by its place."""
    fine = email(to="a@example.org, b@example.org", cc="c@host", bcc="d@example.org", admin_id=7)
    assert fine.to == "a@example.org, b@example.org"
    assert faults_of(
        email, sender="a", to="a@b.org,,c@d..org", subject=" ", body="", cc=5, bcc="", admin_id=0
    ) == (
        "not an email address @ $.from",
        "not an email address @ $.to[1]",
        "not an email address @ $.to[2]",
        "must not be blank @ $.subject",
        "must not be blank @ $.body",
        "invalid type, expected str, got int @ $.cc",
        "not an email address @ $.bcc",
        "must be at least 1 @ $.admin_id",
    )


OPTIONS = {
    "all_fields": "_allfields",
    "family": "_family",
    "user_products": "_userproducts",
    "user_forms": "_userforms",
    "user_cart": "_usercart",
    "user_payments": "_userpayments",
    "utm": "_utm",
}


@pytest.mark.parametrize("name", ["GetInfo", "GetUserList"])
@pytest.mark.parametrize(("option", "key"), OPTIONS.items())
def test_options(name: str, option: str, key: str) -> None:
    """What to read is said by a bool or an object of settings."""
    for value in (True, False, None, {"page": 1}):
        assert getattr(VALID[name](**{option: value}), option) == value
    assert faults_of(VALID[name], **{option: 1}) == (
        f"invalid type, expected bool or a mapping, got int @ $.doc.{key}",
    )
    assert faults_of(VALID[name], **{option: {"a": {1}}})[0].endswith(f"got set @ $.doc.{key}.a")


@pytest.mark.parametrize("name", ["GetInfo", "GetUserList"])
def test_field_names(name: str) -> None:
    """Fields are a list of names, and one string is no list of its letters."""
    assert faults_of(VALID[name], fields="first_name") == (
        "invalid type, expected a list of field names, got str @ $.doc",
    )
    assert faults_of(VALID[name], fields={"a": True}) == (
        "invalid type, expected a list of field names, got dict @ $.doc",
    )
    assert faults_of(VALID[name], fields=["a", "", 5]) == (
        "must not be blank @ $.doc[1]",
        "invalid type, expected str, got int @ $.doc[2]",
    )


def test_list_filters() -> None:
    """The list's filters are bools, and its start an int of 0 or more."""
    filters = ("with_excluded", "only_excluded", "only_parents", "only_children", "return_families")
    assert faults_of(GetUserList, **dict.fromkeys(filters, 1), starting_position=-1) == (
        *(f"invalid type, expected bool, got int @ $.doc.{name}" for name in filters),
        "must be at least 0 @ $.doc.starting_position",
    )


def test_custom() -> None:
    """An action of one's own has a name."""
    assert faults_of(Custom, action=" ", repeatable=1) == (
        "must not be blank @ $.action",
        "invalid type, expected bool, got int @ $.repeatable",
    )


SURROGATE = "holds a lone surrogate, which UTF-8 can't encode"


def test_strings_that_can_not_be_sent() -> None:
    """A lone surrogate, as a CSV file read with its errors escaped may hold, is a fault of its field."""
    odd = "caf\udce9"
    mail = {"sender": f"{odd}@b.org", "to": "a@b.org", "subject": odd, "body": odd}
    assert faults_of(Email, **mail) == tuple(
        f"{SURROGATE} @ $.{name}" for name in ("from", "subject", "body")
    )
    assert faults_of(GetInfo, clogin_id=1, fields=[odd]) == (f"{SURROGATE} @ $.doc[0]",)
    assert faults_of(Product, name=odd) == (f"{SURROGATE} @ $.name",)
    assert faults_of(Custom, action=odd) == (f"{SURROGATE} @ $.action",)
    assert faults_of(Email, **{**mail, "sender": 5, "subject": "s", "body": "b"}) == (
        "invalid type, expected str, got int @ $.from",
    )


@pytest.mark.parametrize("doc", [{"x": True}, {"x": None}, {"x": {"y": 1}}, {"x": [1, 2]}, {"x": 1.5}])
def test_values_that_an_update_does_not_take(doc: dict[str, Any]) -> None:
    """ "Field → string, integer or list of strings"."""
    (fault,) = faults_of(Update, clogin_id=1, doc=doc)
    assert fault.startswith("invalid type, expected str, int or a list of str, got ")
    assert fault.endswith(" @ $.doc.x")


def test_types_of_the_named_fields() -> None:
    """A password or an email that a reader of tables made a number is found."""
    assert faults_of(Create, doc={"password": 12345, "main_email": False}) == (
        "invalid type, expected str, got int @ $.doc.password",
        "invalid type, expected str, got bool @ $.doc.main_email",
    )
    assert Create(doc={"password": None, "main_email": ""}).doc["main_email"] == ""
    for email in ("a..b@c.org", "x@b.org,y@b.org", ".a@b.org"):
        assert faults_of(Create, doc={"main_email": email}) == ("not an email address @ $.doc.main_email",)


@pytest.mark.parametrize("date", ["2024-01-31", "13-45-2024", "1-2-2024", "soon", "02-30-2024"])
def test_recurring_dates(date: str) -> None:
    """ "Default format mm-dd-yyyy, ``date_structure`` names another"."""
    assert faults_of(Product, p_id=1, recurring_start_date=date) == (
        "expected a date as mm-dd-yyyy, or its format in date_structure @ $.recurring_start_date",
    )
    Product(p_id=1, recurring_start_date=date, date_structure="any")
    Product(p_id=1, recurring_start_date="02-29-2024")


def test_payloads_stay_as_they_were_checked() -> None:
    """Nothing in them can be changed; copies and pickles are equal to them."""
    payload = Create(doc={"a": {"b": ["c"]}}, extra={"x": 1})
    doc: Any = payload.doc
    extra: Any = payload.extra
    changes: list[Callable[[], object]] = [
        lambda: doc.__setitem__("a", 1),
        lambda: doc["a"].update(b=1),
        lambda: extra.pop("x"),
    ]
    for change in changes:
        with pytest.raises(TypeError, match="a payload can't be changed"):
            change()
    for again in (copy.deepcopy(payload), pickle.loads(pickle.dumps(payload))):  # noqa: S301 (its own output)
        assert again == payload


def test_each_fault_of_an_update_once() -> None:
    """A fault of one field hides none of another whose name begins alike, and none is told twice."""
    assert faults_of(
        Update, clogin_id=1, doc={"ab": float("nan"), "a": True, "password": "pass\udce9word"}
    ) == (
        "must be a finite number @ $.doc.ab",
        f"{SURROGATE} @ $.doc.password",
        "invalid type, expected str, int or a list of str, got bool @ $.doc.a",
    )
