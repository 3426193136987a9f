"""`usersapi run`: any operations of a file, with references to those before them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs

from usersapi_async.errors import PayloadError
from usersapi_async.payloads import AnyPayload, Ref
from usersapi_async.rate import RateLimit

from .batch_command import Ended, Job, RunOptions, concurrency_of, console_for, places_of, run_job, tell
from .check_report import Plan, mails_and_forms, show_faults, tell_plan
from .connection import Access
from .estimate import estimates
from .failures import CommandError
from .operations import OperationBuilder
from .report import say
from .tables import CellFault
from .tables.jsonl_file import JsonLine, read_objects

if TYPE_CHECKING:
    from rich.console import Console


@attrs.frozen(kw_only=True)
class RunCommandOptions:
    """What the command line says; ``access`` is asked only if something is sent."""

    file: Path
    send_emails: bool
    submit_forms: bool
    dry_run: bool
    show: int
    rate: RateLimit | None
    concurrency: int | None
    access: Callable[[], Access]
    run: RunOptions


def run_operations(options: RunCommandOptions) -> int:
    """Checks the file, sends its operations unless that is all, and gives the exit code."""
    console = console_for(as_json=options.run.as_json)
    builder = OperationBuilder(send_emails=options.send_emails, submit_forms=options.submit_forms)
    access = None
    if not options.dry_run:
        places_of(options.file, options.run)
        access = options.access()
    rows, faults = _check(options.file, builder)
    if access is None or not options.run.as_json:
        say(console, f"{options.file}: {rows:,} operations, {len({f.line for f in faults}):,} with faults.")
        show_faults(console, faults, options.show)
    if access is None:
        return _tell(console, rows, faults, options)
    if not rows:
        raise CommandError(f"{options.file}: there is no operation in it")
    ended = asyncio.run(_run(access, builder, rows, options, console))
    tell(console, ended, as_json=options.run.as_json)
    return ended.code


def _key_of(line: JsonLine) -> str:
    """The operation's key; one that has none is known by its line."""
    key = line.content.get("key")
    return key if isinstance(key, str) and key else f"line {line.number}"


def _payload(builder: OperationBuilder, line: JsonLine) -> AnyPayload:
    if line.fault is not None:
        raise PayloadError([f"{line.fault} @ line {line.number}"])
    key = line.content.get("key", "-")
    faults = [] if isinstance(key, str) and key else ["expected a text that is not empty @ $.key"]
    try:
        payload = builder.payload({name: value for name, value in line.content.items() if name != "key"})
    except PayloadError as error:
        faults += error.faults
    if faults:
        raise PayloadError([f"{fault}, line {line.number}" for fault in faults])
    return payload


def _check(file: Path, builder: OperationBuilder) -> tuple[int, list[CellFault]]:
    """How many operations there are, and what is wrong with them."""
    faults = []
    lines: dict[str, int] = {}
    count = 0
    for line in read_objects(file):
        count += 1
        key = _key_of(line)
        if key in lines:
            faults.append(CellFault(line.number, None, f"the key is that of line {lines[key]} too"))
        try:
            payload = _payload(builder, line)
        except PayloadError as error:
            ending = f" @ line {line.number}", f", line {line.number}"
            faults += [
                CellFault(line.number, None, fault.removesuffix(ending[0]).removesuffix(ending[1]))
                for fault in error.faults
            ]
        else:
            faults += [
                CellFault(line.number, None, f"no line before it has the key that {name} refers to")
                for name in ("clogin_id", "connected_to")
                if isinstance(ref := getattr(payload, name, None), Ref) and ref.key not in lines
            ]
        lines.setdefault(key, line.number)
    return count, faults


def _tell(console: Console, rows: int, faults: list[CellFault], options: RunCommandOptions) -> int:
    faulty = len({fault.line for fault in faults})
    # The preflight is one more.
    calls = rows - faulty + 1
    plan = Plan(
        rows=rows,
        faulty=faulty,
        waiting=0,
        to_send=rows - faulty,
        calls=calls,
        estimates=estimates(calls, options.rate, options.concurrency, None),
    )
    closing = mails_and_forms(send_emails=options.send_emails, submit_forms=options.submit_forms)
    return tell_plan(
        console, plan, faults, as_json=options.run.as_json, closing=f"{closing[:-1]} by default."
    )


async def _run(
    access: Access, builder: OperationBuilder, total: int, options: RunCommandOptions, console: Console
) -> Ended:
    def rows() -> Iterator[tuple[str, JsonLine]]:
        return ((_key_of(line), line) for line in read_objects(options.file))

    def input_of(line: JsonLine) -> Mapping[str, Any]:
        return {"line": line.number, "action": line.content.get("action")}

    def build(line: JsonLine) -> AnyPayload:
        return _payload(builder, line)

    # Also where it succeeded, so that a file of results tells who was created and who only changed.
    job = Job(rows=rows(), build=build, total=total, input_of=input_of, keep_succeeded=True)
    async with access.session(options.rate, concurrency_of(options.concurrency)) as users:
        await users.check()
        results, journal = places_of(options.file, options.run, ".results.jsonl")
        return await run_job(users, job, options.run, results, journal, console)
