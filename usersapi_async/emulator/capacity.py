"""A simple model of a server that can do only so much."""

from __future__ import annotations

import asyncio
import contextlib
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .faults import RetryAfter


@dataclass(frozen=True, kw_only=True, slots=True)
class Capacity:
    """`rate` requests a second, and `burst` at once, are served; what is above is answered with 429.

    At most `workers` requests are worked on at a time, and `queue` more wait; the rest get 503. None is no
    limit.
    """

    rate: float | None = None
    burst: int = 1
    workers: int | None = None
    queue: int | None = None
    retry_after: RetryAfter = None

    def __post_init__(self) -> None:
        if (self.rate is not None and self.rate <= 0) or self.burst < 1:
            raise ValueError("rate must be above 0, and burst 1 or more.")
        if self.workers is not None and self.workers < 1:
            raise ValueError("workers must be 1 or more.")
        if self.queue is not None and (self.queue < 0 or self.workers is None):
            raise ValueError("queue must be 0 or more, and needs workers.")

    @property
    def places(self) -> float:
        """How many requests there may be at a time."""
        return math.inf if self.workers is None or self.queue is None else self.workers + self.queue

    def desks(self) -> contextlib.AbstractAsyncContextManager[None]:
        return contextlib.nullcontext() if self.workers is None else asyncio.Semaphore(self.workers)


class TokenBucket:
    """Says whether one more request is within the rate; the caller gives the time."""

    def __init__(self, capacity: Capacity) -> None:
        self._capacity = capacity
        self._tokens = float(capacity.burst)
        self._filled_at = 0.0

    def admits(self, now: float) -> bool:
        if self._capacity.rate is None:
            return True
        gained = (now - self._filled_at) * self._capacity.rate
        self._tokens = min(float(self._capacity.burst), self._tokens + gained)
        self._filled_at = now
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True
