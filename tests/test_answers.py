"""What is read of an answer, over each transport on real sockets."""

from __future__ import annotations

import gzip

import pytest

from usersapi_async import Delivery, MalformedResponse, RequestTimeout, Timeout, TransportError
from usersapi_async.wire import Answer

from .servers import Connection, answer, answering, raw_server
from .transports import OK, answered, attempt, failed, open_transport

pytestmark = pytest.mark.usefixtures("any_transport")


@pytest.mark.parametrize("start", [b"", b"HTTP/1.1 200 OK\r\n", OK[:-3]])
async def test_no_answer_in_time(start: bytes) -> None:
    """A timeout after sending leaves open what was done, however much of a success came."""

    async def handle(connection: Connection) -> None:
        await connection.request()
        await connection.send(start)
        await connection.gone()

    async with raw_server(handle) as server:
        error = await failed(server.url, Timeout(attempt=0.4))
    assert type(error) is RequestTimeout
    assert isinstance(error, TransportError)
    assert error.delivery is Delivery.UNKNOWN


async def test_an_error_status_needs_no_body() -> None:
    """An error status whose body never ends is an answer all the same."""

    async def handle(connection: Connection) -> None:
        await connection.request()
        await connection.send(answer(b"{", status="429 Too Many", length=50))
        await connection.gone()

    async with raw_server(handle) as server, open_transport(server.url) as transport:
        outcome = await attempt(transport, Timeout(attempt=0.4))
    assert isinstance(outcome, Answer)
    assert (outcome.status, outcome.body, outcome.flaw) == (429, b"", "cut short")


@pytest.mark.parametrize(
    "data",
    [
        b"SSH-2.0-OpenSSH_9.6\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: many\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX-Flood: " + b"x" * 60_000 + b"\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"".join(b"X-%d: y\r\n" % number for number in range(60_000)) + b"\r\n",
    ],
    ids=["other protocol", "bad length", "long header", "many headers"],
)
async def test_not_http(data: bytes) -> None:
    """What is no answer in HTTP, or floods with headers, leaves open what was done."""

    async def handle(connection: Connection) -> None:
        await connection.request()
        await connection.send(data)
        await connection.gone()

    async with raw_server(handle) as server:
        error = await failed(server.url)
    assert type(error) is MalformedResponse
    assert error.delivery is Delivery.UNKNOWN


async def test_a_body_cut_short() -> None:
    """A body that ends before its length is marked so."""
    outcome = await answered(answer(b'{"success": true', length=200))
    assert (outcome.status, outcome.flaw) == (200, "cut short")


async def test_a_body_too_large() -> None:
    """Reading ends at the cap, and the connection with the rest on it is not used again."""
    assert (await answered(answer(b"x" * 100_000))).flaw is None
    assert (await answered(answer(b"x" * 100_001))).flaw == "too large"

    async with (
        raw_server(answering(answer(b"x" * 500, length=501), OK)) as server,
        open_transport(server.url, max_response_bytes=100) as transport,
    ):
        outcomes = [await attempt(transport), await attempt(transport)]
    assert [outcome.flaw for outcome in outcomes if isinstance(outcome, Answer)] == ["too large", "too large"]
    assert server.connections == 2


async def test_a_compressed_bomb() -> None:
    """A small body that unpacks into a large one is stopped at the cap too."""
    bomb = gzip.compress(b"\0" * 50_000_000)
    assert len(bomb) < 100_000
    outcome = await answered(answer(bomb, "Content-Encoding: gzip"))
    assert (outcome.flaw, outcome.body) == ("too large", b"")
