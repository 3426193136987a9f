"""Writes the page that reports a run."""

from __future__ import annotations

import os
import secrets
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from usersapi_async import _arguments
from usersapi_async._files import private
from usersapi_async.batch import BatchReport
from usersapi_async.batch.outcomes import Key
from usersapi_async.errors import ConfigurationError, ReportError

from ._facts import Facts
from ._page import Page
from .recorder import RunRecorder


def write_report(
    path: str | os.PathLike[str],
    report: BatchReport,
    recorder: RunRecorder | None = None,
    *,
    title: str = "Report of a run",
    show_key: Callable[[Key], str] | None = None,
    wall_clock: Callable[[], float] = time.time,
) -> None:
    """Writes one HTML page of a run that needs nothing besides it: no network, script, font or image.

    The counts are those of `report`. What did not succeed, and why, is known of the outcomes that `report`
    kept and of those that were added to the `recorder`, which also tells how fast it went, how long calls
    took and what was sent again. However long the run, a page has less than 300 kB.

    Messages are masked as in errors, and email addresses in them. Keys, which are emails for many, are not
    shown, unless `show_key` makes something of them that may be: ``str`` shows them as they are.

    The file is its owner's alone to read, and replaces one of that name, whole or not at all. Raises
    `ReportError` when it can't be written, and what `show_key` raises.
    """
    path = Path(path)
    _arguments.instance("report", report, BatchReport)
    if recorder is not None:
        _arguments.instance("recorder", recorder, RunRecorder)
    if show_key is not None and not callable(show_key):
        raise ConfigurationError("show_key: expected a function")
    facts = Facts() if recorder is None else recorder.facts
    for outcome in report.outcomes:
        facts.tally.add(outcome)
    page = Page(
        report=report,
        facts=facts,
        title=_arguments.instance("title", title, str),
        written=wall_clock(),
        show_key=show_key,
    )
    failure = _replace(path, page.html())
    if failure is not None:
        raise ReportError(f"report {path.name}: {failure}")


def _replace(path: Path, html: str) -> str | None:
    """Puts the page in its place; why it could not."""
    part = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        with open(part, "x", encoding="utf-8", newline="\n", opener=private) as file:
            file.write(html)
        part.replace(path)
    except OSError as error:
        with suppress(OSError):
            part.unlink()
        return error.strerror or type(error).__name__
    return None
