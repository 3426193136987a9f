"""`usersapi undo`: takes those out whom a run created, by a status that excludes; there is no delete."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import attrs
import typer

from usersapi_async.batch import ResultLine, read_results
from usersapi_async.payloads import SetStatus
from usersapi_async.rate import RateLimit

from .batch_command import Ended, Job, RunOptions, concurrency_of, console_for, run_job, tell
from .connection import Access, can_answer
from .failures import CommandError
from .operations import CREATES
from .paths import beside, free
from .report import say

if TYPE_CHECKING:
    from rich.console import Console


@attrs.frozen(kw_only=True)
class UndoOptions:
    """What the command line says."""

    results: Path
    status: int
    yes: bool
    dry_run: bool
    verify: bool
    rate: RateLimit | None
    concurrency: int | None
    access: Callable[[], Access]
    run: RunOptions


@attrs.define
class _Created:
    ids: dict[int, None] = attrs.field(factory=dict)
    in_doubt: int = 0
    others: int = 0


def run_undo(options: UndoOptions) -> int:
    """Asks, sets the status, and gives the exit code."""
    console = console_for(as_json=options.run.as_json)
    created = _read(options.results)
    access = options.access()
    _announce(console, created, options, access)
    if options.dry_run or not created.ids:
        return 0
    if not options.yes:
        if not can_answer():
            raise CommandError("undo asks before it begins; where nobody can answer, give --yes")
        typer.confirm("Go on?", abort=True, err=True)
    ended = asyncio.run(_undo(access, list(created.ids), options, console))
    tell(console, ended, as_json=options.run.as_json)
    if ended.still_listed:
        say(
            console, f"{ended.still_listed:,} of them are listed still: does status {options.status} exclude?"
        )
    return ended.code


def _read(path: Path) -> _Created:
    created = _Created()
    for line in read_results(path):
        if line.status == "in_doubt":
            created.in_doubt += 1
        elif line.status == "succeeded" and line.clogin_id is not None:
            if _is_create(line):
                created.ids[line.clogin_id] = None
            else:
                created.others += 1
    return created


def _is_create(line: ResultLine) -> bool:
    """Files of `usersapi run` keep what each operation was; all others are imports."""
    return (line.input or {}).get("action", CREATES[0]) in CREATES


def _announce(console: Console, created: _Created, options: UndoOptions, access: Access) -> None:
    say(
        console,
        f"{len(created.ids):,} users that {options.results} says were created get status {options.status}, "
        f"in group {access.group_id} at {access.base_url}.",
    )
    if created.others:
        say(console, f"{created.others:,} more were changed and not created: they stay as they are.")
    if created.in_doubt:
        say(console, f"{created.in_doubt:,} in doubt are left out: find out first whether they were created.")


async def _undo(access: Access, ids: list[int], options: UndoOptions, console: Console) -> Ended:
    def build(clogin_id: int) -> SetStatus:
        return SetStatus(
            clogin_id=clogin_id, status_id=options.status, submit_forms=False, disable_email_sending=True
        )

    job = Job(
        # Children stand after their parents, and go before them.
        rows=[(str(clogin_id), clogin_id) for clogin_id in reversed(ids)],
        build=build,
        total=len(ids),
        columns=["clogin_id"],
        input_of=lambda clogin_id: {"clogin_id": clogin_id},
    )
    results = free(options.run.results or beside(options.results, ".undo.csv"))
    async with access.session(options.rate, concurrency_of(options.concurrency)) as users:
        await users.check()
        ended = await run_job(users, job, options.run, results, None, console)
        if options.verify and not ended.code:
            gone = set(ids)
            async with users.iter_users() as stream:
                ended.still_listed = len([user async for user in stream if user.clogin_id in gone])
    return ended
