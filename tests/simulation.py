"""A deterministic simulation on a virtual clock: model servers, and clients paced by the real limiter.

A client has work without end, and as many workers as a batch would have. A row that is refused waits with
full jitter, and holds no worker meanwhile; other work takes its slot at once. That is the hardest case, since
the requests above the server's limit come back the fastest.
"""

from __future__ import annotations

import array
import asyncio
import heapq
import itertools
import math
import random
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from contextvars import Context
from typing import Any, NamedTuple, Protocol

import attrs

from usersapi_async import Limiter
from usersapi_async._concurrency import Signal
from usersapi_async.limiter import Handle

WAY = 0.03
"""Seconds on the way to workers and back, during which none of them is busy."""
FAST = 0.02
"""Seconds to an answer that took no work, such as a 429."""
_BACKOFF, _LONGEST_BACKOFF = 0.25, 30.0
_PARKED_PER_WORKER = 4


class VirtualLoop(asyncio.AbstractEventLoop):
    """An event loop whose time jumps to the next timer: no I/O, no sleeping, the same order each time."""

    def __init__(self) -> None:
        self._now = 0.0
        self._ready: deque[tuple[Callable[..., object], tuple[Any, ...], Context | None]] = deque()
        self._timers: list[tuple[float, int, Callable[..., object], tuple[Any, ...], _Timer | None]] = []
        self._order = itertools.count()
        self._tasks: list[asyncio.Task[None]] = []

    def time(self) -> float:
        """Seconds since the simulation began."""
        return self._now

    def get_debug(self) -> bool:
        """Never."""
        return False

    def create_future(self) -> asyncio.Future[Any]:
        """A future of this loop."""
        return asyncio.Future(loop=self)

    def call_soon(  # type: ignore[override]  # what is called is run here, and can't be called off
        self, callback: Callable[..., object], *args: Any, context: Context | None = None
    ) -> None:
        """Runs it before time goes on."""
        self._ready.append((callback, args, context))

    def call_at(  # type: ignore[override]  # the same, but for `cancel`
        self, when: float, callback: Callable[..., object], *args: Any, context: Context | None = None
    ) -> _Timer:
        """Runs it then."""
        timer = _Timer()
        heapq.heappush(self._timers, (when, next(self._order), callback, args, timer))
        return timer

    def call_later(  # type: ignore[override]  # the same
        self, delay: float, callback: Callable[..., object], *args: Any, context: Context | None = None
    ) -> _Timer:
        """Runs it after so many seconds."""
        return self.call_at(self._now + delay, callback, *args)

    def sleep(self, seconds: float) -> Awaitable[None]:
        """What `asyncio.sleep` does, at a third of the cost."""
        future: asyncio.Future[None] = asyncio.Future(loop=self)
        entry = (self._now + seconds, next(self._order), future.set_result, (None,), None)
        heapq.heappush(self._timers, entry)
        return future

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        """Tasks are left behind at the end, and `run_until` raises what one of them raised."""

    def create_task(  # type: ignore[override]  # it has no name
        self, work: Coroutine[Any, Any, Any], **_options: Any
    ) -> asyncio.Task[Any]:
        """A task of this loop."""
        return asyncio.Task(work, loop=self)

    def start(self, work: Coroutine[Any, Any, None]) -> None:
        """Begins a task, which must not end before the simulation."""
        self._tasks.append(asyncio.Task(work, loop=self))

    def run_until(self, end: float) -> None:
        """Lets time pass to there."""
        asyncio._set_running_loop(self)
        try:
            self._run_until(end)
        finally:
            asyncio._set_running_loop(None)
        for task in self._tasks:
            if task.done():
                task.result()

    def _run_until(self, end: float) -> None:
        ready, timers = self._ready, self._timers
        while True:
            while ready:
                callback, args, context = ready.popleft()
                if context is None:
                    callback(*args)
                else:
                    context.run(callback, *args)
            if not timers or timers[0][0] > end:
                self._now = end
                return
            self._now, _, callback, args, timer = heapq.heappop(timers)
            if timer is None or not timer.off:
                callback(*args)


class _Timer:
    __slots__ = ("off",)

    def __init__(self) -> None:
        self.off = False

    def cancel(self) -> None:
        self.off = True


class LoopTime:
    """The virtual loop's time, for a limiter: by default it takes the system's."""

    def now(self) -> float:
        """The time in seconds."""
        return asyncio.get_running_loop().time()

    def call_at(self, when: float, callback: Callable[[], None]) -> Handle:
        """A timer of the loop."""
        return asyncio.get_running_loop().call_at(when, callback)


def found() -> Limiter:
    """A limiter as every session has one, in virtual time."""
    return Limiter(clock=LoopTime())


class Answer(NamedTuple):
    """What comes of a request."""

    latency: float
    signal: Signal = Signal.SUCCESS
    retry_after: float = 0.0


