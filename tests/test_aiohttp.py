"""What only the transport over aiohttp has, against the installed aiohttp."""

from __future__ import annotations

import asyncio
from typing import Any, cast
from unittest.mock import AsyncMock, Mock

import pytest
from aiohttp import ClientConnectionResetError
from aiohttp.client_proto import ResponseHandler
from aiohttp.http import StreamWriter

from usersapi_async import ConnectError, ConnectionLost, Delivery
from usersapi_async.transport import Watch, _WatchedConnector
from usersapi_async.wire import Answer

from .servers import Connection, answering, free_port, raw_server, until
from .transports import BODY, OK, attempt, failed, open_transport


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
        pool = cast("Any", transport)._pool.connector._conns
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
