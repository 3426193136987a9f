"""The proof of delivery, over each transport on real sockets."""

from __future__ import annotations

import asyncio
import errno
import socket
import ssl
from typing import Any

import pytest

from usersapi_async import (
    ConfigurationError,
    ConnectError,
    ConnectionLost,
    Delivery,
    PoolTimeout,
    Timeout,
)
from usersapi_async._attempts import Phase
from usersapi_async.wire import Answer

from .servers import Connection, answer, answering, free_port, raw_server, until
from .transports import BODY, OK, attempt, failed, open_transport, pool_settings

pytestmark = pytest.mark.usefixtures("any_transport")


async def test_a_whole_attempt() -> None:
    """The request arrives with its headers, and the answer comes back with lower-case ones."""
    handler = answering(answer(b"{}", "Retry-After: 7"))
    async with raw_server(handler) as server, open_transport(server.url) as transport:
        outcome = await attempt(transport, watch=(watch := transport.watch(BODY)))
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
        first = transport.watch(BODY)
        busy = asyncio.ensure_future(attempt(transport, watch=first))
        await until(lambda: server.requests)
        waiting = transport.watch(BODY)
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
        sent, queued = transport.watch(BODY), transport.watch(BODY)
        tasks = [asyncio.ensure_future(attempt(transport, watch=watch)) for watch in (sent, queued)]
        await until(lambda: server.requests)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        assert all(task.cancelled() for task in tasks)
    assert sent.delivery is Delivery.UNKNOWN
    assert queued.delivery is Delivery.NOT_SENT


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


async def test_fresh_connections() -> None:
    """An attempt that must have a fresh connection gets one, and leaves none behind."""
    async with raw_server(answering(OK, OK, OK)) as server, open_transport(server.url) as transport:
        for fresh in (False, False, True, True, False):
            assert isinstance(await attempt(transport, fresh=fresh), Answer)
    assert server.connections == 3


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
    assert pool_settings("http://127.0.0.1/", ssl_context=ssl.create_default_context()).ssl_context
