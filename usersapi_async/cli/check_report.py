"""Tells what a check of a file found, before or instead of a run."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import attrs

from .batch_command import print_json
from .estimate import Estimate
from .exit_codes import NOT_ALL_WELL
from .report import say
from .tables import CellFault
from .texts import printable

if TYPE_CHECKING:
    from rich.console import Console


@attrs.frozen(kw_only=True)
class Plan:
    """What would be sent: ``rows`` there are, ``faulty`` and ``waiting`` ones can't be sent, which leaves so
    many ``to_send``; ``calls`` are all requests."""

    rows: int
    faulty: int
    waiting: int
    to_send: int
    calls: int
    estimates: list[Estimate]


def show_faults(console: Console, faults: Iterable[CellFault], most: int) -> None:
    """One a line, up to `most` (0: all)."""
    for number, fault in enumerate(faults):
        if number == most > 0:
            say(console, "  … and more; --show 0 prints all")
            break
        column = "" if fault.column is None else f", column {fault.column}"
        say(console, printable(f"  line {fault.line}{column}: {fault.reason}"))


def tell_plan(
    console: Console, plan: Plan, faults: Iterable[CellFault], *, as_json: bool, closing: str
) -> int:
    """What a dry run ends with; gives the exit code. Without JSON the faults were shown before."""
    code = NOT_ALL_WELL if plan.faulty else 0
    if as_json:
        print_json(
            {**attrs.asdict(plan), "faults": [attrs.asdict(fault) for fault in faults], "exit_code": code}
        )
        return code
    say(console, f"Nothing was sent. {plan.to_send:,} can be sent; calls: {plan.calls:,}")
    for guess in plan.estimates:
        say(console, f"  {guess}")
    say(console, closing)
    return code


def mails_and_forms(*, send_emails: bool, submit_forms: bool) -> str:
    """What else happens, in a sentence."""
    mails = "on" if send_emails else "off"
    forms = "submitted" if submit_forms else "not submitted"
    return f"Mails are {mails}, forms are {forms}."
