"""Calls of `usersapi migrate` that can't be right."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from .migrations import Place


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--from-group=1"], "Give --from-group and --to-group"),
        (["--from-group=1", "--to-group=1", "--verify"], "two groups"),
        (["--from-group=1", "--to-group=2"], "give --yes, or make a --plan first"),
        (["--plan=a", "--apply=b"], "--plan and --apply: give one of them"),
        (["--from-group=1", "--to-group=2", "--yes", "--resume"], "give it as --apply FILE"),
        (["--from-group=1", "--to-group=2", "--yes", "--despite-changes"], "goes with --apply"),
        (["--from-group=100555001", "--to-group=100909073", "--verify"], "group 100555001: "),
        (["--from-group=100909073", "--to-group=100555001", "--plan=p"], "group 100555001: "),
        (["--apply=p", "--existing=update", "--send-emails"], "--existing, --send-emails: with --apply"),
        (["--apply=nothing"], "plan nothing: "),
    ],
)
def test_what_cannot_be_right(place: Place, arguments: list[str], words: str) -> None:
    """Is told in one line, with exit code 2, before anything is sent."""
    done = place.run(*arguments)
    assert (done.exit_code, done.stdout.count("Traceback")) == (2, 0), done.output
    assert words in done.stderr
    assert not place.target


def test_a_plan_is_for_its_groups(place: Place) -> None:
    """Other ones than the plan's are a mistake."""
    place.run(*place.groups, "--plan", "plan.jsonl")
    done = place.run("--apply", "plan.jsonl", "--to-group", "5")
    assert (done.exit_code, "the plan is for group" in done.stderr) == (2, True)
