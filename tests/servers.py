"""Servers that do one thing wrong, on real sockets of this machine."""

from __future__ import annotations

import asyncio
import json
import re
import socket
import struct
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import ssl
    from collections.abc import AsyncIterator, Awaitable, Callable

    from usersapi_async.emulator import Emulator

    Handler = Callable[["Connection"], Awaitable[None]]


class Connection:
    """One connection as the server sees it."""

    def __init__(self, server: RawServer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._server = server
        self._reader = reader
        self._writer = writer

    async def request(self) -> bytes:
        """Reads one whole request; b"" when the client has left."""
        try:
            head = await self._reader.readuntil(b"\r\n\r\n")
        except asyncio.IncompleteReadError as error:
            self._server.stray += error.partial
            return b""
        length = re.search(rb"content-length: (\d+)", head, re.IGNORECASE)
        body = await self._reader.readexactly(int(length[1]) if length else 0)
        self._server.requests.append(head + body)
        return head + body

    async def send(self, data: bytes) -> None:
        """Writes these bytes."""
        self._writer.write(data)
        await self._writer.drain()

    async def read_exactly(self, count: int) -> bytes:
        """Reads so many bytes of a request and leaves the rest."""
        return await self._reader.readexactly(count)

    async def end(self, *, reset: bool) -> None:
        """Ends the connection, by a reset or politely."""
        if reset:
            self.reset()
        else:
            self._writer.close()

    def reset(self) -> None:
        """Ends the connection with a reset, and not with a goodbye."""
        linger = struct.pack("ii", 1, 0)
        self._writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        self._writer.transport.abort()

    async def gone(self) -> None:
        """Waits until the client has left."""
        await self._reader.read()


class RawServer:
    """Where it listens, and what arrived there."""

    def __init__(self, scheme: str) -> None:
        self._scheme = scheme
        self.port = 0
        self.connections = 0
        self.requests: list[bytes] = []
        self.stray = b""
        """What arrived of requests that were not whole."""

    @property
    def url(self) -> str:
        """The base URL for a session."""
        return f"{self._scheme}://127.0.0.1:{self.port}/api/"


@asynccontextmanager
async def raw_server(handler: Handler, ssl_context: ssl.SSLContext | None = None) -> AsyncIterator[RawServer]:
    """Runs `handler` for each connection, which is closed after it."""
    server = RawServer("http" if ssl_context is None else "https")
    tasks: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        server.connections += 1
        try:
            await handler(Connection(server, reader, writer))
        except (ConnectionError, asyncio.CancelledError):
            pass
        finally:
            writer.transport.abort() if writer.is_closing() else writer.close()

    listener = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=ssl_context)
    server.port = listener.sockets[0].getsockname()[1]
    try:
        yield server
    finally:
        listener.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await listener.wait_closed()


def answer(
    body: bytes | dict[str, Any], *headers: str, status: str = "200 OK", length: int | None = None
) -> bytes:
    """An HTTP answer; `length` is what it says of its body's length, where that is not the truth."""
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    size = len(raw) if length is None else length
    head = [f"HTTP/1.1 {status}", f"Content-Length: {size}", "Content-Type: application/json", *headers]
    return "\r\n".join([*head, "", ""]).encode() + raw


def answering(*answers: bytes) -> Handler:
    """A handler that gives one answer after another on the same connection, then closes it."""

    async def handle(connection: Connection) -> None:
        for one in answers:
            if not await connection.request():
                return
            await connection.send(one)

    return handle


def free_port() -> int:
    """A port where nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


async def until(condition: Callable[[], object]) -> None:
    """Lets everything else run until this is so; an error when it never is."""
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110 (an event would have to be built into what is watched)
            await asyncio.sleep(0)


def bodies(emulator: Emulator) -> list[dict[str, Any]]:
    """The requests that the emulator received, as JSON."""
    return [request.body or {} for request in emulator.requests]
