"""`usersapi migrate`: the users of one project into another, by a plan."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs
import typer

from usersapi_async.migration import (
    Comparison,
    MigrationOptions,
    Plan,
    Step,
    Unlike,
    applying,
    compare_groups,
    plan_migration,
)
from usersapi_async.payloads import Create, CreateChild

from .batch_command import (
    Ended,
    Job,
    console_for,
    places_of,
    print_json,
    run_job,
    tell,
)
from .connection import Access
from .exit_codes import NOT_ALL_WELL
from .failures import CommandError
from .migrate_report import plan_facts, show_comparison, show_plan, tell_changes
from .migrate_request import MigrateOptions, Mode, check_groups, migration_of
from .paths import beside
from .progress import shown_count
from .report import say

if TYPE_CHECKING:
    from rich.console import Console

_MEND = "Those that failed were not moved; the results say why. Once it is mended, "
_COLUMNS = ("action", "clogin_id", "connected_to")


def run_migrate(options: MigrateOptions) -> int:
    """Does it, and gives the exit code."""
    console = console_for(as_json=options.run.as_json)
    if options.mode is Mode.APPLY:
        return _apply(options, console)
    migration = migration_of(options)
    if options.run.resume or options.run.reconcile:
        raise CommandError("--resume and --reconcile go on with a plan: give it as --apply FILE")
    if options.despite_changes:
        raise CommandError("--despite-changes goes with --apply")
    access = options.access(migration.target)
    if options.mode is Mode.VERIFY:
        return _verify(options, migration, access, console)
    if options.mode is Mode.PLAN:
        path = options.plan or Path()
        plan = asyncio.run(_made(options, migration, access, path, console))
        if options.run.as_json:
            print_json({"plan": str(path), **plan_facts(plan)})
        else:
            show_plan(console, plan)
            say(console, f"\nThe plan: {path}. Carry it out with: usersapi migrate --apply {path}")
        return NOT_ALL_WELL if plan.summary.works["leave"] or plan.summary.shifted else 0
    return _migrate(options, migration, access, console)


def can_answer() -> bool:
    """Whether somebody sits there who can be asked."""
    return sys.stdin.isatty()


async def _made(
    options: MigrateOptions, migration: MigrationOptions, access: Access, path: Path, console: Console
) -> Plan:
    say(
        console,
        f"From group {migration.source} to group {migration.target} at {access.base_url}.",
    )
    with shown_count(console, "Reading the users of both") as on_seen:
        async with options.session(access) as users:
            await check_groups(users, migration)
            return await plan_migration(users, path, migration, on_seen=on_seen)


def _migrate(options: MigrateOptions, migration: MigrationOptions, access: Access, console: Console) -> int:
    """Makes a plan, shows it, asks, carries it out, and removes it once all is done."""
    if not options.yes and not can_answer():
        raise CommandError(
            "migrate asks before it begins; where nobody can answer, give --yes, or make a --plan first"
        )
    path = Path(f"migrate-{migration.source}-to-{migration.target}.plan")
    if path.exists():
        resume = " --resume" if (options.run.journal or beside(path, ".journal")).exists() else ""
        raise CommandError(
            f"{path} is there, of a run that did not come to its end: go on with it by"
            f" usersapi migrate --apply {path}{resume}, or remove it"
        )
    _, journal = places_of(path, options.run)
    plan = asyncio.run(_made(options, migration, access, path, console))
    is_over = True
    try:
        show_plan(console, plan)
        if not plan.summary.to_send:
            code = NOT_ALL_WELL if plan.summary.works["leave"] else 0
            if options.run.as_json:
                print_json({**plan_facts(plan), "exit_code": code})
            else:
                say(console, "\nThere is nothing to send.")
            return code
        if not options.yes:
            typer.confirm("\nGo on?", abort=True, err=True)
        is_over = False
        ended = asyncio.run(_run(options, plan, access, console))
        # What is left, a new plan finds by itself.
        is_over = ended is None or (ended.report.exhausted and not ended.report.in_doubt)
    finally:
        if is_over:
            for file in (path, journal, journal.with_name(f"{journal.name}.key")):
                file.unlink(missing_ok=True)
    if ended is not None and is_over:
        ended.journal, ended.mend = None, f"{_MEND}migrate again."
    return _told(options, plan, ended, console)


def _apply(options: MigrateOptions, console: Console) -> int:
    path = options.plan or Path()
    given = {
        "--mapping": options.mapping,
        "--existing": options.existing,
        "--with-excluded": options.with_excluded,
        "--send-emails": options.send_emails,
        "--submit-forms": options.submit_forms,
    }
    if wrong := [name for name, value in given.items() if value]:
        raise CommandError(f"{', '.join(wrong)}: with --apply, the plan says that; make a new one")
    plan = Plan.read(path)
    for name, asked, planned in (
        ("--from-group", options.from_group, plan.options.source),
        ("--to-group", options.to_group, plan.options.target),
    ):
        if asked not in (None, planned):
            raise CommandError(f"{name}: the plan is for group {planned}")
    places_of(path, options.run)
    access = options.access(plan.options.target)
    say(
        console,
        f"From group {plan.options.source} to group {plan.options.target} at {access.base_url}.",
    )
    return _told(options, plan, asyncio.run(_run(options, plan, access, console)), console)


def _told(options: MigrateOptions, plan: Plan, ended: Ended | None, console: Console) -> int:
    """Tells how a run ended, and gives the exit code."""
    if ended is None:
        return 0
    ended.again = ["migrate", "--apply", str(plan.path), *options.again]
    if options.run.journal is not None:
        ended.again += ["--journal", str(options.run.journal)]
    ended.mend = ended.mend or f"{_MEND}make a new plan."
    tell(console, ended, as_json=options.run.as_json)
    if not options.run.as_json:
        migration = plan.options
        say(
            console,
            f"Compare both sides with: usersapi migrate --from-group {migration.source}"
            f" --to-group {migration.target} --verify",
        )
    return ended.code


async def _run(options: MigrateOptions, plan: Plan, access: Access, console: Console) -> Ended | None:
    """Runs what is left of the plan; None if nothing is."""
    results, journal = places_of(plan.path, options.run)
    async with options.session(access) as users, AsyncExitStack() as stack:
        await check_groups(users, plan.options)
        with shown_count(console, "Looking at both sides") as on_seen:
            work = await stack.enter_async_context(
                applying(
                    users, plan, journal=journal, despite_changes=options.despite_changes, on_seen=on_seen
                )
            )
        tell_changes(console, work, options.show, despite=options.despite_changes)
        if not work.total:
            if options.run.as_json:
                print_json({"taken": 0, "changes": dict(work.changes), "exit_code": 0})
            else:
                say(console, "There is nothing to send.")
            return None
        job = Job(
            rows=work.rows(),
            build=work.build,
            total=work.total,
            columns=_COLUMNS,
            input_of=_input_of,
            keep_succeeded=True,
        )
        ended = await run_job(users, job, options.run, results, journal, console)
        ended.changes = work.changes
    return ended


def _input_of(step: Step) -> Mapping[str, Any]:
    """What the file of results says of a row: no values of people, but enough for usersapi undo."""
    create = Create.action if step.parent is None else CreateChild.action
    return {
        "action": create if step.work == "create" else step.work,
        "clogin_id": step.clogin_id,
        "connected_to": step.clogin_id if step.parent is None else step.parent,
    }


def _verify(options: MigrateOptions, migration: MigrationOptions, access: Access, console: Console) -> int:
    listed: list[Unlike] = []

    def on_unlike(one: Unlike) -> None:
        if options.run.as_json or not 0 < options.show <= len(listed):
            listed.append(one)

    with shown_count(console, "Comparing both sides") as on_seen:
        found = asyncio.run(_compared(options, migration, access, on_unlike, on_seen))
    code = NOT_ALL_WELL if found.alike < found.compared or found.shifted else 0
    if options.run.as_json:
        print_json(
            {**attrs.asdict(found), "unlike": [attrs.asdict(one) for one in listed], "exit_code": code}
        )
    else:
        show_comparison(console, found, listed)
    return code


async def _compared(
    options: MigrateOptions,
    migration: MigrationOptions,
    access: Access,
    on_unlike: Callable[[Unlike], object],
    on_seen: Callable[[int], object],
) -> Comparison:
    async with options.session(access) as users:
        await check_groups(users, migration)
        return await compare_groups(users, migration, on_unlike=on_unlike, on_seen=on_seen)
