"""`UsersSession`: one pool of connections, one pace and one retry budget for everything sent through it."""

from __future__ import annotations

import asyncio
import copy
import random
import ssl
import time
from collections.abc import Callable, Container
from typing import TYPE_CHECKING, Any, Self, TypeVar, cast

from . import _arguments, payloads, responses, wire
from ._attempts import PoolSettings, TransportName
from ._call import Call
from ._timers import Timer
from ._version import __version__
from .actions import Actions
from .assumptions import DEFAULT_BASE_URL
from .dispatch import Dispatcher, Options
from .errors import ConfigurationError, UsersApiError
from .limiter import Concurrency, Limiter
from .observer import Observer
from .rate import RateLimit
from .retry import RetryBudget, RetryPolicy
from .settings import Credentials, CredentialsSource, Timeout, checked_base_url
from .stats import Statistics

if TYPE_CHECKING:
    from types import TracebackType

ResponseT = TypeVar("ResponseT", bound=responses.Response)
_MIB = 1024 * 1024


@_arguments.shielded
class UsersSession(Actions):
    """A client of the users endpoint.

    Open it once with ``async with`` and share it: it serves thousands of calls at a time. It belongs to the
    event loop that opened it.

    ``group_id`` is the project that calls work on unless they name another. ``rate`` is a bound that you
    know of; ``concurrency`` the most requests at once, found by itself by default, from the `Pace` of an
    earlier session on if you give one. A ``limiter`` of your own replaces both and may serve several
    sessions of one account. ``connections`` bounds the pool, by default at the limiter's highest limit;
    ``keepalive`` the seconds that a connection may idle: a server that closes it just then would leave a
    create in doubt, so keep it shorter than the server's. ``ssl_context`` brings your own authorities;
    ``trust_env`` takes proxies from the environment. ``transport="httptools"``, with the extra ``speed``,
    takes connections of this library's own, which cost less and know no proxies. ``classify`` decides what an
    answer means; ``observer`` is told what happens to each call.

    Raises `ConfigurationError` for an argument that can't be right.
    """

    def __init__(
        self,
        credentials: CredentialsSource,
        *,
        group_id: int | None = None,
        base_url: str = DEFAULT_BASE_URL,
        rate: RateLimit | None = None,
        concurrency: Concurrency = "auto",
        limiter: Limiter | None = None,
        timeout: Timeout = Timeout(),
        retry: RetryPolicy = RetryPolicy(),
        classify: wire.Classifier = wire.classify,
        observer: Observer | None = None,
        connections: int | None = None,
        keepalive: float = 2.0,
        max_response_bytes: int = 16 * _MIB,
        ssl_context: ssl.SSLContext | None = None,
        trust_env: bool = False,
        transport: TransportName = "aiohttp",
        wall_clock: Callable[[], float] = time.time,
        rng: random.Random | None = None,
    ) -> None:
        if limiter is not None and (rate is not None or concurrency != "auto"):
            raise ConfigurationError("limiter: give either it, or rate and concurrency")
        limiter = _arguments.instance("limiter", limiter or Limiter(rate, concurrency), Limiter)
        self._options = Options(group_id, timeout, retry, classify, observer)
        self._dispatcher = Dispatcher(
            _checked_credentials(credentials),
            PoolSettings(
                url=checked_base_url(base_url),
                connections=limiter.most if connections is None else connections,
                keepalive=keepalive,
                max_response_bytes=max_response_bytes,
                ssl_context=ssl_context,
                trust_env=trust_env,
                transport=transport,
                user_agent=f"usersapi-async/{__version__}",
            ),
            limiter,
            RetryBudget(retry.budget_ratio, retry.budget_burst),
            wall_clock,
            rng or random.Random(),
        )

    def with_options(
        self,
        *,
        group_id: int | None = None,
        timeout: Timeout | None = None,
        retry: RetryPolicy | None = None,
        classify: wire.Classifier | None = None,
        observer: Observer | None = None,
    ) -> Self:
        """The same session with other settings: pool, pace and retry budget stay shared.

        Cheap enough for a single call: ``await users.with_options(timeout=…).create(…)``.
        """
        view = copy.copy(self)
        options = self._options
        view._options = Options(  # noqa: SLF001 (a copy of this very object)
            options.group_id if group_id is None else group_id,
            options.timeout if timeout is None else timeout,
            options.retry if retry is None else retry,
            options.classify if classify is None else classify,
            options.observer if observer is None else observer,
        )
        return view

    def __repr__(self) -> str:
        return f"<UsersSession group_id={self._options.group_id} {self._dispatcher.state}>"

    async def __aenter__(self) -> Self:
        self._dispatcher.open()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self._dispatcher.close()

    @property
    def group_id(self) -> int | None:
        """The project that calls work on unless they name another."""
        return self._options.group_id

    @property
    def timeout(self) -> Timeout:
        """How long things may take."""
        return self._options.timeout

    @property
    def retry(self) -> RetryPolicy:
        """How calls are repeated."""
        return self._options.retry

    @property
    def observer(self) -> Observer | None:
        """Who is told what happens to calls."""
        return self._options.observer

    @property
    def given_ids(self) -> Container[int]:
        """The ids that new people were given through this session, the latest of them."""
        return self._dispatcher.given_ids

    @property
    def limiter(self) -> Limiter:
        """The pace, to look at or to share with another session of the same account."""
        return self._dispatcher.limiter

    def statistics(self) -> Statistics:
        """What the session did and does, its views included, in numbers. To be asked in its event loop."""
        return self._dispatcher.statistics()

    async def send(self, payload: payloads.Payload[ResponseT]) -> ResponseT:
        """Sends one payload, repeating it only where nothing can happen twice.

        Raises one `UsersApiError`: `PayloadError` and `SessionError` before anything is sent,
        `DeadlineExceeded` when ``Timeout.total`` has passed, `OutcomeUnknown` when an action that must not
        be repeated may have been carried out, else what the last attempt ended with.
        """
        wrong = _arguments.misfit("payload", payload, payloads.Payload)
        if wrong is not None:
            del payload
            raise wrong
        call = self.prepare(payload)
        late: UsersApiError | None = None
        try:
            async with asyncio.timeout(self._options.timeout.total):
                response = await self._complete(call)
        except UsersApiError as error:
            self.finish(call, error)
            raise
        except TimeoutError:
            late = call.out_of_time()
        except BaseException:
            self.finish(call, None, abandoned=True)
            raise
        self.finish(call, late)
        if late is not None:
            raise late
        return cast("ResponseT", response)

    def require_open(self) -> None:
        """Raises `SessionError` unless calls can be sent from here and now."""
        self._dispatcher.require_open()

    async def identity(self) -> dict[str, object]:
        """What tells this session's work from any other's: the base URL, the account's id, and the group.

        Raises `ConfigurationError` when credentials that are a function can't be had.
        """
        return {**await self._dispatcher.identity(), "group": self.group_id}

    def prepare(self, payload: payloads.AnyPayload, *, patience: float = 0.0, bulk: bool = False) -> Call:
        """Begins a call that `step` works on and `finish` ends.

        With `bulk` it is one of many, which wait in a line of their own: where single calls wait too, every
        second one that is let go is one of those.

        For `patience` seconds it goes on, beyond its attempts and at long intervals, while the server can't
        be reached or refuses for now: while it is sure that nothing was done.
        Raises `PayloadError`, or `SessionError` when nothing can be sent.
        """
        return self._dispatcher.prepare(payload, self._options, patience=patience, bulk=bulk)

    async def step(self, call: Call) -> responses.Response | float:
        """One attempt of `call`: its response, or the seconds to wait before the next step.

        Nothing is held during that wait. Raises the call's final `UsersApiError`.
        """
        return await self._dispatcher.step(call, self._options)

    def call_later(self, seconds: float, callback: Callable[[], None]) -> Timer:
        """Calls `callback` after so many seconds, or once the session closes."""
        return self._dispatcher.timers.call_later(seconds, callback)

    def finish(self, call: Call, error: UsersApiError | None, *, abandoned: bool = False) -> None:
        """Ends a call, once: with success when `error` is None, or as one that its caller gave up."""
        self._dispatcher.finish(call, self._options, error, abandoned=abandoned)

    async def _complete(self, call: Call) -> responses.Response:
        while True:
            outcome = await self.step(call)
            if isinstance(outcome, responses.Response):
                return outcome
            await self._dispatcher.timers.sleep(outcome)


def _checked_credentials(source: Any) -> CredentialsSource:
    if callable(source):
        return cast("CredentialsSource", source)
    return _arguments.instance("credentials", source, Credentials)
