"""Runs the rows of a command as one batch, and tells what became of them."""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs
import typer

from usersapi_async.batch import BatchReport, BatchRunner, Outcome, ResultWriter, Succeeded
from usersapi_async.limiter import Concurrency
from usersapi_async.payloads import AnyPayload
from usersapi_async.session import UsersSession

from .exit_codes import AUTHENTICATION, IN_DOUBT, INTERRUPTED, NOT_ALL_WELL
from .failures import CommandError
from .interruption import Interruptions
from .paths import beside, free
from .progress import shown_progress
from .report import make_console, say, show_report
from .tally import Tally

if TYPE_CHECKING:
    from rich.console import Console


@attrs.frozen(kw_only=True)
class RunOptions:
    """What the command line says of a run; ``until`` is in seconds from now."""

    results: Path | None = None
    journal: Path | None = None
    resume: bool = False
    reconcile: bool = False
    marker_field: str | None = None
    max_errors: float | None = None
    limit: int | None = None
    until: float | None = None
    as_json: bool = False


@attrs.frozen(kw_only=True)
class Job:
    """The rows of a batch: pairs of key and row, ``total`` of them, and what makes each a payload.
    ``columns``, ``input_of`` and ``keep_succeeded`` are as for `ResultWriter`."""

    rows: Iterable[tuple[str, Any]] = attrs.field(repr=False)
    build: Callable[[Any], AnyPayload]
    total: int
    columns: Sequence[str] | None = None
    input_of: Callable[[Any], Mapping[str, Any]] | None = None
    keep_succeeded: bool = False


@attrs.define(kw_only=True)
class Ended:
    """What a batch came to."""

    report: BatchReport
    tally: Tally
    results: Path
    journal: Path | None
    limit: int | None
    interrupted: bool = False
    resumed: int = 0
    changes: Mapping[str, int] | None = None
    """How many are not as they were when they were planned, by how, if that was looked up."""
    again: Sequence[str] | None = None
    """The words of the command that goes on, if it is not the one that was called."""
    mend: str | None = None
    """What is to be done about rows that failed, if they are not mended in the input."""
    still_listed: int | None = None
    """How many are in the list that were to be taken out of it, if that was looked up."""

    @property
    def code(self) -> int:
        """The exit code."""
        if self.interrupted:
            return INTERRUPTED
        if "AuthenticationError" in self.tally.errors:
            return AUTHENTICATION
        if self.report.in_doubt:
            return IN_DOUBT
        lost = self.report.failed or self.report.not_attempted or self.still_listed
        return NOT_ALL_WELL if lost or self._is_short else 0

    @property
    def _is_short(self) -> bool:
        """Whether rows are left that it was to take."""
        return not self.report.exhausted and self.report.taken != self.limit


def console_for(*, as_json: bool) -> Console:
    """Where people read: standard output, unless programs read there."""
    return make_console(stderr=as_json)


def concurrency_of(given: int | None) -> Concurrency:
    """What a session takes for it."""
    return "auto" if given is None else given


def places_of(source: Path, options: RunOptions, ending: str = ".results.csv") -> tuple[Path, Path]:
    """The files of results and of the journal. Raises `CommandError` where a journal is there and nobody said
    to go on with it, or the other way round."""
    results = free(options.results or beside(source, ending))
    journal = options.journal or beside(source, ".journal")
    if options.resume and not journal.exists():
        raise CommandError(f"--resume: there is no journal {journal}")
    if journal.exists() and not options.resume:
        raise CommandError(
            f"{journal} is there, of an earlier run: go on with it by --resume, or name another --journal"
        )
    return results, journal


