"""Shows what a batch came to."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table

from usersapi_async.batch import BatchReport
from usersapi_async.responses import MetaInfo

from .tally import Tally
from .texts import printable

_MOST_COMPLAINTS = 10


def make_console(*, stderr: bool = False) -> Console:
    """Standard output, or ``stderr``, printed as it is: what comes from a server is neither markup nor to be
    coloured."""
    return Console(markup=False, highlight=False, emoji=False, stderr=stderr)


def say(console: Console, text: str) -> None:
    """Prints a paragraph, broken into lines for a terminal only: programs and files want it whole."""
    console.print(text, soft_wrap=not console.is_terminal)


def show_report(console: Console, report: BatchReport, tally: Tally) -> None:
    """Counts, a few of those who were registered, and what went wrong, with one example of each kind."""
    console.print()
    console.print(_counts(report))
    if report.stopped_by:
        say(console, f"\nThe batch did not take all rows: {printable(report.stopped_by)}")
    if tally.examples:
        console.print("\nSome of those that succeeded:")
        console.print(_examples(tally))
    if tally.complaints:
        console.print("\nWhat did not succeed:")
        console.print(_complaints(tally))


def make_table(*headers: str, right: tuple[str, ...] = ()) -> Table:
    """A table without lines, whose numbers stand to the right."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for header in headers:
        table.add_column(header, justify="right" if header in right else "left", overflow="fold")
    return table


def _counts(report: BatchReport) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), show_header=False)
    table.add_column()
    table.add_column(justify="right")
    table.add_row("rows taken", f"{report.taken:,}")
    table.add_row("succeeded", f"{report.succeeded:,}")
    table.add_row("failed", f"{report.failed:,}")
    table.add_row("in doubt", f"{report.in_doubt:,}")
    table.add_row("not attempted", f"{report.not_attempted:,}")
    table.add_row("elapsed", f"{report.elapsed:.1f} s")
    table.add_row(
        "succeeded per second", f"{report.succeeded / report.elapsed if report.elapsed else 0:,.0f}"
    )
    return table


def _examples(tally: Tally) -> Table:
    table = make_table("key", "clogin_id", "forms done", "balance", "status", right=("balance",))
    for outcome in tally.examples:
        meta = outcome.response.meta_info if outcome.response else MetaInfo()
        if meta != MetaInfo():
            table.add_row(
                printable(str(outcome.key)),
                str(outcome.clogin_id),
                f"{meta.completed_forms} of {meta.total_forms}",
                str(meta.total_balance),
                printable(meta.status_name or "none"),
            )
    return table


def _complaints(tally: Tally) -> Table:
    table = make_table("rows", "outcome", "like", "because", right=("rows",))
    shown = tally.complaints.most_common(_MOST_COMPLAINTS)
    for (outcome, error, message), count in shown:
        because = f"{error}: {message}" if error else message
        key = tally.first[outcome, error, message]
        table.add_row(f"{count:,}", outcome, printable(str(key)), printable(because))
    rest = tally.complaints.total() - sum(count for _, count in shown)
    if rest:
        table.add_row(f"{rest:,}", "", "", "of other kinds: see the file of results")
    return table
