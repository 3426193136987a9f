"""Runs the emulator in this process, for `usersapi emulator`."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import json
import os
import shlex
import sys
import threading
from collections.abc import Callable, Iterable
from typing import Any, Unpack

import typer
from yarl import URL

from usersapi_async.emulator import Capacity, Emulator, Faults, running_emulator
from usersapi_async.emulator.endpoint import STATE_PATH
from usersapi_async.emulator.server import Options

_SHARES = [field.name for field in dataclasses.fields(Faults) if field.init and field.type == "float"]


def faults_of(shares: Iterable[str]) -> Faults:
    """The faults that ``NAME=SHARE`` options ask for."""
    wanted: dict[str, Any] = {}
    for text in shares:
        name, _, share = text.partition("=")
        if name not in _SHARES:
            raise typer.BadParameter(f"{name!r} is none of {', '.join(_SHARES)}", param_hint="--fault")
        try:
            wanted[name] = float(share)
        except ValueError:
            raise typer.BadParameter(f"{text!r} is not like {name}=0.01", param_hint="--fault") from None
    try:
        return Faults(**wanted)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--fault") from None


def capacity_of(rate: float | None, burst: int, workers: int | None, queue: int | None) -> Capacity:
    """What the server can do by these options."""
    try:
        return Capacity(rate=rate, burst=burst, workers=workers, queue=queue)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None


def _state_url(emulator: Emulator) -> str:
    return str(URL(emulator.base_url).with_path(STATE_PATH))


def announce(emulator: Emulator) -> None:
    """Says how to reach the emulator, ready to be copied."""
    access = emulator.credentials
    variables = {
        "USERSAPI_ID": access["api_id"],
        "USERSAPI_USER": access["api_user"],
        "USERSAPI_TOKEN": access["api_token"],
        "USERSAPI_BASE_URL": emulator.base_url,
        "USERSAPI_GROUP": emulator.group_id,
    }
    typer.echo(f"The emulator listens at {emulator.base_url} until Ctrl-C.")
    typer.echo(f"Group id: {emulator.group_id}")
    typer.echo(f"Another group of the organisation, to migrate to: {emulator.other_group_id}")
    typer.echo(f"Counts:   {_state_url(emulator)}")
    typer.echo("\nFor the shell that is to use it:")
    for name, value in variables.items():
        typer.echo(f"export {name}={shlex.quote(str(value))}")


def announce_as_json(emulator: Emulator) -> None:
    """The same for programs, in one line."""
    place = {
        "base_url": emulator.base_url,
        "state_url": _state_url(emulator),
        "group_id": emulator.group_id,
        "other_group_id": emulator.other_group_id,
        "credentials": emulator.credentials,
    }
    typer.echo(json.dumps(place))


def run_emulator(
    on_ready: Callable[[Emulator], object], *, until_eof: bool, **options: Unpack[Options]
) -> None:
    """Serves until Ctrl-C, or also until standard input ends."""
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(_serve(on_ready, until_eof, options))


async def _serve(on_ready: Callable[[Emulator], object], until_eof: bool, options: Options) -> None:
    async with running_emulator(**options) as emulator:
        over = asyncio.Event()
        if until_eof:
            _set_at_end_of_input(over)
        on_ready(emulator)
        sys.stdout.flush()
        await over.wait()


def _set_at_end_of_input(over: asyncio.Event) -> None:
    """Watches standard input from a thread: not every platform's event loop can watch any kind of it."""
    loop = asyncio.get_running_loop()

    def watch() -> None:
        # Not sys.stdin, whose lock a thread still reading would hold while the interpreter ends. An input
        # that can't be read has ended too.
        with contextlib.suppress(OSError):
            while os.read(0, 4096):
                pass
        # The loop is closed if Ctrl-C came first.
        with contextlib.suppress(RuntimeError):
            loop.call_soon_threadsafe(over.set)

    threading.Thread(target=watch, name="end-of-input", daemon=True).start()