class Server(Protocol):
    """What answers."""

    def answer(self, now: float, rng: random.Random) -> Answer:
        """What comes of a request that arrives now."""

    def capacity(self, now: float) -> float:
        """Successes a second at the best pace, as only an oracle knows it."""

    @property
    def burst(self) -> float:
        """What an oracle gets beyond that, once."""


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

    burst = 0.0

    def __init__(self, work: Work, most: int = 100) -> None:
        self._work = work
        self._most = most

    def capacity(self, now: float) -> float:
        """As many as can be in flight."""
        return self._most / self._work.expected(now)

    def answer(self, now: float, rng: random.Random) -> Answer:
        """A success."""
        return Answer(self._work.draw(now, rng))


class TokenBucket:
    """So many a second and a burst; what is above is answered with 429, fast. Nothing queues.

    `names_wait` tells in each 429 the whole seconds until there is a token; `jitter` is by how much the way
    to the server differs, so that requests sent evenly don't quite arrive so.
    """

    def __init__(
        self,
        rate: Callable[[float], float],
        burst: float,
        work: Work,
        *,
        names_wait: bool = False,
        jitter: float = 0.001,
    ) -> None:
        self.capacity = rate
        self.burst = burst
        self._work = work
        self._names_wait = names_wait
        self._jitter = jitter
        self._tokens = burst
        self._filled_at = 0.0

    def answer(self, now: float, rng: random.Random) -> Answer:
        """A token, or a refusal."""
        now = max(now + self._jitter * rng.random(), self._filled_at)
        rate = self.capacity(now)
        self._tokens = min(self.burst, self._tokens + (now - self._filled_at) * rate)
        self._filled_at = now
        if self._tokens < 1:
            wait = math.ceil((1 - self._tokens) / rate) if self._names_wait else 0.0
            return Answer(FAST, Signal.LIMITED, wait)
        self._tokens -= 1
        return Answer(self._work.draw(now, rng))


class Workers:
    """So many worked on at a time, so many more wait in the order of their coming, the rest get 503, fast.

    What isn't done after `patience` seconds is answered with 504, and worked on all the same.
    """

    burst = 0.0

    def __init__(self, workers: int, queue: int, work: Work, *, patience: float = math.inf) -> None:
        self._workers = workers
        self._places = workers + queue
        self._work = work
        self._patience = patience
        self._free_at = [0.0] * workers
        self._ends: list[float] = []

    def capacity(self, now: float) -> float:
        """What the workers get done."""
        return self._workers / self._work.expected(now)

    def answer(self, now: float, rng: random.Random) -> Answer:
        """A place in the queue, or a refusal."""
        while self._ends and self._ends[0] <= now:
            heapq.heappop(self._ends)
        if len(self._ends) >= self._places:
            return Answer(WAY + FAST, Signal.REFUSED)
        begins = max(now, self._free_at[0])
        ends = begins + self._work.draw(begins, rng)
        heapq.heapreplace(self._free_at, ends)
        heapq.heappush(self._ends, ends)
        if ends - now > self._patience:
            return Answer(WAY + self._patience, Signal.REFUSED)
        return Answer(WAY + ends - now)


class Closing:
    """A server that is closed for minutes, again and again, and says so in Retry-After."""

    def __init__(self, server: Server, *, each: float, closed: float) -> None:
        self._server = server
        self._each = each
        self._closed = closed
        self.burst = server.burst

    def _left(self, now: float) -> float:
        """Seconds that it stays closed; it opens first."""
        return self._closed - (now + self._closed) % (self._each + self._closed) if now >= self._each else 0.0

    def capacity(self, now: float) -> float:
        """Nothing while it is closed; the burst once more in the first tenth of a second after that."""
        if self._left(now) > 0:
            return 0.0
        refilled = now >= self._each and now % (self._each + self._closed) < 0.1
        return self._server.capacity(now) + 10 * self.burst * refilled

    def answer(self, now: float, rng: random.Random) -> Answer:
        """A pause, or what the server says."""
        left = self._left(now)
        if left > 0:
            return Answer(FAST, Signal.LIMITED, math.ceil(left))
        return self._server.answer(now, rng)


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
        self.burst = server.burst

    def answer(self, now: float, rng: random.Random) -> Answer:
        """A meaningless error, or what the server says."""
        draw = rng.random()
        for error in self._errors:
            if draw < error.share:
                return Answer(error.latency, error.signal)
            draw -= error.share
        return self._server.answer(now, rng)


@attrs.define
class Client:
    """What one client saw."""

    limiter: Limiter
    counts: dict[Signal, int] = attrs.Factory(lambda: dict.fromkeys(Signal, 0))
    latencies: array.array[float] = attrs.Factory(lambda: array.array("d"))
    done: list[int] = attrs.Factory(list)
    """Successes in each second."""
    sent: list[int] = attrs.Factory(list)
    """Requests sent in each second."""
    limits: list[int] = attrs.Factory(list)
    """The limit at each full second."""
    rates: list[float] = attrs.Factory(list)
    """The rate at each full second, infinite if there is none."""


