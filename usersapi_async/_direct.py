"""One attempt over connections of our own, and the proof of how far it came.

Whatever ends while a connection is waited for or made was not sent. Head and body are one write, and whether
the connection can take it is looked at just before, with nothing in between: found closing, or with bytes on
it that nobody asked for, it gets no request. From that write on nobody knows.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from typing import TYPE_CHECKING

from yarl import URL

from . import stats
from ._attempts import Phase, PoolSettings, Record, ended, headers
from ._connections import Connection, Outcome, Pool
from ._http import NotHttp
from .wire import Answer

if TYPE_CHECKING:
    from .errors import UsersApiError
    from .settings import Credentials, Timeout


class Watch(Record):
    """The record of an attempt, with the body that it sends."""

    def __init__(self, body: bytes) -> None:
        self.body = body


class DirectTransport:
    """Two pools, of which one keeps no connection, and attempts over them."""

    def __init__(self, settings: PoolSettings) -> None:
        url = URL(settings.url)
        context = settings.ssl_context
        if url.scheme != "https":
            context = None
        elif context is None:
            context = ssl.create_default_context()
            context.set_alpn_protocols(["http/1.1"])
        self._loop = asyncio.get_running_loop()
        self._pool = Pool(settings, context, keepalive=settings.keepalive)
        self._fresh = Pool(settings, context, keepalive=0)
        self._start = (
            f"POST {url.raw_path_qs} HTTP/1.1\r\n"
            f"Host: {url.host_port_subcomponent}\r\n"
            "Accept: application/json\r\n"
            "Accept-Encoding: gzip\r\n"
            f"User-Agent: {settings.user_agent}\r\n"
            "Content-Type: application/json\r\n"
        )
        self._head = b""
        self._head_for: tuple[Credentials, int] | None = None

    def watch(self, body: bytes) -> Watch:
        """The record of an attempt that will send `body`."""
        return Watch(body)

    def connections(self) -> stats.Pool:
        """Those that there are."""
        pools = (self._pool, self._fresh)
        in_use = sum(pool.in_use for pool in pools)
        return stats.Pool(open=in_use + self._pool.idle, in_use=in_use, limit=self._pool.most)

    async def close(self) -> None:
        """Closes every connection; attempts under way end as `ConnectionLost`."""
        await asyncio.gather(self._pool.close(), self._fresh.close())

    async def attempt(
        self, watch: Watch, credentials: Credentials, timestamp: int, timeout: Timeout, *, fresh: bool = False
    ) -> Answer | UsersApiError:
        """Sends the body that `watch` holds once, see `_attempts.Transport`."""
        pool = self._fresh if fresh else self._pool
        now = self._loop.time()
        deadline = None if timeout.attempt is None else now + timeout.attempt
        connection = pool.take()
        try:
            if connection is None:
                until = now + timeout.connect
                connection = await pool.open(watch, until if deadline is None else min(until, deadline))
                _check(connection, watch)
            watch.phase = Phase.WRITING
            outcome = await connection.ask(self._request(credentials, timestamp, watch.body), deadline)
        except asyncio.CancelledError as error:
            broken_off = error
        except Exception as error:  # noqa: BLE001 (what event loops can raise is not closed)
            return _ended(error, watch, connection)
        else:
            return _concluded(outcome, watch, connection)
        _give_up(connection)
        broken_off.__context__ = broken_off.__cause__ = None
        try:
            raise broken_off.with_traceback(None)
        finally:
            del broken_off

    def _request(self, credentials: Credentials, timestamp: int, body: bytes) -> bytes:
        known = self._head_for
        if known is None or known[0] is not credentials or known[1] != timestamp:
            lines = [f"{name}: {value}\r\n" for name, value in headers(credentials, timestamp).items()]
            self._head = "".join([self._start, *lines, "Content-Length: "]).encode()
            self._head_for = (credentials, timestamp)
        return b"%b%d\r\n\r\n%b" % (self._head, len(body), body)


def _check(connection: Connection, watch: Watch) -> None:
    """Raises if the connection was lost, or spoken on, while nobody had it in hand."""
    if not connection.is_usable():
        watch.phase = Phase.CLOSED_BEFORE_BODY
        raise ConnectionResetError


def _concluded(outcome: Outcome, watch: Watch, connection: Connection) -> Answer | UsersApiError:
    """What an attempt came to, whose connection is held only if it can serve another."""
    if isinstance(outcome, Exception):
        return _ended(outcome, watch, connection)
    if connection.is_in_step():
        watch.hold(connection.give_back)
    else:
        _give_up(connection)
    return outcome


def _ended(error: Exception, watch: Watch, connection: Connection | None) -> Answer | UsersApiError:
    begun = None if connection is None else connection.begun()
    _give_up(connection)
    return ended(error, watch, begun, not_http=NotHttp, unknown_host=socket.gaierror)


def _give_up(connection: Connection | None) -> None:
    if connection is not None:
        connection.abort()
        connection.give_back(close=True)
