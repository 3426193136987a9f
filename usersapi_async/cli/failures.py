"""What ends a command early, and how that is told: one line on standard error, and an exit code."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager

import typer

from usersapi_async.errors import (
    AuthenticationError,
    ConfigurationError,
    OutcomeUnknown,
    PayloadError,
    UsersApiError,
)

from .exit_codes import AUTHENTICATION, IN_DOUBT, INTERRUPTED, NOT_ALL_WELL, USAGE
from .texts import printable


class CommandError(Exception):
    """The command can't do what it was told; the message says why, and shows nothing of people."""

    code = USAGE


def exit_code_of(error: Exception) -> int:
    """The exit code of a command that ended with this error."""
    if isinstance(error, AuthenticationError):
        return AUTHENTICATION
    if isinstance(error, OutcomeUnknown):
        return IN_DOUBT
    if isinstance(error, (CommandError, ConfigurationError, PayloadError)):
        return USAGE
    return NOT_ALL_WELL


@contextmanager
def errors_in_one_line(*, as_json: bool = False) -> Iterator[None]:
    """Shows what the library or the operating system complains about without a traceback, to programs also
    as an object on standard output."""
    try:
        yield
    except (CommandError, UsersApiError, OSError) as error:
        # What the rows' own reader says is plainer than that it said something.
        told = error.__cause__ if isinstance(error.__cause__, CommandError) else error
        code = exit_code_of(error)
        typer.echo(printable(f"usersapi: {told}"), err=True)
        if as_json:
            typer.echo(json.dumps({"error": type(told).__name__, "message": str(told), "exit_code": code}))
        raise typer.Exit(code) from None
    except KeyboardInterrupt:
        typer.echo("usersapi: interrupted", err=True)
        raise typer.Exit(INTERRUPTED) from None
