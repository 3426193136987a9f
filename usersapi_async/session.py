"""`UsersSession`: one pool of connections, one pace and one retry budget for everything sent through it."""

from __future__ import annotations

import asyncio
import copy
import inspect
import random
import ssl
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Self, TypeVar, cast

import attrs

from . import _arguments, payloads, responses, wire
from ._call import Call, GivenIds, wait_before_retry
from ._version import __version__
from .actions import Actions
from .assumptions import DEFAULT_BASE_URL
from .errors import ConfigurationError, Delivery, RateLimited, ResponseError, SessionError, UsersApiError
from .limiter import Concurrency, Limiter, RateLimit
from .retry import Decision, RetryBudget, RetryPolicy
from .settings import Credentials, CredentialsSource, Timeout, checked_base_url
from .transport import PoolSettings, Transport

if TYPE_CHECKING:
    from types import TracebackType

ResponseT = TypeVar("ResponseT", bound=responses.Response)
_MIB = 1024 * 1024


@attrs.define(eq=False)
class _Shared:
    """What a session and the views made of it by `UsersSession.with_options` have in common."""

    pool_settings: PoolSettings
    limiter: Limiter
    budget: RetryBudget
    transport: Transport | None = None
    loop: asyncio.AbstractEventLoop | None = None
    given_ids: GivenIds = attrs.field(factory=GivenIds)

    @property
    def state(self) -> str:
        if self.transport is not None:
            return "open"
        return "new" if self.loop is None else "closed"


@attrs.frozen
class _Options:
    """What a view of a session may change."""

    group_id: int | None
    timeout: Timeout
    retry: RetryPolicy
    classify: wire.Classifier

    def __attrs_post_init__(self) -> None:
        if self.group_id is not None:
            _arguments.whole("group_id", self.group_id)
        _arguments.instance("timeout", self.timeout, Timeout)
        _arguments.instance("retry", self.retry, RetryPolicy)


