"""Other rules for a pace, modelled from what their projects publish, as limiters for the simulation.

None of them pauses everybody for one Retry-After: the row that it came for waits so long. Names and constants
are those of the projects; where a limit has a lowest default of 20, it is 1 here, as their documentation
advises for batches.
"""

from __future__ import annotations

import asyncio
import math

from tests.simulation import LoopTime
from usersapi_async._concurrency import Fixed, Signal
from usersapi_async.limiter import Limiter

MOST = 256
"""Rows worked on at a time where a rule doesn't bound them."""
_DROPS = (Signal.LIMITED, Signal.REFUSED)


class FixedConcurrency(Limiter):
    """A semaphore."""

    def __init__(self, limit: int) -> None:
        super().__init__(concurrency=limit, clock=LoopTime())

    def pause(self, seconds: float) -> None:
        """Not theirs."""


class LeakyBucket(FixedConcurrency):
    """aiolimiter: so many a second, and as many at once."""

    def __init__(self, rate: float) -> None:
        super().__init__(MOST)
        self._interval_between = 1 / rate
        self._allowed_ahead = (max(1.0, rate) - 1) / rate
        self._drained_at = -math.inf

    @property
    def rate(self) -> float:
        """As it was given."""
        return 1 / self._interval_between

    async def take_turn(self, patience: float = math.inf, flow: object = None) -> bool:
        """Waits until the bucket has leaked enough, first come, first served."""
        loop = asyncio.get_running_loop()
        now = loop.time()
        begins = max(now, self._drained_at - self._allowed_ahead)
        self._drained_at = max(now, self._drained_at) + self._interval_between
        if begins > now:
            woken = loop.create_future()
            loop.call_at(begins, woken.set_result, None)
            await woken
        return True


class BotocoreAdaptive(FixedConcurrency):
    """botocore's retry mode "adaptive": a token bucket, once the server has throttled, whose rate follows
    CUBIC.

    503 counts as throttling, as S3's "Slow Down" does.
    """

    _BETA, _SCALE, _SMOOTHING, _SPAN, _LOWEST = 0.7, 0.4, 0.8, 0.5, 0.5

    def __init__(self) -> None:
        super().__init__(MOST)
        self._on = False
        self._fill = 1.0
        self._tokens = 0.0
        self._filled_at = 0.0
        self._best = 0.0
        self._failed_at = 0.0
        self._measured = 0.0
        self._span_began = 0.0
        self._in_span = 0
        self._door = asyncio.Lock()

    @property
    def rate(self) -> float:
        """The bucket's."""
        return self._fill if self._on else math.inf

    async def take_turn(self, patience: float = math.inf, flow: object = None) -> bool:
        """Waits for a token."""
        if not self._on:
            return True
        loop = asyncio.get_running_loop()
        async with self._door:
            self._refill()
            while self._tokens < 1:
                woken = loop.create_future()
                # A new rate wakes those that wait.
                loop.call_later(min(0.1, (1 - self._tokens) / self._fill + 1e-6), woken.set_result, None)
                await woken
                self._refill()
            self._tokens -= 1
        return True

    def _refill(self) -> None:
        now = self.now()
        self._tokens = min(max(1.0, self._fill), self._tokens + (now - self._filled_at) * self._fill)
        self._filled_at = now

    def observe(self, began: float, latency: float, signal: Signal) -> None:
        """Measures what is sent, and sets the rate anew."""
        now = self.now()
        self._in_span += 1
        span = math.floor(now / self._SPAN) * self._SPAN
        if span > self._span_began:
            found = self._in_span / (span - self._span_began)
            self._measured += self._SMOOTHING * (found - self._measured)
            self._in_span, self._span_began = 0, span
        if signal in _DROPS:
            self._best = min(self._measured, self._fill) if self._on else self._measured
            self._failed_at = now
            self._on = True
            wanted = self._BETA * self._best
        else:
            turns_at = (self._best * (1 - self._BETA) / self._SCALE) ** (1 / 3)
            wanted = self._SCALE * (now - self._failed_at - turns_at) ** 3 + self._best
        self._refill()
        self._fill = max(self._LOWEST, min(wanted, 2 * self._measured))
        self._tokens = min(self._tokens, max(1.0, self._fill))


