"""The proof of delivery, against the installed aiohttp on real sockets."""

from __future__ import annotations

import asyncio
import errno
import socket
import ssl
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, cast
from unittest.mock import AsyncMock, Mock

import pytest
from aiohttp import ClientConnectionResetError
from aiohttp.client_proto import ResponseHandler
from aiohttp.http import StreamWriter

from usersapi_async import (
    ConfigurationError,
    ConnectError,
    ConnectionLost,
    Credentials,
    Delivery,
    PoolTimeout,
    Timeout,
    UsersApiError,
)
from usersapi_async.transport import Phase, PoolSettings, Transport, Watch, _WatchedConnector
from usersapi_async.wire import Answer

from .servers import Connection, answer, answering, free_port, raw_server, until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

ACCOUNT = Credentials(12, "admin@example.org", "t0k3n")
BODY = b'{"action":"create"}'
SLOW = Timeout(connect=10, attempt=10)
OK = answer({"success": True})


@asynccontextmanager
async def open_transport(url: str, **changes: Any) -> AsyncIterator[Transport]:
    """A pool for this URL."""
    usual: dict[str, Any] = {
        "connections": 10,
        "keepalive": 2.0,
        "max_response_bytes": 100_000,
        "ssl_context": None,
        "trust_env": False,
        "user_agent": "tests",
    }
    transport = Transport(PoolSettings(url=url, **{**usual, **changes}))
    try:
        yield transport
    finally:
        await transport.close()


async def attempt(
    transport: Transport,
    timeout: Timeout = SLOW,
    *,
    watch: Watch | None = None,
    fresh: bool = False,
    reuse: bool = True,
) -> Answer | UsersApiError:
    """One attempt, and the judgement of its connection."""
    watch = watch or Watch(BODY)
    outcome = await transport.attempt(watch, ACCOUNT, 1_700_000_000, timeout, fresh=fresh)
    watch.let_go(reuse=reuse)
    return outcome


async def failed(url: str, timeout: Timeout = SLOW, **changes: Any) -> UsersApiError:
    """The error of one attempt that must fail."""
    async with open_transport(url, **changes) as transport:
        outcome = await attempt(transport, timeout)
    assert isinstance(outcome, UsersApiError)
    for secret in ("t0k3n", "admin@example.org", "create"):
        assert secret not in repr((outcome, outcome.__cause__, outcome.__context__))
    return outcome


async def answered(data: bytes, **changes: Any) -> Answer:
    """What is read of an answer."""
    async with raw_server(answering(data)) as server, open_transport(server.url, **changes) as transport:
        outcome = await attempt(transport)
    assert isinstance(outcome, Answer)
    return outcome


async def test_a_whole_attempt() -> None:
    """The request arrives with its headers, and the answer comes back with lower-case ones."""
    handler = answering(answer(b"{}", "Retry-After: 7"))
    async with raw_server(handler) as server, open_transport(server.url) as transport:
        outcome = await attempt(transport, watch=(watch := Watch(BODY)))
    assert isinstance(outcome, Answer)
    assert (outcome.status, outcome.body, outcome.flaw) == (200, b"{}", None)
    assert outcome.headers["retry-after"] == "7"
    assert (watch.phase, watch.delivery) == (Phase.WRITING, Delivery.UNKNOWN)
    head, _, body = server.requests[0].partition(b"\r\n\r\n")
    assert body == BODY
    lines = head.decode().split("\r\n")
    assert lines[0] == "POST /api/ HTTP/1.1"
    for line in (
        "Api-id: 12",
        "Api-user: admin@example.org",
        "Api-token: t0k3n",
        "Timestamp: 1700000000",
        "Content-Type: application/json",
        "Accept: application/json",
        "User-Agent: tests",
    ):
        assert line in lines


async def test_refused_connection() -> None:
    """Nobody listens: nothing was sent, and the system's number is kept."""
    error = await failed(f"http://127.0.0.1:{free_port()}/")
    assert type(error) is ConnectError
    assert (error.delivery, error.errno) == (Delivery.NOT_SENT, errno.ECONNREFUSED)


