"""All nine actions with every argument, against the emulator."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from usersapi_async import (
    Email,
    Product,
    UsersSession,
)

from .servers import bodies

if TYPE_CHECKING:
    from usersapi_async.emulator import Emulator

SILENT: dict[str, Any] = {"submit_forms": False, "disable_email_sending": True}


async def test_create(emulator: Emulator, users: UsersSession) -> None:
    """A person is registered, with the fields given, and the answer tells their id and standing."""
    created = await users.create(
        {
            "first_name": "Nina",
            "last_name": "Simone",
            "main_email": "nina@example.org",
            "your_instrument": "piano",
        },
        **SILENT,
    )
    user = emulator.users[created.clogin_id]
    assert (user.username, user.doc["your_instrument"]) == ("nina@example.org", "piano")
    assert created.meta_info.u_name == "Nina Simone"
    assert created.system_action == ("user_created",)
    assert created.msg == "The user was registered."
    assert created.msg_type == "success"
    assert created.problems == ()
    assert not created.user_info.is_child
    assert emulator.mails_sent == 0


async def test_create_with_nothing(emulator: Emulator, users: UsersSession) -> None:
    """Every argument of create is optional."""
    created = await users.create()
    assert bodies(emulator)[-1] == {"action": "create", "group_id": emulator.group_id, "doc": {}}
    assert emulator.users[created.clogin_id].doc == {}


async def test_create_somebody_known(emulator: Emulator, users: UsersSession) -> None:
    """``clogin_id`` connects a person of another project; False is somebody new."""
    known = await users.create(group_id=emulator.other_group_id, clogin_id=False)
    again = await users.create(clogin_id=known.clogin_id)
    assert again.clogin_id == known.clogin_id
    assert again.system_action == ("user_connected", "forms_submitted")
    assert bodies(emulator)[0]["clogin_id"] is False


async def test_create_child(emulator: Emulator, users: UsersSession) -> None:
    """A child hangs on its parent, and may be known from elsewhere too."""
    parent = (await users.create()).clogin_id
    child = await users.create_child(parent, {"first_name": "Lisa"}, **SILENT)
    assert child.user_info.is_child
    assert child.user_info.connected_to == parent
    assert emulator.users[child.clogin_id].doc == {"first_name": "Lisa"}
    known = (await users.create(group_id=emulator.other_group_id)).clogin_id
    other = await users.create_child(parent, clogin_id=known)
    assert other.clogin_id == known
    assert bodies(emulator)[-1]["doc"] == {}


async def test_login(emulator: Emulator, users: UsersSession) -> None:
    """A token logs in once."""
    clogin_id = (await users.create()).clogin_id
    answer = await users.login(clogin_id, **SILENT)
    assert emulator.use_token(answer.user_token) == clogin_id
    assert emulator.use_token(answer.user_token) is None
    assert answer.system_action == ("login",)
    assert bodies(emulator)[-1]["doc"] == {}


async def test_update(emulator: Emulator, users: UsersSession) -> None:
    """Fields are set; a child's parent may be named; mails go out unless one says no."""
    parent = (await users.create()).clogin_id
    child = (await users.create_child(parent)).clogin_id
    before = emulator.mails_sent
    await users.update(
        child, {"phone": "1", "allergies": ["nuts", "milk"], "age": 7}, connected_to=parent, **SILENT
    )
    assert emulator.users[child].doc == {"phone": "1", "allergies": ["nuts", "milk"], "age": 7}
    assert emulator.mails_sent == before
    await users.update(child, {"phone": "2"}, submit_forms=True, disable_email_sending=False)
    assert emulator.mails_sent == before + 1
    assert bodies(emulator)[-1]["disable_email_sending"] is False


async def test_add_product(emulator: Emulator, users: UsersSession) -> None:
    """One product or several, with all that may be said of them."""
    clogin_id = (await users.create()).clogin_id
    one = await users.add_product(clogin_id, Product(p_id=70101, q=2))
    assert str(one.meta_info.total_order) == "900.00"
    several = await users.add_product(
        clogin_id,
        [
            Product(p_id=70103, recurring_start_date="12-31-2025", product_remark="left"),
            Product(
                name="Lesson",
                recurring_start_date="2025/12/31",
                date_structure="yyyy/mm/dd",
                extra={"price": 5},
            ),
        ],
        **SILENT,
    )
    assert [(entry.p_id, entry.name, entry.q) for entry in several.cart] == [
        (70103, "Choir membership", 1),
        (None, "Lesson", 1),
    ]
    cart = emulator.users[clogin_id].cart
    assert [entry.cart_id for entry in several.cart] == [entry.cart_id for entry in cart[1:]]
    assert cart[1].remark == "left"


