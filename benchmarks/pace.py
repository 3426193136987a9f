"""How near the pace that is found comes to an oracle's, beside others' rules: ``python -m benchmarks.pace``.

In virtual time: each limiter meets each model server for ten minutes, warm-up included, in the simulation
that the tests use (`tests/simulation.py`). The table gives goodput as a share of what an oracle gets that
knows the server, refusals as a share of all requests, 503s and time-outs a run (each would leave a create in
doubt), the 99th percentile of latency, and the seconds until ten in a row bring 90 % of the oracle's goodput.
``--held-out`` runs servers that no constant was chosen by (one of 300 a second without a burst was seen
before, and given up). Results go to ``pace.json`` beside this file, and with ``--plot`` (the extra ``bench``)
one picture of each server; ``--real`` measures over sockets instead.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import attrs

from tests.simulation import (
    Closing,
    Endless,
    Erring,
    Error,
    Result,
    Server,
    TokenBucket,
    Work,
    Workers,
    found,
    simulate,
)
from usersapi_async import Limiter
from usersapi_async._concurrency import Signal

from .peers import Aimd, BotocoreAdaptive, FixedConcurrency, Gradient2, LeakyBucket, Ruled, Vegas

HERE = Path(__file__).parent
SECONDS = 600
CALM = Work(sigma=0.3)


@attrs.frozen
class Case:
    """A server and who meets it."""

    build: Callable[[], Server]
    rate: float
    """What somebody who knew the server would set, a second."""
    starts: Sequence[float] = (0.0,)


def _constant(rate: float) -> Callable[[float], float]:
    return lambda _now: rate


def _halved(rate: float) -> Callable[[float], float]:
    return lambda now: rate / 2 if 200 <= now < 400 else rate


def _bucket(rate: float, burst: float, work: Work = CALM, *, names_wait: bool = False) -> TokenBucket:
    return TokenBucket(_constant(rate), burst, work, names_wait=names_wait)


def _drift(times: float) -> Callable[[float], float]:
    return lambda now: 1 + (times - 1) * now / SECONDS


_TWICE_AS_SLOW = Work(slowness=lambda now: 2.0 if 200 <= now < 400 else 1.0)
_NOISE_429 = (Error(0.01, 0.02, Signal.LIMITED), Error(0.01, 0.02, Signal.OTHER))
_NOISE_503 = (Error(0.01, 0.5, Signal.OTHER), Error(0.01, 0.02, Signal.REFUSED))

CASES = {
    "a: 3/s, burst 1": Case(lambda: _bucket(3, 1), 3),
    "a: 10/s, burst 10": Case(lambda: _bucket(10, 10), 10),
    "a: 40/s, burst 20": Case(lambda: _bucket(40, 20), 40),
    "b: 5 workers, 15 wait": Case(lambda: Workers(5, 15, Work()), 25),
    "b: 10 workers, 20 wait": Case(lambda: Workers(10, 20, Work()), 50),
    "b: 4 workers, 504 after 10 s": Case(lambda: Workers(4, 1000, Work(), patience=10), 20),
    "c: 20/s halves": Case(lambda: TokenBucket(_halved(20), 10, CALM), 20),
    "c: 8 workers slow down": Case(lambda: Workers(8, 24, _TWICE_AS_SLOW), 40),
    "d: 6 workers drift, heavy tail": Case(
        lambda: Workers(6, 24, Work(sigma=1.0, slowness=_drift(3))), 6 / 0.4
    ),
    "e: 15/s, closes for 2 min": Case(lambda: Closing(_bucket(15, 15), each=120, closed=120), 15),
    "f: two share 40/s": Case(lambda: _bucket(40, 40), 40, (0.0, 60.0)),
    "f: two share 12 workers": Case(lambda: Workers(12, 36, Work()), 60, (0.0, 60.0)),
    "g: 30/s, 1 % of 429s, 1 % of errors": Case(lambda: Erring(_bucket(30, 10), *_NOISE_429), 30),
    "g: 8 workers, 1 % of 503s, 1 % of errors": Case(lambda: Erring(Workers(8, 16, Work()), *_NOISE_503), 40),
}
HELD_OUT = {
    "a: 0.7/s, burst 1": Case(lambda: _bucket(0.7, 1), 0.7),
    "a: 1.5/s, burst 3, slow": Case(lambda: _bucket(1.5, 3, Work(mean=1.5)), 1.5),
    "a: 7/s, burst 2, names waits": Case(lambda: _bucket(7, 2, names_wait=True), 7),
    "a: 25/s, burst 1": Case(lambda: _bucket(25, 1), 25),
    "a: 90/s, burst 5, quick": Case(lambda: _bucket(90, 5, Work(mean=0.03)), 90),
    "a: 200/s, burst 100": Case(lambda: _bucket(200, 100), 200),
    "a: 300/s, burst 1": Case(lambda: _bucket(300, 1), 300),
    "b: 1 worker, 10 wait": Case(lambda: Workers(1, 10, Work()), 5),
    "b: 3 workers, 3 wait": Case(lambda: Workers(3, 3, Work(mean=0.4)), 7.5),
    "b: 12 workers, none waits": Case(lambda: Workers(12, 0, Work(mean=0.3)), 40),
    "b: 25 workers, 25 wait, quick": Case(lambda: Workers(25, 25, Work(mean=0.04)), 625),
    "b: 70 workers, 200 wait": Case(lambda: Workers(70, 200, Work(mean=0.5)), 140),
    "c: 6/s halves, burst 2": Case(lambda: TokenBucket(_halved(6), 2, CALM), 6),
    "c: 100/s halves": Case(lambda: TokenBucket(_halved(100), 30, CALM), 100),
    "d: 30 workers drift": Case(lambda: Workers(30, 90, Work(sigma=0.8, slowness=_drift(4))), 75),
    "d: no limit at all, drift": Case(lambda: Endless(Work(mean=0.4, sigma=0.8, slowness=_drift(2))), 170),
    "e: 15 workers, close for 4 min": Case(lambda: Closing(Workers(15, 30, Work()), each=90, closed=240), 75),
    "f: two share 8/s, burst 2": Case(lambda: _bucket(8, 2), 8, (0.0, 60.0)),
    "f: two share 120/s": Case(lambda: _bucket(120, 60), 120, (0.0, 60.0)),
    "f: two share 40 workers": Case(lambda: Workers(40, 80, Work()), 200, (0.0, 60.0)),
    "g: 6/s, 2 % of 429s": Case(lambda: Erring(_bucket(6, 3), Error(0.02, 0.02, Signal.LIMITED)), 6),
    "g: 30 workers, 2 % of 429s": Case(
        lambda: Erring(Workers(30, 60, Work()), Error(0.02, 0.02, Signal.LIMITED)), 150
    ),
}

OURS = "ours"
LIMITERS: dict[str, Callable[[float], Limiter]] = {
    OURS: lambda _rate: found(),
    "fixed 4": lambda _rate: FixedConcurrency(4),
    "fixed 16": lambda _rate: FixedConcurrency(16),
    "fixed 64": lambda _rate: FixedConcurrency(64),
    "fixed 256": lambda _rate: FixedConcurrency(256),
    "aiolimiter, half": lambda rate: LeakyBucket(rate / 2),
    "aiolimiter, twice": lambda rate: LeakyBucket(2 * rate),
    "botocore adaptive": lambda _rate: BotocoreAdaptive(),
    "Gradient2": lambda _rate: Ruled(Gradient2()),
    "Vegas": lambda _rate: Ruled(Vegas()),
    "AIMD": lambda _rate: Ruled(Aimd()),
}


def run(case: Case, limiter: str, seed: int) -> Result:
    """One run of ten virtual minutes."""
    build = LIMITERS[limiter]
    return simulate(
        case.build(),
        seconds=SECONDS,
        seed=seed,
        limiters=[lambda: build(case.rate)] * len(case.starts),
        starts=case.starts,
    )


def measure(case: Case, limiter: str, seeds: int) -> dict[str, float]:
    """What the table says: means over the seeds, but for the worst of the share."""
    results = [run(case, limiter, seed) for seed in range(1, seeds + 1)]
    figures: dict[str, float] = {
        "share": statistics.mean(result.share for result in results),
        "worst share": min(result.share for result in results),
        "refused": statistics.mean(result.refused for result in results),
        "doubts": statistics.mean(result.count(Signal.REFUSED) for result in results),
        "p99": statistics.mean(result.latency(0.99) for result in results),
        "to 90 %": statistics.median(result.time_to(0.9) for result in results),
    }
    if len(case.starts) > 1:
        figures["fairness"] = statistics.mean(result.fairness(since=case.starts[-1]) for result in results)
    return {name: round(figure, 4) for name, figure in figures.items()}


def _line(name: str, figures: dict[str, float]) -> str:
    fair = f"   Jain {figures['fairness']:.2f}" if "fairness" in figures else ""
    return (
        f"  {name:<18} {figures['share']:>6.3f} {figures['worst share']:>6.3f} {figures['refused']:>8.1%}"
        f" {figures['doubts']:>8.1f} {figures['p99']:>7.2f} {figures['to 90 %']:>7.0f}{fair}"
    )


def compare(cases: dict[str, Case], seeds: dict[str, int]) -> dict[str, dict[str, Any]]:
    """Runs all, and prints each server's part of the table as soon as it is known."""
    print(f"{'':<20} {'share':>6} {'worst':>6} {'refused':>8} {'503s':>8} {'p99, s':>7} {'90 %, s':>7}")
    table: dict[str, dict[str, Any]] = {}
    for name, case in cases.items():
        print(name)
        table[name] = {}
        for limiter, count in seeds.items():
            table[name][limiter] = measure(case, limiter, count)
            print(_line(limiter, table[name][limiter]), flush=True)
    print("the worst server's share")
    for limiter in seeds:
        share, server = min((table[name][limiter]["share"], name) for name in table)
        print(f"  {limiter:<18} {share:>6.3f}  {server}")
    return table


