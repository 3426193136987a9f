"""`usersapi import`: the people of a file, checked as a whole and then registered."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import attrs

from usersapi_async.errors import PayloadError
from usersapi_async.payloads import Create, CreateChild
from usersapi_async.rate import RateLimit

from .batch_command import (
    Ended,
    Job,
    RunOptions,
    concurrency_of,
    console_for,
    places_of,
    run_job,
    tell,
)
from .check_report import Plan, mails_and_forms, show_faults, tell_plan
from .connection import Access
from .estimate import estimates
from .failures import CommandError
from .import_check import Check, Found
from .mapping import Columns, FieldMapping, read_mapping
from .people import PeopleBuilder, RowFaultsError
from .progress import shown_count
from .report import say
from .tables import Table, TableError, TableOptions, TableRow, open_table

if TYPE_CHECKING:
    from rich.console import Console

_NAMES = ("first_name", "last_name")


@attrs.frozen(kw_only=True)
class ImportOptions:
    """What the command line says. ``access`` is asked only if something is sent; ``show`` is how many faults
    are printed, 0 for all."""

    file: Path
    table: TableOptions
    mapping: Path | None
    key: str | None
    parent: str | None
    allow_unknown: bool
    send_emails: bool
    submit_forms: bool
    dry_run: bool
    existing: bool
    show: int
    rate: RateLimit | None
    concurrency: int | None
    access: Callable[[], Access]
    run: RunOptions


def run_import(options: ImportOptions) -> int:
    """Checks the file, registers its people unless that is all, and gives the exit code."""
    console = console_for(as_json=options.run.as_json)
    if not options.dry_run:
        # What can be wrong without a look into the file is told before it is read.
        if options.existing and options.run.resume:
            raise CommandError(
                "--existing would take those for a fault whom the journal knows: not with --resume"
            )
        places_of(options.file, options.run)
    access = options.access() if options.existing or not options.dry_run else None
    source = _Source(options.file, open_table(options.file, options.table))
    people = PeopleBuilder(
        columns=_columns(options, source.table),
        send_emails=options.send_emails,
        submit_forms=options.submit_forms,
    )
    with Check(source.table, people) as check:
        latency = None
        if access is not None and options.existing:
            latency = asyncio.run(_note_existing(access, options, check, console))
        found = _checked(check, options.file, console)
        if access is None or options.dry_run:
            return _tell_plan(console, check, found, options, latency)
        _tell_check(console, check, found, options)
        if not found.rows:
            raise CommandError(f"{options.file}: there is no row in it")
        if people.columns.key is None:
            say(console, "Rows are known by their lines, without --key: let none move before --resume.")
        ended = asyncio.run(_register(access, source, people, check, found, options, console))
    tell(console, ended, as_json=options.run.as_json)
    return ended.code


@attrs.frozen
class _Source:
    """A file that must stay as it was when it was first read."""

    path: Path
    table: Table
    state: tuple[int, int] = attrs.field(init=False)

    @state.default
    def _first_state(self) -> tuple[int, int]:
        return self.now()

    def now(self) -> tuple[int, int]:
        stat = self.path.stat()
        return stat.st_size, stat.st_mtime_ns

    def rows(self, people: PeopleBuilder, *, parents_first: bool) -> Iterator[tuple[str, TableRow]]:
        """All rows with their keys, parents before children."""
        for of_children in (None,) if parents_first else (False, True):
            for row in self.table.rows():
                if of_children is None or bool(people.parent_of(row)) is of_children:
                    yield people.key_of(row) or f"line {row.line}", row
            if self.now() != self.state:
                raise CommandError(f"{self.path}: the file was changed while it was read")


def _columns(options: ImportOptions, table: Table) -> Columns:
    mapping = FieldMapping() if options.mapping is None else read_mapping(options.mapping)
    if options.key is not None:
        mapping = attrs.evolve(mapping, key=options.key)
    if options.parent is not None:
        mapping = attrs.evolve(mapping, parent=options.parent)
    if mapping.parent is not None and mapping.key is None:
        raise CommandError("--parent: parents are named by their keys, so give --key too")
    if "result_status" in (table.columns or ()):
        raise CommandError(
            f"{options.file} is a file of results: mend the file that it came from, and use --resume"
        )
    try:
        return Columns(mapping, table.columns, allow_unknown=options.allow_unknown)
    except CommandError as error:
        raise CommandError(f"{options.file}: {error}") from None


async def _note_existing(
    access: Access, options: ImportOptions, check: Check, console: Console
) -> float | None:
    """Walks through the list of users; how long one of its pages took, in seconds."""
    count = 0
    session = access.session(options.rate, concurrency_of(options.concurrency))
    async with session as users:
        with shown_count(console, "Reading the list of users") as on_count:
            async with users.iter_users(["username", "main_email", *_NAMES], with_excluded=True) as stream:
                async for user in stream:
                    count += 1
                    on_count(count)
                    values = user.values
                    check.note_present(
                        user.clogin_id,
                        values.get("username"),
                        values.get("main_email"),
                        {name: values.get(name) for name in _NAMES},
                    )
        if stream.shifted:
            say(console, "The list of users changed while it was read: somebody in it may have been missed.")
        say(console, f"{count:,} users are there already.")
        latency = users.statistics().latency
        return None if latency is None else latency.p50


def _checked(check: Check, file: Path, console: Console) -> Found:
    try:
        with shown_count(console, f"Checking {file}") as on_row:
            return check.run(on_row)
    except TableError as error:
        raise CommandError(f"{file}: {error}") from None


def _tell_check(console: Console, check: Check, found: Found, options: ImportOptions) -> None:
    plural = "row" if found.rows == 1 else "rows"
    say(console, f"{options.file}: {found.rows:,} {plural}, {found.faulty:,} with faults.")
    show_faults(console, check.faults(), options.show)
    if found.waiting:
        say(console, f"{found.waiting:,} more can't be sent, since their parent's row has a fault.")


def _tell_plan(
    console: Console, check: Check, found: Found, options: ImportOptions, latency: float | None
) -> int:
    # The preflight is one more.
    calls = found.to_send + 1
    plan = Plan(
        rows=found.rows,
        faulty=found.faulty,
        waiting=found.waiting,
        to_send=found.to_send,
        calls=calls,
        estimates=estimates(calls, options.rate, options.concurrency, latency),
    )
    if not options.run.as_json:
        _tell_check(console, check, found, options)
    closing = mails_and_forms(send_emails=options.send_emails, submit_forms=options.submit_forms)
    return tell_plan(console, plan, check.faults(), as_json=options.run.as_json, closing=closing)


async def _register(
    access: Access,
    source: _Source,
    people: PeopleBuilder,
    check: Check,
    found: Found,
    options: ImportOptions,
    console: Console,
) -> Ended:
    def build(row: TableRow) -> Create | CreateChild:
        faults = check.faults_with_others(row.line)
        try:
            payload = people.payload(row)
        except RowFaultsError as error:
            faults += error.faults
        if faults:
            raise PayloadError(map(str, faults))
        return payload

    job = Job(
        rows=source.rows(people, parents_first=found.parents_first),
        build=build,
        total=found.rows,
        columns=source.table.columns,
        input_of=lambda row: row.cells,
    )
    session = access.session(options.rate, concurrency_of(options.concurrency))
    async with session as users:
        # A preflight: before anything is written, credentials and group must be good.
        await users.check()
        return await run_job(users, job, options.run, *places_of(options.file, options.run), console)
