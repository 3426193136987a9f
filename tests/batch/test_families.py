"""References between rows and the order of writes, over the wire."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from usersapi_async import (
    BatchRunner,
    Create,
    CreateChild,
    GetInfo,
    NotAttempted,
    Outcome,
    PayloadError,
    Ref,
    Update,
    UsersSession,
)
from usersapi_async.emulator import Fault

from .support import conserved, kinds, nothing_left, person, told

if TYPE_CHECKING:
    from collections.abc import Iterator

    from usersapi_async.emulator import Emulator

    from .conftest import Gate


def child(of: str, **rest: Any) -> CreateChild:
    return CreateChild(connected_to=Ref(of), disable_email_sending=True, **rest)


def reason_of(outcome: Outcome) -> str:
    assert isinstance(outcome, NotAttempted)
    assert outcome.attempts == 0
    return outcome.reason


def updates_of(emulator: Emulator) -> list[Any]:
    """What was written by the updates, in the order of their coming."""
    bodies = [request.body or {} for request in emulator.requests if request.action == "update"]
    return [(body["clogin_id"], body["doc"]["first_name"]) for body in bodies]  # type: ignore[index]


def update(user: Any, name: object) -> Update:
    return Update(clogin_id=user, doc={"first_name": str(name)})


@pytest.mark.parametrize("concurrency", [1, 2, 16])
async def test_families(emulator: Emulator, users: UsersSession, concurrency: int) -> None:
    """Children are created under the parents that the same batch created, also when those are slow."""
    emulator.script(Fault.slow(0.02), Fault.rate_limited(), None, Fault.slow(0.01))
    rows = [
        row
        for number in range(10)
        for row in (
            (f"p{number}", person(number)),
            (f"c{number}", child(f"p{number}")),
            (f"d{number}", child(f"p{number}")),
            (f"u{number}", update(Ref(f"c{number}"), number)),
        )
    ]
    report = await BatchRunner(users, concurrency=concurrency).run(rows)
    told(report, report.outcomes)
    assert report.succeeded == 40
    ids = {outcome.key: getattr(outcome, "clogin_id", None) for outcome in report.outcomes}
    for number in range(10):
        assert emulator.users[ids[f"c{number}"] or 0].connected_to == ids[f"p{number}"]
        assert ids[f"u{number}"] == ids[f"c{number}"]
    nothing_left(users)


@pytest.mark.parametrize(
    ("fault", "parent", "reason"),
    [
        (Fault.rejected(), "Failed", "the row that it refers to failed"),
        (Fault.drop_after(), "InDoubt", "the row that it refers to is in doubt"),
    ],
)
async def test_children_of_a_lost_parent(
    emulator: Emulator, users: UsersSession, fault: Fault, parent: str, reason: str
) -> None:
    """They are not attempted, and say why; other families go on."""
    emulator.script(fault)
    rows = [("p", person(0)), ("c", child("p")), ("g", update(Ref("c"), 1)), ("q", person(1)), child("q")]
    report = await BatchRunner(users, concurrency=1).run(rows)
    outcomes = sorted(report.outcomes, key=lambda outcome: outcome.index)
    assert kinds(outcomes) == [parent, "NotAttempted", "NotAttempted", "Succeeded", "Succeeded"]
    assert reason_of(outcomes[1]) == reason
    assert reason_of(outcomes[2]) == "the row that it refers to was not attempted"
    with pytest.raises(ExceptionGroup):
        report.raise_for_errors()


async def test_wrong_references(emulator: Emulator, users: UsersSession) -> None:
    """Each fails by itself: forward, to itself, unknown; and a second row of one key."""
    rows = [
        ("a", child("b")),
        ("b", person("b")),
        ("c", child("c")),
        ("d", child("nobody")),
        ("b", person("again")),
        ("e", child("b")),
    ]
    report = await BatchRunner(users).run(rows)
    assert kinds(report.outcomes) == ["Failed", "Succeeded", "Failed", "Failed", "Failed", "Succeeded"]
    assert all(isinstance(error, PayloadError) for error in report.errors.values())
    assert emulator.executed == {"create": 1, "create_child": 1}


async def test_a_reference_to_a_row_that_creates_nobody(users: UsersSession) -> None:
    """An update has no new id to give."""
    clogin_id = (await users.create({})).clogin_id
    report = await BatchRunner(users).run([("u", update(clogin_id, 1)), ("c", child("u"))])
    assert kinds(report.outcomes) == ["Succeeded", "NotAttempted"]


@pytest.mark.parametrize("concurrency", [1, 300])
async def test_a_deep_chain(emulator: Emulator, users: UsersSession, concurrency: int) -> None:
    """A thousand rows that fall with the first are no recursion, all at once or one after the other."""
    emulator.script(Fault.rejected())
    rows = [("0", person(0)), *[(str(number), child(str(number - 1))) for number in range(1, 1000)]]
    report = await BatchRunner(users, concurrency=concurrency).run(rows)
    told(report, report.outcomes)
    assert (report.failed, report.not_attempted) == (1, 999)
    assert emulator.received == {"create": 1}


async def test_writes_to_one_user_go_in_order(emulator: Emulator, users: UsersSession) -> None:
    """Also when the first is slow, and one of them is sent again."""
    one, two = [(await users.create({})).clogin_id for _ in range(2)]
    emulator.script(Fault.slow(0.05), None, Fault.rate_limited(), Fault.slow(0.02), action="update")
    rows = [update(user, number) for number in range(8) for user in (one, two)]
    report = await BatchRunner(users, concurrency=16).run(rows)
    assert report.succeeded == 16
    for user in (one, two):
        names = [name for written, name in updates_of(emulator) if written == user]
        assert list(dict.fromkeys(names)) == [str(number) for number in range(8)]
        assert names == sorted(names)
        assert emulator.users[user].doc["first_name"] == "7"


async def test_reads_do_not_wait_for_writes(
    emulator: Emulator, users: UsersSession, gated: UsersSession, gate: Gate
) -> None:
    """A read of a user that is being written to goes out at once."""
    clogin_id = (await users.create({})).clogin_id
    runner = BatchRunner(gated, concurrency=2, on_progress=lambda _: gate.open())
    report = await runner.run([update(clogin_id, 1), GetInfo(clogin_id=clogin_id)])
    assert [outcome.index for outcome in report.outcomes] == [1, 0]


@pytest.mark.parametrize(
    ("fault", "after_failure", "expected"),
    [
        (Fault.drop_after(), "continue", ["InDoubt", "NotAttempted", "NotAttempted", "Succeeded"]),
        (Fault.rejected(), "continue", ["Failed", "Succeeded", "Succeeded", "Succeeded"]),
        (Fault.rejected(), "skip", ["Failed", "NotAttempted", "NotAttempted", "Succeeded"]),
    ],
)
async def test_after_a_lost_write(
    emulator: Emulator, users: UsersSession, fault: Fault, after_failure: Any, expected: list[str]
) -> None:
    """A doubt blocks the user's later writes, a failure only if asked; other users' go on."""
    one, two = [(await users.create({})).clogin_id for _ in range(2)]
    emulator.script(fault, action="update")
    runner = BatchRunner(users, concurrency=1, after_failure=after_failure)
    report = await runner.run([update(one, 1), update(one, 2), update(one, 3), update(two, 1)])
    assert kinds(report.outcomes) == expected
    if expected[1] == "NotAttempted":
        left = sorted(report.outcomes, key=lambda outcome: outcome.index)[1]
        assert reason_of(left).startswith("an earlier write to this user ")


async def test_children_far_behind(users: UsersSession) -> None:
    """An id is remembered for as long as the batch lasts."""

    def rows() -> Iterator[Any]:
        yield ("p", person("p"))
        yield from (None for _ in range(500))
        yield child("p")

    report = await BatchRunner(users, concurrency=2).run(rows())
    conserved(report)
    assert (report.succeeded, report.failed) == (2, 500)


async def test_writes_to_somebody_new(emulator: Emulator, gated: UsersSession, gate: Gate) -> None:
    """They wait for the id, and then for each other."""

    def rows() -> Iterator[Any]:
        yield ("a", person("a"))
        for number in range(3):
            yield update(Ref("a"), number)
        gate.open()

    report = await BatchRunner(gated, concurrency=4).run(rows())
    told(report, report.outcomes)
    assert report.succeeded == 4
    assert [name for _, name in updates_of(emulator)] == ["0", "1", "2"]


async def test_a_known_person_is_connected(emulator: Emulator, users: UsersSession) -> None:
    """A reference in `clogin_id` of a create takes somebody over into another group."""
    rows = [("a", person("a")), Create(clogin_id=Ref("a"), group_id=emulator.other_group_id)]
    report = await BatchRunner(users).run(rows)
    assert report.succeeded == 2
    assert set(emulator.users_in(emulator.other_group_id)) == set(emulator.users_in(emulator.group_id))
