"""Both sides held against each other."""

from __future__ import annotations

from typing import TYPE_CHECKING

from usersapi_async.migration import FieldMap, Unlike, compare_groups

if TYPE_CHECKING:
    import pytest

    from .support import Sides


async def test_after_a_migration_all_are_alike(sides: Sides) -> None:
    """By the mapping that it went by; who else is in the target does not count."""
    nina = await sides.add(first_name="Nina", phone="1", _application_date="2026-01-01")
    await sides.add(nina, first_name="Lisa")
    await sides.add(first_name="Somebody else", target=True)
    mapping = FieldMap(fields={"phone": "mobile"}, constants={"camp": "2027"})
    async with sides.applied(await sides.plan(mapping=mapping)):
        pass
    seen: list[int] = []
    found = await compare_groups(sides.users, sides.options(mapping=mapping), on_seen=seen.append)
    assert (found.compared, found.alike, found.in_target) == (2, 2, 3)
    assert not found.differences
    assert seen == [1, 2, 3, 4, 5]
    without = await compare_groups(sides.users, sides.options())
    assert without.fields == {"phone": 1}


async def test_planted_differences_are_found(sides: Sides) -> None:
    """Each person with what differs, and no value."""
    nina = await sides.add(first_name="Nina", phone="1", your_instrument=["a", "b"])
    lisa = await sides.add(nina, first_name="Lisa")
    bob = await sides.add(first_name="Bob")
    kate = await sides.add(first_name="Kate", phone=" 5 ")
    missing = await sides.add(first_name="Missing")
    async with sides.applied(await sides.plan(), limit=None):
        pass
    group = sides.emulator._organisation.groups[sides.emulator.other_group_id]
    del group.users[missing]
    group._selections.clear()
    sides.target[nina].doc |= {"first_name": "nina", "your_instrument": ["b", "a"]}
    sides.target[lisa].connected_to = bob
    sides.target[kate].doc["phone"] = 5
    sides.source[bob].doc["rows"] = [1]  # type: ignore[list-item]  # what no request can carry
    listed: list[Unlike] = []
    found = await compare_groups(sides.users, sides.options(), on_unlike=listed.append)
    assert sorted(listed, key=lambda one: one.clogin_id) == [
        Unlike(clogin_id=nina, difference="other values", fields=("first_name", "your_instrument")),
        Unlike(clogin_id=lisa, difference="other family"),
        Unlike(clogin_id=missing, difference="missing"),
    ]
    assert (found.compared, found.alike) == (5, 2)
    assert found.differences == {"missing": 1, "other family": 1, "other values": 1}
    assert found.fields == {"first_name": 1, "your_instrument": 1}
    assert found.left_out == {"rows: a list of other things than texts": 1}
    assert await compare_groups(sides.users, sides.options()) == found


async def test_the_login_is_compared_though_it_is_not_sent(
    sides: Sides, monkeypatch: pytest.MonkeyPatch
) -> None:
    """That it comes with the id is an assumption."""
    nina = await sides.add(first_name="Nina", username="nina")
    async with sides.applied(await sides.plan()):
        pass
    # As on a service where each project has usernames of its own.
    account = sides.target[nina].account
    monkeypatch.setattr(sides.target[nina], "account", type(account)(nina, "another", None))
    found = await compare_groups(sides.users, sides.options())
    assert found.fields == {"username": 1}
    mapping = FieldMap(fields={"username": "username"})
    assert (await compare_groups(sides.users, sides.options(mapping=mapping))).fields == {"username": 1}
