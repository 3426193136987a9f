"""`RateLimit`, and when its turns come. No I/O and no clock.

Turns are spread evenly, as GCRA does it. That alone either loses what each timer is late by or, if it makes
up for it, puts a turn too many into some windows. So a log of the turns of the last window is kept as well,
which makes the bound exact: what a timer is late by is then lost once in a window, not once in an interval.
"""

from __future__ import annotations

import math
from collections import deque

import attrs

from . import _arguments

_MADE_UP = 0.05
"""Seconds of lateness that are made up for, or one interval if that is longer."""


@attrs.frozen
class RateLimit:
    """At most ``count`` requests in any ``per`` seconds, spread evenly: one every ``per / count`` seconds.

    No such span, wherever it begins, its end excluded, holds more than ``count`` turns (rounded up), each at
    the time when its request is handed to the transport: the server sees what the network's jitter adds.
    There is no burst after a rest or a pause. What a busy event loop hands out late is made up for, of the
    last 50 ms or one interval: so many turns, and one more, may come at once. What remains of the lateness is
    its share of ``per``: where turns come 1 % of it late, 99 % of them are used, if enough wait.
    """

    count: float
    per: float = 1.0

    def __attrs_post_init__(self) -> None:
        for name, value in (("count", self.count), ("per", self.per)):
            _arguments.positive(name, value)

    @property
    def interval(self) -> float:
        """Seconds between two turns."""
        return self.per / self.count


class Schedule:
    """When the turns of a rate come, each of which is first taken, then used or given back, in that order.

    It keeps the times of the last window's turns.
    """

    def __init__(self, rate: RateLimit) -> None:
        self.interval = rate.interval
        self._made_up = max(_MADE_UP, rate.interval)
        self._most = math.ceil(rate.count)
        self._window = rate.per * (self._most / rate.count)
        self._next = -math.inf
        self._turns: deque[float] = deque()
        """When the latest turns were used; of the last ones, which are not yet, since when they may be."""
        self._unused = 0

    def ready_at(self) -> float:
        """When the next turn may be taken."""
        if len(self._turns) < self._most:
            return self._next
        return max(self._next, self._turns[-self._most] + self._window)

    def take(self, now: float, since: float) -> None:
        """Takes a turn, by somebody who could use it already `since` then if it was due."""
        self._next = max(self._next, since, now - self._made_up) + self.interval
        self._turns.append(now)
        self._unused += 1
        while len(self._turns) > self._unused and self._turns[0] + self._window <= now:
            self._turns.popleft()

    def use(self, now: float) -> None:
        """A turn that was taken is used now."""
        self._turns[-self._unused] = now
        self._unused -= 1

    def give_back(self) -> None:
        """A turn that was taken is not used."""
        del self._turns[-self._unused]
        self._unused -= 1
        self._next -= self.interval
