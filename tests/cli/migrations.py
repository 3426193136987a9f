"""What the tests of `usersapi migrate` share."""

from __future__ import annotations

from pathlib import Path

import attrs
from typer.testing import CliRunner, Result

from usersapi_async.cli.app import app
from usersapi_async.emulator import Emulator


@attrs.frozen
class Place:
    """An emulator with people, and a folder in which the command runs."""

    emulator: Emulator
    folder: Path

    def run(self, *arguments: str, answer: str | None = None) -> Result:
        """Runs the command on both groups."""
        return CliRunner().invoke(app, ["migrate", *arguments], input=answer, env={"COLUMNS": "200"})

    @property
    def groups(self) -> list[str]:
        """The options that name both."""
        return [
            f"--from-group={self.emulator.group_id}",
            f"--to-group={self.emulator.other_group_id}",
        ]

    @property
    def target(self) -> set[int]:
        """Who has arrived."""
        return set(self.emulator.users_in(self.emulator.other_group_id))

    @property
    def files(self) -> set[str]:
        """What lies in the folder."""
        return {file.name for file in self.folder.iterdir()}
