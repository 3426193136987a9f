"""The demonstration: a made-up file of people goes into an emulator through real HTTP."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING

import aiohttp
import attrs

from usersapi_async.batch import BatchReport, BatchRunner
from usersapi_async.reporting import RunRecorder, write_report
from usersapi_async.session import UsersSession

from .check import check
from .emulator_process import EmulatorPlace, emulator_process
from .exit_codes import INTERRUPTED
from .interruption import Interruptions
from .paths import free
from .progress import shown_progress
from .report import make_console, say, show_report
from .rows import person_of, rows_of
from .sample import Sample, make_sample, write_people
from .tally import Tally

if TYPE_CHECKING:
    from rich.console import Console

_FAULTS = ("rate_limited=0.03", "drop_before=0.01", "drop_after=0.01")


@attrs.frozen(kw_only=True)
class DemoOptions:
    """What the command line says."""

    people: int
    seed: int
    directory: Path
    faults: bool
    report: Path | None = None


@attrs.define(kw_only=True)
class _Run:
    """What is known after the import; ``counted`` is None if the emulator did not say."""

    report: BatchReport
    recorder: RunRecorder
    tally: Tally
    counted: int | None
    interrupted: bool


def run_demo(options: DemoOptions) -> int:
    """Runs the demonstration and gives the exit code."""
    console = make_console()
    people, results = options.directory / "people.csv", free(options.directory / "results.csv")
    options.directory.mkdir(parents=True, exist_ok=True)
    page = None if options.report is None else free(options.report)
    if page is not None:
        page.parent.mkdir(parents=True, exist_ok=True)
    sample = make_sample(options.people, options.seed)
    write_people(people, sample)
    say(
        console,
        f"Wrote {len(sample.people):,} people in {sample.families:,} families to {people}; "
        f"{len(sample.spoilt):,} can't be registered, by mistakes made on purpose.",
    )
    faults = _FAULTS if options.faults else ()
    with emulator_process([f"--seed={options.seed}", *(f"--fault={fault}" for fault in faults)]) as place:
        say(console, f"Importing them into an emulator of the service at {place.base_url}\n")
        run = asyncio.run(_import(place, people, results, sample, console))
    show_report(console, run.report, run.tally)
    say(console, f"\nResults, one line a row, with the input of those that did not succeed: {results}")
    if page is not None:
        write_report(page, run.report, run.recorder, title="Report of a demonstration", show_key=str)
        say(console, f"Report, to open in a browser: {page}")
    # Faults and interruptions hit rows that nobody planned to fail.
    as_planned = not (options.faults or run.interrupted)
    verdict = check(
        run.report,
        rows=len(sample.people),
        counted=run.counted,
        unexpected=sample.spoilt ^ run.tally.lost if as_planned else frozenset(),
    )
    say(console, verdict.sentence)
    if run.interrupted:
        return INTERRUPTED
    return 0 if verdict.good else 1


async def _import(
    place: EmulatorPlace, people: Path, results: Path, sample: Sample, console: Console
) -> _Run:
    tally = Tally()
    session = UsersSession(place.credentials, group_id=place.group_id, base_url=place.base_url)
    with shown_progress(console, len(sample.people)) as display:
        async with session as users:
            with RunRecorder(users) as recorder:
                runner = BatchRunner(recorder.users, on_progress=display.update)
                async with runner.stream(rows_of(people), build=person_of, results=results) as outcomes:
                    with Interruptions(runner, display.say) as interruptions:
                        async for outcome in outcomes:
                            tally.add(outcome)
                            recorder.add(outcome)
    return _Run(
        report=runner.report,
        recorder=recorder,
        tally=tally,
        counted=await count_users(place.state_url),
        interrupted=interruptions.count > 0,
    )


async def count_users(state_url: str) -> int | None:
    """The emulator's own count; None if it does not answer."""
    try:
        async with aiohttp.ClientSession() as client, client.get(state_url) as answer:
            return int((await answer.json())["users"])
    except (aiohttp.ClientError, TimeoutError):
        return None
