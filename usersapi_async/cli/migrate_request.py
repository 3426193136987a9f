"""What `usersapi migrate` is asked for."""

from __future__ import annotations

import enum
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal, Self

import attrs

from usersapi_async.errors import ActionRejected, RequestRejected
from usersapi_async.migration import FieldMap, MigrationOptions
from usersapi_async.rate import RateLimit
from usersapi_async.session import UsersSession

from .batch_command import RunOptions, concurrency_of
from .connection import Access
from .failures import CommandError
from .mapping import read_mapping


class Mode(enum.Enum):
    """What is asked for."""

    PLAN = "--plan"
    APPLY = "--apply"
    VERIFY = "--verify"
    MIGRATE = "neither"

    @classmethod
    def of(cls, *, plan: Path | None, apply: Path | None, verify: bool) -> Self:
        """The one that was given. Raises `CommandError` for several."""
        given = [mode for mode, is_given in zip(cls, (plan, apply, verify), strict=False) if is_given]
        if len(given) > 1:
            raise CommandError(f"{' and '.join(mode.value for mode in given)}: give one of them")
        return given[0] if given else cls.MIGRATE


@attrs.frozen(kw_only=True)
class MigrateOptions:
    """What the command line says. ``access`` is asked for a group; ``again`` are the words that a command to
    go on needs; ``show`` is how many people are named, 0 for all."""

    mode: Mode
    plan: Path | None
    from_group: int | None
    to_group: int | None
    mapping: Path | None
    existing: Literal["skip", "update"] | None
    with_excluded: bool
    send_emails: bool
    submit_forms: bool
    yes: bool
    despite_changes: bool
    show: int
    rate: RateLimit | None
    concurrency: int | None
    access: Callable[[int], Access]
    again: Sequence[str]
    run: RunOptions

    def session(self, access: Access) -> UsersSession:
        """A session there, not yet open."""
        return access.session(self.rate, concurrency_of(self.concurrency))


def migration_of(options: MigrateOptions) -> MigrationOptions:
    """What is to be moved, and how. Raises `CommandError` or `ConfigurationError`."""
    if options.from_group is None or options.to_group is None:
        raise CommandError("which projects? Give --from-group and --to-group")
    mapping = FieldMap()
    if options.mapping is not None:
        said = read_mapping(options.mapping)
        if said.key is not None or said.parent is not None:
            raise CommandError(
                f"{options.mapping}: key and parent are for tables; people are known by their ids"
            )
        mapping = FieldMap(fields=said.fields, ignore=said.ignore, constants=said.constants)
    return MigrationOptions(
        source=options.from_group,
        target=options.to_group,
        mapping=mapping,
        existing=options.existing or "skip",
        with_excluded=options.with_excluded,
        send_emails=options.send_emails,
        submit_forms=options.submit_forms,
    )


async def check_groups(users: UsersSession, migration: MigrationOptions) -> None:
    """A preflight that tells which of both can't be worked on."""
    for group_id in (migration.source, migration.target):
        try:
            await users.check(group_id=group_id)
        except (RequestRejected, ActionRejected) as error:
            raise CommandError(f"group {group_id}: {error}") from None
