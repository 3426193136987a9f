"""What is shown in the end, and what is checked."""

from __future__ import annotations

import io
from decimal import Decimal

import pytest
from rich.console import Console

from usersapi_async.batch import BatchReport
from usersapi_async.cli.check import check
from usersapi_async.cli.report import show_report
from usersapi_async.cli.tally import Tally
from usersapi_async.cli.texts import printable
from usersapi_async.responses import MetaInfo

from .support import failed, in_doubt, not_attempted, succeeded

_META = MetaInfo(completed_forms=1, total_forms=2, total_balance=Decimal("12.50"), status_name="Accepted")


def _shown(report: BatchReport, tally: Tally) -> list[str]:
    out = io.StringIO()
    show_report(Console(file=out, width=100, markup=False, highlight=False), report, tally)
    return [" ".join(line.split()) for line in out.getvalue().splitlines()]


def test_counts_examples_and_complaints() -> None:
    """All of a batch on one page; those alike are counted together, under the key of the first."""
    tally = Tally()
    for outcome in (
        succeeded(0, meta_info=_META),
        succeeded(1),
        succeeded(2, answered=False),
        failed(3, "[bold]no"),
        failed(4, "[bold]no"),
        in_doubt(5),
        not_attempted(6),
    ):
        tally.add(outcome)
    report = BatchReport(taken=7, succeeded=3, failed=2, in_doubt=1, not_attempted=1, elapsed=1.5)
    lines = _shown(report, tally)
    assert "rows taken 7" in lines
    assert "elapsed 1.5 s" in lines
    assert "succeeded per second 2" in lines
    assert "k0 1000 1 of 2 12.50 Accepted" in lines
    assert not any(line.startswith(("k1 ", "k2 ")) for line in lines)
    assert "2 failed k3 UsersApiError: [bold]no" in lines
    assert "1 in doubt k5 OutcomeUnknown: who knows" in lines
    assert "1 not attempted k6 left out" in lines
    assert tally.lost == {"k3", "k4", "k5", "k6"}


def test_nothing_is_shown_of_nothing() -> None:
    """An empty batch has counts alone."""
    assert len(_shown(BatchReport(), Tally())) == 8


def test_what_stopped_a_batch_is_told() -> None:
    """A batch that did not come to its end says why."""
    lines = _shown(BatchReport(taken=1, succeeded=1, stopped_by="HTTP 401"), Tally())
    assert "The batch did not take all rows: HTTP 401" in lines


def test_only_so_many_examples_and_complaints() -> None:
    """A batch with a thousand different messages does not fill the screen."""
    tally = Tally()
    for index in range(100):
        tally.add(succeeded(index, meta_info=_META))
        tally.add(failed(index, f"message {index}"))
    lines = _shown(BatchReport(taken=200, succeeded=100, failed=100, elapsed=1.0), tally)
    assert sum("Accepted" in line for line in lines) == 4
    assert sum("message" in line for line in lines) == 10
    assert "90 of other kinds: see the file of results" in lines


def test_nothing_steers_the_terminal() -> None:
    """A server's message is text, whatever it holds."""
    assert printable("a\x1b[2Jb\n") == "a?[2Jb?"


_GOOD = BatchReport(taken=10, succeeded=7, failed=1, in_doubt=0, not_attempted=2, exhausted=True)
_DOUBTFUL = BatchReport(taken=10, succeeded=7, failed=1, in_doubt=2, not_attempted=0, exhausted=True)


def test_the_check_says_what_it_found() -> None:
    """Counts that agree, in one line."""
    verdict = check(_GOOD, rows=10, counted=7, unexpected=frozenset())
    assert verdict.good
    assert verdict.sentence == (
        "Checked: 10 rows = 7 succeeded + 1 failed + 0 in doubt + 2 not attempted; "
        "the emulator counts 7 users."
    )


@pytest.mark.parametrize(("counted", "good"), [(6, False), (7, True), (8, True), (9, True), (10, False)])
def test_doubts_may_have_been_carried_out_or_not(counted: int, good: bool) -> None:
    """The emulator may count each row in doubt, and no other."""
    verdict = check(_DOUBTFUL, rows=10, counted=counted, unexpected=frozenset())
    assert verdict.good is good
    assert f"{counted} users, {counted - 7} of them in doubt here." in verdict.sentence


def test_a_stopped_batch_says_how_many_rows_there_were() -> None:
    """Rows that were never taken are no fault of a batch that was stopped."""
    stopped = BatchReport(taken=10, succeeded=10)
    assert "10 of 30 rows = " in check(stopped, rows=30, counted=10, unexpected=frozenset()).sentence


@pytest.mark.parametrize(
    ("report", "rows", "counted", "unexpected", "fault"),
    [
        (_GOOD, 11, 7, (), "not every row was taken"),
        (_GOOD, 10, None, (), "the emulator's count is not that of the successes"),
        (_GOOD, 10, 7, ("a", "b"), "2 rows ended otherwise than was planned"),
        (BatchReport(taken=3, succeeded=2), 3, 2, (), "2 rows ended"),
    ],
)
def test_what_does_not_add_up_fails(
    report: BatchReport, rows: int, counted: int | None, unexpected: tuple[str, ...], fault: str
) -> None:
    """Each law that is broken is named."""
    verdict = check(report, rows=rows, counted=counted, unexpected=frozenset(unexpected))
    assert not verdict.good
    assert verdict.sentence.startswith(f"CHECK FAILED ({fault}): ")


def test_kinds_of_complaints_are_bounded() -> None:
    """A million different messages take no more memory than a thousand."""
    tally = Tally()
    for index in range(1500):
        tally.add(failed(index, f"message {index}"))
    assert len(tally.complaints) == 1001
    assert tally.complaints["failed", "", "of other kinds: see the file of results"] == 500
    assert tally.errors == {"UsersApiError"}


def test_equal_faults_in_other_lines_are_counted_together() -> None:
    """Where they stand is no difference."""
    tally = Tally()
    for index in range(3):
        tally.add(failed(index, f"no email @ line {index}, column mail; wrong @ $.key, line {index}"))
        tally.add(failed(index, f"unreadable @ line {index}"))
    assert list(tally.complaints) == [
        ("failed", "UsersApiError", "no email @ column mail; wrong @ $.key"),
        ("failed", "UsersApiError", "unreadable"),
    ]
