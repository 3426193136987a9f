"""How many requests may be in flight at once.

`Adaptive` goes by rounds. A round begins when the limit is set, and only requests that begin in it count, so
that each limit is judged by its own effect.

- Growth is led by latency, as in TCP Vegas: by Little's law, what a request takes above the baseline tells
  how many are queueing, and at a few the limit stops. So a server where more than these can queue isn't
  driven to refuse: no create is sent to find out where its limit lies.
- Latency is a round's mean with its outliers cut off. Requests travel in waves in which only the last ones
  wait, so that a low quantile of them sees a queue too late. The baseline is a low average of rounds, which
  follows down fast; it is never the shortest time seen.
- The baseline rises on proof, as Envoy and BBR measure it anew now and then: the limit dips, and latency that
  doesn't fall with it isn't our queue. Vegas never lets it rise, and takes a slower way for a queue; the long
  average of Netflix's Gradient2 learns, in a long batch, to accept the queue that the batch makes.
- A refusal counts as a share of a round, so that errors that mean nothing don't set the pace. It cuts the
  limit by CUBIC's factor, once a round. Then, as in its predecessor BIC, each round takes half of the way
  back to just below where it was refused. There it stays, each time longer, and goes on in small steps that
  grow.
- Fewer refusals than that are tested, since each may be a create in doubt: if a lower limit ends them, it
  stays below; if not, they mean nothing.
- 429s count for nothing here: they speak of a rate, which is learnt in `_pacing`.
"""

from __future__ import annotations

import enum
import math
from typing import Protocol

from ._ceiling import Ceiling, Suspicion

_START = 4
_MOST = 100
_ENOUGH = 10
"""Successes that make a round, if the limit isn't more; fewer at the lowest, where they take long to come."""
_OUTLIER = 3
"""Medians beyond which it doesn't matter how long a request took."""
_FALL = 0.3
"""Weight in the baseline of a round that was faster."""
_RISE = 0.05
"""Weight of one that was slower although the limit was not reached: that can't be our queue."""
_DIP = 0.8
_AFTER_DIP = 0.5
"""Weight in the baseline of latency that didn't fall in a dip: even then a part of it may be chance."""
_WAVES_IN_DIP = 2.0
"""Limits of answers in a round: what a dip finds must not be chance."""
_WAVES_AT_FIRST = 0.5
"""At first, when it is far to go, rather soon than exact."""
_ROUNDS_TO_DIP = 64
_MEANINGLESS = 0.05
"""Share of refusals that is no sign of a limit."""
_CHANCE = 2
"""Refusals beyond that share which are no sign in one round alone: at a low limit, two are a large share."""


class Signal(enum.Enum):
    """What an attempt says of the server's load."""

    SUCCESS = "success"
    """The work was done, and took what it takes."""
    LIMITED = "limited"
    """Too many a second: the server said so, and did nothing."""
    REFUSED = "refused"
    """Too much for the server: it said so, or didn't answer in time."""
    OTHER = "other"
    """Neither: an error, as fast or slow as it happens to be."""


class Controller(Protocol):
    """Decides the limit from what attempts report."""

    @property
    def limit(self) -> int:
        """The most requests in flight."""

    @property
    def most(self) -> int:
        """The highest limit that there can be."""

    @property
    def interval(self) -> float:
        """Seconds from one request to the next, at least."""

    def sent(self, now: float) -> None:
        """One more attempt begins."""

    def observe(
        self, began: float, ended: float, signal: Signal, *, in_flight: int, waiting: bool, paused: float
    ) -> None:
        """One attempt, still counted in `in_flight`, ended; times in seconds of one clock. `waiting` if
        others wait only for the interval or for a pause to pass, which lasts for `paused` seconds more."""


class Fixed:
    """A limit that was given."""

    interval = 0.0

    def __init__(self, limit: int) -> None:
        self.limit = self.most = limit

    def sent(self, now: float) -> None:
        """Nothing to learn."""

    def observe(
        self, began: float, ended: float, signal: Signal, *, in_flight: int, waiting: bool, paused: float
    ) -> None:
        """Nothing to learn."""


