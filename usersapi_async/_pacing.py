"""How many requests a second: a rate that is learnt from refusals, and the pace as a whole.

`Found` has two variables, as no single one can find both kinds of limit. The number in flight goes by
latency, 503s and time-outs (`_concurrency`); the rate goes by 429s alone. Whichever binds sets the pace. A
limit of concurrency can't find a rate: requests then travel in waves, and a bucket with a small burst refuses
most of each wave while it wastes the rest of the time. So once 429s were met, turns are spaced evenly.

- As in botocore's adaptive mode, there is no rate before the first 429s, and then it is cut and grows again.
  Its cut of 30 % with growth by the cube of time suits a rate that is far off; here a refusal takes 3 % and
  each success gives back so little that in the long run about one request in a hundred is refused.
  Firestore's BulkWriter grows by half every five minutes, which finds nothing within one batch.
- What a server admits while it refuses is a measurement of its rate: so many in so much time. That ends an
  overload in a few steps, whatever its size, where blind cuts take dozens of refusals.
- Growth gets faster beyond what was refused lately, as in BIC and CUBIC, since then the rate has changed; and
  it is relatively slower at high rates, so that of two clients of one server the greater gains less.
- 429s that mean nothing don't go away below a rate that was refused: their share there is taken for
  background, and growth makes up for it.
- A refusal cuts once a round trip: those of requests sent before the cut say nothing new.
"""

from __future__ import annotations

import math
from collections import deque

from ._concurrency import Adaptive, Signal

_CUT = 0.97
_CUT_AGAIN = 0.9
"""From the third refusal of a run."""
_REFUSED = 0.01
"""Share of refusals that the steady state aims at; less at rates above `_RATE`, and where each costs a
pause."""
_RATE = 5.0
_LESS = 0.25
"""Exponent of that."""
_PAUSED = 0.03
"""Share of the time that pauses may take, as far as that is in our hands."""
_LEAST_REFUSED = 0.002
_BELOW = 0.985
"""Share of the refused rate below which a refusal isn't explained by it."""
_BEYOND = 1.01
"""Share of the rates refused lately beyond which the server's rate has changed."""
_BOOST = 1.1
_FASTEST = 0.02
"""Growth by one success, at most."""
_UNKNOWN = 1.25
"""Growth by one success while no rate was refused."""
_RUN = 5
"""Successes that end a run of refusals."""
_MEANINGLESS = 0.05
"""Most background. A refusal weighs less by so much with each success after it."""
_CHANCE = 2
"""Weight of refusals that may be chance."""
_MEMORY = 150
"""Answers over which the background is averaged."""
_RECENT = 20
_SOONEST = 0.25
"""Seconds over which a first rate is measured, at least."""
_SLOWEST = 0.2
"""Requests a second at the least, so that the end of an outage is seen."""
_OUTAGE = 10.0
"""Seconds of tries without one success after which it was no rate that refused."""


