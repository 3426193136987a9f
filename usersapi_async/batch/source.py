"""Reads the caller's rows one at a time, from any iterable."""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable, Iterator
from typing import Any, TypeAlias

import attrs

from usersapi_async.errors import ConfigurationError, PayloadError, SourceError
from usersapi_async.payloads import AnyPayload, Payload

from .outcomes import Key

Items: TypeAlias = "Iterable[Any] | AsyncIterable[Any]"
Build: TypeAlias = Callable[[Any], AnyPayload]

END = object()


class Source:
    """One pass over the rows."""

    def __init__(self, items: Any) -> None:
        self._rows: Iterator[Any] | AsyncIterator[Any]
        if isinstance(items, AsyncIterable):
            self._rows = aiter(items)
        elif isinstance(items, Iterable) and not isinstance(items, (str, bytes)):
            self._rows = iter(items)
        else:
            raise ConfigurationError(f"items: expected an iterable of rows, got {type(items).__name__}")

    async def read(self) -> Any:
        """The next row, or `END`. Raises `SourceError`."""
        try:
            if isinstance(self._rows, AsyncIterator):
                return await anext(self._rows, END)
            return next(self._rows, END)
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