@attrs.frozen
class Result:
    """What came of it, warm-up included."""

    clients: list[Client]
    best: list[float]
    """What an oracle gets in each second."""
    burst: float

    @property
    def done(self) -> list[int]:
        """Successes of all clients in each second."""
        return [sum(counts) for counts in zip(*(client.done for client in self.clients), strict=True)]

    @property
    def share(self) -> float:
        """Goodput as a share of what an oracle gets."""
        return sum(self.done) / (sum(self.best) + self.burst)

    def count(self, *signals: Signal) -> int:
        """How many ended so."""
        return sum(client.counts[signal] for client in self.clients for signal in signals)

    @property
    def refused(self) -> float:
        """Refusals as a share of all requests."""
        return self.count(Signal.REFUSED, Signal.LIMITED) / max(1, self.count(*Signal))

    @property
    def limits(self) -> list[int]:
        """The first client's limit at each full second."""
        return self.clients[0].limits

    def fairness(self, since: float = 0.0) -> float:
        """Jain's index of the clients' goodputs from then on: 1 if they are equal, 1 / n if one has it
        all."""
        goodputs = [sum(client.done[int(since) :]) for client in self.clients]
        return sum(goodputs) ** 2 / (len(goodputs) * sum(goodput**2 for goodput in goodputs))

    def latency(self, quantile: float) -> float:
        """Seconds from a request to its answer, of whatever kind, that so large a share doesn't exceed."""
        latencies = sorted(itertools.chain.from_iterable(client.latencies for client in self.clients))
        return latencies[min(len(latencies) - 1, int(quantile * len(latencies)))]

    def time_to(self, share: float) -> float:
        """Seconds until ten in a row (more, where a request takes long) bring so much of the oracle's
        goodput."""
        for first in range(len(self.best)):
            span = next((n for n in (10, 60) if sum(self.best[first : first + n]) >= 20), 120)
            best = sum(self.best[first : first + span])
            if best > 0 and sum(self.done[first : first + span]) >= share * best:
                return float(first)
        return math.inf


def _backoff(attempts: int, rng: random.Random) -> float:
    return rng.uniform(0.0, min(_LONGEST_BACKOFF, _BACKOFF * 2.0 ** min(attempts - 1, 10)))


async def _work(
    loop: VirtualLoop,
    client: Client,
    workers: int,
    server: Server,
    rng: random.Random,
    due: deque[int],
    parked: list[int],
) -> None:
    limiter, latencies, counts = client.limiter, client.latencies, client.counts
    sent, done = client.sent, client.done
    while True:
        attempts = due.popleft() if due else 0
        await limiter.acquire_slot()
        await limiter.take_turn()
        began = loop.time()
        sent[int(began)] += 1
        answer = server.answer(began, rng)
        await loop.sleep(answer.latency)
        if answer.retry_after:
            limiter.pause(answer.retry_after)
        limiter.observe(began, answer.latency, answer.signal)
        limiter.release_slot()
        counts[answer.signal] += 1
        latencies.append(answer.latency)
        if answer.signal is Signal.SUCCESS:
            done[int(loop.time())] += 1
        elif answer.signal is not Signal.OTHER:
            wait = max(answer.retry_after, _backoff(attempts + 1, rng))
            if parked[0] >= _PARKED_PER_WORKER * workers:
                await loop.sleep(wait)
                due.append(attempts + 1)
            else:
                parked[0] += 1
                loop.call_later(wait, _unpark, due, attempts + 1, parked)


def _unpark(due: deque[int], attempts: int, parked: list[int]) -> None:
    parked[0] -= 1
    due.append(attempts)


async def _watch(loop: VirtualLoop, client: Client) -> None:
    while True:
        client.limits.append(client.limiter.limit)
        client.rates.append(client.limiter.rate)
        await loop.sleep(1.0)


def simulate(
    server: Server,
    *,
    seconds: int = 600,
    seed: int = 1,
    demand: int | None = None,
    limiters: Sequence[Callable[[], Limiter]] = (found,),
    starts: Sequence[float] = (0.0,),
) -> Result:
    """Runs clients, each with a limiter of its own, against one server; `demand` is how many rows a client
    works on at a time, as many as its limiter can need if not given."""
    loop = VirtualLoop()  # type: ignore[abstract]  # what asyncio itself needs is there
    rng = random.Random(seed)
    clients = []
    for build, start in zip(limiters, starts, strict=True):
        client = Client(build(), sent=[0] * (seconds + 1), done=[0] * (seconds + 1))
        clients.append(client)
        workers = demand or client.limiter.most
        due: deque[int] = deque()
        parked = [0]
        loop.call_at(start, _start, loop, client, workers, server, rng, due, parked)
    loop.run_until(seconds)
    for client in clients:
        client.done.pop()
        client.sent.pop()
    return Result(clients, [_best(server, second) for second in range(seconds)], server.burst)


def _start(
    loop: VirtualLoop,
    client: Client,
    workers: int,
    server: Server,
    rng: random.Random,
    due: deque[int],
    parked: list[int],
) -> None:
    loop.start(_watch(loop, client))
    for _ in range(workers):
        loop.start(_work(loop, client, workers, server, rng, due, parked))


def _best(server: Server, second: int) -> float:
    return sum(server.capacity(second + tenth / 10) / 10 for tenth in range(10))