def render(table: dict[str, dict[str, Any]]) -> str:
    """The table in Markdown: goodput as a share of the oracle's, and what was refused."""
    limiters = list(next(iter(table.values())))
    lines = ["| server | " + " | ".join(limiters) + " |", "|---" * (len(limiters) + 1) + "|"]
    for server, row in table.items():
        cells = [f"{row[limiter]['share']:.2f}, {row[limiter]['refused']:.0%}" for limiter in limiters]
        lines.append(f"| {server} | " + " | ".join(cells) + " |")
    worst = [min(row[limiter]["share"] for row in table.values()) for limiter in limiters]
    lines.append("| *the worst* | " + " | ".join(f"*{share:.2f}*" for share in worst) + " |")
    return "\n".join(lines)


def main() -> None:
    """Prints the table and writes what is asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--peer-seeds", type=int, default=20, help="fewer take less time")
    parser.add_argument("--only", default="", help="servers whose name begins so")
    parser.add_argument("--limiters", default="", help="names, with commas between; all if not given")
    parser.add_argument("--held-out", action="store_true", help="the other servers")
    parser.add_argument("--plot", action="store_true", help="draw each server instead")
    parser.add_argument("--real", action="store_true", help="over sockets, in real time")
    parser.add_argument("--real-seconds", type=float, default=60.0, help="how long each batch runs then")
    parser.add_argument("--real-rounds", type=int, default=2, help="of which the best counts")
    options = parser.parse_args()
    cases = HELD_OUT if options.held_out else CASES
    cases = {name: case for name, case in cases.items() if name.startswith(options.only)}
    if options.real:
        from .pace_real import main as real

        real(options.real_seconds, options.real_rounds)
    elif options.plot:
        from .pace_plots import draw

        for name, case in cases.items():
            draw(name, run(case, OURS, 1), HERE)
    else:
        began = time.perf_counter()
        limiters = options.limiters.split(",") if options.limiters else list(LIMITERS)
        seeds = {name: options.seeds if name == OURS else options.peer_seeds for name in limiters}
        table = compare(cases, seeds)
        print(f"{time.perf_counter() - began:.0f} s")
        if not options.only and not options.limiters:
            name = "pace_held_out.json" if options.held_out else "pace.json"
            content = {"seconds": SECONDS, "seeds": seeds, "servers": table}
            (HERE / name).write_text(json.dumps(content, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()
