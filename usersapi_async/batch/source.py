"""Reads the caller's rows one at a time, from any iterable."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import AsyncIterable, Callable, Iterable, Mapping
from typing import Any, TypeAlias

import anyio
import attrs

from usersapi_async import _arguments
from usersapi_async.errors import ConfigurationError, PayloadError, SourceError
from usersapi_async.payloads import AnyPayload, Payload

from .outcomes import Key

Items: TypeAlias = Iterable[Any] | AsyncIterable[Any]
Build: TypeAlias = Callable[[Any], AnyPayload]


def check_items(items: Any) -> None:
    """Raises `ConfigurationError` for what is no iterable of rows."""
    if isinstance(items, Mapping):
        raise ConfigurationError("items: expected an iterable of rows, got a mapping; give its .items()")
    if isinstance(items, (str, bytes)) or not isinstance(items, (Iterable, AsyncIterable)):
        raise ConfigurationError(f"items: expected an iterable of rows, got {type(items).__name__}")


class Source:
    """One pass over the rows, begun with the first `read`. ``exhausted`` tells that it came to their end."""

    def __init__(self, items: Any) -> None:
        self._items = items
        self._rows: Any = None
        self._reading: anyio.CancelScope | None = None
        self.exhausted = False
        self._asynchronous = isinstance(items, AsyncIterable)
        check_items(items)

    async def read(self) -> Item | None:
        """The next row; None at the end, or when it was stopped meanwhile. Raises `SourceError`."""
        with anyio.CancelScope() as self._reading:
            try:
                return await self._next()
            finally:
                self._reading = None
        return None

    def stop(self) -> None:
        """Breaks off a `read` that is under way."""
        if self._reading is not None:
            self._reading.cancel()

    async def _next(self) -> Item | None:
        try:
            if self._rows is None:
                self._rows = aiter(self._items) if self._asynchronous else iter(self._items)
            return Item(await anext(self._rows) if self._asynchronous else next(self._rows))
        except (StopIteration, StopAsyncIteration):
            self.exhausted = True
            return None
        except asyncio.CancelledError as error:
            task = asyncio.current_task()
            if task is None or task.cancelling():
                raise
            # Nobody cancelled this task: the iterable let out the end of one of its own.
            raise SourceError("the iterable of rows raised CancelledError") from error
        except Exception as error:
            raise SourceError(f"the iterable of rows raised {type(error).__name__}") from error


@attrs.frozen
class Item:
    """One row as it was ``read``. It shows nothing of it, in a traceback with local variables either."""

    read: Any = attrs.field(repr=False)

    def key_or(self, index: int) -> Key:
        """The row's key: a pair has it in front, any other row is known by its index."""
        return self.read[0] if self._is_pair and self._bad_key is None else index

    def payload(self, build: Build | None) -> AnyPayload:
        """The payload of the row. Raises `PayloadError`, whatever the caller's function raises."""
        if self._bad_key is not None:
            raise PayloadError([f"expected a str that is not empty, got {self._bad_key} @ key"])
        if build is None or isinstance(self.row, Payload):
            found = self.row
        else:
            try:
                found = build(self.row)
            except PayloadError:
                raise
            except Exception as error:
                raise PayloadError([f"build raised {_arguments.raised(error)} @ $"]) from error
        if isinstance(found, Payload):
            return found
        kind = type(found).__name__
        if inspect.iscoroutine(found):
            found.close()
        del found
        what = "a payload or a (key, payload) pair" if build is None else "a payload from build"
        raise PayloadError([f"expected {what}, got {kind} @ $"])

    @property
    def _is_pair(self) -> bool:
        return isinstance(self.read, tuple) and len(self.read) == 2

    @property
    def _bad_key(self) -> str | None:
        """What a key is that can't be one."""
        if not self._is_pair or (isinstance(self.read[0], str) and self.read[0]):
            return None
        return type(self.read[0]).__name__ if self.read[0] != "" else "an empty one"

    @property
    def row(self) -> Any:
        """The row without its key."""
        return self.read[1] if self._is_pair else self.read
