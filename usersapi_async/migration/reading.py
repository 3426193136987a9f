"""How one side of a migration is read, and what is remembered of its users."""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Callable, Mapping
from typing import Any, Self, TypeAlias

import attrs

from usersapi_async.responses import ListedUser
from usersapi_async.session import UsersSession

from .fields import PASSWORD

OnSeen: TypeAlias = Callable[[int], object]
"""Told how many users were read, of both sides together."""

_PAGES_AHEAD = 8
_DIGITS = 32
_SCHEMA = (
    # Some builds of SQLite keep temporary tables in memory unless they are told.
    "PRAGMA temp_store = FILE",
    # Nothing is ever rolled back: who meets an error gives the whole up.
    "PRAGMA temp.journal_mode = OFF",
)


@attrs.frozen(kw_only=True)
class Seen:
    """A user as a list shows them. ``parent`` is None for who is no child; ``is_placed`` tells whether the
    list says so at all."""

    clogin_id: int
    parent: int | None
    is_placed: bool
    values: Mapping[str, Any] = attrs.field(repr=False)

    @classmethod
    def of(cls, user: ListedUser) -> Self:
        """The user as what matters here. A password that a service should show is not looked at."""
        info = user.user_info
        return cls(
            clogin_id=user.clogin_id,
            parent=info.connected_to if info.is_child else None,
            is_placed=info.connected_to is not None,
            values={name: value for name, value in user.values.items() if name != PASSWORD},
        )

    def digest(self) -> str:
        """The same for a user who looks the same: 32 hexadecimal digits."""
        text = json.dumps([self.parent, self.values], sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()[:_DIGITS]


def temporary_database() -> sqlite3.Connection:
    """A database in a file that the system removes, also if the process is killed, and that is its owner's
    alone; it takes little memory whatever it holds."""
    connection = sqlite3.connect("", isolation_level=None)
    for statement in _SCHEMA:
        connection.execute(statement)
    return connection


class Roster:
    """The users of one side, by their ids, with what they look like. Use it with ``with``."""

    def __init__(self) -> None:
        self._connection = temporary_database()
        self._connection.execute(
            "CREATE TEMP TABLE users (clogin_id INTEGER PRIMARY KEY, parent INTEGER, content TEXT)"
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()

    def __len__(self) -> int:
        (count,) = self._connection.execute("SELECT count(*) FROM users").fetchone()
        return int(count)

    def add(self, user: Seen) -> None:
        """Takes a user in."""
        content = json.dumps([user.is_placed, user.values])
        self._connection.execute(
            "INSERT OR REPLACE INTO users VALUES (?, ?, ?)", (user.clogin_id, user.parent, content)
        )

    def get(self, clogin_id: int) -> Seen | None:
        """The user with that id, if there is one."""
        found = self._connection.execute(
            "SELECT parent, content FROM users WHERE clogin_id = ?", (clogin_id,)
        ).fetchone()
        if found is None:
            return None
        is_placed, values = json.loads(found[1])
        return Seen(clogin_id=clogin_id, parent=found[0], is_placed=is_placed, values=values)


class Walks:
    """Reads groups, several pages at a time. ``shifted`` tells that a list changed while it was read."""

    def __init__(self, users: UsersSession, on_seen: OnSeen | None) -> None:
        self._users = users
        self._on_seen = on_seen
        self._count = 0
        self.shifted = False

    async def through(self, group_id: int, *, with_excluded: bool, on_user: Callable[[Seen], object]) -> None:
        """Tells of all users of a group. Raises `UsersApiError`."""
        async with self._users.iter_users(
            all_fields=True, with_excluded=with_excluded or None, prefetch=_PAGES_AHEAD, group_id=group_id
        ) as stream:
            async for listed in stream:
                on_user(Seen.of(listed))
                self._count += 1
                if self._on_seen is not None:
                    self._on_seen(self._count)
        self.shifted = self.shifted or stream.shifted
