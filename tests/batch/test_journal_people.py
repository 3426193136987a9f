"""Whom a journal knows: who was there before it began, and the same people under other keys."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from usersapi_async import (
    BatchRunner,
    Create,
    CreateChild,
    Credentials,
    InDoubt,
    Ref,
    RetryPolicy,
    UsersSession,
    present_ids,
)
from usersapi_async._recognition import natural_key
from usersapi_async.emulator import Fault

from .journals import family, only, people, person

if TYPE_CHECKING:
    from usersapi_async.emulator import Emulator


async def test_who_was_there_before_is_noted(emulator: Emulator, users: UsersSession, path: Path) -> None:
    """Then a match that is new is the one that was sent, and nobody who was there before is taken for it."""
    await users.create({"first_name": "N1", "main_email": "n@example.org"})
    for fault in (Fault.drop_before(), Fault.drop_after()):
        rows = [person(1, main_email="n@example.org")] if fault.done else family()
        emulator.script(fault, action="create")
        runner = BatchRunner(users, reconcile=True)
        await runner.run(rows, journal=path)
        assert (await runner.run(rows, journal=path)).succeeded == len(rows)
        path = path.with_name("another.db")
    assert emulator.executed["create"] == 3


async def test_who_was_made_by_an_earlier_run_is_known(
    emulator: Emulator, users: UsersSession, path: Path
) -> None:
    """Somebody made for another row is not taken for the one in doubt, though nothing tells them apart."""
    rows = [(key, CreateChild(connected_to=Ref("parent"), doc={"first_name": "N"})) for key in ("a", "b")]
    parent = ("parent", Create(doc={"main_email": "n@example.org"}))
    emulator.script(None, Fault.drop_before(), action="create_child")
    runner = BatchRunner(users, concurrency=1, reconcile=True)
    await runner.run([parent, *rows], journal=path)
    async with UsersSession(
        Credentials(**emulator.credentials),
        group_id=emulator.group_id,
        base_url=emulator.base_url,
        retry=RetryPolicy(base=0, settle=0),
    ) as later:
        report = await BatchRunner(later, concurrency=1, reconcile=True).run([parent, *rows], journal=path)
    assert (report.succeeded, emulator.executed["create_child"]) == (3, 2)


async def test_a_list_that_can_not_be_read(emulator: Emulator, users: UsersSession, path: Path) -> None:
    """Then nobody is noted, and the batch goes on: it only matters to what is in doubt later."""
    emulator.script(Fault.status(403), action="get_user_list")
    assert (await BatchRunner(users, reconcile=True).run(people(3), journal=path)).succeeded == 3
    emulator.script(Fault.status(403), action="get_user_list")
    assert await present_ids(users) is None
    ids = await present_ids(users)
    assert ids == frozenset(emulator.users)


async def test_another_group(emulator: Emulator, users: UsersSession, path: Path) -> None:
    """It was noted who was in the session's group only: in another one, a match stays in doubt."""
    await users.create()
    elsewhere = users.with_options(group_id=5)
    row = ("row 1", Create(doc={"main_email": "n@example.org"}, group_id=emulator.group_id))
    emulator.script(Fault.drop_after(), action="create")
    await BatchRunner(elsewhere, reconcile=True).run([row], journal=path)
    outcome = await only(BatchRunner(elsewhere, reconcile=True), row, journal=path)
    assert isinstance(outcome, InDoubt)
    assert (emulator.received["create"], emulator.received["get_user_list"] > 0) == (2, True)


PEOPLE: list[tuple[str, Any, Any]] = [
    ("email", Create(doc={"main_email": "N@example.org "}), Create(doc={"main_email": "n@example.org"})),
    ("username", Create(doc={"username": "n", "first_name": "A"}), Create(doc={"username": "N"})),
    (
        "child",
        CreateChild(connected_to=7, doc={"first_name": "Zoë"}),
        CreateChild(connected_to=7, doc={"first_name": "Zoe\u0308"}),
    ),
    ("id", Create(clogin_id=7, doc={"first_name": "A"}), Create(clogin_id=7)),
]
OTHERS: list[tuple[str, Any, Any]] = [
    ("name alone", Create(doc={"first_name": "A"}), Create(doc={"first_name": "A"})),
    ("nothing", Create(), Create()),
    ("nameless", CreateChild(connected_to=7), CreateChild(connected_to=7)),
    (
        "another name",
        Create(doc={"main_email": "n@example.org", "first_name": "A"}),
        Create(doc={"main_email": "n@example.org", "first_name": "B"}),
    ),
    (
        "another parent",
        CreateChild(connected_to=7, doc={"first_name": "A"}),
        CreateChild(connected_to=8, doc={"first_name": "A"}),
    ),
    (
        "a reference",
        CreateChild(connected_to=Ref("7"), doc={"first_name": "A"}),
        CreateChild(connected_to=7, doc={"first_name": "A"}),
    ),
]


@pytest.mark.parametrize(("what", "one", "other"), PEOPLE + OTHERS)
def test_who_is_the_same_person(what: str, one: Any, other: Any) -> None:
    """By username, by email and name, by family and name, or by an id; never by a name alone."""
    is_same = natural_key(one) is not None and natural_key(one) == natural_key(other)
    assert is_same is ((what, one, other) in PEOPLE)


async def test_new_keys_for_the_same_people(emulator: Emulator, users: UsersSession, path: Path) -> None:
    """Who numbers the rows anew would create everybody again: those whom the journal knows are refused."""
    rows = [(f"old {n}", Create(doc={"main_email": f"{n}@example.org"})) for n in range(3)]
    emulator.script(None, None, Fault.rejected())
    await BatchRunner(users, concurrency=1).run(rows, journal=path)
    again = [(f"new {n}", payload) for n, (_, payload) in enumerate([*rows, ("", Create())])]
    report = await BatchRunner(users, concurrency=1).run(again, journal=path)
    assert (report.failed, report.succeeded) == (2, 2)
    assert "the journal holds the same person under another key" in str(report.errors["new 0"])
    assert emulator.executed["create"] == 4
