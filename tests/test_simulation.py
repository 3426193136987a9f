"""How much of what a server can do the limiter gets, in a simulation; an oracle would get it all.

`benchmarks/pace.py` measures the same over more seeds and ten minutes, beside other rules.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable

import pytest

from usersapi_async import Limiter
from usersapi_async._concurrency import Adaptive, Signal

from .simulation import (
    Answer,
    Closing,
    Endless,
    Erring,
    Error,
    Result,
    Server,
    TokenBucket,
    VirtualLoop,
    Work,
    Workers,
    found,
    simulate,
)

SEEDS = (1, 2)
SECONDS = 120

CALM = Work(sigma=0.3)
MEANINGLESS = {
    "1 % of fast rejections": [Error(0.01, 0.005, Signal.OTHER)],
    "1 % of 429s": [Error(0.01, 0.02, Signal.LIMITED)],
    "1 % of slow errors, 1 % of 503s": [Error(0.01, 1.0, Signal.OTHER), Error(0.01, 0.02, Signal.REFUSED)],
}


def runs(
    server: Callable[[], Server], seconds: int = SECONDS, *, clients: int = 1, demand: int | None = None
) -> list[Result]:
    """One run for each seed."""
    return [
        simulate(
            server(),
            seed=seed,
            seconds=seconds,
            demand=demand,
            limiters=[found] * clients,
            starts=[0.0] * clients,
        )
        for seed in SEEDS
    ]


def constant(rate: float) -> Callable[[float], float]:
    """A rate that stays."""
    return lambda _now: rate


def halved(high: float) -> Callable[[float], float]:
    """A rate of which half is gone for a while."""
    return lambda now: high / 2 if 50 <= now < 90 else high


def slower(times: float, begin: float = 0.0, end: float = 120.0) -> Callable[[float], float]:
    """Slowness that grows evenly."""
    return lambda now: 1 + (times - 1) * min(1.0, max(0.0, (now - begin) / (end - begin)))


@pytest.mark.parametrize(
    ("rate", "burst", "latency", "seconds", "refused"),
    [
        (0.5, 1, 0.2, 600, 0.06),
        (1, 1, 0.2, 600, 0.04),
        (3, 1, 0.2, 400, 0.025),
        (10, 1, 0.2, 200, 0.02),
        (10, 10, 1.0, 200, 0.04),
        (25, 25, 0.2, SECONDS, 0.02),
        (60, 20, 0.2, SECONDS, 0.02),
        (120, 60, 0.03, SECONDS, 0.02),
    ],
)
def test_a_token_bucket(rate: float, burst: float, latency: float, seconds: int, refused: float) -> None:
    """(a) A rate that nobody told, and 429 above it: nearly all of it is used, even without a burst."""
    for result in runs(lambda: TokenBucket(constant(rate), burst, Work(mean=latency, sigma=0.3)), seconds):
        assert result.share >= 0.94
        assert result.refused <= refused


@pytest.mark.parametrize(("rate", "burst"), [(1, 1), (10, 10)])
def test_a_token_bucket_that_names_the_wait(rate: float, burst: float) -> None:
    """(a) Each 429 stops everybody for a whole second, so that it takes a pace with few of them."""
    for result in runs(lambda: TokenBucket(constant(rate), burst, CALM, names_wait=True), 400):
        assert result.share >= 0.92
        assert result.refused <= 0.05


@pytest.mark.parametrize(
    ("workers", "queue", "most_refusals"),
    [(1, 15, 0), (20, 40, 0), (80, 80, 0), (10, 200, 0), (10, 20, 0), (4, 8, 8), (16, 8, 30), (10, 5, 40)],
)
@pytest.mark.parametrize("sigma", [0.0, 0.5])
def test_workers_and_a_queue(workers: int, queue: int, most_refusals: int, sigma: float) -> None:
    """(b) The workers are kept busy, and the queue is so short that nothing is refused with 503 if it can
    hold a few."""
    for result in runs(lambda: Workers(workers, queue, Work(sigma=sigma))):
        assert result.share >= 0.92
        assert result.count(Signal.REFUSED) <= most_refusals
        assert result.count(Signal.LIMITED) == 0


def test_workers_and_an_endless_queue() -> None:
    """(b) Who queues for too long gets a time-out, and keeps a worker busy all the same."""
    for result in runs(lambda: Workers(4, 1000, Work(), patience=5)):
        assert result.share >= 0.95
        assert result.count(Signal.REFUSED) == 0


def test_a_rate_that_halves_and_comes_back() -> None:
    """(c) Half of the rate is gone for a while."""
    for result in runs(lambda: TokenBucket(halved(60), 20, CALM)):
        assert result.share >= 0.95
        assert result.refused <= 0.03
        rates = result.clients[0].rates
        assert all(25 < rate < 40 for rate in rates[60:90])
        assert all(50 < rate < 75 for rate in rates[105:])


def test_workers_that_slow_down_and_recover() -> None:
    """(c) The same with a queue: it doesn't get so long that the server must refuse."""
    work = Work(slowness=lambda now: 2.0 if 50 <= now < 90 else 1.0)
    for result in runs(lambda: Workers(20, 40, work)):
        assert result.share >= 0.93
        assert result.refused < 0.005


