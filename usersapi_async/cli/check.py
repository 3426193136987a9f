"""Holds what a batch reports against what the emulator counted. No I/O."""

from __future__ import annotations

from collections.abc import Set as AbstractSet

import attrs

from usersapi_async.batch import BatchReport


@attrs.frozen
class Verdict:
    """Whether all is as it must be, and the sentence that says so."""

    good: bool
    sentence: str


def check(
    report: BatchReport, *, rows: int, counted: int | None, unexpected: AbstractSet[str | int]
) -> Verdict:
    """`rows` is how many the file has, `counted` how many users the emulator counts (None: it did not
    answer), `unexpected` the keys of rows that ended otherwise than was planned."""
    ended = report.succeeded + report.failed + report.in_doubt + report.not_attempted
    taken = f"{report.taken:,}" if report.taken == rows else f"{report.taken:,} of {rows:,}"
    sentence = (
        f"{taken} rows = {report.succeeded:,} succeeded + {report.failed:,} failed + "
        f"{report.in_doubt:,} in doubt + {report.not_attempted:,} not attempted; {_count(report, counted)}"
    )
    faults = []
    if ended != report.taken:
        faults.append(f"{ended:,} rows ended")
    if report.exhausted and report.taken != rows:
        faults.append("not every row was taken")
    if counted is None or not report.succeeded <= counted <= report.succeeded + report.in_doubt:
        faults.append("the emulator's count is not that of the successes")
    if unexpected:
        faults.append(f"{len(unexpected):,} rows ended otherwise than was planned")
    if faults:
        return Verdict(False, f"CHECK FAILED ({'; '.join(faults)}): {sentence}.")
    return Verdict(True, f"Checked: {sentence}.")


def _count(report: BatchReport, counted: int | None) -> str:
    if counted is None:
        return "the emulator did not answer"
    sentence = f"the emulator counts {counted:,} users"
    if report.in_doubt:
        sentence += f", {counted - report.succeeded:,} of them in doubt here"
    return sentence
