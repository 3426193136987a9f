"""What one call costs, of each client beside the others: ``python -m benchmarks.calls``.

Every subject has a process of its own, tied to one core, and the server to another. They take turns: before
and after each burst of a subject comes one of the yardstick, so that whatever else the machine does meets
both. A ratio is that of such neighbours; the table gives the medians of all rounds.
"""

from __future__ import annotations

import argparse
import statistics
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import attrs

from .calls_report import Comparison, Result, heading, line, results_of, targets, write
from .processes import Child, Server, child, cores, running_server
from .subjects import NAMES, YARDSTICK, connections_of, runs_on_a_loop

CONNECTIONS = (1, 16, 64, 256)
LATENCIES = (0.0, 5.0, 50.0)
LOOPS = ("asyncio", "uvloop")
_FEWEST_CALLS = 20


@attrs.frozen
class Cell:
    """One way to load the server: `latency` in milliseconds."""

    connections: int
    latency: float


@attrs.define
class Runner:
    """A subject's process, and what its bursts took: each with that of the yardstick around it."""

    name: str
    loop: str
    process: Child
    connections: int
    calls: int = 0
    bursts: list[dict[str, float]] = attrs.field(factory=list)
    ratios: list[float] = attrs.field(factory=list)
    """Of CPU, to the yardstick on the same loop."""

    def burst(self, server: Server, cell: Cell) -> dict[str, float]:
        """Runs one, and adds what the server did."""
        server.begin(cell.latency / 1000)
        took: dict[str, float] = self.process.ask(warm=self.connections, calls=self.calls)
        usage = server.end()
        return {**took, "server_share": usage.share, "server_cpu": usage.cpu / usage.requests}

    def calibrate(self, server: Server, cell: Cell, seconds: float) -> None:
        """Finds out how many calls there are to be in a burst, and warms everything up."""
        self.calls = max(_FEWEST_CALLS, 2 * self.connections)
        took = self.burst(server, cell)
        # What it would take by itself: a busy machine must not make the bursts shorter.
        alone = max(took["cpu"], cell.latency / 1000 / self.connections)
        self.calls = max(self.calls, round(seconds / alone))

    def result(self, cell: Cell, yardsticks: Sequence[float]) -> Result:
        """Its line of the table; `yardsticks` is the CPU of the yardstick on asyncio's loop, by rounds."""
        median = {key: statistics.median(burst[key] for burst in self.bursts) for key in self.bursts[0]}
        low, middle, high = statistics.quantiles(self.ratios, n=4)
        to_asyncio = [
            burst["cpu"] / yardstick for burst, yardstick in zip(self.bursts, yardsticks, strict=True)
        ]
        return Result(
            subject=self.name,
            loop=self.loop,
            connections=cell.connections,
            latency=cell.latency,
            cpu=median["cpu"] * 1e6,
            ratio=middle,
            ratio_low=low,
            ratio_high=high,
            ratio_to_asyncio=statistics.median(to_asyncio),
            wall=median["wall"] * 1e6,
            p50=median["p50"] * 1e3,
            p99=median["p99"] * 1e3,
            memory=max(burst["memory"] for burst in self.bursts),
            calls=self.calls,
            server_share=median["server_share"],
            server_cpu=median["server_cpu"] * 1e6,
        )


def measure(cell: Cell, subjects: Sequence[tuple[str, str]], rounds: int, seconds: float) -> list[Result]:
    """The results of these subjects, each with its loop."""
    with ExitStack() as stack:
        server = stack.enter_context(running_server())
        runners = [
            _runner(stack, server, name, loop, connections_of(name, cell.connections))
            for name, loop in subjects
        ]
        for runner in runners:
            runner.calibrate(server, cell, seconds)
        yardsticks = {runner.loop: runner for runner in runners if runner.name == YARDSTICK}
        for number in range(rounds):
            # Now in one order, now in the other, for what grows warmer in a round.
            for loop in _turned(list(yardsticks), number):
                others = [runner for runner in runners if runner.loop == loop and runner.name != YARDSTICK]
                _round(yardsticks[loop], _turned(others, number), server, cell)
        base = [burst["cpu"] for burst in yardsticks[LOOPS[0]].bursts]
        return [runner.result(cell, base) for runner in runners]


def _turned(things: list[Any], number: int) -> list[Any]:
    return things[::-1] if number % 2 else things


def _round(yardstick: Runner, others: Sequence[Runner], server: Server, cell: Cell) -> None:
    before = yardstick.burst(server, cell)
    around = [before]
    for other in others:
        took = other.burst(server, cell)
        after = yardstick.burst(server, cell)
        other.bursts.append(took)
        other.ratios.append(2 * took["cpu"] / (before["cpu"] + after["cpu"]))
        around.append(after)
        before = after
    yardstick.bursts.append({key: statistics.median(burst[key] for burst in around) for key in before})
    yardstick.ratios.append(1.0)


def _runner(stack: ExitStack, server: Server, name: str, loop: str, connections: int) -> Runner:
    _, core = cores()
    pinned = [] if core is None else ["--core", core]
    process = child("benchmarks.worker", name, server.url, connections, "--loop", loop, *pinned)
    return Runner(name, loop, stack.enter_context(process), connections)


def _chosen(names: Sequence[str], loops: Sequence[str]) -> list[tuple[str, str]]:
    """Subjects with their loops: the yardsticks are always there, and so is asyncio's loop."""
    return [
        (name, loop)
        for loop in LOOPS
        if loop in loops or loop == LOOPS[0]
        for name in NAMES
        if name in names or name == YARDSTICK
        if runs_on_a_loop(name) or loop == LOOPS[0]
        if loop in loops or name == YARDSTICK
    ]


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--subjects", nargs="+", choices=NAMES, default=NAMES, metavar="NAME", help="of: " + "; ".join(NAMES)
    )
    parser.add_argument("--loops", nargs="+", choices=LOOPS, default=LOOPS)
    parser.add_argument("--connections", nargs="+", type=int, default=CONNECTIONS)
    parser.add_argument("--latency", nargs="+", type=float, default=LATENCIES, help="in milliseconds")
    parser.add_argument("--rounds", type=int, default=7, help="2 or more")
    parser.add_argument("--seconds", type=float, default=0.3, help="that a burst takes by itself")
    parser.add_argument("--json", type=Path, help="where to write the results")
    parser.add_argument("--add", action="store_true", help="keep what else that file has")
    parser.add_argument("--plot", type=Path, help="where to draw the first of them, as PNG")
    parser.add_argument("--compare", type=Path, help="with results that were written before")
    return parser.parse_args()


def main() -> None:
    """Prints the table; exits with 1 when something got worse, beyond the noise."""
    options = _options()
    # Read first: an hour would be lost if it could not be read at the end.
    comparison = Comparison.read(options.compare) if options.compare else None
    subjects = _chosen(options.subjects, options.loops)
    kept = Comparison.read(options.json).before if options.add else {}
    results: list[Result] = []
    print(heading())
    for latency in options.latency:
        for connections in options.connections:
            found = measure(Cell(connections, latency), subjects, options.rounds, options.seconds)
            results += found
            print(*map(line, found), sep="\n", flush=True)
            if options.json:
                write(options.json, list({**kept, **{one.place: one for one in results}}.values()))
    print(targets(results))
    if options.plot:
        from .calls_plot import draw

        draw(results_of(results, results[0].connections, results[0].latency), options.plot)
    if comparison:
        print(comparison.text(results))
        sys.exit(bool(comparison.worse(results, surely=True)))


if __name__ == "__main__":
    main()