class _Round:
    """What came of the requests that began since the limit was set."""

    __slots__ = ("answers", "began", "busy", "enough", "latencies", "limit", "refused")

    def __init__(self, began: float, limit: int, waves: float) -> None:
        self.began = began
        self.limit = limit
        self.enough = max(int(waves * limit), min(_ENOUGH, 2 * limit + 2))
        self.answers = 0
        self.busy = 0
        self.refused = 0
        self.latencies: list[float] = []

    def refusals(self, in_flight: int) -> float:
        """How many there are beyond the share that means nothing.

        It is a share of those in flight as well: refusals are fast, and at first most of what has come back.
        """
        return self.refused - _MEANINGLESS * (self.answers + in_flight)

    def is_busy(self) -> bool:
        """Was the limit what held requests back?"""
        return 2 * self.busy >= self.answers

    def latency(self) -> float:
        """What a request took, without outliers."""
        most = _OUTLIER * sorted(self.latencies)[len(self.latencies) // 2]
        return sum(min(latency, most) for latency in self.latencies) / len(self.latencies)


class _Dip:
    """A lower limit for a few rounds, to see whether latency falls with it."""

    def __init__(self, limit: int, latency: float) -> None:
        self.first = self.last = (limit, latency)

    def falls(self, limit: int, latency: float) -> bool:
        """Did latency fall by more than half of what it would have if all that was taken away had queued?"""
        last_limit, last_latency = self.last
        self.last = (limit, latency)
        return limit < last_limit and latency < last_latency * (1 + limit / last_limit) / 2


class Adaptive:
    """A limit that is found; `start` is one that was found before, and at least the usual one."""

    most = _MOST

    def __init__(self, start: float = _START) -> None:
        self._limit = float(min(max(_START, start), _MOST))
        self._starting = self._limit == _START
        self._round = _Round(-math.inf, self.limit, _WAVES_AT_FIRST if self._starting else 1.0)
        self._baseline = math.inf
        self._slow_rounds = 0
        # The first latencies of one that starts high may already hold a queue: a dip tells.
        self._rounds_to_dip = _ROUNDS_TO_DIP if self._starting else 1
        self._dip: _Dip | None = None
        self._ceiling = Ceiling()
        self._refused_before = False
        self._just_cut = False
        self._suspicion = Suspicion()

    @property
    def limit(self) -> int:
        """The limit, as found by now."""
        return int(self._limit)

    def observe(self, began: float, ended: float, signal: Signal, *, in_flight: int) -> None:
        """Learns from one attempt."""
        this = self._round
        if began < this.began:
            return
        this.answers += 1
        this.busy += in_flight >= 0.9 * this.limit
        if signal is Signal.SUCCESS:
            this.latencies.append(ended - began)
            if len(this.latencies) < this.enough:
                return
            repeatedly = self._refused_before
            self._refused_before = this.refused > 1 and this.refusals(in_flight) > 0
            if self._refused_before and repeatedly:
                self._cut()
            else:
                self._just_cut = False
                self._suspicion.count(this.answers, this.refused)
                self._judge(this)
        elif signal is Signal.REFUSED:
            this.refused += 1
            if this.refusals(in_flight) <= _CHANCE:
                return
            self._cut()
        else:
            return
        waves = _WAVES_IN_DIP if self._dip is not None else _WAVES_AT_FIRST if self._starting else 1.0
        self._round = _Round(ended, self.limit, waves)

    def _cut(self) -> None:
        self._refused_before = False
        self._starting = False
        self._dip = None
        self._suspicion.drop()
        # Cuts in a row search for one limit; after an outage the way back must not begin at the last of them.
        if not self._just_cut:
            self._ceiling.hit(self._limit)
        self._just_cut = True
        self._limit = self._ceiling.return_from(self._limit)

    def _judge(self, this: _Round) -> None:
        """A round without a cut is over."""
        latency = this.latency()
        if self._dip is not None:
            self._go_on_dipping(self._dip, this, latency)
            return
        if self._suspicion.testing:
            self._end_test()
            return
        if latency < self._baseline:
            self._move_baseline(latency, _FALL)
        if not this.is_busy():
            self._move_baseline(latency, _RISE)
            return
        few = _few(this.limit)
        queued = _queued(this.limit, latency, self._baseline)
        if queued >= few:
            self._starting = False
        self._slow_rounds = self._slow_rounds + 1 if queued > 2 * few else 0
        if self._suspicion.is_strong():
            self._limit = self._suspicion.test(self._limit)
            return
        self._rounds_to_dip -= 1
        if self._slow_rounds > 1 or self._rounds_to_dip <= 0:
            self._dip = _Dip(this.limit, latency)
            self._ceiling.stay()
            self._limit = max(1.0, self._limit * _DIP)
        elif queued < few:
            # No more than may still queue: the step must not overshoot what it is to find.
            step = self._ceiling.step(self._limit, min(math.sqrt(self._limit), few - queued))
            self._limit = min(self.most, self._limit + step)

    def _end_test(self) -> None:
        verdict = self._suspicion.verdict()
        if verdict is None:
            return
        limit, to_blame = verdict
        self._limit = max(self._limit, self._ceiling.keep_below(limit) if to_blame else limit)

    def _move_baseline(self, latency: float, weight: float) -> None:
        first = self._baseline == math.inf
        self._baseline = latency if first else self._baseline + weight * (latency - self._baseline)

    def _go_on_dipping(self, dip: _Dip, this: _Round, latency: float) -> None:
        if this.is_busy() and dip.falls(this.limit, latency):
            self._limit = max(1.0, self._limit * _DIP)
            return
        self._dip = None
        self._slow_rounds, self._rounds_to_dip = 0, _ROUNDS_TO_DIP
        self._baseline += _AFTER_DIP * (latency - self._baseline)
        # Back to where the dip began, without what has turned out to be a queue there.
        limit, latency_there = dip.first
        surplus = max(0.0, _queued(limit, latency_there, latency) - _few(limit))
        self._limit = max(self._limit, limit - surplus)


def _queued(limit: int, latency: float, baseline: float) -> float:
    """How many of so many in flight wait, by Little's law."""
    return limit * (1 - baseline / latency) if latency > 0 else 0.0


def _few(limit: int) -> float:
    """How many may queue, so that the server never idles; more where chance alone looks like that many."""
    return 3 + 0.1 * limit
