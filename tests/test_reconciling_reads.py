"""Settling doubts by single reads, and in spite of reads that fail."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs
import pytest

from usersapi_async import (
    AuthenticationError,
    Create,
    GetInfo,
    GetInfoResponse,
    OutcomeUnknown,
    RequestRejected,
    ServerError,
    UserInfo,
    UsersSession,
    reconcile,
)
from usersapi_async.emulator import Fault

from .doubts import Listing, in_doubt, person

if TYPE_CHECKING:
    from usersapi_async.emulator import Emulator


async def two_known_people(
    emulator: Emulator, users: UsersSession
) -> tuple[tuple[int, int], dict[str | int, OutcomeUnknown]]:
    """Their ids, and a create in doubt for each, which was carried out."""
    nina, bob = (await users.create()).clogin_id, (await users.create()).clogin_id
    creates = [Create(clogin_id=known, group_id=emulator.other_group_id) for known in (nina, bob)]
    return (nina, bob), await in_doubt(emulator, users, *creates, done=True)


async def test_a_known_person_is_found_by_one_read(emulator: Emulator, users: UsersSession) -> None:
    """A create with a known id is asked for by that id, in the group that it was for; a refusal alone makes
    nobody absent."""
    nina = (await users.create({"first_name": "Nina"})).clogin_id
    bob = (await users.create({"first_name": "Bob"})).clogin_id
    group = emulator.other_group_id
    doubts = await in_doubt(emulator, users, Create(clogin_id=nina, group_id=group), done=True)
    doubts |= await in_doubt(emulator, users, Create(clogin_id=bob, group_id=group), done=False)
    emulator.received.clear()
    found = await reconcile(users, {"done 0": doubts["done 0"]}, settle=0)
    assert (found.found, found.pages) == ({"done 0": nina}, 1)
    assert dict(emulator.received) == {"get_info": 1}
    result = await reconcile(users, doubts, settle=0)
    assert (result.found, result.absent, result.pages) == ({"done 0": nina}, ("lost 0",), 2 + 2)


async def test_a_refusal_does_not_make_a_known_person_absent(emulator: Emulator, users: UsersSession) -> None:
    """Whom ``get_info`` refuses or shows without a group is looked for in the list."""
    (nina, bob), doubts = await two_known_people(emulator, users)
    emulator.script(Fault.rejected("The action is locked."), action="get_info")
    result = await reconcile(users, doubts, settle=0)
    assert result.found == {"done 0": nina, "done 1": bob}
    assert result.error is None

    def without_group(answer: GetInfoResponse) -> GetInfoResponse:
        assert answer.user_info is not None
        return attrs.evolve(answer, user_info=UserInfo(clogin_id=answer.user_info.clogin_id))

    for change in (without_group, lambda answer: attrs.evolve(answer, user_info=None)):
        result = await reconcile(Listing(users, change, GetInfo).users, doubts, settle=0)
        assert (result.found, result.pages) == ({"done 0": nina, "done 1": bob}, 2 + 2)


async def test_a_known_person_of_a_walk_that_proves_nothing(emulator: Emulator, users: UsersSession) -> None:
    """Whom a walk that doesn't count missed is not absent."""
    nina = (await users.create()).clogin_id
    group = emulator.other_group_id
    await users.create(group_id=group)
    doubts = await in_doubt(emulator, users, Create(clogin_id=nina, group_id=group), done=False)
    miscounted = Listing(users, lambda page: attrs.evolve(page, total_users=7)).users
    result = await reconcile(miscounted, doubts, settle=0)
    assert (result.ambiguous, result.complete) == ({"lost 0": (nina,)}, False)


async def test_one_failed_read_costs_nobody_else(emulator: Emulator, users: UsersSession) -> None:
    """Whose ``get_info`` fails stays in doubt; all others are settled."""
    (nina, bob), doubts = await two_known_people(emulator, users)
    doubts |= await in_doubt(emulator, users, person("A", username="c", import_ref="row 1"), done=False)
    emulator.script(Fault.status(400), action="get_info")
    result = await reconcile(users, doubts, known_ids=(), settle=0)
    assert {*result.found} | {*result.ambiguous} == {"done 0", "done 1"}
    assert len(result.ambiguous) == 1
    assert {*result.ambiguous.values()} < {(nina,), (bob,)}
    assert result.absent == ("lost 0",)
    assert isinstance(result.error, RequestRejected)
    assert not result.complete


async def test_a_walk_that_fails_costs_nobody_else(emulator: Emulator, users: UsersSession) -> None:
    """What ``get_info`` and the walks through other groups found out is kept; the error is told."""
    nina = (await users.create()).clogin_id
    doubts = await in_doubt(
        emulator, users, Create(clogin_id=nina, group_id=emulator.other_group_id), done=True
    )
    doubts |= await in_doubt(emulator, users, person("A", username="b"), done=False)
    foreign = OutcomeUnknown("x", payload=person("A", username="c"), group_id=emulator.foreign_group_id)
    result = await reconcile(users, {"foreign": foreign, **doubts}, known_ids=(), settle=0)
    assert (result.found, result.absent) == ({"done 0": nina}, ("lost 0",))
    assert result.ambiguous == {"foreign": ()}
    assert isinstance(result.error, RequestRejected)
    assert not result.complete


async def test_nothing_but_a_failed_walk(emulator: Emulator, users: UsersSession) -> None:
    """A failed walk is told in the result also when nothing else was to be found out."""
    doubts = await in_doubt(emulator, users, person("A", username="b"), done=True)
    emulator.script(None, *[Fault.error()] * 5, action="get_user_list")
    result = await reconcile(users, doubts, known_ids=(), settle=0)
    assert (result.found, result.ambiguous) == ({}, {"done 0": ()})
    assert isinstance(result.error, ServerError)


async def test_what_fails_every_read_is_raised(emulator: Emulator, users: UsersSession) -> None:
    """Wrong credentials are raised while nobody is settled; after that they end the reading."""
    nina = (await users.create()).clogin_id
    doubts = await in_doubt(emulator, users, person("A", username="b"), done=True)
    known = await in_doubt(
        emulator, users, Create(clogin_id=nina, group_id=emulator.other_group_id), done=True
    )
    emulator.script(Fault.status(401))
    with pytest.raises(AuthenticationError):
        await reconcile(users, doubts, settle=0)
    emulator.script(Fault.status(401), action="get_info")
    with pytest.raises(AuthenticationError):
        await reconcile(users, known, settle=0)
    emulator.script(Fault.status(401), action="get_user_list")
    before = emulator.received["get_user_list"]
    far = OutcomeUnknown("x", payload=person("A", username="c"), group_id=emulator.foreign_group_id)
    result = await reconcile(users, {"found": known["done 0"], **doubts, "far": far}, settle=0)
    assert result.found == {"found": nina}
    assert result.ambiguous == {"done 0": (), "far": ()}
    assert isinstance(result.error, AuthenticationError)
    assert emulator.received["get_user_list"] == before + 1