async def test_unknown_host(monkeypatch: pytest.MonkeyPatch) -> None:
    """A name that no look-up finds: nothing was sent."""

    async def no_such_host(*_: Any, **__: Any) -> Any:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", no_such_host)
    error = await failed("https://users.invalid/")
    assert type(error) is ConnectError
    assert error.delivery is Delivery.NOT_SENT


@pytest.mark.parametrize(
    "timeout",
    [Timeout(connect=0.02, attempt=10), Timeout(connect=10, attempt=0.02)],
    ids=["connect", "attempt"],
)
async def test_no_connection_in_time(timeout: Timeout) -> None:
    """A server that never answers the opening of TLS: nothing was sent, whichever timeout ends it."""

    async def silent(connection: Connection) -> None:
        await connection.gone()

    async with raw_server(silent) as server:
        error = await failed(server.url.replace("http:", "https:"), timeout)
    assert type(error) is ConnectError
    assert error.delivery is Delivery.NOT_SENT
    assert server.requests == []


async def test_no_free_connection_in_time() -> None:
    """A pool whose connections are all busy: nothing was sent."""
    release = asyncio.Event()

    async def slow(connection: Connection) -> None:
        await connection.request()
        await release.wait()
        await connection.send(OK)

    async with raw_server(slow) as server, open_transport(server.url, connections=1) as transport:
        first = Watch(BODY)
        busy = asyncio.ensure_future(attempt(transport, watch=first))
        await until(lambda: server.requests)
        waiting = Watch(BODY)
        error = await attempt(transport, Timeout(connect=0.02), watch=waiting)
        release.set()
        assert isinstance(await busy, Answer)
    assert type(error) is PoolTimeout
    assert (error.delivery, waiting.phase) == (Delivery.NOT_SENT, Phase.QUEUED)
    assert len(server.requests) == 1


async def test_a_cancelled_wait_for_a_connection() -> None:
    """The record on the body outlives a cancellation: in the queue nothing was sent, after it who knows."""

    async def silent(connection: Connection) -> None:
        await connection.request()
        await connection.gone()

    async with raw_server(silent) as server, open_transport(server.url, connections=1) as transport:
        sent, queued = Watch(BODY), Watch(BODY)
        tasks = [asyncio.ensure_future(attempt(transport, watch=watch)) for watch in (sent, queued)]
        await until(lambda: server.requests)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        assert all(task.cancelled() for task in tasks)
    assert sent.delivery is Delivery.UNKNOWN
    assert queued.delivery is Delivery.NOT_SENT


async def test_closed_before_the_body(monkeypatch: pytest.MonkeyPatch) -> None:
    """A connection found closing when the body was to be written: no byte left, the head included."""
    handed_out = _WatchedConnector.connect

    async def connect(self: _WatchedConnector, *args: Any, **more: Any) -> Any:
        connection = await handed_out(self, *args, **more)
        assert connection.transport is not None
        connection.transport.close()
        return connection

    monkeypatch.setattr(_WatchedConnector, "connect", connect)
    async with raw_server(answering(OK)) as server:
        error = await failed(server.url)
        await until(lambda: server.connections)
    assert type(error) is ConnectionLost
    assert error.delivery is Delivery.NOT_SENT
    assert (server.requests, server.stray) == ([], b"")


async def test_doubles_prove_nothing() -> None:
    """A writer that is none of aiohttp's is no proof, even when it says that it is closing."""
    writer = AsyncMock(transport=Mock(is_closing=Mock(return_value=True)))
    watch = Watch(BODY)
    assert watch.delivery is Delivery.UNKNOWN
    await watch.write_with_length(writer, len(BODY))
    assert watch.delivery is Delivery.UNKNOWN


async def test_closed_by_the_server_between_two_requests() -> None:
    """A kept connection that the server closes on the second request: it may have been carried out."""

    async def once(connection: Connection) -> None:
        await connection.request()
        await connection.send(OK)
        await connection.request()

    async with raw_server(once) as server, open_transport(server.url) as transport:
        assert isinstance(await attempt(transport), Answer)
        error = await attempt(transport)
    assert type(error) is ConnectionLost
    assert error.delivery is Delivery.UNKNOWN
    assert (server.connections, len(server.requests)) == (1, 2)


