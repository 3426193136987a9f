"""Starts the emulator in a process of its own, and never leaves it behind."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import IO, cast

import attrs

from usersapi_async.errors import UsersApiError
from usersapi_async.settings import Credentials

_PROGRAM = (sys.executable, "-m", "usersapi_async.cli", "emulator")
_PATIENCE = 5.0


class EmulatorProcessError(UsersApiError):
    """The emulator's process ended before it could be used."""


@attrs.frozen(kw_only=True)
class EmulatorPlace:
    """Where an emulator is, and what it accepts; ``state_url`` shows its own counts, and
    ``other_group_id`` is another group of the same organisation."""

    base_url: str
    state_url: str
    group_id: int
    other_group_id: int
    credentials: Credentials


@contextmanager
def emulator_process(
    options: Sequence[str] = (), *, program: Sequence[str] = _PROGRAM, patience: float = _PATIENCE
) -> Iterator[EmulatorPlace]:
    """An emulator started with `options` of the command line, until the block is left.

    It ends when its standard input does, hence also when this process is killed; one that has not ended
    `patience` seconds after that is killed.
    """
    process = subprocess.Popen(  # noqa: S603 (the program is this very package)
        [*program, "--json", "--until-eof", *options],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        # A Ctrl-C at the terminal goes to the whole group, and this one must outlive the first.
        start_new_session=True,
        creationflags=getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0),
    )
    with process:
        try:
            yield _place(process)
        finally:
            _end(process, patience)


def _place(process: subprocess.Popen[str]) -> EmulatorPlace:
    line = cast("IO[str]", process.stdout).readline()
    if not line:
        raise EmulatorProcessError("the emulator did not start")
    said = json.loads(line)
    return EmulatorPlace(**{**said, "credentials": Credentials(**said["credentials"])})


def _end(process: subprocess.Popen[str], patience: float) -> None:
    cast("IO[str]", process.stdin).close()
    try:
        process.wait(patience)
    except subprocess.TimeoutExpired:
        process.kill()
