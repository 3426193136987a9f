"""The other commands that work on a service, as they are called: run, undo, call, fields and export."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from . import options as opt
from .failures import errors_in_one_line

DryRun = Annotated[bool, typer.Option("--dry-run", "-n", help="Check everything, and send nothing.")]
RUN_EXAMPLE = "Example: usersapi run operations.jsonl --dry-run"
UNDO_EXAMPLE = "Example: usersapi undo people.results.csv --status 8103"
CALL_EXAMPLE = "Example: usersapi call get_info clogin_id=102670540 doc._allfields:=true"
FIELDS_EXAMPLE = "Example: usersapi fields --mapping-file mapping.toml"
EXPORT_EXAMPLE = "Example: usersapi export users.csv --fields first_name,last_name,main_email"


def run(
    file: Annotated[Path, typer.Argument(help="One JSON object a line.")],
    dry_run: DryRun = False,
    show: Annotated[int, typer.Option(min=0, help="How many faults to print; 0 for all.")] = 50,
    send_emails: opt.SendEmails = False,
    submit_forms: opt.SubmitForms = False,
    results: opt.Results = None,
    journal: opt.JournalFile = None,
    resume: opt.Resume = False,
    reconcile: opt.Reconcile = False,
    marker_field: opt.MarkerField = None,
    max_errors: opt.MaxErrors = None,
    limit: opt.Limit = None,
    rate: opt.Rate = None,
    concurrency: opt.Concurrency = None,
    until: opt.Until = None,
    credentials: opt.CredentialsFile = None,
    base_url: opt.BaseUrl = None,
    group: opt.GroupId = None,
    as_json: opt.AsJson = False,
) -> None:
    """Send the operations of a file.

    Each line is {"key": "p1", "action": "create", "doc": {…}} or another action with its arguments. In place
    of an id may stand {"ref": "p1"}: the id that the operation with that key, in a line before, creates.

    Exit codes: 0 all well, 1 some rows failed, 2 usage, 3 authentication, 4 in doubt left, 130 interrupted.
    """
    from .batch_command import RunOptions
    from .connection import access_from
    from .run_command import RunCommandOptions, run_operations

    with errors_in_one_line(as_json=as_json):
        code = run_operations(
            RunCommandOptions(
                file=file,
                send_emails=send_emails,
                submit_forms=submit_forms,
                dry_run=dry_run,
                show=show,
                rate=opt.rate_of(rate),
                concurrency=concurrency,
                access=lambda: access_from(credentials, base_url, group),
                run=RunOptions(
                    results=results,
                    journal=journal,
                    resume=resume,
                    reconcile=reconcile,
                    marker_field=marker_field,
                    max_errors=max_errors,
                    limit=limit,
                    until=opt.seconds_from_now(until),
                    as_json=as_json,
                ),
            )
        )
    raise typer.Exit(code)


def undo(
    results: Annotated[Path, typer.Argument(help="The results of usersapi import or run, .csv or .jsonl.")],
    status: Annotated[int, typer.Option(min=1, help="The id of a status that excludes.")],
    yes: opt.Yes = False,
    dry_run: DryRun = False,
    verify: Annotated[
        bool, typer.Option(help="Afterwards read the list, and see that they are gone from it.")
    ] = True,
    output: Annotated[
        Path | None,
        typer.Option("--results", dir_okay=False, help="Where its own results go; beside the others."),
    ] = None,
    max_errors: opt.MaxErrors = None,
    limit: opt.Limit = None,
    rate: opt.Rate = None,
    concurrency: opt.Concurrency = None,
    credentials: opt.CredentialsFile = None,
    base_url: opt.BaseUrl = None,
    group: opt.GroupId = None,
    as_json: opt.AsJson = False,
) -> None:
    """Take out the users that a run created.

    The service has no delete: those users get a status that excludes them from lists. To run it again after
    any end does no harm.
    """
    from .batch_command import RunOptions
    from .connection import access_from
    from .undo_command import UndoOptions, run_undo

    with errors_in_one_line(as_json=as_json):
        code = run_undo(
            UndoOptions(
                results=results,
                status=status,
                yes=yes,
                dry_run=dry_run,
                verify=verify,
                rate=opt.rate_of(rate),
                concurrency=concurrency,
                access=lambda: access_from(credentials, base_url, group),
                run=RunOptions(results=output, max_errors=max_errors, limit=limit, as_json=as_json),
            )
        )
    raise typer.Exit(code)


def call(
    action: Annotated[str, typer.Argument(help="Such as get_info, update or set_status.")],
    arguments: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[NAME=VALUE]…",
            help="Arguments, as clogin_id=1, doc.first_name=Nina, or with any JSON as doc.tags:='[\"a\"]'.",
        ),
    ] = None,
    data: Annotated[
        str | None,
        typer.Option(help="The same as one JSON object; @FILE reads it from a file, - from standard input."),
    ] = None,
    send_emails: opt.SendEmails = False,
    submit_forms: opt.SubmitForms = False,
    credentials: opt.CredentialsFile = None,
    base_url: opt.BaseUrl = None,
    group: opt.GroupId = None,
    as_json: opt.AsJson = False,
) -> None:
    """Send one action and show the answer.

    What stands in an argument shows in the list of processes; for people's data take --data.
    """
    from .call_command import operation_of, run_call
    from .connection import access_from
    from .operations import OperationBuilder

    with errors_in_one_line(as_json=as_json):
        operation = operation_of(action, arguments or (), data)
        builder = OperationBuilder(send_emails=send_emails, submit_forms=submit_forms)
        run_call(access_from(credentials, base_url, group), operation, builder, as_json=as_json)


def fields(
    mapping_file: Annotated[
        Path | None,
        typer.Option(
            dir_okay=False, help="Write a mapping for usersapi import, .toml or .json, to be edited."
        ),
    ] = None,
    sample: Annotated[int, typer.Option(min=1, help="How many users to look at.")] = 500,
    credentials: opt.CredentialsFile = None,
    base_url: opt.BaseUrl = None,
    group: opt.GroupId = None,
    as_json: opt.AsJson = False,
) -> None:
    """Show which fields the users of the project have; nothing of what stands in them."""
    from .connection import access_from
    from .fields_command import run_fields

    with errors_in_one_line(as_json=as_json):
        code = run_fields(access_from(credentials, base_url, group), sample, mapping_file, as_json=as_json)
    raise typer.Exit(code)


def export(
    out: Annotated[Path, typer.Argument(dir_okay=False, help="A .csv, .jsonl or .parquet file.")],
    fields: Annotated[str | None, typer.Option(metavar="A,B,…", help="Which fields; all by default.")] = None,
    meta: Annotated[bool, typer.Option("--meta", help="Add forms and money.")] = False,
    with_excluded: Annotated[bool, typer.Option("--with-excluded", help="The excluded too.")] = False,
    only_excluded: Annotated[bool, typer.Option("--only-excluded", help="Nobody but them.")] = False,
    only_parents: Annotated[bool, typer.Option("--only-parents", help="No children.")] = False,
    only_children: Annotated[bool, typer.Option("--only-children", help="Children alone.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Replace a file that is there.")] = False,
    rate: opt.Rate = None,
    concurrency: opt.Concurrency = None,
    credentials: opt.CredentialsFile = None,
    base_url: opt.BaseUrl = None,
    group: opt.GroupId = None,
    as_json: opt.AsJson = False,
) -> None:
    """Write the users of the project into a file.

    Several pages are read at a time. The file is its owner's alone, and appears when it is complete. In CSV
    what a spreadsheet would run as a formula gets an apostrophe before it.
    """
    from .connection import access_from
    from .export_command import ExportOptions, run_export

    choice = {
        "with_excluded": with_excluded,
        "only_excluded": only_excluded,
        "only_parents": only_parents,
        "only_children": only_children,
    }
    with errors_in_one_line(as_json=as_json):
        code = run_export(
            ExportOptions(
                out=out,
                fields=[name for name in map(str.strip, (fields or "").split(",")) if name],
                meta=meta,
                choice={name: True for name, wanted in choice.items() if wanted},
                force=force,
                rate=opt.rate_of(rate),
                concurrency=concurrency,
                access=lambda: access_from(credentials, base_url, group),
                as_json=as_json,
            )
        )
    raise typer.Exit(code)