@pytest.mark.parametrize("workers", [10, 40])
@pytest.mark.parametrize("sigma", [0.5, 1.0])
def test_drift_and_a_heavy_tail(workers: int, sigma: float) -> None:
    """(d) Work that takes three times as long in the end, and seldom what it takes on average."""
    work = Work(sigma=sigma, slowness=slower(3))
    for result in runs(lambda: Workers(workers, 4 * workers, work)):
        assert result.share >= 0.85


@pytest.mark.parametrize(
    "slowness",
    [constant(1), slower(3), slower(3, 60, 61), slower(1 / 3, 60, 61)],
    ids=["even", "drift", "up", "down"],
)
@pytest.mark.parametrize("sigma", [0.5, 1.0])
def test_nothing_but_drift(slowness: Callable[[float], float], sigma: float) -> None:
    """(d) Where nothing ever queues, neither slowness nor noise is taken for a queue."""
    for result in runs(lambda: Endless(Work(mean=0.4, sigma=sigma, slowness=slowness))):
        assert result.share >= 0.75  # most of the rest is the way up, a step each round trip
        assert max(result.limits[-10:]) >= 0.8 * Adaptive.most


@pytest.mark.parametrize(
    "server",
    [lambda: TokenBucket(constant(20), 20, CALM), lambda: Workers(10, 20, Work())],
    ids=["bucket", "workers"],
)
def test_a_pause_of_minutes(server: Callable[[], Server]) -> None:
    """(e) Nothing is sent while the server said to wait, the limit doesn't grow, and the pace is there again
    at once when the pause is over."""
    for result in runs(lambda: Closing(server(), each=60, closed=120), 240):
        assert result.share >= 0.93
        assert len({*result.limits[62:180]}) == 1
        (client,) = result.clients
        assert sum(client.sent[61:180]) == 0
        assert sum(client.sent[60:62]) <= 3 * result.limits[59]
        assert sum(client.done[182:192]) >= 0.9 * sum(result.best[182:192])


@pytest.mark.parametrize(
    "server",
    [lambda: TokenBucket(constant(40), 40, CALM), lambda: Workers(20, 40, Work())],
    ids=["bucket", "workers"],
)
def test_two_clients_of_one_server(server: Callable[[], Server]) -> None:
    """(f) Together they get all, and neither of them starves the other."""
    for result in runs(server, 300, clients=2):
        assert result.share >= 0.95
        assert result.fairness() >= 0.85


@pytest.mark.parametrize("errors", MEANINGLESS.values(), ids=MEANINGLESS)
@pytest.mark.parametrize(
    "server",
    [
        lambda: Workers(20, 40, Work()),
        lambda: Workers(60, 60, Work(mean=0.4)),
        lambda: TokenBucket(constant(60), 20, CALM),
        lambda: Endless(Work(mean=0.4)),
    ],
    ids=["20 workers", "60 workers", "bucket", "endless"],
)
def test_errors_that_mean_nothing(server: Callable[[], Server], errors: list[Error]) -> None:
    """(g) They don't set the pace, however fast or slow they come."""
    for result in runs(lambda: Erring(server(), *errors)):
        assert result.share >= 0.8


def test_an_outage() -> None:
    """All refused for a while: the pace is back within seconds after it."""

    class Down(Workers):
        def answer(self, now: float, rng: random.Random) -> Answer:
            return Answer(0.02, Signal.REFUSED) if 30 <= now < 50 else super().answer(now, rng)

    for result in runs(lambda: Down(20, 40, Work()), 80):
        assert result.limits[45] == 1
        assert max(result.limits[50:60]) >= 20


def test_few_calls() -> None:
    """A limit that is never reached does not grow: what lies above it is not known."""
    for result in runs(lambda: Workers(20, 40, Work()), demand=3):
        assert set(result.limits) == {4}


def test_the_simulation_is_deterministic() -> None:
    """The same seed brings the same, request by request."""
    first, second = (simulate(Workers(5, 5, Work()), seconds=30, seed=3) for _ in range(2))
    assert first.clients[0].latencies == second.clients[0].latencies
    assert first.done == second.done


def test_what_breaks_in_a_simulation_is_seen() -> None:
    """An error in a client ends the run; it is not passed over as a client that stands still."""

    class Broken(Limiter):
        async def take_turn(self, patience: float = 1.0, flow: object = None) -> bool:
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        simulate(Workers(1, 1, Work()), seconds=1, limiters=[Broken])


def test_virtual_time() -> None:
    """Time passes only when nothing else is to be done, and a timer that was called off doesn't fire."""
    loop = VirtualLoop()  # type: ignore[abstract]  # what asyncio itself needs is there
    seen: list[float] = []

    async def sleeper() -> None:
        await asyncio.get_running_loop().create_task(nested())

    async def nested() -> None:
        while True:
            await loop.sleep(0.5)
            seen.append(loop.time())

    loop.call_at(0.6, seen.append, -1.0).cancel()
    loop.start(sleeper())
    loop.run_until(1.2)
    assert (seen, loop.time()) == ([0.5, 1.0], 1.2)
