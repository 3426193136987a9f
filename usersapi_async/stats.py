"""What a session did and does, in numbers. No I/O and no clock.

Counting costs an attempt next to nothing: what has to be sorted or added up is so when somebody asks.
"""

from __future__ import annotations

import math
from collections import Counter, deque

import attrs

from .limiter import Limiter, Pace
from .observer import Ending

_LATEST = 1000
_SECONDS = 10


@attrs.frozen(kw_only=True)
class Latency:
    """Seconds from a request's being sent to its answer or its failure.

    Percentiles of the ``attempts`` that ended last, of which there are 1,000 at the most.
    """

    p50: float
    p90: float
    p99: float
    attempts: int


@attrs.frozen(kw_only=True)
class Pool:
    """Connections. ``in_use`` counts those being made too, ``open`` those that idle as well.

    ``limit`` is the bound of those kept open. Attempts that must have a fresh one have another pool of that
    size, which counts in the other two.
    """

    open: int
    in_use: int
    limit: int


@attrs.frozen(kw_only=True)
class Statistics:
    """A session at one moment. ``attrs.asdict`` makes plain numbers of it, which can be written as JSON.

    Of the limiter, and so of all sessions that share it: the ``limit`` of requests at once, how many are
    ``in_flight``, how many calls are ``waiting`` for a slot or a turn, for how many seconds the server's
    pause still lasts (``paused_for``), and the ``pace`` for another session to start from.

    Of this session since it was made: the ``calls`` begun, and how those ended that are over; the
    ``attempts``, each a request, how many of them were ``retries``, and how many ended as ``refusals``, by
    which the limiter goes: 425, 429, 503, 504, or no answer in time. ``rate`` is the requests a second of
    the last ten seconds, ``latency`` None until an attempt has ended, ``retry_budget`` how many retries are
    left for now.
    """

    limit: int
    in_flight: int
    waiting: int
    paused_for: float
    pace: Pace
    calls: int
    succeeded: int
    failed: int
    in_doubt: int
    abandoned: int
    attempts: int
    retries: int
    refusals: int
    rate: float
    latency: Latency | None
    retry_budget: float
    pool: Pool

    @property
    def under_way(self) -> int:
        """Calls that were begun and are not over: sent, waiting, or between two attempts."""
        return self.calls - self.succeeded - self.failed - self.in_doubt - self.abandoned


class Recorder:
    """Counts a session's calls and attempts, in memory that doesn't grow. Times are seconds of one clock."""

    def __init__(self) -> None:
        self.calls = 0
        self.attempts = 0
        self.retries = 0
        self.refusals = 0
        self.endings: Counter[Ending] = Counter()
        self._latencies: deque[float] = deque(maxlen=_LATEST)
        self._first = math.inf
        self._second = 0
        self._begun = deque([0], maxlen=_SECONDS + 1)
        """Attempts begun in each of the latest seconds."""

    def attempt_began(self, now: float, *, again: bool) -> None:
        """A request goes out."""
        self.attempts += 1
        self.retries += again
        self._first = min(self._first, now)
        self._move_to(now)
        self._begun[-1] += 1

    def attempt_ended(self, latency: float, *, refused: bool) -> None:
        """An answer came, or a failure."""
        self.refusals += refused
        self._latencies.append(latency)

    def statistics(self, limiter: Limiter, *, retry_budget: float, pool: Pool) -> Statistics:
        """All that was counted, and what the limiter says."""
        return Statistics(
            limit=limiter.limit,
            in_flight=limiter.in_flight,
            waiting=limiter.waiting,
            paused_for=limiter.paused_for,
            pace=limiter.pace,
            calls=self.calls,
            succeeded=self.endings["succeeded"],
            failed=self.endings["failed"],
            in_doubt=self.endings["in doubt"],
            abandoned=self.endings["abandoned"],
            attempts=self.attempts,
            retries=self.retries,
            refusals=self.refusals,
            rate=self.rate(limiter.now()),
            latency=self.latency(),
            retry_budget=retry_budget,
            pool=pool,
        )

    def rate(self, now: float) -> float:
        """Attempts a second in the last seconds, or in those since the first attempt, but one at least."""
        self._move_to(now)
        span = min(now - self._first, _SECONDS + now % 1)
        return sum(self._begun) / max(1.0, span)

    def latency(self) -> Latency | None:
        """That of the latest attempts."""
        ordered = sorted(self._latencies)
        count = len(ordered)
        if not count:
            return None
        p50, p90, p99 = (ordered[math.ceil(share * count) - 1] for share in (0.5, 0.9, 0.99))
        return Latency(p50=p50, p90=p90, p99=p99, attempts=count)

    def _move_to(self, now: float) -> None:
        second = math.floor(now)
        self._begun.extend([0] * min(second - self._second, _SECONDS + 1))
        self._second = second
