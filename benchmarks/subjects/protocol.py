"""The physical limit: nothing between the call and the socket but a parser.

It does the bare script's work, JSON both ways and the checks included, over connections that are there before
the first call. It has no pool, no timeout and no answer to anything that goes wrong: no client can be had for
less, and none should be used that does so little.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, cast
from urllib.parse import urlsplit

import httptools

from .burst import Burst, Place, by_workers
from .plain import HEADERS, body_of, new_id, timestamp


class _Connection(asyncio.Protocol):
    """One connection, for one call at a time."""

    def __init__(self) -> None:
        self._parser = httptools.HttpResponseParser(self)
        self._body = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def on_body(self, part: bytes) -> None:
        self._body += part

    def on_message_complete(self) -> None:
        body, self._body = self._body, b""
        self._waiter.set_result((self._parser.get_status_code(), body))

    async def send(self, request: bytes) -> tuple[int, bytes]:
        """The answer's status and body."""
        self._waiter: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self.transport.write(request)
        answer: tuple[int, bytes] = await self._waiter
        return answer


@asynccontextmanager
async def by_protocol(place: Place) -> AsyncIterator[Burst]:
    """Workers, each with a connection."""
    loop = asyncio.get_running_loop()
    parts = urlsplit(place.url)
    host, port = parts.hostname or "", parts.port or 80
    fixed = [f"POST {parts.path} HTTP/1.1", f"Host: {parts.netloc}", "Content-Type: application/json"]
    head = "\r\n".join([*fixed, *(f"{name}: {value}" for name, value in HEADERS.items()), ""]).encode()
    free: list[_Connection] = []
    for _ in range(place.connections):
        _, protocol = await loop.create_connection(_Connection, host, port)
        free.append(protocol)

    async def call(number: int) -> int:
        body = json.dumps(body_of(number)).encode()
        changing = f"Timestamp: {timestamp()['Timestamp']}\r\nContent-Length: {len(body)}\r\n\r\n"
        connection = free.pop()
        status, answer = await connection.send(head + changing.encode() + body)
        free.append(connection)
        return new_id(status, json.loads(answer))

    yield by_workers(call, place.connections)
    for connection in free:
        connection.transport.close()
