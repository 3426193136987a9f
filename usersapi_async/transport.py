"""One attempt over aiohttp, and the proof of how far it came. The only file that knows aiohttp's client.

`Delivery.NOT_SENT` needs positive proof, and there are three: the attempt ended while a connection was waited
for or made; or the connection was found closing when the body was to be written, before which aiohttp only
buffers the request's head. Neither an exception's type nor a tracing signal can tell, so the request's body
itself keeps the record: the connector marks it, and its own write does.
"""

from __future__ import annotations

import asyncio
import itertools
import math
import ssl
from typing import TYPE_CHECKING, Any, cast

import aiohttp
from aiohttp.client_proto import ResponseHandler
from aiohttp.http import StreamWriter
from aiohttp.payload import BytesPayload
from yarl import URL

from ._attempts import LARGEST_LINE, Phase, PoolSettings, Record, ended, headers
from .errors import UsersApiError
from .stats import Pool
from .wire import Answer

if TYPE_CHECKING:
    from aiohttp.abc import AbstractStreamWriter
    from aiohttp.client_reqrep import ClientRequest, ConnectionKey
    from aiohttp.connector import Connection
    from aiohttp.tracing import Trace

    from .settings import Credentials, Timeout


class Watch(Record, BytesPayload):
    """A request's body that keeps the record of its attempt."""

    def __init__(self, body: bytes) -> None:
        super().__init__(body, content_type="application/json")

    async def write_with_length(self, writer: AbstractStreamWriter, content_length: int | None) -> None:
        """Notes, at the last moment before it, whether the body can still reach the connection."""
        # A double in somebody's tests proves nothing, whatever it says of its connection.
        closed = isinstance(writer, StreamWriter) and (
            _is_closed(writer.transport) or _answers_before(writer.protocol)
        )
        if closed and writer.transport is not None:
            writer.transport.close()
        self.phase = Phase.CLOSED_BEFORE_BODY if closed else Phase.WRITING
        await super().write_with_length(writer, content_length)


def _is_closed(transport: asyncio.Transport | None) -> bool:
    """Whether aiohttp refuses to write; it forgets the transport of a connection that is lost."""
    return transport is None or transport.is_closing()


def _answers_before(protocol: Any) -> bool:
    """Whether an answer is there before the request: it is nobody's."""
    return isinstance(protocol, ResponseHandler) and protocol.should_close


def _note(request: ClientRequest, phase: Phase) -> None:
    # Whatever goes through this pool has a Watch for its body.
    cast("Watch", request.body).phase = phase


class _WatchedConnector(aiohttp.TCPConnector):
    """A pool that notes on each body whether a connection is still waited for, being made, or handed out.

    It takes connections back when their answers are judged, see `Record.let_go`.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._watches: dict[ResponseHandler, Watch] = {}

    async def connect(
        self, req: ClientRequest, traces: list[Trace], timeout: aiohttp.ClientTimeout
    ) -> Connection:
        _note(req, Phase.QUEUED)
        connection = await super().connect(req, traces, timeout)
        protocol = cast("ResponseHandler", connection.protocol)
        if _answers_before(protocol):
            _note(req, Phase.CONNECTING)
            connection.close()
            raise aiohttp.ClientConnectionError
        _note(req, Phase.CONNECTED)
        self._watches[protocol] = cast("Watch", req.body)
        return connection

    def in_use(self) -> int:
        """How many are handed out or being made."""
        return len(self._acquired)

    def idle(self) -> int:
        """How many are kept, open as far as is known."""
        kept = itertools.chain.from_iterable(self._conns.values())
        return sum(protocol.is_connected() for protocol, _ in kept)

    def _release(self, key: ConnectionKey, protocol: ResponseHandler, *, should_close: bool = False) -> None:
        watch = self._watches.pop(protocol, None)
        if watch is None or should_close or protocol.should_close:
            super()._release(key, protocol, should_close=should_close)
        else:
            give_back = super()._release
            watch.hold(lambda close: give_back(key, protocol, should_close=close))

    async def _create_connection(
        self, req: ClientRequest, traces: list[Trace], timeout: aiohttp.ClientTimeout
    ) -> ResponseHandler:
        _note(req, Phase.CONNECTING)
        return await super()._create_connection(req, traces, timeout)


class _Received:
    """The parts of a body; a class of its own so that a traceback with local variables shows none of it."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self.size = 0

    def add(self, part: bytes) -> None:
        self._parts.append(part)
        self.size += len(part)

    def whole(self) -> bytes:
        return b"".join(self._parts)


