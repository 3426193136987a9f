"""Whether a call costs the same after a million others: ``python -m benchmarks.growth``.

One long stream runs through the fast server. At each mark it is read slice by slice, and after each slice a
stream of a new session is read for as long, in a process of its own, while the long one waits. The ratio of
such neighbours says what the length costs: the median of all slices at a mark, and beside it that of the mark
to the first one. The CPU since the mark before takes in whatever happens between the slices, the garbage
collector included, but has no neighbour: it moves with the machine.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from usersapi_async import BatchRunner, Outcome, Succeeded

from .processes import Child, child, cores, peak_memory, pin, running_server
from .subjects.burst import Place
from .subjects.ours import rows, session

MARKS = (1_000, 10_000, 100_000, 300_000, 1_000_000)
_CONNECTIONS = 64
_SLICE = 500
_SLICES = 15
_WARM = 4 * _CONNECTIONS


@asynccontextmanager
async def _stream(url: str, count: int, journal: Path | None) -> AsyncIterator[AsyncIterator[Outcome]]:
    """The outcomes of so many creates, over a session of their own."""
    async with (
        session(Place(url, _CONNECTIONS)) as users,
        BatchRunner(users).stream(rows(range(count), keys=bool(journal)), journal=journal) as outcomes,
    ):
        yield outcomes


async def _read(outcomes: AsyncIterator[Outcome], count: int) -> float:
    """Reads so many outcomes and returns the seconds of CPU that it took."""
    cpu = time.process_time()
    for _ in range(count):
        outcome = await anext(outcomes)
        assert isinstance(outcome, Succeeded), outcome
    return time.process_time() - cpu


async def _long(url: str, most: int, journal: Path | None) -> None:
    """Reads on in one stream by as many outcomes as each line of the standard input says."""
    async with _stream(url, most + (_SLICES + 1) * _SLICE, journal) as outcomes:
        # The loop stands still between two slices; what is in flight then is answered within the next one.
        for line in sys.stdin:
            cpu = await _read(outcomes, json.loads(line)["count"])
            print(json.dumps({"cpu": cpu, "memory": peak_memory()}), flush=True)


async def _fresh(url: str, journal: Path | None) -> None:
    """Reads a new stream for each line."""
    for number, line in enumerate(sys.stdin):
        count = json.loads(line)["count"]
        file = journal.with_name(f"{number}.db") if journal else None
        async with _stream(url, count + 2 * _WARM, file) as outcomes:
            await _read(outcomes, _WARM)
            cpu = await _read(outcomes, count)
            await _read(outcomes, _WARM)
        print(json.dumps({"cpu": cpu}), flush=True)


def _process(role: str, url: str, most: int, journal: Path | None) -> Any:
    _, core = cores()
    options = ["--role", role, "--url", url, "--most", most]
    options += ["--core", core] if core is not None else []
    options += ["--file", journal] if journal else []
    return child("benchmarks.growth", *options)


def measure(long: Child, fresh: Child, most: int) -> None:
    """Prints a line for each mark."""
    print(
        f"{'rows':>9} {'us since':>9} {'us, slices':>10} {'to a fresh':>10} {'to the first':>12} {'MiB':>5}"
    )
    read, first = 0, 0.0
    fresh.ask(count=_SLICE)
    for mark in [mark for mark in MARKS if mark <= most]:
        since = mark - read
        cpu = long.ask(count=since)["cpu"]
        slices, ratios = [], []
        for _ in range(_SLICES):
            answer = long.ask(count=_SLICE)
            slices.append(answer["cpu"])
            ratios.append(answer["cpu"] / fresh.ask(count=_SLICE)["cpu"])
        read = mark + _SLICES * _SLICE
        ratio = statistics.median(ratios)
        first = first or ratio
        print(
            f"{mark:>9,} {cpu / since * 1e6:>9.0f} {statistics.median(slices) / _SLICE * 1e6:>10.0f} "
            f"{ratio:>10.3f} {ratio / first:>12.3f} {answer['memory']:>5.0f}",
            flush=True,
        )


def main() -> None:
    """Prints the table, or is one of the processes that it is made of."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--most", type=int, default=300_000, help="rows; 1,000,000 take some ten minutes")
    parser.add_argument("--journal", action="store_true", help="with keys and a journal")
    parser.add_argument("--role", choices=("long", "fresh"), help=argparse.SUPPRESS)
    parser.add_argument("--url", help=argparse.SUPPRESS)
    parser.add_argument("--core", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--file", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.role:
        pin(options.core)
        work = (
            _long(options.url, options.most, options.file)
            if options.role == "long"
            else _fresh(options.url, options.file)
        )
        asyncio.run(work)
        return
    with tempfile.TemporaryDirectory() as directory, running_server() as server:
        journal = Path(directory, "long.db") if options.journal else None
        with (
            _process("long", server.url, options.most, journal) as long,
            _process("fresh", server.url, options.most, journal) as fresh,
        ):
            measure(long, fresh, options.most)


if __name__ == "__main__":
    main()
