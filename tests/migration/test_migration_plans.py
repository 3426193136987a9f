"""Plans: what they say of whom, and their files."""

from __future__ import annotations

import json
import stat
from typing import TYPE_CHECKING, Any

import pytest

from usersapi_async import RequestRejected
from usersapi_async.migration import FieldMap, MigrationOptions, Plan, PlanError, Step, plan_migration
from usersapi_async.migration.plan import PlanSummary, PlanWriter

if TYPE_CHECKING:
    from pathlib import Path

    from .support import Sides


def _steps(plan: Plan) -> dict[int, Step]:
    return {step.clogin_id: step for step in plan.steps()}


async def test_families_parents_first(sides: Sides) -> None:
    """Children come after all parents, whatever the order of the list, and know theirs."""
    nina = await sides.add(first_name="Nina", main_email="nina@example.org", phone="1")
    lisa = await sides.add(nina, first_name="Lisa")
    bob = await sides.add(first_name="Bob")
    sent = sides.emulator.executed.copy()
    plan = await sides.plan()
    assert [(step.work, step.clogin_id, step.parent, step.waits) for step in plan.steps()] == [
        ("create", nina, None, False),
        ("create", bob, None, False),
        ("create", lisa, nina, True),
    ]
    assert _steps(plan)[nina].doc == {"first_name": "Nina", "main_email": "nina@example.org", "phone": "1"}
    summary = plan.summary
    assert (summary.to_send, summary.children, summary.in_source, summary.in_target) == (3, 1, 3, 0)
    assert summary.places == {
        "username": None,
        "first_name": "first_name",
        "main_email": "main_email",
        "phone": "phone",
    }
    assert summary.filled == {"username": 3, "first_name": 3, "main_email": 1, "phone": 1}
    assert not summary.shifted
    assert set(sides.emulator.executed - sent) == {"get_user_list"}
    assert not sides.target


async def test_the_file_is_private_and_never_written_over(sides: Sides) -> None:
    """It holds people's data."""
    nina = await sides.add(first_name="Nina")
    sides.source[nina].doc["\ud800"] = "a name that UTF-8 can't encode"
    plan = await sides.plan()
    assert plan.summary.works == {"leave": 1}
    assert stat.S_IMODE(plan.path.stat().st_mode) == 0o600
    before = plan.path.read_bytes()
    with pytest.raises(PlanError, match=r"plan\.jsonl: it is there already"):
        await sides.plan()
    assert plan.path.read_bytes() == before
    assert Plan.read(plan.path) == plan
    assert "Nina" not in repr([*plan.steps(), plan])


async def test_a_plan_that_is_not_finished_leaves_no_file(sides: Sides) -> None:
    """Else somebody might carry out half of one."""
    path = sides.folder / "plan.jsonl"
    options = MigrationOptions(source=sides.emulator.foreign_group_id, target=sides.emulator.group_id)
    with pytest.raises(RequestRejected, match="another organisation"):
        await plan_migration(sides.users, path, options)
    assert not path.exists()
    with pytest.raises(PlanError, match="No such file or directory"):
        await plan_migration(sides.users, sides.folder / "no" / "plan.jsonl", sides.options())


@pytest.mark.parametrize("existing", ["skip", "update"])
async def test_who_is_there_already(sides: Sides, existing: str) -> None:
    """Is skipped, or updated in what differs; nothing is emptied."""
    same = await sides.add(first_name="Same")
    other = await sides.add(first_name="Nina", phone="2", your_instrument=["piano"], last_name="")
    await sides.connect(same, first_name="Same", doctor="kept")
    await sides.connect(other, first_name="nina", phone="2", last_name="kept")
    steps = _steps(await sides.plan(existing=existing))
    assert steps[same].work == "skip"
    if existing == "skip":
        assert (steps[other].work, steps[other].why) == ("skip", "is there already")
    else:
        assert steps[same].why == "is there already, with the same values"
        assert steps[other].work == "update"
        assert steps[other].doc == {"first_name": "Nina", "your_instrument": ["piano"]}
        assert steps[other].key == f"update {other}"


async def test_who_cannot_be_placed(sides: Sides) -> None:
    """Whose parent does not move, is a child there, or is another one there: each is told."""
    cancelled = await sides.add(first_name="Cancelled")
    orphan = await sides.add(cancelled, first_name="Orphan")
    await sides.users.set_status(cancelled, 8103)
    bad = await sides.add(first_name="Bad")
    under_bad = await sides.add(bad, first_name="Under bad")
    sides.source[bad].doc["main_email"] = "no address"
    root = await sides.add(first_name="Root", target=True)
    turned = await sides.add(first_name="Turned")
    under_turned = await sides.add(turned, first_name="Under turned")
    await sides.connect(turned, root, first_name="Turned")
    plan = await sides.plan()
    steps = _steps(plan)
    assert {who: (step.work, step.why) for who, step in steps.items()} == {
        orphan: ("leave", "the parent is neither among those who move nor there"),
        bad: ("leave", "not an email address @ $.doc.main_email"),
        under_bad: ("leave", "the parent can't be moved"),
        turned: ("skip", "is there already, in another family, which can't be changed"),
        under_turned: ("leave", "the parent is a child there"),
    }
    assert plan.summary.why.total() == plan.summary.in_source == 5
    assert all(not step.doc for step in steps.values())


