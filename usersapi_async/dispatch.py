"""What happens to a call between its caller and the wire: limiter, transport and decision, by attempts.

A `Dispatcher` holds all that the calls of a session share. `UsersSession.send` drives a call from its first
attempt to its end; a batch does the same for many calls, and holds no worker while one waits.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import attrs

from . import _arguments, _telling, _transports, payloads, responses, wire
from ._attempts import PoolSettings, Transport
from ._call import Call, GivenIds
from ._concurrency import Signal
from ._queue import Flow
from ._timers import Timers
from .errors import (
    ConfigurationError,
    Delivery,
    OutcomeUnknown,
    RateLimited,
    RequestTimeout,
    ResponseError,
    SessionError,
    UsersApiError,
)
from .observer import Ending, Observer, Paused, notify
from .retry import Decision, Evidence, Kind, RetryBudget, RetryPolicy, evidence_of, may_wait_for_server
from .settings import Credentials, CredentialsSource, Timeout, current
from .stats import Pool, Recorder, Statistics

if TYPE_CHECKING:
    from .limiter import Limiter

_MOST_UNSETTLED = 10_000


@attrs.frozen
class Options:
    """What may differ from call to call. Raises `ConfigurationError`."""

    group_id: int | None
    timeout: Timeout
    retry: RetryPolicy
    classify: wire.Classifier
    observer: Observer | None

    def __attrs_post_init__(self) -> None:
        if self.group_id is not None:
            _arguments.whole("group_id", self.group_id)
        _arguments.instance("timeout", self.timeout, Timeout)
        _arguments.instance("retry", self.retry, RetryPolicy)
        if not callable(self.classify):
            raise ConfigurationError("classify: expected a function of status and body")
        if self.observer is not None:
            _arguments.instance("observer", self.observer, Observer)


class Dispatcher:
    """One pool, one pace, one retry budget, and what was learnt of the users written to."""

    def __init__(
        self,
        credentials: CredentialsSource,
        pool: PoolSettings,
        limiter: Limiter,
        budget: RetryBudget,
        wall_clock: Callable[[], float],
        rng: random.Random,
    ) -> None:
        self.limiter = limiter
        self._credentials = credentials
        self._pool = pool
        self._budget = budget
        self._wall_clock = wall_clock
        self._rng = rng
        self._transport: Transport[Any] | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._single, self._bulk = Flow(), Flow()
        self._recorder = Recorder()
        self.timers = Timers()
        self.given_ids = GivenIds()
        self._unsettled: dict[int, float] = {}

    @property
    def state(self) -> str:
        """ "new", "open" or "closed"."""
        if self._transport is not None:
            return "open"
        return "new" if self._loop is None else "closed"

    def open(self) -> None:
        """Creates the pool, in the event loop that runs."""
        if self.state != "new":
            raise SessionError(f"the session is {self.state}; make another for another `async with`")
        self.limiter.bind()
        self._loop = asyncio.get_running_loop()
        self._transport = _transports.opened(self._pool)

    async def close(self) -> None:
        """Closes the pool. Requests under way end as connections lost, and waits of any kind at once."""
        transport, self._transport = self._transport, None
        if transport is not None:
            for flow in (self._single, self._bulk):
                self.limiter.close(flow)
            self.timers.end()
            await transport.close()

    def require_open(self) -> Transport[Any]:
        """The transport. Raises `SessionError` unless calls can be sent from here and now."""
        if self._transport is None:
            raise SessionError(f"the session is {self.state}; use it within `async with UsersSession(…)`")
        if self._loop is not asyncio.get_running_loop():
            raise SessionError("the session belongs to another event loop; open one in each loop")
        return self._transport

    def statistics(self) -> Statistics:
        """What the session did and does."""
        none = Pool(open=0, in_use=0, limit=self._pool.connections)
        pool = none if self._transport is None else self._transport.connections()
        return self._recorder.statistics(self.limiter, retry_budget=self._budget.balance, pool=pool)

    async def identity(self) -> dict[str, object]:
        """Which service is spoken to, and whose account it is."""
        return {"base URL": self._pool.url, "account": (await current(self._credentials)).api_id}

    def prepare(self, payload: payloads.AnyPayload, options: Options, *, patience: float, bulk: bool) -> Call:
        """Begins a call. Raises `PayloadError`, or `SessionError` when nothing can be sent."""
        self.require_open()
        call = Call.of(
            payload,
            options.group_id,
            options.retry,
            began=asyncio.get_running_loop().time(),
            flow=self._bulk if bulk else self._single,
            patience=patience,
        )
        self._budget.earn()
        self._recorder.calls += 1
        _telling.call_started(options.observer, call)
        return call

    async def step(self, call: Call, options: Options) -> responses.Response | float:
        """One attempt: the call's response, or the seconds to wait before the next step.

        Nothing is held during that wait. Raises the call's final `UsersApiError`.
        """
        try:
            outcome = await self._attempt(call, options)
        except UsersApiError as error:
            # No attempt was made, but an earlier one may have been.
            call.final(error)
            raise
        if isinstance(outcome, UsersApiError):
            outcome = self._wait_before_retry(call, outcome, options)
        if call.intent is not None and not isinstance(outcome, responses.Response):
            # Whoever dies during the wait leaves nobody in doubt.
            await call.intent.withdraw()
        return outcome

    def finish(
        self, call: Call, options: Options, error: UsersApiError | None, *, abandoned: bool = False
    ) -> None:
        """Ends a call, once: with success when `error` is None, or as one that its caller gave up."""
        delivery = error.delivery if error is not None else call.delivery if abandoned else None
        self._remember_doubt(call, options, delivery)
        ending = _ending(error, abandoned=abandoned)
        self._recorder.endings[ending] += 1
        elapsed = asyncio.get_running_loop().time() - call.began
        _telling.call_finished(
            options.observer, call, error, ending=ending, delivery=delivery, elapsed=elapsed
        )

    def _wait_before_retry(self, call: Call, error: UsersApiError, options: Options) -> float:
        """Seconds until the next attempt, at least what the server named. Raises the final error if there is
        none."""
        wait = self._wait(call, error, options.retry)
        if wait is None:
            raise call.final(error)
        _telling.retry_scheduled(options.observer, call, error, wait)
        return wait

    def _wait(self, call: Call, error: UsersApiError, policy: RetryPolicy) -> float | None:
        named = getattr(error, "retry_after", None) or 0.0
        if named > policy.max_pause:
            return None
        if call.decide(error, policy) is Decision.RETRY and self._budget.spend():
            return max(named, policy.backoff(call.attempts, self._rng))
        patient_until = call.began + call.patience
        if may_wait_for_server(error) and asyncio.get_running_loop().time() < patient_until:
            # Beyond attempts and budget, but so seldom that an outage hardly notices.
            return max(named, self._rng.uniform(policy.cap / 2, policy.cap))
        return None

    async def _attempt(self, call: Call, options: Options) -> responses.Response | UsersApiError | float:
        """What one attempt came to, or the seconds that must pass before it may be made."""
        self.require_open()
        settling = self._settling(call)
        if settling > 0:
            return settling
        credentials = await current(self._credentials)
        queued = self.limiter.now()
        if call.intent is None:
            return await self._attempt_in_slot(call, options, credentials, queued)
        if not await self.limiter.acquire_place(options.retry.max_pause, call.flow):
            return self._turned_away(call)
        try:
            if (pause := self._pause(options)) > 0:
                return pause
            # Ahead of the slot, which would stand idle while the disk is at work.
            self._hurry(call)
            await call.intent.declare(self._wall_clock())
            return await self._attempt_in_slot(call, options, credentials, queued)
        finally:
            self.limiter.release_place()

    async def _attempt_in_slot(
        self, call: Call, options: Options, credentials: Credentials, queued: float
    ) -> responses.Response | UsersApiError | float:
        limiter = self.limiter
        if not await limiter.acquire_slot(options.retry.max_pause, call.flow):
            return self._turned_away(call)
        try:
            if call.intent is not None and (pause := self._pause(options)) > 0:
                # What waits for its end must not be left in doubt by a crash.
                return pause
            if not await limiter.take_turn(options.retry.max_pause, call.flow):
                return self._turned_away(call)
            # While it waited the session may have been closed, or another write may have ended in doubt.
            transport, settling = self.require_open(), self._settling(call)
            if settling > 0:
                return settling
            return await self._send(call, options, credentials, transport, queued)
        finally:
            limiter.release_slot()
            self._hurry(call)

    def _hurry(self, call: Call) -> None:
        if call.intent is not None and self.limiter.is_running_dry:
            call.intent.hurry()

    async def _send(
        self, call: Call, options: Options, credentials: Credentials, transport: Transport[Any], queued: float
    ) -> responses.Response | UsersApiError:
        began, now = self.limiter.now(), self._wall_clock()
        watch = transport.watch(call.body)
        call.begin_attempt(now, watch)
        self._recorder.attempt_began(began, again=call.attempts > 1)
        _telling.attempt_started(options.observer, call, began - queued)
        in_step = False
        try:
            answer = await transport.attempt(watch, credentials, int(now), options.timeout, fresh=call.fresh)
            outcome = self._outcome(call, answer, credentials, now, options)
            in_step = isinstance(outcome, responses.Response) and wire.names_its_own(outcome)
        finally:
            # After a cancellation too: from then on the server has so long to carry it out all the same.
            call.ended_at = self._wall_clock()
            watch.let_go(reuse=in_step)
        latency, signal = self.limiter.now() - began, _signal(outcome)
        self._recorder.attempt_ended(latency, refused=signal in (Signal.LIMITED, Signal.REFUSED))
        self.limiter.observe(began, latency, signal)
        return outcome

    def _pause(self, options: Options) -> float:
        """Seconds that a pause still lasts which is waited out, 0 if there is none."""
        seconds = self.limiter.paused_for
        return seconds if seconds <= options.retry.max_pause else 0.0

    def _turned_away(self, call: Call) -> UsersApiError:
        """Ends an attempt that the server's pause keeps from being made. Raises `SessionError` if it is the
        session's end that does."""
        self.require_open()
        seconds = self.limiter.paused_for
        return call.end_attempt(
            RateLimited(
                f"the server asked for a pause that still lasts {seconds:.0f} s",
                delivery=Delivery.NOT_SENT,
                retry_after=seconds,
            )
        )

    def _outcome(
        self,
        call: Call,
        answer: wire.Answer | UsersApiError,
        credentials: Credentials,
        now: float,
        options: Options,
    ) -> responses.Response | UsersApiError:
        """What the attempt came to."""
        if isinstance(answer, UsersApiError):
            return call.end_attempt(answer)
        outcome = wire.read(
            call.payload,
            call.sent,
            answer,
            classifier=options.classify,
            secrets=(credentials.api_token, credentials.api_user),
            now=now,
        )
        if isinstance(outcome, ResponseError):
            if options.retry.retry_unavailable and evidence_of(outcome) is Evidence.UNAVAILABLE:
                outcome.delivery = Delivery.REFUSED
            if outcome.retry_after:
                self.limiter.pause(outcome.retry_after)
                notify(options.observer, Paused(seconds=outcome.retry_after, status=outcome.status))
            return call.end_attempt(outcome)
        repeated = self.given_ids.check(call, outcome)
        if repeated is not None:
            return call.end_attempt(repeated)
        call.succeed()
        return outcome

    def _settling(self, call: Call) -> float:
        """Seconds that a write must wait, since an earlier one to the same user may still take effect."""
        if call.kind is Kind.READ or not self._unsettled:
            return 0.0
        until = self._unsettled.get(wire.sent_id(call.sent, "clogin_id") or 0, 0.0)
        return until - asyncio.get_running_loop().time()

    def _remember_doubt(self, call: Call, options: Options, delivery: Delivery | None) -> None:
        if delivery is not Delivery.UNKNOWN or call.kind is Kind.READ:
            return
        user = wire.sent_id(call.sent, "clogin_id")
        if not user:
            return
        now = asyncio.get_running_loop().time()
        if len(self._unsettled) >= _MOST_UNSETTLED:
            self._unsettled = {other: until for other, until in self._unsettled.items() if until > now}
        self._unsettled[user] = now + options.retry.settle


def _ending(error: UsersApiError | None, *, abandoned: bool) -> Ending:
    if abandoned:
        return "abandoned"
    if error is None:
        return "succeeded"
    return "in doubt" if isinstance(error, OutcomeUnknown) else "failed"


def _signal(outcome: responses.Response | UsersApiError) -> Signal:
    if isinstance(outcome, responses.Response):
        return Signal.SUCCESS
    if isinstance(outcome, RateLimited):
        return Signal.LIMITED
    overload = isinstance(outcome, RequestTimeout) or _telling.status_of(outcome) in (503, 504)
    return Signal.REFUSED if overload else Signal.OTHER
