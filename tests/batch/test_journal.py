"""A batch that goes on where an earlier run of it ended."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from usersapi_async import (
    BatchRunner,
    Create,
    CreateChild,
    Failed,
    GetInfo,
    InDoubt,
    Journal,
    NotAttempted,
    OutcomeUnknown,
    Ref,
    RetryPolicy,
    Succeeded,
    Update,
    UsersSession,
)
from usersapi_async.batch._store import Changes, Known, Store
from usersapi_async.batch.journal import State
from usersapi_async.emulator import Fault

from .journals import MARKER, by_key, declared, family, only, people, person
from .support import conserved, told, until

if TYPE_CHECKING:
    from usersapi_async.emulator import Emulator


async def test_what_was_carried_out_is_not_sent_again(
    emulator: Emulator, users: UsersSession, path: Path
) -> None:
    """A second run skips it, knows its id, and sends the rest; children find parents of the first."""
    rows = [
        *people(6),
        ("child", CreateChild(connected_to=Ref("row 2"), doc={})),
        ("grandchild", CreateChild(connected_to=Ref("row 5"), doc={})),
    ]
    first = await BatchRunner(users).run(rows, journal=path, limit=4)
    assert (first.succeeded, first.next_index) == (4, 4)
    second = await BatchRunner(users, ordered=True).run(rows, journal=str(path))
    told(second, second.outcomes)
    assert [outcome.resumed for outcome in second.outcomes if isinstance(outcome, Succeeded)] == [
        *[True] * 4,
        *[False] * 4,
    ]
    told_first = {outcome.key: getattr(outcome, "clogin_id", None) for outcome in first.outcomes}
    for resumed in second.outcomes[:4]:
        assert isinstance(resumed, Succeeded)
        assert (resumed.response, resumed.attempts) == (None, 0)
        assert resumed.clogin_id == told_first[resumed.key]
    assert dict(emulator.executed) == {"create": 6, "create_child": 2}
    third = await BatchRunner(users).run(rows, journal=path)
    assert third.succeeded == 8
    assert emulator.received.total() == 8


@pytest.mark.parametrize("done", [False, True])
async def test_a_doubt_is_not_sent_again(
    emulator: Emulator, users: UsersSession, path: Path, done: bool
) -> None:
    """It stays one in the next run, unless that may look it up: then it has succeeded, or is sent."""
    rows = people(2)
    emulator.script(Fault.drop_after() if done else Fault.drop_before())
    runner = BatchRunner(users, concurrency=1, marker_field=MARKER)
    assert (await runner.run(rows, journal=path)).in_doubt == 1
    again = by_key((await runner.run(rows, journal=path)).outcomes)["row 0"]
    assert isinstance(again, InDoubt)
    assert (again.attempts, again.error.payload) == (0, again.payload)
    assert "was in doubt when an earlier run ended" in str(again.error)
    assert emulator.received["create"] == 2

    settled = BatchRunner(users, concurrency=1, marker_field=MARKER, reconcile=True)
    outcome = by_key((await settled.run(rows, journal=path)).outcomes)["row 0"]
    assert isinstance(outcome, Succeeded)
    assert outcome.resumed is done
    assert emulator.executed["create"] == 2
    assert {user.doc[MARKER] for user in emulator.users.values()} == {"row 0", "row 1"}
    # Now it is known for good.
    received = emulator.received.total()
    assert (await settled.run(rows, journal=path)).succeeded == 2
    assert emulator.received.total() == received


async def test_what_was_in_flight_is_looked_up_first(
    emulator: Emulator, users: UsersSession, path: Path
) -> None:
    """Those that a killed process was sending are in doubt; with one walk all of them are settled, and their
    children go on."""
    rows = people(8)
    await declared(users, path, rows[:4])
    for key, payload in rows[:2]:
        await users.create({**payload.doc, MARKER: key})
    rows.append(("child", CreateChild(connected_to=Ref("row 1"), doc={})))  # type: ignore[arg-type]
    runner = BatchRunner(users, concurrency=2, reconcile=True, marker_field=MARKER)
    report = await runner.run(rows, journal=path)
    told(report, report.outcomes)
    assert (report.succeeded, emulator.executed["create"]) == (9, 8)
    resumed = {outcome.key for outcome in report.outcomes if getattr(outcome, "resumed", False)}
    assert resumed == {"row 0", "row 1"}
    # Two walks, or more where a create of another row came in between and they disagree; by each row, eight.
    assert 2 <= emulator.received["get_user_list"] <= 5


async def test_more_doubts_than_rows_may_be_open(emulator: Emulator, users: UsersSession, path: Path) -> None:
    """When those that are held leave no room for more, they are looked up before the rest."""
    rows = people(30)
    await declared(users, path, rows)
    runner = BatchRunner(users, concurrency=1, reconcile=True, marker_field=MARKER)
    report = await runner.run(rows, journal=path)
    assert (report.succeeded, emulator.executed["create"]) == (30, 30)


async def test_some_that_the_input_has_no_more(emulator: Emulator, users: UsersSession, path: Path) -> None:
    """Doubts that no row asks for do not keep the others waiting."""
    rows = people(5)
    await declared(users, path, rows)
    runner = BatchRunner(users, concurrency=2, reconcile=True, marker_field=MARKER)
    assert (await runner.run(rows[3:], journal=path)).succeeded == 2
    assert emulator.executed["create"] == 2


async def test_what_can_not_be_told_stays_in_doubt(
    emulator: Emulator, users: UsersSession, path: Path
) -> None:
    """Without a marker a match may be somebody who was there before, if it was not noted who was; its
    children are left out."""
    emulator.script(Fault.drop_after())
    await BatchRunner(users).run(family(), journal=path)
    outcomes = by_key((await BatchRunner(users, reconcile=True).run(family(), journal=path)).outcomes)
    assert isinstance(outcomes["row 1"], InDoubt)
    assert isinstance(outcomes["child"], NotAttempted)
    assert outcomes["child"].reason == "the row that it refers to is in doubt"
    assert emulator.received["create"] == 1


async def test_a_look_that_fails_settles_nothing(emulator: Emulator, users: UsersSession, path: Path) -> None:
    """When the list can't be read, doubts stay doubts."""
    await declared(users, path, people(2))
    emulator.script(Fault.status(403), action="get_user_list")
    runner = BatchRunner(users, reconcile=True, marker_field=MARKER)
    report = await runner.run(people(3), journal=path)
    assert (report.in_doubt, report.succeeded) == (2, 1)


