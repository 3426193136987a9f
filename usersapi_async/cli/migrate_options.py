"""`usersapi migrate` as it is called."""

from __future__ import annotations

import enum
from pathlib import Path
from typing import Annotated

import typer

from . import options as opt
from .failures import errors_in_one_line

_SIDES, _MODE = "Both sides", "What to do"
EXAMPLE = "Example: usersapi migrate --from-group 100909072 --to-group 100909073 --plan plan.jsonl"


class ExistingUsers(enum.StrEnum):
    """What becomes of who is in the target already."""

    SKIP = "skip"
    UPDATE = "update"


def migrate(
    from_group: Annotated[
        int | None, typer.Option(min=1, help="The project that is read.", rich_help_panel=_SIDES)
    ] = None,
    to_group: Annotated[
        int | None,
        typer.Option(
            min=1, help="The project that is written, of the same organisation.", rich_help_panel=_SIDES
        ),
    ] = None,
    mapping: Annotated[
        Path | None,
        typer.Option(
            dir_okay=False,
            help="Which field goes into which, in TOML or JSON: fields, ignore and constants.",
            rich_help_panel=_SIDES,
        ),
    ] = None,
    existing: Annotated[
        ExistingUsers | None,
        typer.Option(
            help="Skip who is there already (so by default), or update what differs.", rich_help_panel=_SIDES
        ),
    ] = None,
    with_excluded: Annotated[
        bool,
        typer.Option(
            "--with-excluded",
            help="Move those too whom their status excludes; they come without it.",
            rich_help_panel=_SIDES,
        ),
    ] = False,
    plan: Annotated[
        Path | None,
        typer.Option(
            dir_okay=False, help="Write what would be done, and send nothing.", rich_help_panel=_MODE
        ),
    ] = None,
    apply: Annotated[
        Path | None,
        typer.Option(dir_okay=False, help="Do what that plan says, and no more.", rich_help_panel=_MODE),
    ] = None,
    verify: Annotated[
        bool,
        typer.Option("--verify", help="Compare both sides, and send nothing.", rich_help_panel=_MODE),
    ] = False,
    yes: Annotated[
        bool, typer.Option("--yes", "-y", help="Don't ask before sending.", rich_help_panel=_MODE)
    ] = False,
    despite_changes: Annotated[
        bool,
        typer.Option(
            "--despite-changes",
            help="Do what the plan says for those too who have changed since, or left the source.",
            rich_help_panel=_MODE,
        ),
    ] = False,
    show: Annotated[int, typer.Option(min=0, help="How many people to name; 0 for all.")] = 20,
    send_emails: opt.SendEmails = False,
    submit_forms: opt.SubmitForms = False,
    results: opt.Results = None,
    journal: opt.JournalFile = None,
    resume: opt.Resume = False,
    reconcile: opt.Reconcile = False,
    max_errors: opt.MaxErrors = None,
    limit: opt.Limit = None,
    rate: opt.Rate = None,
    concurrency: opt.Concurrency = None,
    until: opt.Until = None,
    credentials: opt.CredentialsFile = None,
    base_url: opt.BaseUrl = None,
    as_json: opt.AsJson = False,
) -> None:
    """Move the users of one project into another of the same organisation.

    Each is created with the known clogin_id, which connects the accounts, parents before their children.

    What does not move: passwords, payments, carts, statuses, mails, and files in forms.

    A username is sent only if a mapping says so; if somebody else has it, the service refuses that person.

    --plan writes a plan to look at, --apply does exactly that, and leaves alone who has changed meanwhile.

    Without either, a plan is made, shown, and carried out if you say yes.

    Exit codes: 0 all well, 1 some failed or differ, 2 usage, 3 authentication, 4 in doubt, 130 interrupted.
    """
    from .batch_command import RunOptions
    from .connection import access_from
    from .migrate_command import run_migrate
    from .migrate_request import MigrateOptions, Mode

    with errors_in_one_line(as_json=as_json):
        mode = Mode.of(plan=plan, apply=apply, verify=verify)
        code = run_migrate(
            MigrateOptions(
                mode=mode,
                plan=plan or apply,
                from_group=from_group,
                to_group=to_group,
                mapping=mapping,
                existing=None if existing is None else existing.value,
                with_excluded=with_excluded,
                send_emails=send_emails,
                submit_forms=submit_forms,
                yes=yes,
                despite_changes=despite_changes,
                show=show,
                rate=opt.rate_of(rate),
                concurrency=concurrency,
                access=lambda group: access_from(credentials, base_url, group),
                again=[
                    word
                    for name, value in (
                        ("--credentials", credentials),
                        ("--base-url", base_url),
                        ("--rate", rate),
                    )
                    if value is not None
                    for word in (name, str(value))
                ],
                run=RunOptions(
                    results=results,
                    journal=journal,
                    resume=resume,
                    reconcile=reconcile,
                    max_errors=max_errors,
                    limit=limit,
                    until=opt.seconds_from_now(until),
                    as_json=as_json,
                ),
            )
        )
    raise typer.Exit(code)
