"""One attempt over aiohttp, and the proof of how far it came. The only file that knows aiohttp's client.

`Delivery.NOT_SENT` needs positive proof, and there are three: the attempt ended while a connection was waited
for or made; or the connection was found closing when the body was to be written, before which aiohttp only
buffers the request's head. Neither an exception's type nor a tracing signal can tell, so the request's body
itself keeps the record: the connector marks it, and its own write does.
"""

from __future__ import annotations

import asyncio
import enum
import itertools
import math
import os
import ssl
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, cast

import aiohttp
import attrs
from aiohttp.client_proto import ResponseHandler
from aiohttp.http import StreamWriter
from aiohttp.payload import BytesPayload
from yarl import URL

from . import _arguments
from .assumptions import SEND_TIMESTAMP
from .errors import (
    CertificateError,
    ConnectError,
    ConnectionLost,
    Delivery,
    MalformedResponse,
    PoolTimeout,
    RequestTimeout,
    UsersApiError,
)
from .stats import Pool
from .wire import Answer

if TYPE_CHECKING:
    from aiohttp.abc import AbstractStreamWriter
    from aiohttp.client_reqrep import ClientRequest, ConnectionKey
    from aiohttp.connector import Connection
    from aiohttp.tracing import Trace

    from .settings import Credentials, Timeout

_LARGEST_HEAD = 16_384


class Phase(enum.Enum):
    """Where an attempt is."""

    BEGUN = enum.auto()
    QUEUED = enum.auto()
    CONNECTING = enum.auto()
    CONNECTED = enum.auto()
    CLOSED_BEFORE_BODY = enum.auto()
    WRITING = enum.auto()


_NOTHING_SENT = frozenset({Phase.QUEUED, Phase.CONNECTING, Phase.CLOSED_BEFORE_BODY})


class Watch(BytesPayload):
    """A request's body that keeps the record of its attempt; also after a cancellation."""

    def __init__(self, body: bytes) -> None:
        super().__init__(body, content_type="application/json")
        self.phase = Phase.BEGUN
        self._give_back: Callable[[bool], None] | None = None

    @property
    def delivery(self) -> Delivery:
        """NOT_SENT where it is proven, else UNKNOWN."""
        return Delivery.NOT_SENT if self.phase in _NOTHING_SENT else Delivery.UNKNOWN

    def hold(self, give_back: Callable[[bool], None]) -> None:
        """Keeps the connection, whose answer is whole, until it is judged."""
        self._give_back = give_back

    def let_go(self, *, reuse: bool) -> None:
        """Gives the connection back to the pool, or has it closed.

        A server may send an answer twice, and the second one would be taken for that of the next request. So
        only an answer that names what it belongs to shows that requests and answers are in step.
        """
        give_back, self._give_back = self._give_back, None
        if give_back is not None:
            give_back(not reuse)

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

    It takes connections back when their answers are judged, see `Watch.let_go`.
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


@attrs.frozen(kw_only=True)
class PoolSettings:
    """How connections are made. Raises `ConfigurationError`."""

    url: str
    connections: int
    keepalive: float
    max_response_bytes: int
    ssl_context: ssl.SSLContext | None
    trust_env: bool
    user_agent: str

    def __attrs_post_init__(self) -> None:
        for name, smallest in (("connections", 1), ("keepalive", 0), ("max_response_bytes", 1)):
            _arguments.number(name, getattr(self, name), smallest)
        _arguments.instance("trust_env", self.trust_env, bool)
        if self.ssl_context is not None:
            _arguments.instance("ssl_context", self.ssl_context, ssl.SSLContext)


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


class Transport:
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

    async def close(self) -> None:
        """Closes every connection."""
        await self._pool.close()
        await self._fresh.close()

    async def attempt(
        self, watch: Watch, credentials: Credentials, timestamp: int, timeout: Timeout, *, fresh: bool = False
    ) -> Answer | UsersApiError:
        """Sends the body that `watch` holds once; `timestamp` is Unix time in whole seconds.

        Failures are returned, to be raised from a frame that holds no secret; a cancellation leaves without
        aiohttp's frames, which do.
        """
        client = self._fresh if fresh else self._pool
        answer: Answer | None = None
        try:
            async with (
                asyncio.timeout(timeout.attempt),
                client.post(
                    self._url,
                    data=watch,
                    headers=_headers(credentials, timestamp),
                    allow_redirects=False,
                    # aiohttp would round timeouts of 5 s and more up to whole seconds.
                    timeout=aiohttp.ClientTimeout(connect=timeout.connect, ceil_threshold=math.inf),
                    max_line_size=_LARGEST_HEAD,
                    max_field_size=_LARGEST_HEAD,
                ) as response,
            ):
                answer = Answer(response.status, response.headers, flaw="cut short")
                answer = await self._read(response)
        except asyncio.CancelledError as error:
            broken_off = error
        except Exception as error:  # noqa: BLE001 (what aiohttp can raise is not closed)
            return _translated(error, watch, answer)
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


def _headers(credentials: Credentials, timestamp: int) -> dict[str, str]:
    headers = {
        "Api-id": str(credentials.api_id),
        "Api-user": credentials.api_user,
        "Api-token": credentials.api_token,
    }
    if SEND_TIMESTAMP:
        headers["Timestamp"] = str(timestamp)
    return headers


def _translated(error: Exception, watch: Watch, answer: Answer | None) -> Answer | UsersApiError:
    """The library's error for one of aiohttp's, with nothing of it but its kind and errno."""
    if answer is not None and not (isinstance(error, TimeoutError) and answer.status < 300):
        # The status has come. An error status speaks for itself; a success that broke off is malformed.
        return answer
    kind = type(error).__name__
    errno = error.errno if isinstance(error, OSError) else None
    delivery = watch.delivery
    if isinstance(error, (aiohttp.ClientConnectorCertificateError, ssl.CertificateError)):
        return CertificateError("the server's certificate was not accepted", errno=errno)
    if isinstance(error, TimeoutError):
        if watch.phase is Phase.QUEUED:
            return PoolTimeout("no connection became free in time")
        if watch.phase is Phase.CONNECTING:
            return ConnectError("no connection was made in time")
        return RequestTimeout("no complete answer in time", delivery=delivery)
    if watch.phase is Phase.CONNECTING:
        return ConnectError(f"no connection was made: {_reason(error)}", errno=errno)
    if isinstance(error, aiohttp.ClientResponseError):
        return MalformedResponse("the answer is not HTTP", delivery=delivery)
    return ConnectionLost(f"the connection broke ({kind})", delivery=delivery, errno=errno)


def _reason(error: Exception) -> str:
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return "the host's name was not found"
    errno = error.errno if isinstance(error, OSError) else None
    return os.strerror(errno).lower() if errno is not None and errno > 0 else type(error).__name__
