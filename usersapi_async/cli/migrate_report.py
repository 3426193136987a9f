"""Shows a plan of a migration, what has changed since, and how both sides compare."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any

import attrs

from usersapi_async.migration import Application, Comparison, Plan, Unlike

from .check_report import mails_and_forms
from .report import make_table, say
from .texts import printable

if TYPE_CHECKING:
    from rich.console import Console

_DOES_NOT_MOVE = (
    "What does not move: passwords, payments, carts, statuses, mails, and files in forms. People keep the"
    " login of their clogin_id; a username is sent only if a mapping says so, and if somebody else has it,"
    " the service refuses that person."
)
_SHIFTED = "A list changed while it was read: somebody may have been missed. Do it again to be sure."
_WORDS = {
    "create": "to be created",
    "update": "to be updated",
    "skip": "skipped",
    "leave": "can't be moved",
}
_MOST = 10


def plan_facts(plan: Plan) -> dict[str, Any]:
    """A plan for programs."""
    return {"from_group": plan.options.source, "to_group": plan.options.target, **attrs.asdict(plan.summary)}


def show_plan(console: Console, plan: Plan) -> None:
    """What would be done, and what becomes of fields."""
    summary, options = plan.summary, plan.options
    say(
        console,
        f"{summary.in_source:,} users are in the source, {summary.children:,} of them children;"
        f" {summary.in_target:,} are in the target.\n",
    )
    table = make_table("users", "", right=("users",))
    for work, words in _WORDS.items():
        if summary.works[work] or work == "create":
            table.add_row(f"{summary.works[work]:,}", words)
    console.print(table)
    _show_counts(console, "Why some are skipped or can't be moved:", summary.why)
    console.print()
    console.print(_fields(plan))
    _show_counts(console, "Values that no request can carry, and are left out:", summary.left_out)
    if summary.escaped:
        say(
            console,
            f"\n{summary.escaped:,} users have texts with HTML's escapes, like &amp;: they go as they are.",
        )
    console.print()
    say(console, _DOES_NOT_MOVE)
    if summary.works["update"]:
        say(console, "An update sets what differs, and empties nothing.")
    closing = mails_and_forms(send_emails=options.send_emails, submit_forms=options.submit_forms)
    say(console, closing)
    if summary.shifted:
        say(console, _SHIFTED)


def _fields(plan: Plan) -> Any:
    table = make_table("field", "goes into", "filled in", right=("filled in",))
    summary = plan.summary
    for name, place in sorted(summary.places.items(), key=lambda item: (item[1] is None, item[0])):
        table.add_row(printable(name), printable(place or "nothing"), f"{summary.filled[name]:,}")
    for name in plan.options.mapping.constants:
        table.add_row("(a constant)", printable(name), f"{summary.in_source:,}")
    return table


def _show_counts(console: Console, heading: str, counts: Counter[str]) -> None:
    if not counts:
        return
    say(console, f"\n{heading}")
    table = make_table("users", "", right=("users",))
    for text, count in counts.most_common(_MOST):
        table.add_row(f"{count:,}", printable(text))
    if len(counts) > _MOST:
        table.add_row("", f"… and {len(counts) - _MOST} more kinds")
    console.print(table)


def tell_changes(console: Console, work: Application, most: int, *, despite: bool) -> None:
    """Who is not as they were when the plan was made, up to `most` (0: all), and what becomes of them."""
    if work.already:
        say(console, f"{work.already:,} are as planned already.")
    if work.changes:
        _show_counts(console, "Not as they were when the plan was made:", Counter(work.changes))
        _name(console, (f"{one.clogin_id}: {one.reason}" for one in work.changed()), most)
        if despite:
            words = "The plan is carried out for those who changed or left the source, as was asked for."
        else:
            words = "None of them is touched: those in the plan count as failed. --despite-changes goes on."
        say(console, f"{words} Who is new is in no plan yet.\n")
    if work.shifted:
        say(console, _SHIFTED)


def show_comparison(console: Console, found: Comparison, listed: Sequence[Unlike]) -> None:
    """How both sides compare, with some of those who differ."""
    say(
        console,
        f"{found.alike:,} of {found.compared:,} users of the source are in the target with the same values;"
        f" {found.in_target:,} are there in all.",
    )
    _show_counts(console, "What differs:", found.differences)
    _show_counts(console, "Fields whose values differ:", found.fields)
    _show_counts(console, "Not compared, since no request can carry it:", found.left_out)
    if listed:
        say(console, "\nWho differs:")
        _name(console, map(_line, listed), 0)
        if len(listed) < sum(found.differences.values()):
            say(console, "  … and more; --show 0 names all")
    if found.shifted:
        say(console, _SHIFTED)


def _line(one: Unlike) -> str:
    fields = f" in {', '.join(one.fields)}" if one.fields else ""
    return f"{one.clogin_id}: {one.difference}{fields}"


def _name(console: Console, lines: Iterable[str], most: int) -> None:
    left = iter(lines)
    for line in islice(left, most or None):
        say(console, printable(f"  {line}"))
    if next(left, None) is not None:
        say(console, "  … and more; --show 0 names all")
