"""A source with families, and migrations of it."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import attrs

from usersapi_async import BatchReport, BatchRunner
from usersapi_async.migration import Application, MigrationOptions, Plan, applying, plan_migration

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping
    from pathlib import Path

    from usersapi_async import UsersSession
    from usersapi_async.emulator import Emulator
    from usersapi_async.emulator.state import User


@attrs.frozen
class Sides:
    """Two groups of one organisation, and a folder for files."""

    emulator: Emulator
    users: UsersSession
    folder: Path

    @property
    def source(self) -> Mapping[int, User]:
        """Who is in the source."""
        return self.emulator.users_in(self.emulator.group_id)

    @property
    def target(self) -> Mapping[int, User]:
        """Who is in the target."""
        return self.emulator.users_in(self.emulator.other_group_id)

    def options(self, **more: Any) -> MigrationOptions:
        """From the one to the other."""
        return MigrationOptions(source=self.emulator.group_id, target=self.emulator.other_group_id, **more)

    async def add(self, parent: int | None = None, *, target: bool = False, **doc: Any) -> int:
        """The id of somebody new."""
        group_id = self.emulator.other_group_id if target else None
        if parent is None:
            return (await self.users.create(doc, group_id=group_id, disable_email_sending=True)).clogin_id
        child = await self.users.create_child(parent, doc, group_id=group_id, disable_email_sending=True)
        return child.clogin_id

    async def connect(self, clogin_id: int, parent: int | None = None, **doc: Any) -> None:
        """Puts somebody of the source into the target."""
        group_id = self.emulator.other_group_id
        if parent is None:
            await self.users.create(doc, clogin_id=clogin_id, group_id=group_id, disable_email_sending=True)
        else:
            await self.users.create_child(
                parent, doc, clogin_id=clogin_id, group_id=group_id, disable_email_sending=True
            )

    async def plan(self, name: str = "plan.jsonl", **more: Any) -> Plan:
        """A new plan."""
        return await plan_migration(self.users, self.folder / name, self.options(**more))

    @asynccontextmanager
    async def applied(
        self, plan: Plan, *, limit: int | None = None, reconcile: bool = False, **more: Any
    ) -> AsyncIterator[tuple[Application, BatchReport]]:
        """What is done of a plan, with a journal."""
        journal = self.folder / "run.db"
        async with applying(self.users, plan, journal=journal, **more) as work:
            runner = BatchRunner(self.users, reconcile=reconcile, ordered=True)
            report = await runner.run(work.rows(), build=work.build, journal=journal, limit=limit)
            yield work, report
