"""What the transports share: the record of how far an attempt came, settings, and the words for failures.

`Delivery.NOT_SENT` needs positive proof, and an exception's type is none. So each attempt has a record that
its transport keeps, and that outlives a cancellation.
"""

from __future__ import annotations

import enum
import importlib.util
import os
import ssl
from collections.abc import Callable
from typing import TYPE_CHECKING, Literal, Protocol, TypeAlias, TypeVar, get_args

import attrs

from . import _arguments
from .assumptions import SEND_TIMESTAMP
from .errors import (
    CertificateError,
    ConfigurationError,
    ConnectError,
    ConnectionLost,
    Delivery,
    MalformedResponse,
    PoolTimeout,
    RequestTimeout,
    UsersApiError,
)

if TYPE_CHECKING:
    from .settings import Credentials, Timeout
    from .stats import Pool
    from .wire import Answer

LARGEST_LINE = 16_384
"""Bytes that one line of an answer's head may have."""


class Phase(enum.Enum):
    """Where an attempt is."""

    BEGUN = enum.auto()
    QUEUED = enum.auto()
    CONNECTING = enum.auto()
    CONNECTED = enum.auto()
    CLOSED_BEFORE_BODY = enum.auto()
    WRITING = enum.auto()


_NOTHING_SENT = frozenset({Phase.QUEUED, Phase.CONNECTING, Phase.CLOSED_BEFORE_BODY})


class Record:
    """How far an attempt came, and the connection that its answer came on until that is judged."""

    phase = Phase.BEGUN
    _give_back: Callable[[bool], None] | None = None

    @property
    def delivery(self) -> Delivery:
        """NOT_SENT where it is proven, else UNKNOWN."""
        return Delivery.NOT_SENT if self.phase in _NOTHING_SENT else Delivery.UNKNOWN

    def hold(self, give_back: Callable[[bool], None]) -> None:
        """Keeps the connection, whose answer is whole; `give_back` is told whether it is to be closed."""
        self._give_back = give_back

    def let_go(self, *, reuse: bool) -> None:
        """Gives the connection back to the pool, or has it closed.

        A server may send an answer twice, and the second one would be taken for that of the next request. So
        only an answer that names what it belongs to shows that requests and answers are in step.
        """
        give_back, self._give_back = self._give_back, None
        if give_back is not None:
            give_back(not reuse)


RecordT = TypeVar("RecordT", bound=Record)


class Transport(Protocol[RecordT]):
    """A pool of connections, and attempts over it. Created and closed in the event loop that uses it."""

    def watch(self, body: bytes) -> RecordT:
        """The record of an attempt that will send `body`."""

    async def attempt(
        self,
        watch: RecordT,
        credentials: Credentials,
        timestamp: int,
        timeout: Timeout,
        *,
        fresh: bool = False,
    ) -> Answer | UsersApiError:
        """Sends the body that `watch` holds once; `timestamp` is Unix time in whole seconds.

        After a reset, what else idles in the pool is likely dead too: a `fresh` attempt takes a connection of
        its own, which serves no other. Failures are returned, to be raised from a frame that holds no secret;
        a cancellation leaves without the frames that do.
        """

    def connections(self) -> Pool:
        """Those that there are."""

    async def close(self) -> None:
        """Closes every connection; attempts under way end as `ConnectionLost`."""


TransportName: TypeAlias = Literal["aiohttp", "httptools"]


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
    transport: TransportName = "aiohttp"

    def __attrs_post_init__(self) -> None:
        for name, smallest in (("connections", 1), ("keepalive", 0), ("max_response_bytes", 1)):
            _arguments.number(name, getattr(self, name), smallest)
        _arguments.instance("trust_env", self.trust_env, bool)
        if self.ssl_context is not None:
            _arguments.instance("ssl_context", self.ssl_context, ssl.SSLContext)
        if self.transport not in get_args(TransportName):
            raise ConfigurationError(f"transport: expected one of {', '.join(get_args(TransportName))}")
        if self.transport == "httptools":
            if importlib.util.find_spec("httptools") is None:
                raise ConfigurationError("transport: httptools is not installed; install the extra speed")
            if self.trust_env:
                raise ConfigurationError("trust_env: the transport httptools knows no proxies")


def headers(credentials: Credentials, timestamp: int) -> dict[str, str]:
    """The headers of a request that differ from account to account and from second to second."""
    values = {
        "Api-id": str(credentials.api_id),
        "Api-user": credentials.api_user,
        "Api-token": credentials.api_token,
    }
    if SEND_TIMESTAMP:
        values["Timestamp"] = str(timestamp)
    return values


def ended(
    error: Exception,
    record: Record,
    answer: Answer | None,
    *,
    not_http: type[Exception],
    unknown_host: type[Exception],
) -> Answer | UsersApiError:
    """What an attempt comes to that `error` ended after `answer` had begun: with nothing of the error but its
    kind and errno. `not_http` and `unknown_host` are what the transport raises for these."""
    if answer is not None and not (isinstance(error, TimeoutError) and answer.status < 300):
        # The status has come. An error status speaks for itself; a success that broke off is malformed.
        return answer
    errno = error.errno if isinstance(error, OSError) else None
    delivery = record.delivery
    if isinstance(error, ssl.CertificateError):
        return CertificateError("the server's certificate was not accepted", errno=errno)
    if isinstance(error, TimeoutError):
        if record.phase is Phase.QUEUED:
            return PoolTimeout("no connection became free in time")
        if record.phase is Phase.CONNECTING:
            return ConnectError("no connection was made in time")
        return RequestTimeout("no complete answer in time", delivery=delivery)
    if record.phase is Phase.CONNECTING:
        reason = "the host's name was not found" if isinstance(error, unknown_host) else _reason(error)
        return ConnectError(f"no connection was made: {reason}", errno=errno)
    if isinstance(error, not_http):
        return MalformedResponse("the answer is not HTTP", delivery=delivery)
    kind = type(error).__name__
    return ConnectionLost(f"the connection broke ({kind})", delivery=delivery, errno=errno)


def _reason(error: Exception) -> str:
    if isinstance(error, ssl.SSLError):
        # Its number is none of the system's.
        return "TLS could not be agreed on"
    errno = error.errno if isinstance(error, OSError) else None
    return os.strerror(errno).lower() if errno is not None and errno > 0 else type(error).__name__
