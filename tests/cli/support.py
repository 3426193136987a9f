"""Runs the command line as a user does: in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import attrs
from typer.testing import CliRunner

from usersapi_async.batch import Failed, InDoubt, NotAttempted, Succeeded
from usersapi_async.cli.app import app
from usersapi_async.errors import OutcomeUnknown, UsersApiError
from usersapi_async.responses import CreateResponse, MetaInfo, UserInfo

if TYPE_CHECKING:
    from pathlib import Path

# Warnings count, a forgotten file or socket too; they would show on stderr.
PYTHON = (sys.executable, "-W", "error")
USERSAPI = ("-m", "usersapi_async.cli")
LIMIT = 60


def start(
    *arguments: str,
    cwd: Path | None = None,
    stdin: int | None = None,
    output: int = subprocess.PIPE,
    **environ: str,
) -> subprocess.Popen[str]:
    """A Python under way; `output` is where its stdout and stderr go."""
    return subprocess.Popen(  # noqa: S603 (it is this very Python)
        [*PYTHON, *arguments],
        cwd=cwd,
        stdin=stdin,
        stdout=output,
        stderr=output,
        text=True,
        env={**os.environ, **environ},
    )


@attrs.frozen
class Done:
    """What a process printed, and its exit code."""

    code: int
    out: str
    err: str


def python(*arguments: str, cwd: Path | None = None) -> Done:
    """Runs a Python, with an input that is at its end."""
    with start(*arguments, cwd=cwd, stdin=subprocess.DEVNULL) as process:
        out, err = process.communicate(timeout=LIMIT)
    return Done(process.returncode, out, err)


def usersapi(*arguments: str, cwd: Path) -> Done:
    """Runs a command."""
    return python(*USERSAPI, *arguments, cwd=cwd)


def invoke(*arguments: str, typed: str | None = None) -> Done:
    """Runs a command in this process; `typed` is its standard input."""
    ended = CliRunner().invoke(app, list(arguments), input=typed)
    if ended.exception is not None and not isinstance(ended.exception, SystemExit):
        raise ended.exception
    return Done(ended.exit_code, ended.stdout, ended.stderr)


def read_until(process: subprocess.Popen[str], text: str) -> list[str]:
    """The lines that it printed, up to the first that holds `text`."""
    assert process.stdout is not None
    lines: list[str] = []
    for line in process.stdout:
        lines.append(line)
        if text in line:
            return lines
    raise AssertionError(f"{text!r} is not among {lines}")


_NO_INFO = MetaInfo()


def succeeded(index: int, *, meta_info: MetaInfo = _NO_INFO, answered: bool = True) -> Succeeded:
    """A success of the row with that index."""
    response = CreateResponse(user_info=UserInfo(clogin_id=1000 + index), meta_info=meta_info)
    return Succeeded(
        index=index,
        key=f"k{index}",
        payload=None,
        attempts=1,
        clogin_id=1000 + index,
        response=response if answered else None,
    )


def failed(index: int, message: str = "no") -> Failed:
    """A failure of the row with that index."""
    return Failed(index=index, key=f"k{index}", payload=None, attempts=2, error=UsersApiError(message))


def in_doubt(index: int) -> InDoubt:
    """A row of which nobody knows."""
    return InDoubt(index=index, key=f"k{index}", payload=None, attempts=1, error=OutcomeUnknown("who knows"))


def not_attempted(index: int) -> NotAttempted:
    """A row that was left out."""
    return NotAttempted(index=index, key=f"k{index}", payload=None, reason="left out")