class LearntRate:
    """A rate that is found, from `start` on; none while the server never refused for it."""

    def __init__(self, start: float | None = None) -> None:
        self._rate = math.inf if start is None else max(start, _SLOWEST)
        self._ceiling = self._rate
        self._ceilings: deque[float] = deque([start or 0.0], maxlen=3)
        self._cut_at = -math.inf
        self._step = 0.0
        self._boost = 1.0
        self._pause = 0.0
        self._weight = 0.0
        self._background = 0.0
        self._quiet = 0
        self._refused_at = -math.inf
        self._recent: deque[float] = deque(maxlen=_RECENT)
        self._sent = 0
        self._first_sent = self._last_sent = math.inf
        self._before = 0.0
        self._run = _Run(-math.inf, math.inf, 0)

    @property
    def interval(self) -> float:
        """Seconds from one request to the next."""
        return 1 / self._rate

    def sent(self, now: float) -> None:
        """One more request is sent."""
        if self._sent == 0:
            self._first_sent = self._last_sent = now
        self._sent += 1
        # A pause, or a lack of work, is no time in which the rate was tried.
        self._run.tried += min(now - self._last_sent, 2 * self.interval)
        self._last_sent = now

    def observe(
        self, began: float, ended: float, signal: Signal, *, in_flight: int, waiting: bool, paused: float
    ) -> None:
        """Learns from one attempt."""
        if signal is Signal.LIMITED:
            self._weight = min(self._weight + 1, _CHANCE + 2)
            self._run.refused += began >= self._run.began
            if began > self._cut_at:
                self._pause = paused
                self._refuse(ended, in_flight, waiting=waiting)
        elif signal is Signal.SUCCESS:
            self._weight = max(0.0, self._weight - _MEANINGLESS)
            self._recent.append(began)
            if began > self._run.began:
                if self._run.done == 0 and self._run.tried >= _OUTAGE:
                    self._recover()
                self._run.done += 1
            if began > self._cut_at:
                self._quiet += 1
                self._note_background(0.0)
                if waiting and paused == 0:
                    self._grow()

    def _is_below(self) -> bool:
        return self._rate < _BELOW * self._ceiling < math.inf

    def _note_background(self, refused: float) -> None:
        if self._is_below():
            self._background += (refused - self._background) / _MEMORY
            self._background = min(self._background, _MEANINGLESS)

    def _refuse(self, now: float, in_flight: int, *, waiting: bool) -> None:
        quiet, self._quiet = self._quiet, 0
        since, self._refused_at = now - self._refused_at, now
        if quiet >= _RUN or self._run.began < 0:
            self._run = _Run(now, self._rate, self._sent, settled=self._ceiling < math.inf)
            self._before = 0.0 if self._rate == math.inf else self._rate
            self._note_background(1.0)
        if not waiting or self._rate == math.inf:
            # The rate holds nobody back, so that it isn't what was refused.
            if self._weight > _CHANCE + (len(self._recent) >= _RECENT // 2):
                self._begin(now, in_flight)
            return
        dense = self._weight > (_CHANCE if self._background > _REFUSED / 2 else 1.6)
        if not dense:
            if self._is_below():
                return
            self._ceilings.append(0.0)
        if self._weight > _CHANCE and 0 < quiet < self._rate * self._pause:
            # Most of the time passes in pauses, in which a bucket fills: half the way to what comes through.
            self._cut(now, min(_CUT_AGAIN, math.sqrt(quiet / since / self._rate)))
        else:
            self._cut(now, _CUT_AGAIN if dense and self._run.refused > 1 else _CUT)

    def _begin(self, now: float, in_flight: int) -> None:
        """Starts with what came through lately."""
        since = self._recent[0] if self._recent else self._first_sent
        found = (len(self._recent) + in_flight) / max(now - since, _SOONEST)
        self._rate = self._run.lowest = max(_SLOWEST, _CUT_AGAIN * min(self._rate, found))
        self._before = max(self._before, self._rate)
        self._ceiling = math.inf
        self._cut_at, self._boost, self._weight = now, 1.0, 0.0

    def _recover(self) -> None:
        """Goes back near to the rate before an outage."""
        self._rate = max(self._rate, self._before / 2)
        self._ceiling = math.inf

    def _cut(self, now: float, factor: float) -> None:
        rate = self._rate
        if factor == _CUT:
            # The faster it grew, the further it is beyond what was refused first.
            rate *= min(1.0, (1 - 0.9 * math.sqrt(2 * self._step)) / _CUT)
        meaningless = factor == _CUT and self._background > _REFUSED / 2
        self._ceiling = max(rate, 0.98 * min(self._ceiling, 2 * rate)) if meaningless else rate
        self._rate = rate * factor
        if factor < _CUT_AGAIN:
            self._ceiling = min(self._ceiling, 2 * self._rate)
        self._obey_run(rate)
        self._rate = max(self._rate, _SLOWEST)
        self._run.lowest = min(self._run.lowest, self._rate)
        self._ceilings[-1] = self._ceiling
        self._cut_at, self._boost, self._step = now, 1.0, 0.0

    def _obey_run(self, rate: float) -> None:
        """What came through since the run began bounds the server's rate from both sides."""
        run = self._run
        if run.tried <= 0 or (run.settled and run.refused < 3):
            return
        admitted = max(0, self._sent - run.sent_before - run.refused)
        # Each time that a token waits for us, the bucket may lose a part of the next.
        most = (1.25 * admitted + 1) / run.tried
        if most < run.lowest:
            self._ceiling = min(self._ceiling, most)
            self._rate = min(self._rate, (admitted + 0.5) / run.tried)
        self._rate = max(self._rate, min((run.done - 1) / run.tried, rate))

    def _grow(self) -> None:
        if self._ceiling == math.inf:
            self._rate *= _UNKNOWN
            return
        if self._rate < 0.94 * self._ceiling:
            self._rate += (0.95 * self._ceiling - self._rate) / 4
            return
        aim = _REFUSED * min(1.0, (_RATE / self._rate) ** _LESS)
        if self._pause > 0:
            aim = min(aim, max(_LEAST_REFUSED, _PAUSED / (self._rate * self._pause)))
        if self._rate > _BEYOND * max(self._ceilings):
            self._boost *= _BOOST
        self._step = min(_FASTEST, (1 - _CUT) * (aim + self._background) * self._boost)
        self._rate *= 1 + self._step


class _Run:
    """Refusals with hardly a success between them, and what else came of the requests sent since the
    first."""

    __slots__ = ("began", "done", "lowest", "refused", "sent_before", "settled", "tried")

    def __init__(self, began: float, lowest: float, sent_before: int, *, settled: bool = False) -> None:
        self.began = began
        self.lowest = lowest
        self.sent_before = sent_before
        self.settled = settled
        self.tried = 0.0
        self.refused = 0
        self.done = 0


class Found:
    """A limit and a rate, both found, from those on that were found before."""

    def __init__(self, limit: int | None = None, rate: float | None = None) -> None:
        self._concurrency = Adaptive() if limit is None else Adaptive(limit)
        self._rate = LearntRate(rate)

    @property
    def limit(self) -> int:
        """How many may be in flight."""
        return self._concurrency.limit

    @property
    def most(self) -> int:
        """The highest limit that there can be."""
        return self._concurrency.most

    @property
    def interval(self) -> float:
        """Seconds from one request to the next."""
        return self._rate.interval

    def sent(self, now: float) -> None:
        """One more attempt begins."""
        self._rate.sent(now)

    def observe(
        self, began: float, ended: float, signal: Signal, *, in_flight: int, waiting: bool, paused: float
    ) -> None:
        """Learns from one attempt."""
        self._concurrency.observe(began, ended, signal, in_flight=in_flight)
        self._rate.observe(began, ended, signal, in_flight=in_flight, waiting=waiting, paused=paused)
