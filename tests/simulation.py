"""A deterministic simulation on a virtual clock: a server, and a client paced by the real control loop.

The client has work without end and sends whenever the limit lets it. A refused slot is taken by other work at
once, with no backoff: the hardest case, since the requests above the server's limit come back the fastest.
"""

from __future__ import annotations

import heapq
import itertools
import math
import random
from collections.abc import Callable
from typing import Protocol

import attrs

from usersapi_async._concurrency import Adaptive, Signal

WAY = 0.03
"""Seconds on the way to workers and back, during which none of them is busy."""
FAST = 0.02
"""Seconds to an answer that took no work, such as a 429."""


class Server(Protocol):
    """What answers."""

    def answer(self, now: float, rng: random.Random) -> tuple[float, Signal]:
        """How long the answer to a request takes that comes now, and what it says."""

    def capacity(self, now: float) -> float:
        """Successes a second at the best pace, as only an oracle knows it."""


@attrs.frozen
class Work:
    """How long a request takes by itself: lognormal, and so with a heavy tail, around a mean that may drift.

    With a sigma of 0 it is always the same; with 1, one in a hundred takes more than six times the mean.
    """

    mean: float = 0.2
    sigma: float = 0.5
    slowness: Callable[[float], float] = lambda _now: 1.0

    def expected(self, now: float) -> float:
        """The mean at that time."""
        return self.mean * self.slowness(now)

    def draw(self, now: float, rng: random.Random) -> float:
        """The seconds that one request takes."""
        return rng.lognormvariate(math.log(self.expected(now)) - self.sigma**2 / 2, self.sigma)


class Endless:
    """Does at once whatever comes: only the highest limit that there is holds one back."""

    def __init__(self, work: Work) -> None:
        self._work = work

    def capacity(self, now: float) -> float:
        """As many as can be in flight."""
        return Adaptive.most / self._work.expected(now)

    def answer(self, now: float, rng: random.Random) -> tuple[float, Signal]:
        """A success."""
        return self._work.draw(now, rng), Signal.SUCCESS


class TokenBucket:
    """So many a second and a burst; what is above is answered with 429, fast. Nothing queues."""

    def __init__(self, rate: Callable[[float], float], burst: float, work: Work) -> None:
        self.capacity = rate
        self._work = work
        self._burst = burst
        self._tokens = burst
        self._filled_at = 0.0

    def answer(self, now: float, rng: random.Random) -> tuple[float, Signal]:
        """A token, or a refusal."""
        gained = (now - self._filled_at) * self.capacity(now)
        self._tokens = min(self._burst, self._tokens + gained)
        self._filled_at = now
        if self._tokens < 1:
            return FAST, Signal.REFUSED
        self._tokens -= 1
        return self._work.draw(now, rng), Signal.SUCCESS


class Workers:
    """So many worked on at a time, so many more wait in the order of their coming, the rest get 503, fast."""

    def __init__(self, workers: int, queue: int, work: Work) -> None:
        self._workers = workers
        self._places = workers + queue
        self._work = work
        self._free_at = [0.0] * workers
        self._ends: list[float] = []

    def capacity(self, now: float) -> float:
        """What the workers get done."""
        return self._workers / self._work.expected(now)

    def answer(self, now: float, rng: random.Random) -> tuple[float, Signal]:
        """A place in the queue, or a refusal."""
        while self._ends and self._ends[0] <= now:
            heapq.heappop(self._ends)
        if len(self._ends) >= self._places:
            return WAY + FAST, Signal.REFUSED
        begins = max(now, self._free_at[0])
        ends = begins + self._work.draw(begins, rng)
        heapq.heapreplace(self._free_at, ends)
        heapq.heappush(self._ends, ends)
        return WAY + ends - now, Signal.SUCCESS


@attrs.frozen
class Error:
    """A share of the requests fails for no reason, after so many seconds."""

    share: float
    latency: float
    signal: Signal


class Erring:
    """A server before which requests fail."""

    def __init__(self, server: Server, *errors: Error) -> None:
        self._server = server
        self._errors = errors
        self.capacity = server.capacity

    def answer(self, now: float, rng: random.Random) -> tuple[float, Signal]:
        """A meaningless error, or what the server says."""
        draw = rng.random()
        for error in self._errors:
            if draw < error.share:
                return error.latency, error.signal
            draw -= error.share
        return self._server.answer(now, rng)


@attrs.frozen
class Result:
    """What came of it, after the warm-up."""

    share: float
    """Goodput as a share of what an oracle gets."""
    refused: float
    """Refusals as a share of all requests."""
    refusals: int
    """Refusals in all, warm-up included."""
    limits: list[int]
    """The limit at each full second."""


def simulate(
    server: Server, *, seconds: float = 120.0, warm_up: float = 20.0, seed: int = 1, demand: float = math.inf
) -> Result:
    """Runs one client against the server; at most `demand` requests are in flight, whatever the limit."""
    controller, rng = Adaptive(), random.Random(seed)
    order = itertools.count()
    under_way: list[tuple[float, int, float, Signal]] = []
    counts = dict.fromkeys(Signal, 0)
    refusals, limits, now = 0, [], 0.0
    while now < seconds:
        while len(under_way) < min(demand, controller.limit):
            latency, signal = server.answer(now, rng)
            heapq.heappush(under_way, (now + latency, next(order), now, signal))
        ended, _, began, signal = under_way[0]
        controller.observe(began, ended, signal, in_flight=len(under_way))
        heapq.heappop(under_way)
        limits += [controller.limit] * (int(ended) - int(now))
        now = ended
        refusals += signal is Signal.REFUSED
        if now >= warm_up:
            counts[signal] += 1
    best = sum(server.capacity(warm_up + tenth / 10) / 10 for tenth in range(int((seconds - warm_up) * 10)))
    return Result(
        share=counts[Signal.SUCCESS] / best,
        refused=counts[Signal.REFUSED] / max(1, sum(counts.values())),
        refusals=refusals,
        limits=limits,
    )
