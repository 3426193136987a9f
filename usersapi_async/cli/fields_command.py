"""`usersapi fields`: what fields the users of a project have, and a mapping to start from."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import attrs

from usersapi_async._files import private
from usersapi_async.assumptions import NOT_FIELDS
from usersapi_async.errors import UsersApiError

from .batch_command import console_for, print_json
from .connection import Access
from .mapping import FIELDS, mapping_text
from .report import make_table, say
from .texts import printable


@attrs.define
class Fields:
    """What was seen: of ``users`` looked at, how many have something in each field (``filled``); ``names``
    has the names of fields by their ids, where the service tells them."""

    users: int = 0
    filled: Counter[str] = attrs.field(factory=Counter)
    names: dict[str, str] = attrs.field(factory=dict)

    def add(self, values: Mapping[str, Any]) -> None:
        """Takes a user's values in."""
        self.users += 1
        for name, value in values.items():
            if name not in NOT_FIELDS:
                self.filled[name] += bool(value)
        self.add_index(values.get("field_index"))

    def add_index(self, index: Any) -> None:
        """Takes in how the service lists its fields, if it is as it is known."""
        for field_id, about in index.items() if isinstance(index, Mapping) else ():
            name = about.get("name") if isinstance(about, Mapping) else about
            if isinstance(name, str) and name:
                self.names[str(field_id)] = name
                self.filled.setdefault(name, 0)

    @property
    def in_order(self) -> list[str]:
        """What every project has, and then the project's own."""
        return [*FIELDS, *sorted(set(self.filled) - set(FIELDS))]


def run_fields(access: Access, most: int, mapping_file: Path | None, *, as_json: bool) -> int:
    """Shows the fields of the first `most` users, and writes a mapping of them."""
    console = console_for(as_json=as_json)
    found = asyncio.run(_seen(access, most))
    ids = {name: field_id for field_id, name in found.names.items()}
    if as_json:
        fields = [
            {"field": name, "id": ids.get(name), "filled": found.filled.get(name, 0)}
            for name in found.in_order
        ]
        print_json({"users": found.users, "fields": fields})
    else:
        table = make_table("field", "id", "filled in", right=("filled in",))
        for name in found.in_order:
            table.add_row(printable(name), ids.get(name, ""), f"{found.filled.get(name, 0):,}")
        console.print(table)
        say(console, f"\nOf {found.users:,} users. A field that none of them has is not seen.")
    if mapping_file is not None:
        with open(mapping_file, "x", encoding="utf-8", opener=private) as file:
            file.write(mapping_text(found.in_order, mapping_file))
        say(console, f"Wrote {mapping_file}: edit it, and give it to usersapi import as --mapping.")
    return 0


async def _seen(access: Access, most: int) -> Fields:
    found = Fields()
    async with access.session() as users:
        async with users.iter_users(all_fields=True) as stream:
            async for user in stream:
                found.add(user.values)
                if found.users == 1:
                    last = user.clogin_id
                if found.users == most:
                    break
        if found.users:
            try:
                info = await users.get_info(last, all_fields=True)
            except UsersApiError:
                # Their names are a help, and no more.
                return found
            found.add_index(info.field_index)
    return found
