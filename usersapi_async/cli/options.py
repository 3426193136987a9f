"""The options that commands share, and how their texts are read."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Annotated

import typer

from usersapi_async.rate import RateLimit

from .variables import BASE_URL, GROUP

FILE, _ACCESS, _PACE, _RUN = "File", "Access", "Pace", "Run"

CredentialsFile = Annotated[
    Path | None,
    typer.Option(
        "--credentials",
        metavar="FILE",
        dir_okay=False,
        help="A file with lines like USERSAPI_TOKEN=…, for ID, USER and TOKEN; by default the environment's.",
        rich_help_panel=_ACCESS,
    ),
]
BaseUrl = Annotated[
    str | None,
    typer.Option(
        "--base-url",
        help=f"Another server, such as an emulator; also {BASE_URL}.",
        rich_help_panel=_ACCESS,
    ),
]
GroupId = Annotated[
    int | None,
    typer.Option("--group", min=1, help=f"The project to work on; also {GROUP}.", rich_help_panel=_ACCESS),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for programs; all else goes to stderr.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Don't ask.")]

Rate = Annotated[
    str | None,
    typer.Option(
        metavar="COUNT[/SECONDS]",
        help="The most requests, like 10 (a second) or 300/60; by default the server's own pace is found.",
        rich_help_panel=_PACE,
    ),
]
Concurrency = Annotated[
    int | None,
    typer.Option(min=1, help="Requests in flight at once; by default it is found.", rich_help_panel=_PACE),
]
Until = Annotated[
    str | None,
    typer.Option(
        metavar="HH:MM", help="Begin no further row after that time of the day.", rich_help_panel=_PACE
    ),
]

Results = Annotated[
    Path | None,
    typer.Option(
        dir_okay=False,
        help="Where the results go, .csv or .jsonl; beside the input by default, never over a file.",
        rich_help_panel=_RUN,
    ),
]
JournalFile = Annotated[
    Path | None,
    typer.Option(
        "--journal", dir_okay=False, help="The journal; beside the input by default.", rich_help_panel=_RUN
    ),
]
Resume = Annotated[
    bool,
    typer.Option("--resume", help="Go on where the journal's last run ended.", rich_help_panel=_RUN),
]
Reconcile = Annotated[
    bool,
    typer.Option(
        "--reconcile",
        help="Look up what an earlier run left in doubt. Given to the first run, it notes who is there.",
        rich_help_panel=_RUN,
    ),
]
MarkerField = Annotated[
    str | None,
    typer.Option(
        metavar="FIELD",
        help="A form field into which each create writes its row's key, so that doubts can be looked up.",
        rich_help_panel=_RUN,
    ),
]
MaxErrors = Annotated[
    float | None,
    typer.Option(
        min=0.0, help="Stop at so many failures and doubts; below 1, at that share.", rich_help_panel=_RUN
    ),
]
Limit = Annotated[
    int | None,
    typer.Option(min=1, help="Take so many rows only: a canary before the rest.", rich_help_panel=_RUN),
]
SendEmails = Annotated[
    bool,
    typer.Option("--send-emails", help="Let automatic mails go out; they are off otherwise."),
]
SubmitForms = Annotated[
    bool,
    typer.Option("--submit-forms", help="Submit people's forms, so that triggers fire."),
]
Encoding = Annotated[
    str | None,
    typer.Option(
        help="What a CSV file is encoded in, if not UTF-8: cp1252, latin-1, …", rich_help_panel=FILE
    ),
]
Delimiter = Annotated[
    str | None,
    typer.Option(
        help="What stands between the cells of a CSV file, if not found by itself.", rich_help_panel=FILE
    ),
]
Sheet = Annotated[
    str | None, typer.Option(help="Which sheet of a workbook, if not the first.", rich_help_panel=FILE)
]
DateFormat = Annotated[
    str | None,
    typer.Option(
        help="How dates in the cells of a workbook are sent, like %m-%d-%Y; else as 2026-01-31.",
        rich_help_panel=FILE,
    ),
]


def rate_of(text: str | None) -> RateLimit | None:
    """The bound that ``COUNT[/SECONDS]`` says."""
    if text is None:
        return None
    count, _, seconds = text.partition("/")
    try:
        return RateLimit(float(count), float(seconds or 1))
    except ValueError:
        raise typer.BadParameter(
            f"{text!r} is not like 10 or 300/60, with numbers above 0", param_hint="--rate"
        ) from None


def seconds_from_now(text: str | None) -> float | None:
    """`seconds_until` that time from what the clock shows now."""
    return seconds_until(text, dt.datetime.now())  # noqa: DTZ005 (what the clock shows)


def seconds_until(text: str | None, now: dt.datetime) -> float | None:
    """From `now`, a local time, to the next time that the clock shows ``HH:MM``."""
    if text is None:
        return None
    try:
        wanted = dt.time.fromisoformat(text)
    except ValueError:
        raise typer.BadParameter(f"{text!r} is not like 06:00", param_hint="--until") from None
    then = dt.datetime.combine(now.date(), wanted)
    if then <= now:
        then += dt.timedelta(days=1)
    # What a change to or from summer time adds or takes counts too.
    return then.timestamp() - now.timestamp()


def checked_date_format(text: str | None) -> str | None:
    """A format of `datetime.strftime`."""
    if text is not None and "%" not in text:
        raise typer.BadParameter(f"{text!r} is not like %m-%d-%Y", param_hint="--date-format")
    return text
