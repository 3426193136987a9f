"""`usersapi export`: the users of a project into a file."""

from __future__ import annotations

import asyncio
import json
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TextIO

import attrs

from usersapi_async.assumptions import NOT_FIELDS
from usersapi_async.rate import RateLimit
from usersapi_async.responses import ListedUser

from .batch_command import concurrency_of, console_for, print_json
from .call_command import plain
from .connection import Access
from .exit_codes import NOT_ALL_WELL
from .failures import CommandError
from .progress import shown_count
from .report import say
from .tables.writing import checked_ending, written

_IDS = ("clogin_id", "connected_to", "status_id")
_MONEY = ("total_order", "total_paid", "total_balance")
_FORMS = ("total_forms", "completed_forms")
_FIRST = (*_IDS, "status_name")
_NUMBERS = frozenset((*_IDS, *_FORMS))
_PAGES_AHEAD = 8


@attrs.frozen(kw_only=True)
class ExportOptions:
    """What the command line says; no ``fields`` are all fields. ``choice`` is as for `iter_users`."""

    out: Path
    fields: Sequence[str]
    meta: bool
    choice: Mapping[str, bool]
    force: bool
    rate: RateLimit | None
    concurrency: int | None
    access: Callable[[], Access]
    as_json: bool


def run_export(options: ExportOptions) -> int:
    """Writes the file and gives the exit code."""
    ending = checked_ending(options.out)
    if options.out.exists() and not options.force:
        raise CommandError(f"{options.out} is there already; --force replaces it")
    first = (*_FIRST, *_MONEY, *_FORMS) if options.meta else _FIRST
    if clash := [name for name in options.fields if name in first]:
        raise CommandError(f"--fields: {', '.join(clash)} stands in the file anyway")
    console = console_for(as_json=options.as_json)
    walk = _Walk(options.access(), options, first)
    with shown_count(console, f"Reading users into {options.out}") as on_count:
        if options.fields or ending == ".jsonl":
            with written(options.out, (*first, *options.fields), numbers=_NUMBERS) as rows:
                asyncio.run(walk.run(rows.write, on_count))
        else:
            # Which fields there are is known only once all users were seen.
            with tempfile.TemporaryFile("w+", encoding="utf-8") as spool:
                asyncio.run(walk.run(lambda row: spool.write(json.dumps(row) + "\n"), on_count))
                _copy(spool, options.out, (*first, *walk.fields))
    if options.as_json:
        print_json({"users": walk.count, "file": str(options.out), "shifted": walk.shifted})
    else:
        say(console, f"Wrote {walk.count:,} users to {options.out}.")
    if walk.shifted:
        say(console, "The list changed while it was read: somebody may be missing. Export again to be sure.")
        return NOT_ALL_WELL
    return 0


def _copy(spool: TextIO, out: Path, columns: Sequence[str]) -> None:
    spool.seek(0)
    with written(out, columns, numbers=_NUMBERS) as rows:
        for line in spool:
            rows.write(json.loads(line))


class _Walk:
    """One walk through the list, several pages at a time. ``fields`` are those that were seen."""

    def __init__(self, access: Access, options: ExportOptions, first: Sequence[str]) -> None:
        self._access = access
        self._options = options
        self._first = first
        self.fields: dict[str, None] = {}
        self.count = 0
        self.shifted = False

    async def run(self, write: Callable[[dict[str, Any]], object], on_count: Callable[[int], object]) -> None:
        """Hands each user on as a row. Raises `UsersApiError`."""
        options = self._options
        async with (
            self._access.session(options.rate, concurrency_of(options.concurrency)) as users,
            users.iter_users(
                options.fields,
                all_fields=None if options.fields else True,
                prefetch=options.concurrency or _PAGES_AHEAD,
                **options.choice,
            ) as stream,
        ):
            async for user in stream:
                write(self._row(user))
                self.count += 1
                on_count(self.count)
        self.shifted = stream.shifted

    def _row(self, user: ListedUser) -> dict[str, Any]:
        info = {"clogin_id": user.clogin_id, "connected_to": user.user_info.connected_to}
        row = {
            name: plain(info[name] if name in info else getattr(user.meta_info, name)) for name in self._first
        }
        values = {
            name: plain(value)
            for name, value in user.values.items()
            if name not in NOT_FIELDS and name not in row
        }
        self.fields.update(dict.fromkeys(values))
        return row | values
