"""Connections of our own, each with the one request that it carries, and the pool that keeps them."""

from __future__ import annotations

import asyncio
import ipaddress
import select
import socket
import ssl
from collections import deque
from typing import TYPE_CHECKING, Any, TypeAlias, cast

import aiohappyeyeballs
from yarl import URL

from ._attempts import Phase, Record
from ._http import AnswerReader, NotHttp
from .wire import Answer

if TYPE_CHECKING:
    from ._attempts import PoolSettings

_NEXT_ADDRESS_AFTER = 0.25
_GOODBYE = 1.0
"""Seconds that the TLS of connections which are closed has for saying so."""

Outcome: TypeAlias = Answer | Exception


class Connection(asyncio.Protocol):
    """Carries one request after another, and believes only what comes while one waits for its answer."""

    _transport: asyncio.Transport

    def __init__(self, pool: Pool, loop: asyncio.AbstractEventLoop, most: int) -> None:
        self._pool = pool
        self._loop = loop
        self._reader = AnswerReader(most)
        self._waiter: asyncio.Future[Outcome] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._poll: Any = None
        self.idle_since = 0.0
        self.lost: asyncio.Future[None] = loop.create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """For the event loop."""
        self._transport = cast("asyncio.Transport", transport)
        self._pool.connections.add(self)
        if transport.get_extra_info("ssl_object") is None:
            # Over TLS something may be there at first: the tickets with which a session can be resumed.
            self._watch_socket()

    def _watch_socket(self) -> None:
        if self._poll is None and hasattr(select, "poll"):
            self._poll = select.poll()
            self._poll.register(self._transport.get_extra_info("socket").fileno(), select.POLLIN)

    def is_usable(self) -> bool:
        """Whether a request may be written now: the connection stands, and nothing has come unasked.

        Not only what the event loop has read counts, but what lies in the system's buffer too.
        """
        return self.is_open() and not (self._poll is not None and self._poll.poll(0))

    def is_open(self) -> bool:
        """Whether it has not been closed by either side, nor for what came on it, as far as is known."""
        return not self._transport.is_closing()

    def is_in_step(self) -> bool:
        """Whether the answer was whole, nothing came beyond it, and the server goes on."""
        reader = self._reader
        return (
            reader.keep_alive
            and not reader.beyond
            and self.is_open()
            and not self._transport.get_write_buffer_size()
        )

    def ask(self, request: bytes, deadline: float | None) -> asyncio.Future[Outcome]:
        """Writes a request, whole and at once; it must be usable. `deadline` is on the loop's clock.

        The result is an answer or the reason why there is none; the future never fails.
        """
        self._waiter = waiter = self._loop.create_future()
        self._reader.begin()
        if deadline is not None:
            self._timer = self._loop.call_at(deadline, self._expire)
        self._transport.write(request)
        return waiter

    def begun(self) -> Answer | None:
        """What has come of the answer, if its head has."""
        return self._reader.answer() if self._reader.status else None

    def _expire(self) -> None:
        self._end(TimeoutError())

    def _end(self, outcome: Outcome) -> None:
        waiter, self._waiter = self._waiter, None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if waiter is not None and not waiter.done():
            waiter.set_result(outcome)

    def data_received(self, data: bytes) -> None:
        """For the event loop."""
        if self._waiter is None:
            # Nobody asked: it would be taken for the answer to the next request.
            self._transport.abort()
            return
        try:
            if self._reader.feed(data):
                self._end(self._reader.answer())
        except NotHttp as error:
            self._end(error.with_traceback(None))

    def eof_received(self) -> None:
        """For the event loop."""
        if self._waiter is not None:
            self._end(self._reader.answer() if self._reader.end() else EOFError())

    def connection_lost(self, error: Exception | None) -> None:
        """For the event loop."""
        self._end(error or EOFError())
        self._pool.connections.discard(self)
        self.lost.set_result(None)

    def rest(self) -> None:
        """Notes that the connection idles from now on."""
        self.idle_since = self._loop.time()
        self._watch_socket()

    def close(self) -> None:
        """Closes it politely; for one that no request is under way on."""
        self._transport.close()

    def abort(self, error: Exception | None = None) -> None:
        """Closes it at once; a request under way ends with `error`."""
        self._end(error or EOFError())
        self._transport.abort()

    def give_back(self, close: bool) -> None:
        """Gives it back to the pool, to be closed or to be used again."""
        self._pool.give_back(self, close=close)


