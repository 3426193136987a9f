"""The display of progress."""

from __future__ import annotations

import io
import re

from rich.console import Console

from usersapi_async.batch import Progress
from usersapi_async.cli.progress import shown_count, shown_progress


def _progress(done: int, elapsed: float = 1.0, in_doubt: int = 0) -> Progress:
    return Progress(
        taken=done,
        succeeded=done - 1 - in_doubt,
        failed=1,
        in_doubt=in_doubt,
        not_attempted=0,
        elapsed=elapsed,
    )


def test_lines_when_it_is_no_terminal() -> None:
    """A line each tenth of the rows, however finely they come, and none twice."""
    out = io.StringIO()
    with shown_progress(Console(file=out, width=40), 2000) as display:
        display.update(_progress(150))
        for done in range(200, 401):
            display.update(_progress(done, elapsed=2.0))
        display.say("Somebody said something that is longer than a line of forty letters.")
    assert out.getvalue().splitlines() == [
        "200 of 2,000 done, 1 failed, 100/s, about 18 s left",
        "400 of 2,000 done, 1 failed, 200/s, about 8 s left",
        "Somebody said something that is longer than a line of forty letters.",
    ]


def test_no_time_is_guessed_from_nothing() -> None:
    """Rows that end at once have no rate."""
    out = io.StringIO()
    with shown_progress(Console(file=out), 2) as display:
        display.update(_progress(1, elapsed=0.0))
    assert out.getvalue() == "1 of 2 done, 1 failed, 0/s, about 0 s left\n"


def test_a_bar_on_a_terminal() -> None:
    """One line that is drawn over, with counts, failures and rate."""
    out = io.StringIO()
    console = Console(file=out, force_terminal=True, width=80, color_system=None, _environ={})
    with shown_progress(console, 2000) as display:
        display.update(_progress(1500, in_doubt=3))
        display.say("Stopping.")
    shown = re.sub(r"\x1b\[[\d;?]*[A-Za-z]", "", out.getvalue())
    assert "1,500/2,000" in shown
    assert "1 failed, 3 in doubt, 1,500/s" in shown
    assert "Stopping.\n" in shown


def test_a_dumb_terminal_gets_lines() -> None:
    """A terminal that can't go back is treated as a file."""
    out = io.StringIO()
    console = Console(file=out, force_terminal=True, _environ={"TERM": "dumb"})
    with shown_progress(console, 2) as display:
        display.update(_progress(1))
    assert "1 of 2 done" in out.getvalue()


def test_a_count_moves_on_a_terminal() -> None:
    """In one line that is gone in the end."""
    out = io.StringIO()
    console = Console(file=out, width=60, force_terminal=True, _environ={"TERM": "xterm"})
    with shown_count(console, "Checking") as on_count:
        on_count(1234)
        console.print("above it")
    assert "Checking: 1,234" in out.getvalue()
    assert out.getvalue().endswith("\x1b[1A\x1b[2K")