class _Rule(Fixed):
    """A limit of concurrency that each answer may change."""

    def __init__(self, limit: float) -> None:
        super().__init__(int(limit))
        self.most = MOST
        self._exact = limit

    def _set(self, limit: float) -> None:
        self._exact = max(1.0, min(float(MOST), limit))
        self.limit = int(self._exact)


class Aimd(_Rule):
    """concurrency-limits' AIMDLimit."""

    def __init__(self) -> None:
        super().__init__(10)

    def observe(
        self, began: float, ended: float, signal: Signal, *, in_flight: int, waiting: bool, paused: float
    ) -> None:
        """One more for each success, a tenth less for each drop."""
        if signal in _DROPS or ended - began > 5:
            self._set(min(self.limit - 1, int(0.9 * self.limit)))
        elif 2 * in_flight >= self.limit:
            self._set(self.limit + 1)


class Vegas(_Rule):
    """concurrency-limits' VegasLimit; its probe of the shortest time comes after 22 to 23 limits of
    answers."""

    _PROBE = 0.75 * 30

    def __init__(self) -> None:
        super().__init__(20)
        self._shortest = 0.0
        self._answers = 0

    def observe(
        self, began: float, ended: float, signal: Signal, *, in_flight: int, waiting: bool, paused: float
    ) -> None:
        """Goes by how many queue."""
        took = ended - began
        self._answers += 1
        if self._answers >= self._PROBE * self._exact:
            self._answers, self._shortest = 0, took
            return
        if self._shortest == 0 or took < self._shortest:
            self._shortest = took
            return
        unit = max(1, int(math.log10(max(1, self.limit))))
        queued = math.ceil(self._exact * (1 - self._shortest / took))
        if signal in _DROPS:
            self._set(self._exact - unit)
        elif 2 * in_flight >= self._exact:
            if queued <= unit:
                self._set(self._exact + 6 * unit)
            elif queued < 3 * unit:
                self._set(self._exact + unit)
            elif queued > 6 * unit:
                self._set(self._exact - unit)


class Gradient2(_Rule):
    """concurrency-limits' Gradient2Limit, in windows of a second and ten answers at least."""

    def __init__(self) -> None:
        super().__init__(20)
        self._long = 0.0
        self._windows = 0
        self._next_update = 0.0
        self._total, self._count, self._busiest = 0.0, 0, 0

    def observe(
        self, began: float, ended: float, signal: Signal, *, in_flight: int, waiting: bool, paused: float
    ) -> None:
        """Goes by the ratio of the long average to that of the window."""
        self._total += ended - began
        self._count += 1
        self._busiest = max(self._busiest, in_flight)
        if ended <= self._next_update:
            return
        self._next_update = ended + 1.0
        if self._count >= 10:
            self._update(self._total / self._count, self._busiest)
        self._total, self._count, self._busiest = 0.0, 0, 0

    def _update(self, short: float, in_flight: int) -> None:
        self._windows += 1
        # The mean of the first ten, then an exponential average over 600.
        weight = 1 / self._windows if self._windows <= 10 else 2 / 601
        self._long += weight * (short - self._long)
        if self._long > 2 * short:
            self._long *= 0.9
        if in_flight < self._exact / 2:
            return
        gradient = max(0.5, min(1.0, self._long / short))
        self._set(0.8 * self._exact + 0.2 * (gradient * self._exact + 4))


class Ruled(FixedConcurrency):
    """A limiter with such a rule."""

    def __init__(self, rule: _Rule) -> None:
        super().__init__(MOST)
        self._controller = rule
