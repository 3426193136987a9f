"""Shows how far a batch has come: a bar on a terminal, else a line now and then."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol

from rich.progress import BarColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as RichProgress

from usersapi_async.batch import Progress

if TYPE_CHECKING:
    from rich.console import Console

_LINES = 10
_MANY = 100_000


class ProgressDisplay(Protocol):
    """What is told while a batch runs."""

    def update(self, progress: Progress) -> None:
        """A row has ended."""

    def say(self, text: str) -> None:
        """Shows a sentence among the progress."""


@contextmanager
def shown_progress(console: Console, total: int) -> Iterator[ProgressDisplay]:
    """A display for a batch of `total` rows, for `BatchRunner`'s ``on_progress``."""
    if not _moves(console):
        yield _Lines(console, total)
        return
    bar = RichProgress(
        TextColumn("{task.completed:,.0f}/{task.total:,.0f}"),
        BarColumn(bar_width=None),
        TextColumn("{task.fields[state]}"),
        TimeRemainingColumn(compact=True),
        console=console,
        expand=True,
    )
    with bar:
        yield _Bar(bar, total)


@contextmanager
def shown_count(console: Console, text: str) -> Iterator[Callable[[int], object]]:
    """A display for work whose end is not known: what it gives is told how much is done."""
    if _moves(console):
        with console.status(text) as status:
            yield lambda count: status.update(f"{text}: {count:,}")
        return

    def line(count: int) -> None:
        if count % _MANY == 0:
            _print_line(console, f"{text}: {count:,}")

    yield line


def _moves(console: Console) -> bool:
    return console.is_terminal and not console.is_dumb_terminal


def _print_line(console: Console, text: str) -> None:
    console.print(text, soft_wrap=True)
    # A pipe is buffered, and somebody may be waiting for the line.
    console.file.flush()


def _state(progress: Progress) -> str:
    parts = [f"{progress.failed:,} failed"]
    if progress.in_doubt:
        parts.append(f"{progress.in_doubt:,} in doubt")
    return ", ".join([*parts, f"{progress.rate:,.0f}/s"])


class _Bar:
    def __init__(self, bar: RichProgress, total: int) -> None:
        self._bar = bar
        self._task = bar.add_task("", total=total, state="")

    def update(self, progress: Progress) -> None:
        self._bar.update(self._task, completed=progress.done, state=_state(progress))

    def say(self, text: str) -> None:
        self._bar.console.print(text)


class _Lines:
    """A tenth of the rows a line."""

    def __init__(self, console: Console, total: int) -> None:
        self._console = console
        self._total = total
        self._shown = 0

    def update(self, progress: Progress) -> None:
        tenths = progress.done * _LINES // self._total
        if tenths > self._shown:
            self._shown = tenths
            left = (self._total - progress.done) / progress.rate if progress.rate else 0.0
            self.say(
                f"{progress.done:,} of {self._total:,} done, {_state(progress)}, about {left:.0f} s left"
            )

    def say(self, text: str) -> None:
        _print_line(self._console, text)