@pytest.mark.parametrize("end", ["deadline", "cancel"])
async def test_a_run_that_ends_while_doubts_are_held(
    emulator: Emulator, users: UsersSession, path: Path, end: str
) -> None:
    """They are told as doubts, and the next run settles them."""
    rows = people(3)
    await declared(users, path, rows[:2])
    slow = users.with_options(retry=RetryPolicy(base=0, settle=1e9))
    runner = BatchRunner(slow, concurrency=1, reconcile=True, marker_field=MARKER)
    if end == "cancel":
        task = asyncio.ensure_future(runner.run(rows, journal=path))
        await until(lambda: runner.report.taken == 2)
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    else:
        runner = BatchRunner(slow, concurrency=1, max_errors=1, reconcile=True, marker_field=MARKER)
        # The first is held when the batch is aborted by the second.
        await runner.run([rows[0], ("bad", None)], journal=path)
        assert (runner.report.in_doubt, runner.report.failed) == (1, 1)
    conserved(runner.report)
    report = await BatchRunner(users, reconcile=True, marker_field=MARKER).run(rows, journal=path)
    assert (report.succeeded, emulator.executed["create"]) == (3, 3)


class Slow(Journal):
    """Answers when it is let."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.gate = asyncio.Event()

    async def find(self, key: bytes) -> Any:
        await self.gate.wait()
        return await super().find(key)


@pytest.mark.parametrize("reconciles", [False, True])
async def test_aborted_while_the_journal_is_asked(
    emulator: Emulator, users: UsersSession, path: Path, reconciles: bool
) -> None:
    """A row whose past was still being looked for ends by what is known of it, and is not sent."""
    rows = people(4)
    await BatchRunner(users, marker_field=MARKER).run(rows[:1], journal=path)
    await declared(users, path, rows[1:3])
    journal = Slow(path)
    runner = BatchRunner(
        users,
        concurrency=5,
        max_errors=1,
        reconcile=reconciles,
        marker_field=MARKER,
        on_progress=lambda _: journal.gate.set(),
    )
    report = await runner.run([*rows, ("bad", None)], journal=journal)
    told(report, report.outcomes)
    assert (report.succeeded, report.in_doubt, report.failed, report.not_attempted) == (1, 2, 1, 1)
    assert emulator.received["create"] == 1


async def test_a_changed_payload_is_refused(emulator: Emulator, users: UsersSession, path: Path) -> None:
    """Under the key of a success or a doubt; a failed row may be mended and sent again."""
    emulator.script(None, Fault.drop_after(), Fault.rejected())
    runner = BatchRunner(users, concurrency=1)
    await runner.run(people(3), journal=path)
    changed = [person(number, last_name="x") for number in range(3)]
    report = await runner.run(changed, journal=path)
    outcomes = by_key(report.outcomes)
    for key in ("row 0", "row 1"):
        outcome = outcomes[key]
        assert isinstance(outcome, Failed)
        assert "the journal holds another payload under this key, " in str(outcome.error)
    assert isinstance(outcomes["row 2"], Succeeded)
    assert emulator.received["create"] == 4
    # Refusing them has changed nothing.
    assert isinstance(await only(runner, person(0), journal=path), Succeeded)
    assert isinstance(await only(runner, person(1), journal=path), InDoubt)


async def test_rows_need_keys(emulator: Emulator, users: UsersSession, path: Path) -> None:
    """Without one of its own a row fails, since the next run could not know it."""
    for runner, journal in ((BatchRunner(users), path), (BatchRunner(users, marker_field=MARKER), None)):
        outcome = await only(runner, Create(), journal=journal)
        assert isinstance(outcome, Failed)
        assert str(outcome.error) == "required for a journal or a marker: a key, the same in every run @ key"
    assert not emulator.received


async def test_the_marker(emulator: Emulator, users: UsersSession) -> None:
    """Each create carries its key; a field that holds something else is a fault, other actions have none."""
    runner = BatchRunner(users, concurrency=1, marker_field=MARKER)
    parent = Create(doc={"first_name": "A", MARKER: ""})
    rows = [
        ("a", parent),
        ("b", CreateChild(connected_to=Ref("a"), doc={MARKER: "b"})),
        ("c", Create(doc={MARKER: "mine"})),
        ("d", Update(clogin_id=Ref("a"), doc={"phone": "1"})),
    ]
    report = await runner.run(rows)
    assert (report.succeeded, report.failed) == (3, 1)
    assert "holds something else than the row's key, which belongs there @ $.doc.import_ref" in str(
        report.errors["c"]
    )
    assert [user.doc.get(MARKER) for user in emulator.users.values()] == ["a", "b"]
    assert parent.doc[MARKER] == ""


async def test_what_may_be_repeated_is_told_in_the_end_only(
    emulator: Emulator, users: UsersSession, path: Path
) -> None:
    """Reads are asked again; a silent write that was carried out is not, one in doubt is."""
    clogin_id = (await users.create()).clogin_id
    silent: dict[str, Any] = {"submit_forms": False, "disable_email_sending": True}
    rows = [
        ("read", GetInfo(clogin_id=clogin_id)),
        ("write", Update(clogin_id=clogin_id, doc={"phone": "1"}, **silent)),
    ]
    users = users.with_options(retry=RetryPolicy(attempts=1, settle=0))
    emulator.script(Fault.drop_after(), action="update")
    assert (await BatchRunner(users).run(rows, journal=path)).in_doubt == 1
    assert (await BatchRunner(users).run(rows, journal=path)).succeeded == 2
    assert (await BatchRunner(users).run(rows, journal=path)).succeeded == 2
    assert (emulator.received["get_info"], emulator.received["update"]) == (3, 2)


class Watched(Store):
    """Notes what is committed together, and what the server had received by then."""

    def __init__(self, path: Path, emulator: Emulator) -> None:
        super().__init__(path, None)
        self.emulator = emulator
        self.commits: list[list[tuple[int, int]]] = []

    def commit(self, changes: Changes) -> Known:
        done = super().commit(changes)
        received = self.emulator.received["create"]
        states = [0 if columns is None else columns[2] for columns in changes.written.values()]
        self.commits.append([(state, received) for state in states])
        return done


def watched(path: Path, emulator: Emulator) -> tuple[Journal, list[list[tuple[int, int]]]]:
    """A journal, and its commits."""
    journal, store = Journal(path), Watched(path, emulator)
    journal._store = store
    return journal, store.commits


async def test_the_order_of_one_operation(emulator: Emulator, users: UsersSession, path: Path) -> None:
    """Intent, request; a refusal takes the intent back before the wait; intent, request, outcome."""
    emulator.script(Fault.rate_limited())
    journal, commits = watched(path, emulator)
    await BatchRunner(users).run(people(1), journal=journal)
    states = [written for commit in commits for written in commit]
    sending, succeeded = State.SENDING, State.SUCCEEDED
    assert states == [(sending, 0), (0, 1), (sending, 1), (succeeded, 2)]


async def test_commits_are_shared(emulator: Emulator, users: UsersSession, path: Path) -> None:
    """All that is ready is made durable together, not each by itself."""
    journal, commits = watched(path, emulator)
    await BatchRunner(users.with_options(), concurrency=64).run(people(300), journal=journal)
    assert sum(map(len, commits)) == 600
    assert len([commit for commit in commits if commit]) < 300


async def test_a_cancelled_run(emulator: Emulator, users: UsersSession, path: Path) -> None:
    """Its outcomes are written, whatever is cancelled meanwhile, and the file is free."""
    emulator.script(*[Fault.slow(30)] * 2)
    runner = BatchRunner(users, concurrency=2, marker_field=MARKER)
    task = asyncio.ensure_future(runner.run(people(5), journal=path))
    await until(lambda: emulator.received["create"] == 2)
    task.cancel()
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert runner.report.in_doubt == 2
    journal = Journal(path)
    await journal.open(await users.identity())
    assert await journal.count() == (2, 2)
    entry = await journal.find(journal.digest("key", "row 0"))
    assert entry is not None
    assert entry.state is State.IN_DOUBT
    assert entry.sent_at is not None
    assert entry.ended_at is not None
    await journal.close()


async def test_a_write_that_has_to_wait_before_it_is_sent(
    emulator: Emulator, users: UsersSession, path: Path
) -> None:
    """Nothing was declared yet, so there is nothing to take back."""
    users = users.with_options(retry=RetryPolicy(base=0, settle=0.05))
    clogin_id = (await users.create()).clogin_id
    emulator.script(Fault.drop_after(), action="update")
    with pytest.raises(OutcomeUnknown):
        await users.update(clogin_id, {"phone": "1"})
    journal, commits = watched(path, emulator)
    report = await BatchRunner(users).run(
        [("a", Update(clogin_id=clogin_id, doc={"phone": "2"}))], journal=journal
    )
    assert report.succeeded == 1
    states = [state for commit in commits for state, _ in commit]
    assert states == [State.SENDING, State.SUCCEEDED]


async def test_aborted_while_doubts_are_looked_up(
    emulator: Emulator, users: UsersSession, path: Path
) -> None:
    """Who turns out to be absent then is left out, and sent by the next run."""
    rows = people(1)
    await declared(users, path, rows)
    emulator.script(Fault.slow(0.3), action="get_user_list")
    runner = BatchRunner(users, reconcile=True, marker_field=MARKER)
    working = asyncio.ensure_future(runner.run(rows, journal=path))
    await until(lambda: emulator.received["get_user_list"])
    engine = runner._engine
    assert engine is not None
    engine.abort("enough")
    report = await working
    assert [type(outcome) for outcome in report.outcomes] == [NotAttempted]
    assert not emulator.received["create"]
    assert (await runner.run(rows, journal=path)).succeeded == 1


async def test_a_look_that_is_not_let_in(emulator: Emulator, users: UsersSession, path: Path) -> None:
    """When the credentials are refused meanwhile, doubts stay doubts."""
    await declared(users, path, people(2))
    emulator.script(Fault.status(401), action="get_user_list")
    runner = BatchRunner(users, reconcile=True, marker_field=MARKER)
    report = await runner.run(people(2), journal=path)
    assert report.in_doubt == 2