class UsersSession(Actions):
    """A client of the users endpoint.

    Open it once with ``async with`` and share it: it serves thousands of calls at a time. It belongs to the
    event loop that opened it.

    ``group_id`` is the project that calls work on unless they name another. ``rate`` is a bound that you
    know of; ``concurrency`` the most requests at once, found by itself by default. A ``limiter`` of your own
    replaces both and may serve several sessions of one account. ``connections`` bounds the pool,
    ``keepalive`` the seconds that a connection may idle: a server that closes it just then would leave a
    create in doubt, so keep it shorter than the server's. ``ssl_context`` brings your own authorities;
    ``trust_env`` takes proxies from the environment. ``classify`` decides what an answer means.

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
        connections: int = 100,
        keepalive: float = 2.0,
        max_response_bytes: int = 16 * _MIB,
        ssl_context: ssl.SSLContext | None = None,
        trust_env: bool = False,
        wall_clock: Callable[[], float] = time.time,
        rng: random.Random | None = None,
    ) -> None:
        if limiter is not None and (rate is not None or concurrency != "auto"):
            raise ConfigurationError("limiter: give either it, or rate and concurrency")
        self._credentials = _checked_credentials(credentials)
        self._options = _Options(group_id, timeout, retry, classify)
        self._wall_clock = wall_clock
        self._rng = rng or random.Random()
        self._shared = _Shared(
            PoolSettings(
                url=checked_base_url(base_url),
                connections=connections,
                keepalive=keepalive,
                max_response_bytes=max_response_bytes,
                ssl_context=ssl_context,
                trust_env=trust_env,
                user_agent=f"usersapi-async/{__version__}",
            ),
            _arguments.instance("limiter", limiter or Limiter(rate, concurrency), Limiter),
            RetryBudget(retry.budget_ratio, retry.budget_burst),
        )

    def with_options(
        self,
        *,
        group_id: int | None = None,
        timeout: Timeout | None = None,
        retry: RetryPolicy | None = None,
        classify: wire.Classifier | None = None,
    ) -> Self:
        """The same session with other settings: pool, pace and retry budget stay shared.

        Cheap enough for a single call: ``await users.with_options(timeout=…).create(…)``.
        """
        view = copy.copy(self)
        options = self._options
        view._options = _Options(  # noqa: SLF001 (a copy of this very object)
            options.group_id if group_id is None else group_id,
            timeout or options.timeout,
            retry or options.retry,
            classify or options.classify,
        )
        return view

    def __repr__(self) -> str:
        return f"<UsersSession group_id={self._options.group_id} {self._shared.state}>"

    async def __aenter__(self) -> Self:
        shared = self._shared
        if shared.state != "new":
            raise SessionError(f"the session is {shared.state}; make another for another `async with`")
        shared.transport = Transport(shared.pool_settings)
        shared.loop = asyncio.get_running_loop()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        shared = self._shared
        transport, shared.transport = shared.transport, None
        if transport is not None:
            await transport.close()

    @property
    def group_id(self) -> int | None:
        """The project that calls work on unless they name another."""
        return self._options.group_id

    @property
    def retry(self) -> RetryPolicy:
        """How calls are repeated."""
        return self._options.retry

    @property
    def limiter(self) -> Limiter:
        """The pace, to look at or to share with another session of the same account."""
        return self._shared.limiter

    async def send(self, payload: payloads.Payload[ResponseT]) -> ResponseT:
        """Sends one payload, repeating it only where nothing can happen twice.

        Raises one `UsersApiError`: `PayloadError` and `SessionError` before anything is sent,
        `DeadlineExceeded` when ``Timeout.total`` has passed, `OutcomeUnknown` when an action that must not
        be repeated may have been carried out, else what the last attempt ended with.
        """
        call = self.prepare(payload)
        total = self._options.timeout.total
        if total is None:
            return cast("ResponseT", await self._complete(call))
        try:
            async with asyncio.timeout(total):
                return cast("ResponseT", await self._complete(call))
        except UsersApiError:
            raise
        except TimeoutError:
            pass
        raise call.out_of_time()

    def require_open(self) -> None:
        """Raises `SessionError` unless calls can be sent from here and now."""
        self._transport()

    def prepare(self, payload: payloads.AnyPayload) -> Call:
        """What `step` works on. Raises `PayloadError`, or `SessionError` when nothing can be sent."""
        _arguments.instance("payload", payload, payloads.Payload)
        self.require_open()
        call = Call.of(payload, self._options.group_id, self._options.retry)
        self._shared.budget.earn()
        return call

    async def step(self, call: Call) -> responses.Response | float:
        """One attempt of `call`: its response, or the seconds to wait before the next attempt.

        Nothing is held during that wait. Raises the call's final `UsersApiError`.
        """
        outcome = await self._attempt(call)
        if isinstance(outcome, responses.Response):
            return outcome
        policy = self._options.retry
        wait = wait_before_retry(call, policy, self._rng)
        again = call.decide(outcome, policy) is Decision.RETRY and wait <= policy.max_pause
        if again and self._shared.budget.spend():
            return wait
        raise call.final(outcome)

    async def _complete(self, call: Call) -> responses.Response:
        while True:
            outcome = await self.step(call)
            if isinstance(outcome, responses.Response):
                return outcome
            await asyncio.sleep(outcome)

    async def _attempt(self, call: Call) -> responses.Response | UsersApiError:
        transport, limiter = self._transport(), self._shared.limiter
        credentials = await self._current_credentials()
        await limiter.acquire_slot()
        try:
            if limiter.paused_for > self._options.retry.max_pause:
                return self._ended(call, self._paused(limiter.paused_for))
            await limiter.take_turn()
            watch = call.begin_attempt()
            began, now = limiter.now(), self._wall_clock()
            answer = await transport.attempt(
                watch, credentials, int(now), self._options.timeout, fresh=call.fresh
            )
            outcome = self._outcome(call, answer, credentials, now)
            if isinstance(answer, wire.Answer):
                limiter.observe(began, limiter.now() - began, refused=_is_refusal(outcome))
            return outcome
        finally:
            limiter.release_slot()

    def _outcome(
        self, call: Call, answer: wire.Answer | UsersApiError, credentials: Credentials, now: float
    ) -> responses.Response | UsersApiError:
        if isinstance(answer, UsersApiError):
            return self._ended(call, answer)
        outcome = wire.read(
            call.payload,
            call.sent,
            answer,
            classifier=self._options.classify,
            secrets=(credentials.api_token, credentials.api_user),
            now=now,
        )
        if isinstance(outcome, ResponseError):
            if outcome.retry_after is not None:
                self._shared.limiter.pause(outcome.retry_after)
            return self._ended(call, outcome)
        repeated = self._shared.given_ids.check(call, outcome)
        if repeated is not None:
            return self._ended(call, repeated)
        call.end_attempt(None)
        return outcome

    @staticmethod
    def _ended(call: Call, error: UsersApiError) -> UsersApiError:
        call.end_attempt(error)
        return error

    @staticmethod
    def _paused(seconds: float) -> RateLimited:
        return RateLimited(
            f"the server asked for a pause that still lasts {seconds:.0f} s",
            delivery=Delivery.NOT_SENT,
            retry_after=seconds,
        )

    async def _current_credentials(self) -> Credentials:
        source = self._credentials
        if isinstance(source, Credentials):
            return source
        try:
            found = source()
            if inspect.isawaitable(found):
                found = await found
        except Exception as error:
            raise ConfigurationError(f"credentials: the function raised {type(error).__name__}") from error
        return _arguments.instance("credentials", found, Credentials)

    def _transport(self) -> Transport:
        shared = self._shared
        if shared.transport is None:
            raise SessionError(f"the session is {shared.state}; use it within `async with UsersSession(…)`")
        if shared.loop is not asyncio.get_running_loop():
            raise SessionError("the session belongs to another event loop; open one in each loop")
        return shared.transport


def _is_refusal(outcome: object) -> bool:
    return isinstance(outcome, RateLimited) or (isinstance(outcome, ResponseError) and outcome.status == 503)


def _checked_credentials(source: Any) -> CredentialsSource:
    if callable(source):
        return cast("CredentialsSource", source)
    return _arguments.instance("credentials", source, Credentials)
