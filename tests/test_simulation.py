"""How much of what a server can do the adaptive limit gets, in a simulation; an oracle would get it all."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest

from usersapi_async._concurrency import Adaptive, Signal

from .simulation import Endless, Erring, Error, Result, Server, TokenBucket, Work, Workers, simulate

SEEDS = (1, 2)

CALM = Work(sigma=0.3)
MEANINGLESS = {
    "1 % of fast rejections": [Error(0.01, 0.005, Signal.OTHER)],
    "2 % of 429s": [Error(0.02, 0.02, Signal.REFUSED)],
    "1 % of slow errors, 1 % of 503s": [Error(0.01, 1.0, Signal.OTHER), Error(0.01, 0.02, Signal.REFUSED)],
}


def runs(server: Callable[[], Server], **options: float) -> list[Result]:
    """One run for each seed."""
    return [simulate(server(), seed=seed, **options) for seed in SEEDS]


def constant(rate: float) -> Callable[[float], float]:
    """A rate that stays."""
    return lambda _now: rate


def halved(high: float) -> Callable[[float], float]:
    """A rate of which half is gone for a while."""
    return lambda now: high / 2 if 50 <= now < 90 else high


def slower(times: float, begin: float = 0.0, end: float = 120.0) -> Callable[[float], float]:
    """Slowness that grows evenly."""
    return lambda now: 1 + (times - 1) * min(1.0, max(0.0, (now - begin) / (end - begin)))


@pytest.mark.parametrize(("rate", "burst"), [(25, 25), (60, 20), (120, 60), (300, 300)])
def test_a_token_bucket(rate: float, burst: float) -> None:
    """(a) A rate that nobody told, and 429 above it: nearly all of it is used."""
    for result in runs(lambda: TokenBucket(constant(rate), burst, CALM)):
        assert result.share >= 0.92
        assert result.refused < 0.08


@pytest.mark.parametrize(
    ("workers", "queue", "most_refusals"),
    [(1, 15, 0), (20, 40, 0), (80, 80, 0), (10, 200, 0), (10, 20, 10), (4, 8, 20), (16, 8, 60), (10, 5, 60)],
)
@pytest.mark.parametrize("sigma", [0.0, 0.5])
def test_workers_and_a_queue(workers: int, queue: int, most_refusals: int, sigma: float) -> None:
    """(b) The workers are kept busy, and the queue is so short that nearly nothing is refused with 503."""
    for result in runs(lambda: Workers(workers, queue, Work(sigma=sigma))):
        assert result.share >= 0.95
        assert result.refused < 0.01
        assert result.refusals <= most_refusals


def test_a_rate_that_halves_and_comes_back() -> None:
    """(c) Half of the rate is gone for a while."""
    for result in runs(lambda: TokenBucket(halved(60), 20, CALM)):
        assert result.share >= 0.88
        assert sorted(result.limits[60:90])[15] <= 8
        assert sorted(result.limits[100:])[10] >= 9


def test_workers_that_slow_down_and_recover() -> None:
    """(c) The same with a queue: it doesn't get so long that the server must refuse."""
    work = Work(slowness=lambda now: 2.0 if 50 <= now < 90 else 1.0)
    for result in runs(lambda: Workers(20, 40, work)):
        assert result.share >= 0.95
        assert result.refused < 0.005


@pytest.mark.parametrize("workers", [10, 40])
@pytest.mark.parametrize("sigma", [0.5, 1.0])
def test_drift_and_a_heavy_tail(workers: int, sigma: float) -> None:
    """(d) Work that takes three times as long in the end, and seldom what it takes on average."""
    work = Work(sigma=sigma, slowness=slower(3))
    for result in runs(lambda: Workers(workers, 4 * workers, work)):
        assert result.share >= 0.88


@pytest.mark.parametrize(
    "slowness",
    [constant(1), slower(3), slower(3, 60, 61), slower(1 / 3, 60, 61)],
    ids=["even", "drift", "up", "down"],
)
@pytest.mark.parametrize("sigma", [0.5, 1.0])
def test_nothing_but_drift(slowness: Callable[[float], float], sigma: float) -> None:
    """(d) Where nothing ever queues, neither slowness nor noise is taken for a queue."""
    for result in runs(lambda: Endless(Work(sigma=sigma, slowness=slowness))):
        assert result.share >= 0.9
        assert result.limits[-1] >= 0.8 * Adaptive.most


@pytest.mark.parametrize("errors", MEANINGLESS.values(), ids=MEANINGLESS)
@pytest.mark.parametrize(
    "server",
    [
        lambda: Workers(20, 40, Work()),
        lambda: Workers(60, 60, Work()),
        lambda: TokenBucket(constant(60), 20, CALM),
        lambda: Endless(Work()),
    ],
    ids=["20 workers", "60 workers", "bucket", "endless"],
)
def test_errors_that_mean_nothing(server: Callable[[], Server], errors: list[Error]) -> None:
    """(g) They don't set the pace, however fast or slow they come."""
    for result in runs(lambda: Erring(server(), *errors)):
        assert result.share >= 0.9


def test_an_outage() -> None:
    """All refused for a while: the pace is back within seconds after it."""

    class Down(Workers):
        def answer(self, now: float, rng: random.Random) -> tuple[float, Signal]:
            return (0.02, Signal.REFUSED) if 30 <= now < 50 else super().answer(now, rng)

    for result in runs(lambda: Down(20, 40, Work())):
        assert result.limits[45] == 1
        assert max(result.limits[50:60]) >= 20


def test_few_calls() -> None:
    """A limit that is never reached does not grow: what lies above it is not known."""
    for result in runs(lambda: Workers(20, 40, Work()), demand=3):
        assert set(result.limits) == {4}
