"""What is to be done after a run. No I/O."""

from __future__ import annotations

from usersapi_async.batch import BatchReport

from ._facts import Facts
from ._markup import Html, count, duration, fill, plural

_DOUBT = """<strong>Look up the $rows in doubt before anything is sent again.</strong>
Each was sent, and may or may not have been carried out. <code>reconcile</code> finds out which were;
with a journal, so does the next run with <code>reconcile=True</code>."""
_CREDENTIALS = """<strong>Check the credentials.</strong>
The service refused them: the id, the login or the token is wrong or has been replaced."""
_STOPPED = """<strong>Run the rest.</strong>
The batch stopped before it had read all of its input: $reason. It took $taken; go on with the row of index
$next, or run all of it again with the same journal, which skips what was done."""
_FAILED = """<strong>Mend the $rows that failed, and feed them again.</strong>
The messages below say why they failed. A file of results holds their columns, and
<code>read_remainder</code> gives what is to be run again."""
_LEFT_OUT = """<strong>Run the $rows that were not attempted.</strong>
Nothing of them was sent. They are in the remainder of a file of results too."""
_DONE = "<strong>Nothing.</strong> Every row succeeded."
_NO_ROWS = "<strong>See that there was something to do.</strong> The input had no rows."
_SLOWED = """<strong>The server set the pace.</strong>
It asked for $pauses, $long in all, which were kept. If you know its limit, give it as <code>rate</code>, and
it need not ask."""
_PACE = """<strong>Begin the next run at the pace that this one found:</strong>
<code>concurrency=Pace(limit=$limit)</code>."""


def advice(report: BatchReport, facts: Facts, stopped_by: str) -> list[Html]:
    """One sentence or two for each thing to do, the most pressing first. `stopped_by` is fit to be shown."""
    found: list[Html] = []
    if report.in_doubt:
        found.append(fill(_DOUBT, rows=plural(report.in_doubt, "row")))
    if any(kind.error == "AuthenticationError" for kind in facts.tally.complaints):
        found.append(Html(_CREDENTIALS))
    if not report.exhausted and report.stopped_by:
        found.append(
            fill(
                _STOPPED, reason=stopped_by, taken=plural(report.taken, "row"), next=count(report.next_index)
            )
        )
    if report.failed:
        found.append(fill(_FAILED, rows=plural(report.failed, "row")))
    if report.not_attempted:
        found.append(fill(_LEFT_OUT, rows=plural(report.not_attempted, "row")))
    if not found:
        found.append(Html(_DONE if report.taken else _NO_ROWS))
    if facts.pauses:
        waits = facts.pauses.values()
        found.append(
            fill(
                _SLOWED,
                pauses=plural(sum(wait.count for wait in waits), "pause"),
                long=duration(sum(wait.seconds for wait in waits)),
            )
        )
    if facts.latest is not None and facts.requests:
        found.append(fill(_PACE, limit=facts.latest.pace.limit))
    return found
