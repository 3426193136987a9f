"""Plans carried out: families, ends and resumptions, and sides that change between plan and run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs
import pytest

from usersapi_async import (
    BatchRunner,
    Failed,
    InDoubt,
    Journal,
    NotAttempted,
    Succeeded,
)
from usersapi_async.emulator import Fault
from usersapi_async.migration import FieldMap, PlanError, applying

if TYPE_CHECKING:
    from usersapi_async import BatchReport

    from .support import Sides


def _errors(report: BatchReport) -> dict[str, str]:
    return {str(key): str(error) for key, error in report.errors.items()}


async def _families(sides: Sides, count: int) -> list[int]:
    """So many parents with two children each; all ids."""
    ids = []
    for number in range(count):
        parent = await sides.add(first_name=f"P{number}", main_email=f"p{number}@example.org")
        ids += [parent, *[await sides.add(parent, first_name=f"C{number}-{one}") for one in range(2)]]
    return ids


async def test_families_arrive_as_they_were(sides: Sides) -> None:
    """With the same ids, under the same parents, without mails and with no form submitted."""
    await _families(sides, 5)
    mails = sides.emulator.mails_sent
    plan = await sides.plan()
    async with sides.applied(plan) as (work, report):
        assert (work.total, work.already, work.changes) == (15, 0, {})
    assert (report.succeeded, report.exhausted) == (15, True)
    assert {who: (user.connected_to, user.doc) for who, user in sides.target.items()} == {
        who: (user.connected_to, user.doc) for who, user in sides.source.items()
    }
    assert sides.emulator.mails_sent == mails
    assert not any(user.completed_forms for user in sides.target.values())
    assert {one.key for one in report.outcomes} == {f"clogin {who}" for who in sides.source}


async def test_mails_and_forms_if_asked_for(sides: Sides) -> None:
    """The plan says so, not who carries it out."""
    nina = await sides.add(phone="1")
    mails = sides.emulator.mails_sent
    async with sides.applied(await sides.plan(send_emails=True, submit_forms=True)):
        pass
    assert sides.emulator.mails_sent == mails + 1
    assert sides.target[nina].completed_forms


async def test_who_is_there_is_updated(sides: Sides) -> None:
    """In what differs, a child under its parent too; nothing that is there is emptied."""
    nina = await sides.add(first_name="Nina", phone="1", _application_date="2026-01-01")
    lisa = await sides.add(nina, first_name="Lisa")
    await sides.connect(nina, first_name="Old", doctor="kept")
    await sides.connect(lisa, nina, first_name="Old")
    plan = await sides.plan(existing="update")
    async with sides.applied(plan) as (_, report):
        assert report.succeeded == 2
    assert sides.target[nina].doc == {"first_name": "Nina", "phone": "1", "doctor": "kept"}
    assert sides.target[lisa].doc == {"first_name": "Lisa"}
    async with sides.applied(plan) as (work, report):
        assert work.changes == {}
        assert [getattr(one, "resumed", None) for one in report.outcomes] == [True, True]


async def test_a_username_that_somebody_else_has_is_refused(sides: Sides) -> None:
    """Only a mapping sends one; the person is not created, nor are the children."""
    nina = await sides.add(first_name="Nina", last_name="sonata")
    lisa = await sides.add(nina, first_name="Lisa")
    await sides.add(first_name="Other", username="sonata", target=True)
    plan = await sides.plan(mapping=FieldMap(fields={"last_name": "username"}))
    async with sides.applied(plan) as (_, report):
        refused, left_out = report.outcomes
    assert isinstance(refused, Failed)
    assert "already taken" in str(refused.error)
    assert "sonata" not in str(refused.error)
    assert isinstance(left_out, NotAttempted)
    assert not {nina, lisa} & set(sides.target)


@pytest.mark.parametrize("with_journal", [True, False])
async def test_a_limit_and_the_rest(sides: Sides, with_journal: bool) -> None:
    """What was done is known by the journal; without one, by what is there."""
    ids = await _families(sides, 4)
    plan = await sides.plan()
    async with sides.applied(plan, limit=5) as (_, report):
        assert report.succeeded == 5
    journal = sides.folder / "run.db" if with_journal else None
    async with applying(sides.users, plan, journal=journal) as work:
        assert work.changes == {}
        assert (work.already, work.total) == ((0, 12) if with_journal else (5, 7))
        report = await BatchRunner(sides.users).run(work.rows(), build=work.build, journal=journal)
    assert report.succeeded == work.total
    assert sum(one.resumed for one in report.outcomes if isinstance(one, Succeeded)) == 5 * with_journal
    assert set(sides.target) == set(ids)
    assert sides.emulator.executed["create"] == 8


async def test_a_doubt_is_settled_by_the_known_id(sides: Sides) -> None:
    """Whether it was carried out or not: nobody is created twice, and nobody is forgotten."""
    first, second, third = [await sides.add(first_name=name) for name in ("A", "B", "C")]
    lisa = await sides.add(second, first_name="Lisa")
    plan = await sides.plan()
    sides.emulator.script(None, Fault.drop_after(), Fault.drop_before(), action="create")
    async with sides.applied(plan) as (_, report):
        assert sum(isinstance(one, InDoubt) for one in report.outcomes) == 2
    async with sides.applied(plan) as (work, report):
        assert (work.changes, report.in_doubt) == ({}, 2)
    async with sides.applied(plan, reconcile=True) as (work, report):
        assert work.changes == {}
        assert report.succeeded == 4
    assert set(sides.target) == {first, second, third, lisa}


async def test_changes_between_plan_and_run(sides: Sides) -> None:
    """Whoever changed, came or went is told and not touched; everybody else moves."""
    gone = await sides.add(first_name="Gone")
    changed = await sides.add(first_name="Changed")
    under_changed = await sides.add(changed, first_name="Under changed")
    came = await sides.add(first_name="Came")
    as_planned = await sides.add(first_name="As planned")
    under_planned = await sides.add(as_planned, first_name="Under planned")
    there = await sides.add(first_name="There", phone="1")
    await sides.connect(there, first_name="There")
    done = await sides.add(first_name="Done", phone="1")
    await sides.connect(done, first_name="Done")
    fine = await sides.add(first_name="Fine")
    plan = await sides.plan(existing="update")

    await sides.users.set_status(gone, 8103)
    await sides.users.update(changed, {"first_name": "Another"})
    await sides.connect(came, first_name="By hand")
    await sides.connect(as_planned, first_name="As planned")
    await sides.users.update(there, {"doctor": "new"}, group_id=sides.emulator.other_group_id)
    await sides.users.update(done, {"phone": "1"}, group_id=sides.emulator.other_group_id)
    new = await sides.add(first_name="New")

    reasons = {
        gone: "gone from the source since the plan was made",
        changed: "changed in the source since the plan was made",
        came: "came to the target since the plan was made",
        there: "changed in the target since the plan was made",
        new: "new in the source since the plan was made",
    }
    async with sides.applied(plan) as (work, report):
        assert {one.clogin_id: one.reason for one in work.changed()} == reasons
        assert work.changes == dict.fromkeys(reasons.values(), 1)
        assert (work.already, work.total, report.taken) == (2, 7, 7)
    assert _errors(report) == {
        f"clogin {gone}": f"{reasons[gone]} @ $.clogin_id",
        f"clogin {changed}": f"{reasons[changed]} @ $.clogin_id",
        f"clogin {came}": f"{reasons[came]} @ $.clogin_id",
        f"update {there}": f"{reasons[there]} @ $.clogin_id",
    }
    assert [one.key for one in report.outcomes if isinstance(one, NotAttempted)] == [
        f"clogin {under_changed}"
    ]
    assert set(sides.target) == {came, as_planned, under_planned, there, done, fine}
    assert sides.target[there].doc == {"first_name": "There", "doctor": "new"}
    assert sides.target[under_planned].connected_to == as_planned

    async with sides.applied(plan, despite_changes=True) as (_, report):
        assert list(_errors(report)) == [f"clogin {came}"]
    assert sides.target[there].doc == {"first_name": "There", "doctor": "new", "phone": "1"}
    assert sides.target[changed].doc == {"first_name": "Changed"}
    assert new not in sides.target


async def test_who_is_gone_from_the_target(sides: Sides, monkeypatch: pytest.MonkeyPatch) -> None:
    """A list may show somebody no more: not even despite changes are they written to."""
    nina = await sides.add(first_name="Nina")
    lisa = await sides.add(nina, first_name="Lisa")
    bob = await sides.add(first_name="Bob")
    kate = await sides.add(first_name="Kate")
    for who in (nina, bob):
        await sides.connect(who, first_name="Old")
    await sides.connect(kate, first_name="Kate")
    plan = await sides.plan(existing="update")
    group = sides.emulator._organisation.groups[sides.emulator.other_group_id]
    group.users.clear()
    group._selections.clear()
    await sides.users.update(bob, {"first_name": "Robert"})
    async with sides.applied(plan, despite_changes=True) as (work, report):
        assert report.succeeded == 0
        reasons = {one.clogin_id: one.reason for one in work.changed()}
    gone = "gone from the target since the plan was made"
    assert reasons == {nina: gone, bob: gone, kate: gone, lisa: f"the parent is {gone}"}
    assert len(_errors(report)) == 3


async def test_what_cannot_be_moved_fails_and_says_why(sides: Sides) -> None:
    """With all faults, each with its path."""
    bad = await sides.add(first_name="Bad")
    under_bad = await sides.add(bad, first_name="Under bad")
    sides.source[bad].doc["main_email"] = "no address"
    async with sides.applied(await sides.plan()) as (work, report):
        assert work.total == 2
    assert _errors(report) == {
        f"clogin {bad}": "not an email address @ $.doc.main_email",
        f"clogin {under_bad}": "the parent can't be moved @ $.clogin_id",
    }


async def test_who_was_left_out_of_a_plan_may_come_by_another(sides: Sides) -> None:
    """A parent in the target alone is looked at, and a parent who then is in the source is new there."""
    nina = await sides.add(first_name="Nina")
    lisa = await sides.add(nina, first_name="Lisa")
    await sides.connect(nina, first_name="Nina")
    await sides.users.set_status(nina, 8103)
    plan = await sides.plan()
    await sides.users.set_status(nina, 0)
    async with sides.applied(plan) as (work, report):
        assert work.changes == {"new in the source since the plan was made": 1}
        assert report.succeeded == 1
    assert sides.target[lisa].connected_to == nina


async def test_a_journal_of_ones_own(sides: Sides) -> None:
    """One that was given as an object is asked too."""
    await _families(sides, 1)
    plan = await sides.plan()
    journal = Journal(sides.folder / "own.db", secret=bytes(32))
    async with applying(sides.users, plan, journal=journal) as work:
        report = await BatchRunner(sides.users).run(work.rows(), build=work.build, journal=journal, limit=1)
    async with applying(sides.users, plan, journal=journal) as work:
        assert (work.already, work.total) == (0, 3)
        report = await BatchRunner(sides.users).run(work.rows(), build=work.build, journal=journal)
    assert report.succeeded == 3


async def test_a_plan_belongs_to_an_account_and_a_service(sides: Sides) -> None:
    """It is not carried out elsewhere."""
    await sides.add(first_name="Nina")
    plan = await sides.plan()
    for name in ("account", "base_url"):
        other: Any = {name: "other"}
        with pytest.raises(PlanError, match=f"another {name.replace('_', ' ')}"):
            await applying(sides.users, attrs.evolve(plan, **other)).__aenter__()


async def test_a_list_that_changes_while_it_is_looked_at(sides: Sides) -> None:
    """Somebody may look gone who isn't: it is told."""
    for number in range(60):
        await sides.add(first_name=f"N{number}")
    plan = await sides.plan()

    def on_seen(count: int) -> None:
        if count == 1:
            group = sides.emulator._organisation.groups[sides.emulator.group_id]
            group.set_status(next(iter(sides.source.values())), 8103)

    async with applying(sides.users, plan, on_seen=on_seen) as work:
        assert work.shifted