async def test_a_child_may_join_a_parent_who_is_there(sides: Sides) -> None:
    """Also one whom the source's list does not show."""
    nina = await sides.add(first_name="Nina")
    lisa = await sides.add(nina, first_name="Lisa")
    await sides.connect(nina, first_name="Nina")
    await sides.users.set_status(nina, 8103)
    (step,) = (await sides.plan()).steps()
    assert (step.clogin_id, step.work, step.parent, step.waits) == (lisa, "create", nina, False)


async def test_the_excluded_move_only_if_asked_for(sides: Sides) -> None:
    """They would come without the status that excludes them."""
    nina = await sides.add(first_name="Nina")
    await sides.users.set_status(nina, 8103)
    assert not (await sides.plan("without.jsonl")).summary.in_source
    assert [step.work for step in (await sides.plan(with_excluded=True)).steps()] == ["create"]


async def test_a_list_that_does_not_tell(sides: Sides, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of whom it shows no values, or not whose child they are, nothing is made up."""
    await sides.add(first_name="Nina")
    monkeypatch.setattr("usersapi_async.emulator.views.user_info", _without_family)
    (step,) = (await sides.plan("family.jsonl")).steps()
    assert (step.work, step.why) == ("leave", "the list does not tell whether it is somebody's child")
    monkeypatch.undo()
    monkeypatch.setattr("usersapi_async.emulator.reading._information", lambda *_: ({}, {}))
    (step,) = (await sides.plan("values.jsonl")).steps()
    assert (step.work, step.why) == ("leave", "the list shows none of their values")


def _without_family(user: Any) -> dict[str, object]:
    return {"clogin_id": str(user.clogin_id), "group_id": str(user.group_id)}


async def test_odd_values_are_counted(sides: Sides, monkeypatch: pytest.MonkeyPatch) -> None:
    """What can't be sent is left out of the plan, and what looks escaped is told."""
    nina = await sides.add(first_name="Nina", last_name="S&amp;T", phone="x\r\n\u2028\N{GRINNING FACE}")
    sides.source[nina].doc["rows"] = [1, 2]  # type: ignore[list-item]  # what no request can carry
    plan = await sides.plan(mapping=FieldMap(fields={"last_name": "family_name"}))
    assert plan.summary.left_out == {"rows: a list of other things than texts": 1}
    assert plan.summary.escaped == 1
    (step,) = plan.steps()
    assert step.doc == {
        "first_name": "Nina",
        "family_name": "S&amp;T",
        "phone": "x\r\n\u2028\N{GRINNING FACE}",
    }


async def test_a_list_that_changes_meanwhile_is_told(sides: Sides) -> None:
    """Somebody may be missing from the plan then."""
    for number in range(60):
        await sides.add(first_name=f"N{number}")
    seen: list[int] = []

    def on_seen(count: int) -> None:
        seen.append(count)
        if count == 1:
            sides.emulator._organisation.groups[sides.emulator.group_id].set_status(
                next(iter(sides.source.values())), 8103
            )

    plan = await plan_migration(sides.users, sides.folder / "p", sides.options(), on_seen=on_seen)
    assert plan.summary.shifted
    assert seen == list(range(1, plan.summary.in_source + 1))


def _written(path: Path, sides: Sides) -> None:
    with PlanWriter(path, sides.options(), account="1", base_url="b", made_at=0.0) as writer:
        writer.add(Step(work="create", clogin_id=7, source="s", doc={"first_name": "Nina"}))
        writer.finish(PlanSummary())


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda text: text.replace("Nina", "Lisa"), "changed after it was made"),
        (lambda text: f"{text}{{}}\n", "changed after it was made"),
        (lambda text: text[: text.index('{"end"')], "not whole"),
        (lambda text: text[:-9], "can read"),
        (lambda _: "", "can read"),
        (lambda _: "[]\n", "can read"),
        (lambda text: text.replace('"version": 1', '"version": 2'), "can read"),
        (lambda text: text.replace('"source": 100909072', '"source": "x"'), "changed after it was made"),
    ],
)
def test_a_file_that_is_not_as_it_was_written(sides: Sides, change: Any, words: str) -> None:
    """Nothing of it is carried out."""
    path = sides.folder / "plan.jsonl"
    _written(path, sides)
    path.write_text(change(path.read_text("utf-8")), "utf-8")
    with pytest.raises(PlanError, match=words):
        Plan.read(path)


def test_a_file_that_is_not_there(sides: Sides) -> None:
    """It is told in the system's words."""
    with pytest.raises(PlanError, match="nothing: No such file"):
        Plan.read(sides.folder / "nothing")


async def test_each_line_is_json(sides: Sides) -> None:
    """For other programs to look at."""
    await sides.add(first_name="Nina")
    plan = await sides.plan()
    head, step, end = (json.loads(line) for line in plan.path.read_text("utf-8").splitlines())
    assert head["options"]["target"] == sides.emulator.other_group_id
    assert head["base_url"] == sides.emulator.base_url
    assert step["doc"] == {"first_name": "Nina"}
    assert end["summary"]["works"] == {"create": 1}