class Pool:
    """Places for the connections in use, and those that idle, of which the latest serves first."""

    def __init__(self, settings: PoolSettings, context: ssl.SSLContext | None, *, keepalive: float) -> None:
        url = URL(settings.url)
        # The URL was checked: it has a host and a port.
        self._host = cast("str", url.raw_host)
        self._port = url.port
        self._ssl = context
        self.most = settings.connections
        self._most_bytes = settings.max_response_bytes
        self._keepalive = keepalive
        self._loop = asyncio.get_running_loop()
        self._idle: list[Connection] = []
        self.in_use = 0
        self._queue: deque[asyncio.Future[None]] = deque()
        self._opening: set[asyncio.Timeout] = set()
        self._sweeper: asyncio.TimerHandle | None = None
        self._closed = False
        self.connections: set[Connection] = set()

    @property
    def idle(self) -> int:
        """How many are kept, open as far as is known."""
        return sum(connection.is_open() for connection in self._idle)

    def take(self) -> Connection | None:
        """One that idles and is usable, if there is a place free."""
        connection = self._pop() if self.in_use < self.most else None
        if connection is not None:
            self.in_use += 1
        return connection

    def _pop(self) -> Connection | None:
        while self._idle:
            connection = self._idle.pop()
            if connection.idle_since > self._loop.time() - self._keepalive and connection.is_usable():
                return connection
            connection.close()
        return None

    async def open(self, record: Record, until: float) -> Connection:
        """Waits for a place, and makes a connection unless one idles by then; `until` is on the loop's clock.

        Raises `TimeoutError`, and what connecting raises.
        """
        record.phase = Phase.QUEUED
        try:
            async with asyncio.timeout_at(until) as limit:
                self._opening.add(limit)
                try:
                    return await self._opened(record)
                finally:
                    self._opening.discard(limit)
        except TimeoutError:
            self._require_open()
            raise

    def _require_open(self) -> None:
        if self._closed:
            raise ConnectionAbortedError

    async def _opened(self, record: Record) -> Connection:
        await self._place()
        try:
            self._require_open()
            connection = self._pop()
            if connection is None:
                record.phase = Phase.CONNECTING
                connection = await self._connect()
        except BaseException:
            self._free_place()
            raise
        return connection

    async def _place(self) -> None:
        if self.in_use < self.most:
            self.in_use += 1
            return
        turn = self._loop.create_future()
        self._queue.append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self._free_place()
            raise

    def _free_place(self) -> None:
        """Hands a place to the next in the queue, or has one less in use."""
        while self._queue:
            turn = self._queue.popleft()
            if not turn.done():
                turn.set_result(None)
                return
        self.in_use -= 1

    async def _connect(self) -> Connection:
        found = await aiohappyeyeballs.start_connection(
            await self._addresses(), happy_eyeballs_delay=_NEXT_ADDRESS_AFTER, loop=self._loop
        )
        _, connection = await self._loop.create_connection(
            lambda: Connection(self, self._loop, self._most_bytes),
            sock=found,
            ssl=self._ssl,
            server_hostname=None if self._ssl is None else self._host,
        )
        if self._closed:
            connection.abort()
        self._require_open()
        return connection

    async def _addresses(self) -> list[Any]:
        try:
            ipaddress.ip_address(self._host)
        except ValueError:
            return await self._loop.getaddrinfo(self._host, self._port, type=socket.SOCK_STREAM)
        # No look-up, so that no thread is needed for it.
        return socket.getaddrinfo(
            self._host, self._port, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST
        )

    def give_back(self, connection: Connection, *, close: bool) -> None:
        """Takes back a connection that was handed out, and its place."""
        if close or self._closed or not connection.is_open():
            connection.close()
        else:
            connection.rest()
            self._idle.append(connection)
            if self._sweeper is None:
                self._sweep_at(connection.idle_since)
        self._free_place()

    def _sweep_at(self, idle_since: float) -> None:
        self._sweeper = self._loop.call_at(idle_since + self._keepalive, self._sweep)

    def _sweep(self) -> None:
        """Closes what has idled too long; the longest come first."""
        self._sweeper = None
        oldest = self._loop.time() - self._keepalive
        while self._idle and self._idle[0].idle_since <= oldest:
            self._idle.pop(0).close()
        if self._idle:
            self._sweep_at(self._idle[0].idle_since)

    async def close(self) -> None:
        """Closes every connection; what waits for one or for an answer ends with `ConnectionAbortedError`."""
        self._closed = True
        if self._sweeper is not None:
            self._sweeper.cancel()
            self._sweeper = None
        for limit in self._opening:
            limit.reschedule(self._loop.time())
        for connection in self._idle:
            connection.close()
        for connection in self.connections.difference(self._idle):
            connection.abort(ConnectionAbortedError())
        self._idle.clear()
        try:
            await self._lost_all()
        finally:
            for connection in list(self.connections):
                connection.abort()
        await self._lost_all()

    async def _lost_all(self) -> None:
        """Waits until no connection is left, but not for long."""
        if self.connections:
            await asyncio.wait([connection.lost for connection in self.connections], timeout=_GOODBYE)
