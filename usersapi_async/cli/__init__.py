"""The command line, on top of the library; the library never imports it."""

from __future__ import annotations

import importlib
import sys

_EXTRA = ("typer", "rich")


def main() -> None:
    """Runs the command that the process was started with, and exits."""
    try:
        for name in _EXTRA:
            importlib.import_module(name)
    except ModuleNotFoundError as error:
        sys.exit(f'usersapi: {error.name} is missing; install it with: pip install "usersapi-async[cli]"')
    from .app import app

    app(prog_name="usersapi")
