"""What only the transport with connections of our own has, on real sockets."""

from __future__ import annotations

import asyncio
import gc
import importlib.util
import select
import socket
import ssl
from typing import TYPE_CHECKING, Any, cast

import aiohappyeyeballs
import pytest
import trustme

from usersapi_async import (
    ConfigurationError,
    ConnectError,
    ConnectionLost,
    Credentials,
    Delivery,
    PoolTimeout,
    Timeout,
    UsersSession,
)
from usersapi_async._attempts import Phase
from usersapi_async._connections import Connection as OwnConnection
from usersapi_async._connections import Pool
from usersapi_async._direct import DirectTransport
from usersapi_async.wire import Answer

from .servers import Connection, answer, answering, free_port, raw_server, until
from .transports import ACCOUNT, BODY, DEFAULTS, OK, SLOW, answered, attempt, failed, open_transport

if TYPE_CHECKING:
    from usersapi_async._attempts import Record, Transport


@pytest.fixture(autouse=True)
def direct(monkeypatch: pytest.MonkeyPatch) -> None:
    """Takes it wherever nothing else is named."""
    monkeypatch.setitem(DEFAULTS, "transport", "httptools")


def pool_of(transport: Transport[Any]) -> Pool:
    """The pool that keeps connections."""
    return cast("DirectTransport", transport)._pool


async def asked_twice(handler: Any, *, between: Any = None, **changes: Any) -> tuple[Any, Any, int]:
    """What two attempts come to, one after the other, and how many connections they took."""
    async with raw_server(handler) as server, open_transport(server.url, **changes) as transport:
        first = await attempt(transport)
        if between is not None:
            await between(transport)
        second = await attempt(transport)
        assert pool_of(transport).in_use == 0
    return first, second, server.connections


async def test_a_connection_is_kept() -> None:
    """One connection serves request after request."""
    first, second, connections = await asked_twice(answering(OK, OK))
    assert (first.status, second.status, connections) == (200, 200, 1)


@pytest.mark.parametrize(
    "first",
    [
        answer({}, "Connection: close"),
        OK + OK,
        OK + b"H",
        b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\n{}",
        answer({}, length=1),
        answer({}, length=3),
        answer(b"x" * 200_000),
    ],
    ids=["close", "twice", "more", "HTTP/1.0", "longer", "cut short", "too large"],
)
async def test_connections_that_are_not_kept(first: bytes) -> None:
    """Where the server closes, or other bytes came than were asked for, the next request takes another."""
    sent = iter([first, OK])

    async def handle(connection: Connection) -> None:
        while await connection.request():
            await connection.send(next(sent))
            if first == answer({}, length=3):
                return

    _, second, connections = await asked_twice(handle)
    assert (second.body, connections) == (b'{"success": true}', 2)


async def test_an_answer_that_comes_while_nobody_asks() -> None:
    """The connection is closed as soon as the event loop reads it, and the next request takes another."""
    asked = asyncio.Event()

    async def again(connection: Connection) -> None:
        await connection.request()
        await connection.send(OK)
        await asked.wait()
        await connection.send(answer({"not": "yours"}))
        await connection.gone()

    async def come(transport: Transport[Any]) -> None:
        asked.set()
        await until(lambda: not pool_of(transport).connections)

    _, second, connections = await asked_twice(again, between=come)
    assert (second.body, connections) == (b'{"success": true}', 2)


async def test_an_answer_too_many_before_the_first_is_judged() -> None:
    """Its connection is not taken back, however good the first one was."""
    read = asyncio.Event()

    async def twice(connection: Connection) -> None:
        await connection.request()
        await connection.send(OK)
        await read.wait()
        await connection.send(answer({"not": "yours"}))
        await connection.gone()

    async with raw_server(twice) as server, open_transport(server.url) as transport:
        watch = transport.watch(BODY)
        assert isinstance(await transport.attempt(watch, ACCOUNT, 1, SLOW), Answer)
        read.set()
        await until(lambda: not pool_of(transport).connections)
        watch.let_go(reuse=True)
        assert pool_of(transport)._idle == []
        assert pool_of(transport).in_use == 0


