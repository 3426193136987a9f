"""Reads the caller's rows one at a time, from any iterable."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable, Callable, Iterable
from typing import Any, TypeAlias

import attrs

from usersapi_async.errors import ConfigurationError, PayloadError, SourceError
from usersapi_async.payloads import AnyPayload, Payload

from .outcomes import Key

Items: TypeAlias = "Iterable[Any] | AsyncIterable[Any]"
Build: TypeAlias = Callable[[Any], AnyPayload]

END = object()


class Source:
    """One pass over the rows, begun with the first `read`."""

    def __init__(self, items: Any) -> None:
        self._items = items
        self._rows: Any = None
        self._asynchronous = isinstance(items, AsyncIterable)
        if not self._asynchronous and (isinstance(items, (str, bytes)) or not isinstance(items, Iterable)):
            raise ConfigurationError(f"items: expected an iterable of rows, got {type(items).__name__}")

    async def read(self) -> Any:
        """The next row, or `END`. Raises `SourceError`."""
        try:
            if self._rows is None:
                self._rows = aiter(self._items) if self._asynchronous else iter(self._items)
            return await anext(self._rows, END) if self._asynchronous else next(self._rows, END)
        except asyncio.CancelledError as error:
            task = asyncio.current_task()
            if task is None or task.cancelling():
                raise
            # Nobody cancelled this task: the iterable let out the end of one of its own.
            raise SourceError("the iterable of rows raised CancelledError") from error
        except Exception as error:
            raise SourceError(f"the iterable of rows raised {type(error).__name__}") from error


def split(item: Any, index: int) -> tuple[Key, Any]:
    """The key and the rest of a row: a pair has its key in front, any other row is known by its index."""
    if isinstance(item, tuple) and len(item) == 2:
        return item if isinstance(item[0], str) and item[0] else (index, _BadKey(type(item[0]).__name__))
    return index, item


@attrs.frozen
class _BadKey:
    """Stands for a row whose key can't be one."""

    kind: str


def built(raw: Any, build: Build | None) -> AnyPayload:
    """The payload of a row. Raises `PayloadError`, whatever the caller's function raises."""
    if isinstance(raw, _BadKey):
        raise PayloadError([f"expected a str that is not empty, got {raw.kind} @ key"])
    if isinstance(raw, Payload) or build is None:
        payload = raw
    else:
        try:
            payload = build(raw)
        except PayloadError:
            raise
        except Exception as error:
            raise PayloadError([f"build raised {type(error).__name__} @ $"]) from error
    if not isinstance(payload, Payload):
        raise PayloadError([f"expected a payload, got {type(payload).__name__} @ $"])
    return payload
