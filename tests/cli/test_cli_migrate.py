"""`usersapi migrate`, against an emulator on a real socket."""

from __future__ import annotations

import json
import stat
import subprocess
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from usersapi_async import read_results
from usersapi_async.emulator import Fault

from .support import LIMIT, USERSAPI, start

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pytest

    from .migrations import Place


@contextmanager
def _terminal(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Lets the command believe that somebody can answer."""
    with monkeypatch.context() as patch:
        patch.setattr("usersapi_async.cli.migrate_command.can_answer", lambda: True)
        yield


def test_a_plan_is_shown_and_sends_nothing(place: Place) -> None:
    """It says what would be done, what becomes of fields, and what does not move."""
    done = place.run(*place.groups, "--plan", "plan.jsonl")
    assert done.exit_code == 0, done.output
    for words in (
        "6 users are in the source, 3 of them children; 0 are in the target.",
        "to be created",
        "What does not move: passwords, payments, carts",
        "if somebody else has it, the service refuses that person",
        "Mails are off, forms are not submitted.",
        "usersapi migrate --apply plan.jsonl",
    ):
        assert words in done.output
    assert place.files == {"plan.jsonl"}
    assert stat.S_IMODE((place.folder / "plan.jsonl").stat().st_mode) == 0o600
    assert not place.target
    again = place.run(*place.groups, "--plan", "plan.jsonl")
    assert (again.exit_code, "not written over" in again.output) == (2, True)


def test_a_plan_for_programs(place: Place) -> None:
    """One line of JSON on standard output."""
    done = place.run(*place.groups, "--plan", "plan.jsonl", "--json")
    facts = json.loads(done.stdout)
    assert (facts["works"], facts["children"], facts["from_group"]) == (
        {"create": 6},
        3,
        place.emulator.group_id,
    )


def test_apply_a_canary_and_the_rest(place: Place) -> None:
    """The plan, then two rows of it, then all; and both sides are alike."""
    place.run(*place.groups, "--plan", "plan.jsonl")
    done = place.run("--apply", "plan.jsonl", "--limit", "2", "--rate", "1000")
    assert done.exit_code == 0, done.output
    assert "usersapi migrate --apply plan.jsonl --rate 1000 --resume" in done.output
    assert len(place.target) == 2
    refused = place.run("--apply", "plan.jsonl")
    assert (refused.exit_code, "--resume" in refused.output) == (2, True)
    done = place.run("--apply", "plan.jsonl", "--resume", *place.groups)
    assert done.exit_code == 0, done.output
    assert "2 of those that succeeded were known from an earlier run." in done.output
    assert place.emulator.mails_sent == 0
    assert place.emulator.executed["create"] == 6
    lines = list(read_results(place.folder / "plan.results-2.csv"))
    assert [(line.input or {})["action"] for line in lines].count("create_child") == 3
    assert not {"P1", "C1"} & set((place.folder / "plan.results-2.csv").read_text("utf-8").split('"'))
    verified = place.run(*place.groups, "--verify")
    assert (verified.exit_code, "6 of 6 users" in verified.output) == (0, True)


def test_changed_sides_are_told_and_not_touched(place: Place) -> None:
    """With exit code 1, until somebody says to go on all the same."""
    place.run(*place.groups, "--plan", "plan.jsonl")
    changed, _, other, *_ = place.emulator.users_in(place.emulator.group_id).values()
    changed.doc["phone"] = other.doc["phone"] = "2"
    done = place.run("--apply", "plan.jsonl", "--show", "1")
    assert done.exit_code == 1, done.output
    assert f"{changed.clogin_id}: changed in the source since the plan was made" in done.output
    assert "None of them is touched" in done.output
    assert "… and more; --show 0 names all" in done.output
    assert "make a new plan" in done.output
    assert len(place.target) == 2
    done = place.run("--apply", "plan.jsonl", "--resume", "--despite-changes", "--json")
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["changes"] == {"changed in the source since the plan was made": 2}
    assert place.emulator.users_in(place.emulator.other_group_id)[changed.clogin_id].doc["phone"] == "1"


def test_what_is_planned_is_done_already(place: Place) -> None:
    """By hand or by a run whose journal is gone: then there is nothing to send."""
    place.run(*place.groups, "--plan", "plan.jsonl")
    place.run("--apply", "plan.jsonl")
    done = place.run("--apply", "plan.jsonl", "--journal", "other.db")
    assert (done.exit_code, "6 are as planned already." in done.output) == (0, True)
    assert "There is nothing to send." in done.output
    done = place.run("--apply", "plan.jsonl", "--journal", "other.db", "--json")
    assert json.loads(done.stdout) == {"taken": 0, "changes": {}, "exit_code": 0}


def test_planted_differences_are_verified(place: Place) -> None:
    """By person and field, as many as are wanted."""
    place.run(*place.groups, "--yes", "--limit", "3")
    for user in place.emulator.users_in(place.emulator.other_group_id).values():
        user.doc["phone"] = "3"
    done = place.run(*place.groups, "--verify", "--show", "1")
    assert done.exit_code == 1
    assert "0 of 6 users of the source are in the target with the same values" in done.output
    assert done.output.count(": missing") + done.output.count(": other values in phone") == 1
    assert "--show 0 names all" in done.output
    assert "names all" not in place.run(*place.groups, "--verify").output
    facts = json.loads(place.run(*place.groups, "--verify", "--json").stdout)
    assert (facts["differences"], len(facts["unlike"]), facts["exit_code"]) == (
        {"other values": 3, "missing": 3},
        6,
        1,
    )


def test_without_a_plan_of_ones_own(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is made, shown, and carried out after a yes; of a whole run only the results stay."""
    with _terminal(monkeypatch):
        done = place.run(*place.groups, answer="n\n")
        assert done.exit_code == 1
        assert (place.files, place.target) == (set(), set())
        done = place.run(*place.groups, answer="y\n")
    assert done.exit_code == 0, done.output
    assert "to be created" in done.output
    assert len(place.target) == 6
    assert {name.partition(".")[2] for name in place.files} == {"results.csv"}
    done = place.run(*place.groups, "--yes", "--existing", "update")
    assert (done.exit_code, "There is nothing to send." in done.output) == (0, True)
    assert "with the same values" in done.output
    done = place.run(*place.groups, "--yes", "--json")
    assert json.loads(done.stdout)["exit_code"] == 0


def test_without_a_plan_a_run_that_stops_can_be_resumed(place: Place) -> None:
    """The plan that was made is kept for that."""
    done = place.run(*place.groups, "--yes", "--limit", "1", "--journal", "j.db")
    (plan,) = (name for name in place.files if name.endswith(".plan"))
    assert f"usersapi migrate --apply {plan} --journal j.db --resume" in done.output
    refused = place.run(*place.groups, "--yes", "--journal", "j.db")
    assert refused.exit_code == 2
    assert f"usersapi migrate --apply {plan} --resume" in refused.output
    done = place.run("--apply", plan, "--resume", "--journal", "j.db")
    assert (done.exit_code, len(place.target)) == (0, 6)


def test_who_fails_can_be_mended_and_migrated_again(place: Place) -> None:
    """A new plan finds by itself what is left."""
    person, *_ = place.emulator.users_in(place.emulator.group_id).values()
    person.doc["main_email"] = "nina@lighthouse.invalid"
    done = place.run(*place.groups, "--yes")
    assert done.exit_code == 1
    assert "Once it is mended, migrate again." in done.output
    assert len(place.target) == 4
    person.doc["main_email"] = "nina@example.org"
    assert place.run(*place.groups, "--yes").exit_code == 0
    assert len(place.target) == 6


def test_who_cannot_be_moved_is_told(place: Place) -> None:
    """Also if nobody else is left; the fields that can't go are told too."""
    for user in place.emulator.users_in(place.emulator.group_id).values():
        user.doc |= {"main_email": "no address", "last_name": "R&amp;B"}
        user.doc |= {f"odd{number}": [number] for number in range(12)}  # type: ignore[list-item]  # odd
    done = place.run(*place.groups, "--yes")
    assert done.exit_code == 1
    assert "can't be moved" in done.output
    assert "not an email address @ $.doc.main_email" in done.output
    assert "odd3: a list of other things than texts" in done.output
    assert "and 2 more kinds" in done.output
    assert "6 users have texts with HTML's escapes" in done.output
    assert place.run(*place.groups, "--plan", "p").exit_code == 1
    assert place.files == {"p"}


def test_a_mapping_and_updates(place: Place) -> None:
    """Fields go where the file says, and everybody gets the constants."""
    (place.folder / "m.toml").write_text(
        '[fields]\nphone = "mobile"\n[constants]\ncamp = "2027"\n', encoding="utf-8"
    )
    place.run(*place.groups, "--yes")
    done = place.run(*place.groups, "--yes", "--existing", "update", "--mapping", "m.toml")
    assert done.exit_code == 0, done.output
    assert "to be updated" in done.output
    assert "An update sets what differs, and empties nothing." in done.output
    assert "(a constant)" in done.output
    docs = [user.doc for user in place.emulator.users_in(place.emulator.other_group_id).values()]
    assert all(doc["camp"] == "2027" for doc in docs)
    assert [doc.get("mobile") for doc in docs].count("1") == 3
    (place.folder / "k.toml").write_text('key = "id"\n', encoding="utf-8")
    refused = place.run(*place.groups, "--plan", "p", "--mapping", "k.toml")
    assert (refused.exit_code, "known by their ids" in refused.output) == (2, True)


def test_a_list_that_changes_meanwhile_is_told(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody may have been missed, in whatever mode."""
    monkeypatch.setattr("usersapi_async.listing.UserStream.shifted", _Always(), raising=False)
    words = "A list changed while it was read"
    for arguments, code in (
        ([*place.groups, "--plan", "plan.jsonl"], 1),
        (["--apply", "plan.jsonl"], 0),
        ([*place.groups, "--verify"], 1),
    ):
        done = place.run(*arguments)
        assert (done.exit_code, words in done.output) == (code, True), done.output


class _Always:
    """An attribute that is true whatever it is set to."""

    def __get__(self, *_: object) -> bool:
        return True

    def __set__(self, *_: object) -> None:
        """Nothing."""


def test_killed_and_resumed(place: Place) -> None:
    """What was in flight is in doubt, and is not sent again by itself."""
    place.run(*place.groups, "--plan", "plan.jsonl")
    place.emulator.script(None, Fault.slow(LIMIT), action="create")
    with start(
        *USERSAPI, "migrate", "--apply", "plan.jsonl", cwd=place.folder, stdin=subprocess.DEVNULL
    ) as process:
        give_up = time.monotonic() + LIMIT
        while place.emulator.received["create"] < 5 and time.monotonic() < give_up:
            time.sleep(0.01)
        process.kill()
    done = place.run("--apply", "plan.jsonl", "--resume", "--json")
    facts: dict[str, Any] = json.loads(done.stdout)
    assert (done.exit_code, facts["failed"]) == (4, 0), done.output
    assert facts["in_doubt"] >= 1
    # What the emulator did and the killed process did not hear of is in doubt too, and not sent again.
    assert place.emulator.received["create"] == 3 + 3
