"""`usersapi import` as it is called."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from . import options as opt
from .failures import errors_in_one_line

EXAMPLE = "Example: usersapi import people.csv --key id --parent parent_id --dry-run"


def import_people(
    file: Annotated[Path, typer.Argument(help="A .csv, .tsv, .jsonl, .xlsx or .parquet file.")],
    mapping: Annotated[
        Path | None,
        typer.Option(
            dir_okay=False,
            help="Which column goes into which field, in TOML or JSON; `usersapi fields` writes one to edit.",
            rich_help_panel=opt.FILE,
        ),
    ] = None,
    key: Annotated[
        str | None,
        typer.Option(
            metavar="COLUMN",
            help="The column that tells a row from all others, the same in every run; else it is the line.",
            rich_help_panel=opt.FILE,
        ),
    ] = None,
    parent: Annotated[
        str | None,
        typer.Option(
            metavar="COLUMN", help="The column with the key of a child's parent.", rich_help_panel=opt.FILE
        ),
    ] = None,
    allow_unknown: Annotated[
        bool,
        typer.Option(
            "--allow-unknown",
            help="Send columns that are no known field under their own name.",
            rich_help_panel=opt.FILE,
        ),
    ] = False,
    encoding: opt.Encoding = None,
    delimiter: opt.Delimiter = None,
    sheet: opt.Sheet = None,
    date_format: opt.DateFormat = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", "-n", help="Check the whole file, and send nothing.")
    ] = False,
    existing: Annotated[
        bool,
        typer.Option("--existing", help="Read the list of users, and take who is there already for a fault."),
    ] = False,
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
    """Register the people of a file.

    The whole file is checked before anything is sent. Rows with faults are not sent; the others are.

    A journal beside the file lets --resume go on after any end: who was registered is not sent again.

    The first Ctrl-C takes no further row and lets those taken end, the second stops at once.

    Exit codes: 0 all well, 1 some rows failed, 2 usage, 3 authentication, 4 in doubt left, 130 interrupted.
    """
    from .batch_command import RunOptions
    from .connection import access_from
    from .import_command import ImportOptions, run_import
    from .tables import TableOptions

    with errors_in_one_line(as_json=as_json):
        code = run_import(
            ImportOptions(
                file=file,
                table=TableOptions(
                    encoding=encoding,
                    delimiter="\t" if delimiter in ("\\t", "tab") else delimiter,
                    sheet=sheet,
                    date_format=opt.checked_date_format(date_format),
                ),
                mapping=mapping,
                key=key,
                parent=parent,
                allow_unknown=allow_unknown,
                send_emails=send_emails,
                submit_forms=submit_forms,
                dry_run=dry_run,
                existing=existing,
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
