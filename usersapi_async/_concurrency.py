"""How many requests may be in flight at once.

`Adaptive` follows TCP Vegas: the shortest round trip seen stands for an idle server, and how much longer
they take now tells how many requests are queueing there. A few may queue, so that the server never idles. It
starts small and doubles each round trip until the first sign of a queue or a refusal; a refusal halves the
limit, once a round trip and not once a refused request.
"""

from __future__ import annotations

import math
from typing import Protocol

_START = 4
_MOST = 100
_QUEUE_SHORT = 3
_QUEUE_LONG = 6
_FORGET_AFTER = 50
"""Round trips after which the shortest one is measured anew: the server or the way to it may have changed.
For that one round trip the limit is halved, or else our own queue there would be taken for its idle pace."""


class Controller(Protocol):
    """Decides the limit from what attempts report."""

    @property
    def limit(self) -> int:
        """The most requests in flight."""

    @property
    def most(self) -> int:
        """The highest limit that there can be."""

    def observe(self, began: float, ended: float, *, refused: bool, in_flight: int) -> None:
        """One attempt ended; times in seconds of one clock."""


class Fixed:
    """A limit that was given."""

    def __init__(self, limit: int) -> None:
        self.limit = self.most = limit

    def observe(self, began: float, ended: float, *, refused: bool, in_flight: int) -> None:
        """Nothing to learn."""


class Adaptive:
    """A limit that is found."""

    most = _MOST

    def __init__(self) -> None:
        self._limit = float(_START)
        self._doubling = True
        self._idle = math.inf
        self._before_measuring: float | None = None
        self._round_began = -math.inf
        self._rounds = 0
        self._shortest = math.inf
        self._last_backoff = -math.inf

    @property
    def limit(self) -> int:
        """The limit, as found by now."""
        return int(self._limit)

    def observe(self, began: float, ended: float, *, refused: bool, in_flight: int) -> None:
        """Learns from one attempt."""
        if refused:
            self._doubling = False
            if began >= self._last_backoff:
                self._last_backoff = ended
                self._limit = max(1.0, (self._before_measuring or self._limit) / 2)
                self._before_measuring = None
            return
        self._shortest = min(self._shortest, ended - began)
        if began >= self._round_began:
            self._end_round(ended, busy=in_flight >= self.limit)

    def _end_round(self, now: float, *, busy: bool) -> None:
        """A request that began in this round has come back: one round trip is over."""
        self._rounds += 1
        if self._before_measuring is not None:
            self._limit, self._before_measuring = self._before_measuring, None
            self._idle = self._shortest
        elif self._rounds % _FORGET_AFTER == 0:
            self._before_measuring = self._limit
            self._limit = max(1.0, self._limit / 2)
        else:
            self._adapt(busy=busy)
        self._round_began = now
        self._shortest = math.inf

    def _adapt(self, *, busy: bool) -> None:
        self._idle = min(self._idle, self._shortest)
        queued = self._limit * (1 - self._idle / self._shortest) if self._shortest > 0 else 0.0
        if queued > _QUEUE_LONG:
            self._doubling = False
            self._limit = max(1.0, self._limit - 1)
        elif busy and queued < _QUEUE_SHORT:
            self._limit = min(_MOST, self._limit * 2 if self._doubling else self._limit + 1)
