"""What a batch has done so far, on disk, so that another run goes on where this one ended, however it ended.

Before a request that must not be repeated is sent, its intent is durable; afterwards its outcome. What was in
flight when a process died is then in doubt, and everything else is known. All that is ready at one time is
committed together, by one sync to disk.

The file shows nobody: keys and payloads are stored as HMACs, by a secret that lies in a file of its own.
"""

from __future__ import annotations

import asyncio
import enum
import functools
import json
import os
import sqlite3
from collections.abc import Collection, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeAlias

import anyio
import attrs

from usersapi_async import _arguments
from usersapi_async.errors import ConfigurationError, JournalError
from usersapi_async.payloads import Checked, Ref

from ._store import SECRET_BYTES, Changes, Columns, Known, Store, words

_GATHER = 0.005
"""Seconds between two commits in which more comes together for the next: each costs about as much as the
sending of a row does, however little it holds."""
_LONGEST = 0.03
"""The same where nobody is held up by it."""
_SIBLINGS = 8
"""Operations under way below which nothing is waited for: with so few, each wait would show."""


class State(enum.IntEnum):
    """What is known of an operation; of one that was not carried out the journal holds nothing.

    The numbers stand in files: never change one.
    """

    SENDING = 1
    """It was about to be sent, and nothing is known of what came after."""
    SUCCEEDED = 2
    IN_DOUBT = 3
    """It was sent, and may or may not have been carried out."""


@attrs.frozen
class Entry:
    """What the journal holds of one operation; times in Unix time."""

    payload: bytes = attrs.field(repr=False)
    person: bytes | None = attrs.field(repr=False)
    state: State
    clogin_id: int | None
    sent_at: float | None
    ended_at: float | None