async def run_job(
    users: UsersSession, job: Job, options: RunOptions, results: Path, journal: Path | None, console: Console
) -> Ended:
    """Runs it to its end, or to the first Ctrl-C, which lets rows under way end; the second gives them up."""
    tally = Tally()
    total = job.total if options.limit is None else min(job.total, options.limit)
    writer = ResultWriter(
        results, columns=job.columns, input_of=job.input_of, keep_succeeded=job.keep_succeeded
    )
    with writer, shown_progress(console, total) as display:
        runner = BatchRunner(
            users,
            max_errors=options.max_errors,
            reconcile=options.reconcile,
            marker_field=options.marker_field,
            on_progress=display.update,
        )
        ended = Ended(
            report=runner.report, tally=tally, results=results, journal=journal, limit=options.limit
        )
        async with runner.stream(
            job.rows,
            build=job.build,
            journal=journal,
            results=writer,
            limit=options.limit,
            deadline=options.until,
        ) as outcomes:
            with Interruptions(runner, display.say) as interruptions:
                async for outcome in outcomes:
                    tally.add(outcome)
                    ended.resumed += _is_resumed(outcome)
                ended.interrupted = interruptions.count > 0
    ended.report = runner.report
    return ended


def print_json(facts: Mapping[str, Any]) -> None:
    """Prints one line for programs."""
    typer.echo(json.dumps(facts, ensure_ascii=False))


def _is_resumed(outcome: Outcome) -> bool:
    return isinstance(outcome, Succeeded) and outcome.resumed


def tell(console: Console, ended: Ended, *, as_json: bool) -> None:
    """Shows what became of the rows and what to do next, or prints it as JSON."""
    if as_json:
        print_json(_facts(ended))
        return
    show_report(console, ended.report, ended.tally)
    if ended.resumed:
        say(console, f"\n{ended.resumed:,} of those that succeeded were known from an earlier run.")
    console.print()
    for sentence in _next_steps(ended):
        say(console, sentence)


def _facts(ended: Ended) -> dict[str, Any]:
    report = ended.report
    return {
        **{
            name: getattr(report, name)
            for name in (
                "taken",
                "succeeded",
                "failed",
                "in_doubt",
                "not_attempted",
                "exhausted",
                "stopped_by",
            )
        },
        "resumed": ended.resumed,
        **({} if ended.still_listed is None else {"still_listed": ended.still_listed}),
        **({} if ended.changes is None else {"changes": dict(ended.changes)}),
        "elapsed": round(report.elapsed, 3),
        "results": str(ended.results),
        "journal": None if ended.journal is None else str(ended.journal),
        "exit_code": ended.code,
        "complaints": [
            {"outcome": outcome, "error": error or None, "message": message, "rows": count}
            for (outcome, error, message), count in ended.tally.complaints.most_common()
        ],
    }


def _next_steps(ended: Ended) -> Iterable[str]:
    report = ended.report
    yield f"Results, one line a row: {ended.results}"
    if ended.journal is None:
        if report.failed and ended.mend is not None:
            yield ended.mend
        return
    yield f"Journal: {ended.journal}, with its secret in {ended.journal.name}.key"
    again = _again(sys.argv[1:] if ended.again is None else ended.again)
    if report.in_doubt:
        yield f"Of {report.in_doubt:,} in doubt nobody knows yet; look them up with: {again('--reconcile')}"
    if report.failed and ended.mend is not None:
        yield ended.mend
        if not report.exhausted:
            yield f"Go on with: {again()}"
    elif report.failed:
        yield f"Mend the rows that failed in the input, and go on with: {again()}"
    elif report.not_attempted or not report.exhausted:
        yield f"Go on with: {again()}"


def _again(called: Iterable[str]) -> Callable[..., str]:
    """The command that was `called`, to go on."""
    words: list[str] = []
    given = iter(called)
    for word in given:
        if word in ("--limit", "--until"):
            next(given, None)
        elif word not in ("--resume", "--reconcile", "--existing") and not word.startswith(
            ("--limit=", "--until=")
        ):
            words.append(word)

    def command(*more: str) -> str:
        return shlex.join(["usersapi", *words, "--resume", *more])

    return command