async def test_add_email(emulator: Emulator, users: UsersSession) -> None:
    """Mails are recorded, one or several, with copies and an admin."""
    clogin_id = (await users.create()).clogin_id
    mail = Email(sender="a@example.org", to="b@example.org,c@example.org", subject="Hello", body="Welcome.")
    full = Email(
        sender="a@example.org",
        to="b@example.org",
        subject="Again",
        body="Bye.",
        cc="d@example.org",
        bcc="e@example.org",
        admin_id=9,
    )
    sent = emulator.mails_sent
    await users.add_email(clogin_id, mail)
    answer = await users.add_email(clogin_id, [mail, full], **SILENT)
    recorded = emulator.users[clogin_id].emails
    assert [one.subject for one in recorded] == ["Hello", "Hello", "Again"]
    assert (recorded[-1].cc, recorded[-1].bcc, recorded[-1].admin_id) == ("d@example.org", "e@example.org", 9)
    assert answer.problems == ()
    assert emulator.mails_sent == sent


async def test_get_info(emulator: Emulator, users: UsersSession) -> None:
    """Named fields, and whatever else may be asked for."""
    parent = (await users.create({"first_name": "Nina", "your_instrument": "piano"})).clogin_id
    child = (await users.create_child(parent, {"first_name": "Lisa"})).clogin_id
    await users.add_product(child, Product(p_id=70101))
    some = await users.get_info(parent, ["first_name", "f_251473_6251473"], **SILENT)
    assert some.values == {"first_name": "Nina", "f_251473_6251473": "piano"}
    everything = await users.get_info(
        child,
        all_fields=True,
        family=True,
        user_products=True,
        user_forms=True,
        user_cart={"with_paid": True},
        user_payments=True,
        utm=True,
    )
    assert everything.values["first_name"] == "Lisa"
    assert everything.values["_userproducts"] == [{"p_id": "70101", "name": "Summer camp", "q": "1"}]
    assert everything.values["_usercart"][0]["p_id"] == "70101"
    assert {"_userforms", "_userpayments", "_utm"} < everything.values.keys()
    assert "your_instrument" in everything.error
    assert "f_251473_6251473" in everything.field_index
    assert everything.parent is not None
    assert everything.parent.u_name == "Nina"
    assert [one.u_name for one in everything.children] == ["Lisa"]
    assert everything.problems == ()


async def test_get_info_about_nothing(users: UsersSession) -> None:
    """Asked for nothing, the metadata comes."""
    clogin_id = (await users.create({"first_name": "Nina"})).clogin_id
    answer = await users.get_info(clogin_id)
    assert answer.values == {}
    assert answer.meta_info.u_name == "Nina"


async def test_set_status(emulator: Emulator, users: UsersSession) -> None:
    """A status is given and taken away."""
    clogin_id = (await users.create()).clogin_id
    given = await users.set_status(clogin_id, 8101, **SILENT)
    assert (given.users, given.effected_users) == ((clogin_id,), 1)
    assert (given.meta_info.status_id, given.meta_info.status_name) == (8101, "Accepted")
    assert given.meta_info.extra == {"status_color": "#2e7d32"}
    taken = await users.set_status(clogin_id, 0)
    assert (taken.meta_info.status_id, taken.meta_info.status_name) == (0, None)


async def test_get_user_list(emulator: Emulator, users: UsersSession) -> None:
    """One page with every filter, and fields for each user."""
    parent = (await users.create({"first_name": "Nina"})).clogin_id
    child = (await users.create_child(parent)).clogin_id
    gone = (await users.create()).clogin_id
    await users.set_status(gone, 8104)

    async def ids(**filters: Any) -> list[int]:
        return [user.clogin_id for user in (await users.get_user_list(**filters)).everyone]

    assert await ids() == [parent, child]
    assert await ids(with_excluded=True) == [parent, gone, child]
    assert await ids(only_excluded=True) == [gone]
    assert await ids(only_parents=True) == [parent]
    assert await ids(only_children=True) == [child]
    assert await ids(starting_position=2) == []
    page = await users.get_user_list(
        ["first_name"],
        all_fields=True,
        family=True,
        user_products=True,
        user_forms=True,
        user_cart=True,
        user_payments=True,
        utm=True,
        return_families=True,
    )
    (user,) = page.parents
    assert user.values["first_name"] == "Nina"
    assert {"_userproducts", "_userforms", "_usercart", "_userpayments", "_utm"} < user.values.keys()
    assert [inner.clogin_id for inner in user.children] == [child]
    assert (page.total_users, page.records_per_page, page.problems) == (1, 50, ())


async def test_every_action_takes_a_group(emulator: Emulator, users: UsersSession) -> None:
    """Each of the nine may name another group than the session's."""
    there: dict[str, Any] = {"group_id": emulator.other_group_id}
    parent = (await users.create(**there)).clogin_id
    await users.create_child(parent, **there)
    await users.login(parent, **there)
    await users.update(parent, {}, **there)
    await users.add_product(parent, Product(p_id=70105), **there)
    await users.add_email(parent, Email(sender="a@b.org", to="a@b.org", subject="s", body="t"), **there)
    await users.get_info(parent, **there)
    await users.set_status(parent, 0, **there)
    await users.get_user_list(**there)
    await users.check(**there)
    assert {body["group_id"] for body in bodies(emulator)} == {emulator.other_group_id}
    assert set(emulator.executed.values()) == {1, 2}
    assert len(emulator.executed) == 9
