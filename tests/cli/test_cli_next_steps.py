"""What a command says is to be done next."""

from __future__ import annotations

from pathlib import Path

from usersapi_async.batch import BatchReport
from usersapi_async.cli.batch_command import Ended, _next_steps
from usersapi_async.cli.tally import Tally


def test_failures_that_are_not_mended_in_the_input() -> None:
    """Why is told, and how to go on if there is more."""
    report = BatchReport(taken=1, failed=1)
    ended = Ended(
        report=report,
        tally=Tally(),
        results=Path("results.csv"),
        journal=Path("run.db"),
        limit=1,
        again=("migrate", "--apply", "plan.jsonl"),
        mend="Look at the results.",
    )
    said = list(_next_steps(ended))
    assert said[-2] == "Look at the results."
    assert said[-1].startswith("Go on with: usersapi migrate --apply plan.jsonl")