@pytest.mark.parametrize("ending", ["answer", "close"])
async def test_what_the_event_loop_has_not_seen(ending: str) -> None:
    """What lies in the system's buffer counts too: the request goes on another connection."""
    server = socket.create_server(("127.0.0.1", 0))
    url = f"http://127.0.0.1:{server.getsockname()[1]}/"
    accepted: list[socket.socket] = []

    async def serve(outcome: asyncio.Future[Any]) -> None:
        server.setblocking(False)
        one, _ = await asyncio.get_running_loop().sock_accept(server)
        accepted.append(one)
        assert await asyncio.get_running_loop().sock_recv(one, 4096)
        await asyncio.get_running_loop().sock_sendall(one, OK)
        assert (await outcome).status == 200

    async with open_transport(url) as transport:
        await serve(asyncio.ensure_future(attempt(transport)))
        (connection,) = pool_of(transport).connections
        assert connection.is_usable()
        if ending == "answer":
            accepted[0].sendall(answer({"not": "yours"}))
        else:
            accepted[0].close()
        # The event loop has had no turn since.
        assert not connection.is_usable()
        await serve(asyncio.ensure_future(attempt(transport)))
        assert len(accepted) == 2
    for one in (server, *accepted):
        one.close()


async def test_without_poll(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the system has no such call, what the event loop has read is all that counts."""
    monkeypatch.delattr(select, "poll")
    first, second, connections = await asked_twice(answering(OK, OK))
    assert (first.status, second.status, connections) == (200, 200, 1)


@pytest.mark.parametrize("speaks", [True, False])
async def test_a_connection_lost_before_the_request(monkeypatch: pytest.MonkeyPatch, speaks: bool) -> None:
    """Found closed, or spoken on, when the request was to be written: nothing was sent, not even its head."""
    connect = Pool._connect

    async def connected(self: Pool) -> OwnConnection:
        connection = await connect(self)
        if speaks:
            await until(lambda: not connection.is_usable())
        else:
            connection.close()
        return connection

    async def greeting(connection: Connection) -> None:
        if speaks:
            await connection.send(OK)
        await connection.request()

    monkeypatch.setattr(Pool, "_connect", connected)
    async with raw_server(greeting) as server:
        error = await failed(server.url)
        await until(lambda: server.connections)
    assert type(error) is ConnectionLost
    assert error.delivery is Delivery.NOT_SENT
    assert (server.requests, server.stray) == ([], b"")


async def test_idle_connections_are_closed_in_time() -> None:
    """One that has idled for `keepalive` seconds is closed, also when nobody asks for one."""
    closed = asyncio.Event()

    async def handle(connection: Connection) -> None:
        await connection.request()
        await connection.send(OK)
        await connection.gone()
        closed.set()

    async with raw_server(handle) as server, open_transport(server.url, keepalive=0.05) as transport:
        await attempt(transport)
        async with asyncio.timeout(5):
            await closed.wait()
        assert pool_of(transport)._idle == []
        assert pool_of(transport)._sweeper is None


async def test_idle_connections_are_closed_one_by_one() -> None:
    """Those that idle longest are swept first; the others go on, and the last to idle serves first."""
    async with raw_server(answering(*[OK] * 5)) as server, open_transport(server.url) as transport:
        pool = pool_of(transport)
        await asyncio.gather(*(attempt(transport) for _ in range(3)))
        oldest, _, latest = pool._idle
        await attempt(transport)
        assert pool._idle[-1] is latest
        oldest.idle_since -= 5
        pool._sweep()
        assert oldest not in pool._idle
        assert (len(pool._idle), server.connections) == (2, 3)
        assert pool._sweeper is not None
        # Not swept yet, but too old to be used.
        for connection in pool._idle:
            connection.idle_since -= 5
        await attempt(transport)
        assert (len(pool._idle), server.connections) == (1, 4)
        await until(lambda: len(pool.connections) == 1)


async def test_no_idle_connections() -> None:
    """With `keepalive=0` each request has a connection of its own."""
    _, second, connections = await asked_twice(answering(OK, OK), keepalive=0)
    assert (second.status, connections) == (200, 2)


async def test_places() -> None:
    """Requests beyond the number of connections wait in order, and get one that has become free."""
    order: list[bytes] = []

    async def handle(connection: Connection) -> None:
        while request := await connection.request():
            order.append(request.partition(b"\r\n\r\n")[2])
            await connection.send(OK)

    async with raw_server(handle) as server, open_transport(server.url, connections=1) as transport:
        watches = [transport.watch(b"%d" % number) for number in range(5)]
        tasks = [asyncio.ensure_future(attempt(transport, watch=watch)) for watch in watches]
        await until(lambda: len(order) == 1)
        tasks[2].cancel()
        await asyncio.wait(tasks)
        assert (order, server.connections) == ([b"0", b"1", b"3", b"4"], 1)
        assert watches[2].delivery is Delivery.NOT_SENT
        assert pool_of(transport).in_use == 0


async def test_a_place_given_to_one_who_is_gone() -> None:
    """Whoever is cancelled just when a place became free hands it on."""
    async with (
        raw_server(answering(OK, OK)) as server,
        open_transport(server.url, connections=1) as transport,
    ):
        pool = pool_of(transport)
        await pool._place()
        waiting = asyncio.ensure_future(attempt(transport))
        behind = asyncio.ensure_future(attempt(transport))
        await until(lambda: len(pool._queue) == 2)
        pool._free_place()
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        assert isinstance(await behind, Answer)
        assert pool.in_use == 0
    assert len(server.requests) == 1


async def test_a_cancelled_request_takes_its_connection_with_it() -> None:
    """Its answer may still come, and must not be there for another request."""

    async def silent(connection: Connection) -> None:
        await connection.request()
        await connection.gone()

    async with raw_server(silent) as server, open_transport(server.url) as transport:
        watch = transport.watch(BODY)
        task = asyncio.ensure_future(attempt(transport, watch=watch))
        await until(lambda: server.requests)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert (watch.delivery, pool_of(transport).in_use) == (Delivery.UNKNOWN, 0)
        await until(lambda: not pool_of(transport).connections)


async def test_closing_stops_the_sweeping() -> None:
    """A closed pool leaves no timer behind."""
    async with raw_server(answering(OK)) as server, open_transport(server.url) as transport:
        await attempt(transport)
        sweeper = pool_of(transport)._sweeper
    assert sweeper is not None
    assert sweeper.cancelled()


async def test_closing_ends_what_is_under_way() -> None:
    """Closing ends a request as lost, and what waits for a place or for a connection as not sent."""

    async def silent(connection: Connection) -> None:
        await connection.request()
        await connection.gone()

    async def begun(transport: Transport[Any], watches: list[Record]) -> list[asyncio.Task[Any]]:
        tasks = [asyncio.ensure_future(attempt(transport, watch=watch)) for watch in watches]
        await asyncio.sleep(0)
        return tasks

    async with raw_server(silent) as server, open_transport(server.url, connections=1) as transport:
        watches = [transport.watch(BODY) for _ in range(2)]
        tasks = await begun(transport, watches)
        await until(lambda: server.requests)
        await transport.close()
        under_way, queued = [await task for task in tasks]
        late = await attempt(transport)
    assert type(under_way) is type(queued) is type(late) is ConnectionLost
    assert str(under_way) == "the connection broke (ConnectionAbortedError)"
    assert [error.delivery for error in (under_way, queued, late)] == [
        Delivery.UNKNOWN,
        Delivery.NOT_SENT,
        Delivery.NOT_SENT,
    ]

    async with (
        raw_server(silent) as server,
        open_transport(server.url.replace("http:", "https:")) as transport,
    ):
        watch = transport.watch(BODY)
        (task,) = await begun(transport, [watch])
        await until(lambda: server.connections)
        assert watch.phase is Phase.CONNECTING
        await transport.close()
        async with asyncio.timeout(5):
            error = await task
    assert type(error) is ConnectError
    assert error.delivery is Delivery.NOT_SENT
    gc.collect()


async def test_a_connection_made_as_the_session_closes(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is closed, and nothing is sent on it."""
    start = aiohappyeyeballs.start_connection
    transports: list[Transport[Any]] = []

    async def started(*args: Any, **named: Any) -> Any:
        made = await start(*args, **named)
        pool_of(transports[0])._closed = True
        return made

    monkeypatch.setattr(aiohappyeyeballs, "start_connection", started)
    async with raw_server(answering(OK)) as server, open_transport(server.url) as transport:
        transports.append(transport)
        error = await attempt(transport)
        assert type(error) is ConnectError
        await until(lambda: not pool_of(transport).connections)
        assert pool_of(transport).in_use == 0
    assert server.requests == []


async def test_connections_that_do_not_say_goodbye(
    monkeypatch: pytest.MonkeyPatch, authority: trustme.CA, trusting: ssl.SSLContext
) -> None:
    """A server that does not take part in the end of TLS is not waited for long."""
    monkeypatch.setattr("usersapi_async._connections._GOODBYE", 0.01)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("127.0.0.1").configure_cert(context)

    async def handle(connection: Connection) -> None:
        await connection.request()
        await connection.send(OK)
        connection._writer.transport.pause_reading()  # type: ignore[attr-defined]
        try:
            await connection.gone()
        finally:
            connection.reset()

    async with raw_server(handle, context) as server:
        async with open_transport(server.url, ssl_context=trusting) as transport:
            assert isinstance(await attempt(transport), Answer)
        await until(lambda: not pool_of(transport).connections)


@pytest.fixture
def authority() -> trustme.CA:
    """An authority of the organisation's own."""
    return trustme.CA()


@pytest.fixture
def trusting(authority: trustme.CA) -> ssl.SSLContext:
    """A client's context that accepts this authority."""
    context = ssl.create_default_context()
    authority.configure_trust(context)
    return context


async def test_connections_over_tls_are_kept(authority: trustme.CA, trusting: ssl.SSLContext) -> None:
    """The tickets that a server sends after the handshake are nobody's answer; its goodbye is seen."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    async with (
        raw_server(answering(OK, OK, OK), context) as server,
        open_transport(server.url, ssl_context=trusting) as transport,
    ):
        made = await (pool := pool_of(transport))._connect()
        # The tickets would count as spoken out of turn.
        assert made._poll is None
        made.close()
        await until(lambda: not pool.connections)
        for _ in range(3):
            assert isinstance(await attempt(transport), Answer)
        (kept,) = pool.connections
        assert kept._poll is not None
        assert server.connections == 2
        await until(lambda: not pool_of(transport).connections)
        assert isinstance(await attempt(transport), Answer)
        assert server.connections == 3


async def test_until_the_end_of_the_connection() -> None:
    """A body without a length ends with the connection, but not with its reset."""
    outcome = await answered(b"HTTP/1.1 200 OK\r\n\r\n{}")
    assert (outcome.body, outcome.flaw) == (b"{}", None)

    async def broken(connection: Connection) -> None:
        await connection.request()
        await connection.send(b"HTTP/1.1 200 OK\r\n\r\n{}")
        await arrived.wait()
        connection.reset()

    arrived = asyncio.Event()
    async with raw_server(broken) as server, open_transport(server.url) as transport:
        task = asyncio.ensure_future(attempt(transport))
        await until(lambda: any(one.begun() for one in pool_of(transport).connections))
        arrived.set()
        outcome = cast("Answer", await task)
    assert (outcome.status, outcome.flaw) == (200, "cut short")


async def test_an_answer_before_the_request_is_read() -> None:
    """A server that answers what it has not read is not asked again on that connection."""
    release = asyncio.Event()

    async def hasty(connection: Connection) -> None:
        await connection.read_exactly(10)
        connection._writer.transport.pause_reading()  # type: ignore[attr-defined]
        await connection.send(answer({}, status="413 Content Too Large"))
        await release.wait()

    async with raw_server(hasty) as server, open_transport(server.url) as transport:
        outcome = await attempt(transport, watch=transport.watch(b"x" * 30_000_000))
        assert cast("Answer", outcome).status == 413
        assert pool_of(transport)._idle == []
        release.set()


async def test_a_server_that_leaves_in_the_middle_of_the_request() -> None:
    """The end of its side ends the attempt, though more is to be written."""

    async def leaving(connection: Connection) -> None:
        await connection.read_exactly(10)
        connection._writer.transport.pause_reading()  # type: ignore[attr-defined]
        connection._writer.write_eof()
        await release.wait()

    release = asyncio.Event()
    async with raw_server(leaving) as server, open_transport(server.url) as transport:
        error = await attempt(transport, watch=transport.watch(b"x" * 30_000_000))
        release.set()
    assert type(error) is ConnectionLost
    assert error.delivery is Delivery.UNKNOWN


async def test_whatever_the_event_loop_raises(monkeypatch: pytest.MonkeyPatch) -> None:
    """An error of a kind that nobody foresaw is a connection lost, and gives its place back."""

    def ask(*_: Any) -> Any:
        raise RuntimeError("unforeseen")

    monkeypatch.setattr(OwnConnection, "ask", ask)
    async with raw_server(answering(OK)) as server, open_transport(server.url) as transport:
        error = await attempt(transport)
        assert type(error) is ConnectionLost
        assert error.delivery is Delivery.UNKNOWN
        assert pool_of(transport).in_use == 0


async def test_a_name_with_several_addresses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each address is tried until one takes the connection; the host is named as it was given."""
    async with raw_server(answering(OK)) as server:
        stream = (socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, "")

        async def addresses(host: str, port: int, **_: Any) -> Any:
            assert (host, port) == ("localhost", server.port)
            return [(*stream, ("127.0.0.1", free_port())), (*stream, ("127.0.0.1", port))]

        monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", addresses)
        async with open_transport(server.url.replace("127.0.0.1", "localhost")) as transport:
            assert isinstance(await attempt(transport), Answer)
    assert b"\r\nHost: localhost:%d\r\n" % server.port in server.requests[0]


async def test_no_deadline() -> None:
    """An attempt need have no bound, and a connection within one that is shorter than its own."""
    async with raw_server(answering(OK)) as server, open_transport(server.url) as transport:
        assert isinstance(await attempt(transport, Timeout(attempt=None)), Answer)
    async with open_transport(server.url, connections=1) as transport:
        await pool_of(transport)._place()
        async with asyncio.timeout(5):
            assert type(await attempt(transport, Timeout(attempt=0.01))) is PoolTimeout


async def test_credentials_of_any_script() -> None:
    """Names go out in UTF-8; new credentials, or another second, are not mixed up with those of before."""
    zoe, noe = Credentials(1, "Zoë", "t"), Credentials(1, "Noé", "t")
    sent = [(zoe, 1), (noe, 1), (noe, 2), (noe, 2)]
    async with raw_server(answering(*[OK] * 4)) as server, open_transport(server.url) as transport:
        for account, timestamp in sent:
            watch = transport.watch(BODY)
            await transport.attempt(watch, account, timestamp, SLOW)
            watch.let_go(reuse=True)
    for (account, timestamp), request in zip(sent, server.requests, strict=True):
        assert f"\r\nApi-user: {account.api_user}\r\n".encode() in request
        assert b"\r\nTimestamp: %d\r\n" % timestamp in request


def test_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who asks for it without its package, or with proxies, is told so before anything is sent."""
    account = Credentials(1, "a", "t")
    with pytest.raises(ConfigurationError, match="trust_env: the transport httptools knows no proxies"):
        UsersSession(account, transport="httptools", trust_env=True)
    with pytest.raises(ConfigurationError, match="transport: expected one of aiohttp, httptools"):
        UsersSession(account, transport="pigeon")  # type: ignore[arg-type]
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    with pytest.raises(ConfigurationError, match="httptools is not installed; install the extra speed"):
        UsersSession(account, transport="httptools")
    UsersSession(account, transport="aiohttp")
