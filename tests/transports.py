"""Which transport the tests run over."""

from __future__ import annotations

import inspect
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, cast

from usersapi_async import Credentials, Timeout, UsersApiError, UsersSession
from usersapi_async._attempts import PoolSettings, Record, Transport, TransportName
from usersapi_async._transports import opened
from usersapi_async.wire import Answer

from .servers import answer, answering, raw_server

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

DEFAULTS = cast("dict[str, Any]", inspect.unwrap(UsersSession.__init__).__kwdefaults__)
"""What a session takes for its arguments unless it is told; the fixture `any_transport` changes it."""

ACCOUNT = Credentials(12, "admin@example.org", "t0k3n")
BODY = b'{"action":"create"}'
SLOW = Timeout(connect=10, attempt=10)
OK = answer({"success": True})


def usual_transport() -> TransportName:
    """The one that a session takes now unless it is told."""
    return cast("TransportName", DEFAULTS["transport"])


def pool_settings(url: str, **changes: Any) -> PoolSettings:
    """Settings for this URL."""
    usual: dict[str, Any] = {
        "connections": 10,
        "keepalive": 2.0,
        "max_response_bytes": 100_000,
        "ssl_context": None,
        "trust_env": False,
        "user_agent": "tests",
        "transport": usual_transport(),
    }
    return PoolSettings(url=url, **{**usual, **changes})


@asynccontextmanager
async def open_transport(url: str, **changes: Any) -> AsyncIterator[Transport[Any]]:
    """A pool for this URL."""
    transport = opened(pool_settings(url, **changes))
    try:
        yield transport
    finally:
        await transport.close()


async def attempt(
    transport: Transport[Any],
    timeout: Timeout = SLOW,
    *,
    watch: Record | None = None,
    fresh: bool = False,
    reuse: bool = True,
) -> Answer | UsersApiError:
    """One attempt, and the judgement of its connection."""
    watch = watch or transport.watch(BODY)
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