@_arguments.shielded
class Journal:
    """A journal in an SQLite file, for one process at a time.

    The secret lies beside the file, in ``<file>.key``, readable by its owner only, unless you give one of 32
    bytes or more. Who moves the journal must move both. Open it with ``async with``, in the event loop that
    uses it; a path given as the ``journal`` of a batch does that.

    Raises `JournalError` when the file can't be used, belongs to another account, URL or group, or is in use.
    """

    def __init__(self, path: str | os.PathLike[str], *, secret: bytes | None = None) -> None:
        self._path = Path(path)
        if secret is not None and len(_arguments.instance("secret", secret, bytes)) < SECRET_BYTES:
            raise ConfigurationError(f"secret: expected {SECRET_BYTES} bytes or more")
        self._store = Store(self._path, secret)
        self._executor: ThreadPoolExecutor | None = None
        self._changes = Changes()
        self._under_way: set[bytes] = set()
        self._hurried = asyncio.Event()
        self._waiters: list[asyncio.Future[Known]] = []
        self._flushing: asyncio.Task[None] | None = None
        self._error: JournalError | None = None

    @property
    def error(self) -> JournalError | None:
        """Why something could not be written, if anything could not."""
        return self._error

    async def open(self, binding: Mapping[str, object]) -> None:
        """Opens the file for work on what `binding` says: it must be what it was made for."""
        self._executor = ThreadPoolExecutor(1, thread_name_prefix="usersapi-journal")
        try:
            await self._in_thread(self._store.open, binding)
        except BaseException:
            await self.close()
            raise

    async def close(self) -> None:
        """Writes what is still to be written, and closes the file."""
        if self._executor is None:
            return
        while self._flushing is not None:
            self.hurry()
            await asyncio.wait([self._flushing])
        executor, self._executor = self._executor, None
        await asyncio.get_running_loop().run_in_executor(executor, self._store.close)
        executor.shutdown(wait=False)

    def digest(self, kind: str, value: str) -> bytes:
        """A value that shows nothing, and is the same for the same value; `kind` keeps kinds apart."""
        return self._store.digest(kind, value)

    async def find(self, key: bytes) -> Entry | None:
        """What was known of the operation with that key's digest when the journal was opened."""
        self._changes.asked.add(key)
        self.hurry()
        operations, _ = await self._flushed()
        found = operations.get(key)
        if found is None:
            return None
        payload, person, state, clogin_id, sent_at, ended_at = found
        return Entry(payload, person, State(state), clogin_id, sent_at, ended_at)

    async def has_person(self, person: bytes) -> bool:
        """Whether an operation is known, under whatever key, that made that person."""
        self._changes.asked_people.add(person)
        self.hurry()
        _, people = await self._flushed()
        return person in people

    async def count(self) -> tuple[int, int]:
        """How many operations earlier runs have left, and how many of them without a known end."""
        counts: tuple[int, int] = await self._in_thread(self._store.count, State.SUCCEEDED)
        return counts

    async def remember(self, ids: Collection[int]) -> None:
        """Makes durable who was there before the first run."""
        await self._in_thread(self._store.remember, ids)

    async def known_ids(self) -> set[int] | None:
        """Who was there before the first run, and who was made by an earlier one; None: it was not noted."""
        known: set[int] | None = await self._in_thread(self._store.known)
        return known

    async def declare(self, key: bytes, payload: bytes, person: bytes | None, sent_at: float) -> None:
        """Makes durable that the operation is about to be sent. Raises `JournalError`.

        It may take a little longer than it must, so that others come with it, unless somebody calls `hurry`.
        """
        self.record(key, (payload, person, State.SENDING, None, sent_at, None))
        await self._flushed()

    async def withdraw(self, key: bytes) -> None:
        """Makes durable that it was not carried out."""
        self.record(key, None)
        self.hurry()
        await self._flushed()

    def hurry(self) -> None:
        """Has what is pending written soon: somebody is held up by it."""
        self._hurried.set()

    def record(self, key: bytes, columns: Columns | None) -> None:
        """Has what is known of an operation written, without a wait; None: it was not carried out."""
        if columns is not None and columns[2] == State.SENDING:
            self._under_way.add(key)
        else:
            self._under_way.discard(key)
        self._changes.written[key] = columns
        self._begin_flushing()

    async def _flushed(self) -> Known:
        """What is known of all that was asked for, once all that was changed by now is durable."""
        waiter: asyncio.Future[Known] = asyncio.get_running_loop().create_future()
        self._waiters.append(waiter)
        self._begin_flushing()
        return await waiter

    def _begin_flushing(self) -> None:
        if self._flushing is None:
            self._flushing = asyncio.ensure_future(self._flush())

    async def _flush(self) -> None:
        """Writes all that is pending, and what comes up meanwhile together."""
        while self._changes.written or self._waiters:
            self._hurried.clear()
            changes, self._changes = self._changes, Changes()
            waiters, self._waiters = self._waiters, []
            found: Known = ({}, set())
            if self._error is None:
                try:
                    found = await self._in_thread(self._store.commit, changes)
                except JournalError as error:
                    self._error = error
            for waiter in waiters:
                if waiter.done():
                    continue
                if self._error is None:
                    waiter.set_result(found)
                else:
                    waiter.set_exception(JournalError(str(self._error)))
            await self._gather()
        self._flushing = None

    async def _gather(self) -> None:
        """Lets more come together for the next commit."""
        if len(self._under_way) < _SIBLINGS:
            await asyncio.sleep(0)
            return
        await asyncio.sleep(_GATHER)
        with anyio.move_on_after(_LONGEST):
            await self._hurried.wait()

    async def _in_thread(self, function: Any, *arguments: Any) -> Any:
        failure: JournalError | None = None
        try:
            return await asyncio.get_running_loop().run_in_executor(self._executor, function, *arguments)
        except (sqlite3.Error, OSError) as error:
            failure = JournalError(f"journal {self._path.name}: {words(error)}")
        raise failure


JournalSource: TypeAlias = str | os.PathLike[str] | Journal


def journal_of(source: JournalSource) -> Journal:
    """The journal that was given, or that of the path."""
    if isinstance(source, (str, os.PathLike)):
        return Journal(source)
    return _arguments.instance("journal", source, Journal)


def _plain(value: Ref | Checked) -> dict[str, Any]:
    """What JSON has no words for; a reference is the key that it names."""
    if isinstance(value, Ref):
        return {"ref": value.key}
    fields = {name: getattr(value, name) for name in _names(type(value))}  # type: ignore[arg-type]  # mypy: a slotted class that compares is no key; its type is
    return {"action": getattr(value, "action", ""), **fields}


@functools.cache
def _names(kind: type[Any]) -> tuple[str, ...]:
    return tuple(field.name for field in attrs.fields(kind))


# Made once: `json.dumps` makes another encoder for each call that has options.
_encode = json.JSONEncoder(
    sort_keys=True, ensure_ascii=True, separators=(",", ":"), check_circular=False, default=_plain
).encode


def canonical(payload: Any) -> str:
    """One text for one payload, as it was given: the same in every version of this library."""
    return _encode(payload)
