"""The journal's file by itself, and what a call with an intent does while the server's pause lasts."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from usersapi_async import Create, RateLimited, UsersSession
from usersapi_async.batch._store import Changes, Columns, Store
from usersapi_async.batch.journal import State

if TYPE_CHECKING:
    from usersapi_async.emulator import Emulator

MANY = 1200
SENDING: Columns = (b"p" * 32, None, State.SENDING, None, 1e9, None)
SUCCEEDED: Columns = (b"p" * 32, b"n" * 32, State.SUCCEEDED, 102670540, None, None)


def opened(path: Path) -> Store:
    """The store at that path."""
    store = Store(path, b"s" * 32)
    store.open({"account": 1})
    return store


def keys(count: int = MANY) -> list[bytes]:
    """So many keys."""
    return [number.to_bytes(32, "big") for number in range(count)]


def test_the_latest_word_counts(path: Path) -> None:
    """The next run finds the latest of each key, and nothing of what was taken back."""
    store = opened(path)
    first, second, third = keys(3)
    store.commit(Changes({first: SENDING, second: SENDING, third: SENDING}))
    assert store.commit(Changes({first: SUCCEEDED, second: None}, {first})) == ({}, set())
    store.close()
    store = opened(path)
    assert store.count(State.SUCCEEDED) == (2, 1)
    found = {first: SUCCEEDED, third: SENDING}
    asked = Changes(asked={first, second, third}, asked_people={b"n" * 32, b"p" * 32})
    assert store.commit(asked) == (found, {b"n" * 32})
    store.close()


def test_many_at_once(path: Path) -> None:
    """More rows than one statement takes are written together, and asked for together."""
    store = opened(path)
    store.commit(Changes(dict.fromkeys(keys(), SUCCEEDED)))
    store.close()
    store = opened(path)
    assert store.count(State.SUCCEEDED) == (MANY, 0)
    assert store.commit(Changes(asked=set(keys()))) == (dict.fromkeys(keys(), SUCCEEDED), set())
    store.close()


def test_all_or_nothing(path: Path) -> None:
    """If the disk is full at the last of them, none is written."""
    store = opened(path)
    connection = store._connection
    assert connection is not None
    (pages,) = connection.execute("PRAGMA page_count").fetchone()
    connection.execute(f"PRAGMA max_page_count = {pages + 20}")
    with pytest.raises(sqlite3.OperationalError, match="full"):
        store.commit(Changes(dict.fromkeys(keys(), SENDING)))
    store.close()
    store = opened(path)
    assert store.count(State.SUCCEEDED) == (0, 0)
    store.close()


class Intent:
    """An intent that meets a pause while it is written down."""

    def __init__(self, users: UsersSession, seconds: float) -> None:
        self.users = users
        self.seconds = seconds
        self.told: list[str] = []

    async def declare(self, now: float) -> None:
        """The server asks for a pause."""
        self.told.append("declared")
        self.users.limiter.pause(self.seconds)

    def hurry(self) -> None:
        """Nothing waits to be written."""

    async def withdraw(self) -> None:
        """It was not carried out."""
        self.told.append("withdrawn")


async def test_a_pause_leaves_nobody_in_doubt(emulator: Emulator, users: UsersSession) -> None:
    """What was declared is taken back before the pause is waited for; during it nothing is declared."""
    call = users.prepare(Create())
    call.intent = intent = Intent(users, 60)
    for _ in range(2):
        wait = await users.step(call)
        assert isinstance(wait, float)
        assert 0 < wait <= 60
    assert intent.told == ["declared", "withdrawn", "withdrawn"]
    assert (call.attempts, users.limiter.in_flight, emulator.received.total()) == (0, 0, 0)


async def test_a_pause_beyond_patience(emulator: Emulator, users: UsersSession) -> None:
    """It is told at once, with its length, and nothing is declared."""
    users.limiter.pause(1000)
    call = users.prepare(Create())
    call.intent = intent = Intent(users, 60)
    with pytest.raises(RateLimited, match="still lasts 1000 s"):
        await users.step(call)
    assert (intent.told, emulator.received.total()) == ([], 0)