@pytest.mark.parametrize("ending", ["closed", "reset"])
async def test_ended_after_the_request(ending: str) -> None:
    """A connection that ends without a byte of an answer leaves open what was done."""

    async def handle(connection: Connection) -> None:
        await connection.request()
        if ending == "reset":
            connection.reset()

    async with raw_server(handle) as server:
        error = await failed(server.url)
    assert type(error) is ConnectionLost
    assert error.delivery is Delivery.UNKNOWN
    assert error.errno == (errno.ECONNRESET if ending == "reset" else None)


async def test_connections_that_may_be_out_of_step() -> None:
    """Only a connection whose answer was judged good serves another attempt."""
    async with raw_server(answering(OK, OK, OK)) as server, open_transport(server.url) as transport:
        for reuse in (True, False, True, True):
            assert isinstance(await attempt(transport, reuse=reuse), Answer)
    assert server.connections == 2


async def test_an_answer_that_comes_while_nobody_asks() -> None:
    """It is nobody's: the request is not sent on that connection, and that is proven."""
    asked = asyncio.Event()

    async def again(connection: Connection) -> None:
        await connection.request()
        await connection.send(OK)
        await asked.wait()
        await connection.send(OK)
        await connection.gone()

    async with raw_server(again) as server, open_transport(server.url) as transport:
        assert isinstance(await attempt(transport), Answer)
        pool = cast("Any", transport._pool.connector)._conns
        asked.set()
        await until(lambda: all(protocol.should_close for idle in pool.values() for protocol, _ in idle))
        error = await attempt(transport)
    assert type(error) is ConnectError
    assert error.delivery is Delivery.NOT_SENT
    assert len(server.requests) == 1


async def test_an_answer_just_before_the_body() -> None:
    """Found when the body was to be written: the connection is closed first, so that nothing is sent."""
    protocol = ResponseHandler(asyncio.get_running_loop())
    connection = Mock(is_closing=Mock(return_value=False))
    connection.close.side_effect = lambda: connection.is_closing.configure_mock(return_value=True)
    protocol.connection_made(connection)
    protocol.data_received(OK)
    watch = Watch(BODY)
    with pytest.raises(ClientConnectionResetError):
        await watch.write_with_length(StreamWriter(protocol, asyncio.get_running_loop()), len(BODY))
    assert watch.delivery is Delivery.NOT_SENT
    assert not connection.write.called


async def test_fresh_connections() -> None:
    """An attempt that must have a fresh connection gets one, and leaves none behind."""
    async with raw_server(answering(OK, OK, OK)) as server, open_transport(server.url) as transport:
        for fresh in (False, False, True, True, False):
            assert isinstance(await attempt(transport, fresh=fresh), Answer)
    assert server.connections == 3


async def test_proxies_only_when_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """Proxies of the environment are taken with ``trust_env`` alone."""
    url = f"http://127.0.0.1:{free_port()}/api/"
    async with raw_server(answering(OK)) as proxy:
        monkeypatch.setenv("http_proxy", proxy.url)
        monkeypatch.delenv("no_proxy", raising=False)
        monkeypatch.delenv("NO_PROXY", raising=False)
        assert type(await failed(url)) is ConnectError
        async with open_transport(url, trust_env=True) as transport:
            assert isinstance(await attempt(transport), Answer)
    assert proxy.requests[0].startswith(f"POST {url} HTTP/1.1".encode())


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"connections": 0}, "connections: expected a number of 1 or more"),
        ({"keepalive": -1}, "keepalive: expected a number of 0 or more"),
        ({"max_response_bytes": 0}, "max_response_bytes: expected a number of 1 or more"),
        ({"ssl_context": True}, "ssl_context: expected SSLContext, got bool"),
    ],
)
async def test_settings(change: dict[str, Any], expected: str) -> None:
    """What can't be right names its argument."""
    with pytest.raises(ConfigurationError) as caught:
        async with open_transport("http://127.0.0.1/", **change):
            pass
    assert str(caught.value) == expected
    assert PoolSettings(
        url="http://127.0.0.1/",
        connections=1,
        keepalive=0,
        max_response_bytes=1,
        ssl_context=ssl.create_default_context(),
        trust_env=False,
        user_agent="tests",
    ).ssl_context