class AiohttpTransport:
    """The pool, and attempts over it. Created and closed in the event loop that uses it.

    A second pool that keeps no connection serves attempts that must have a fresh one: after a reset, what
    else idles in the pool is likely dead too.
    """

    def __init__(self, settings: PoolSettings) -> None:
        self._url = URL(settings.url)
        self._settings = settings
        verify: ssl.SSLContext | bool = True if settings.ssl_context is None else settings.ssl_context
        limit = settings.connections
        kept = _WatchedConnector(ssl=verify, limit=limit, keepalive_timeout=settings.keepalive)
        fresh = _WatchedConnector(ssl=verify, limit=limit, force_close=True)
        self._connectors = (kept, fresh)
        self._pool, self._fresh = self._client(kept), self._client(fresh)

    def _client(self, connector: _WatchedConnector) -> aiohttp.ClientSession:
        return aiohttp.ClientSession(
            connector=connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            headers={"Accept": "application/json", "User-Agent": self._settings.user_agent},
            trust_env=self._settings.trust_env,
        )

    def connections(self) -> Pool:
        """Those that there are."""
        in_use = sum(connector.in_use() for connector in self._connectors)
        idle = sum(connector.idle() for connector in self._connectors)
        return Pool(open=in_use + idle, in_use=in_use, limit=self._settings.connections)

    def watch(self, body: bytes) -> Watch:
        """The record of an attempt that will send `body`."""
        return Watch(body)

    async def close(self) -> None:
        """Closes every connection."""
        await self._pool.close()
        await self._fresh.close()

    async def attempt(
        self, watch: Watch, credentials: Credentials, timestamp: int, timeout: Timeout, *, fresh: bool = False
    ) -> Answer | UsersApiError:
        """Sends the body that `watch` holds once, see `_attempts.Transport`."""
        client = self._fresh if fresh else self._pool
        answer: Answer | None = None
        try:
            async with (
                asyncio.timeout(timeout.attempt),
                client.post(
                    self._url,
                    data=watch,
                    headers=headers(credentials, timestamp),
                    allow_redirects=False,
                    # aiohttp would round timeouts of 5 s and more up to whole seconds.
                    timeout=aiohttp.ClientTimeout(connect=timeout.connect, ceil_threshold=math.inf),
                    max_line_size=LARGEST_LINE,
                    max_field_size=LARGEST_LINE,
                ) as response,
            ):
                answer = Answer(response.status, response.headers, flaw="cut short")
                answer = await self._read(response)
        except asyncio.CancelledError as error:
            broken_off = error
        except Exception as error:  # noqa: BLE001 (what aiohttp can raise is not closed)
            return ended(
                error,
                watch,
                answer,
                not_http=aiohttp.ClientResponseError,
                unknown_host=aiohttp.ClientConnectorDNSError,
            )
        else:
            return answer
        broken_off.__context__ = broken_off.__cause__ = None
        try:
            raise broken_off.with_traceback(None)
        finally:
            del broken_off

    async def _read(self, response: aiohttp.ClientResponse) -> Answer:
        received, content = _Received(), response.content
        while part := await content.readany():
            received.add(part)
            if received.size > self._settings.max_response_bytes:
                response.close()
                return Answer(response.status, response.headers, flaw="too large")
        return Answer(response.status, response.headers, received.whole())
