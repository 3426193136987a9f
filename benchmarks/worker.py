"""One subject in a process of its own: ``python -m benchmarks.worker``, started by the other benchmarks.

It reads lines like ``{"warm": 100, "calls": 1000}``, makes so many calls that don't count and then so many
that do, and prints what these took.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import itertools
import json
import statistics
import sys
import time

from .processes import peak_memory, pin
from .subjects import load
from .subjects.burst import Burst, Place


async def measured(burst: Burst, numbers: range) -> dict[str, float]:
    """Seconds for each call of a burst."""
    gc.collect()
    wall, cpu = time.perf_counter(), time.process_time()
    latencies = await burst(numbers)
    cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    assert len(latencies) == len(numbers)
    cuts = statistics.quantiles(latencies, n=100)
    return {
        "cpu": cpu / len(numbers),
        "wall": wall / len(numbers),
        "p50": cuts[49],
        "p99": cuts[98],
        "memory": peak_memory(),
    }


async def work(name: str, place: Place) -> None:
    """Answers each line with what a burst took."""
    async with load(name)(place) as burst:
        numbers = itertools.count()
        # The loop stands still between two bursts, when there is nothing to do in it.
        for line in sys.stdin:
            asked = json.loads(line)
            start = next(numbers) * 10_000_000
            end = start + asked["warm"]
            await burst(range(start, end))
            print(json.dumps(await measured(burst, range(end, end + asked["calls"]))), flush=True)


def main() -> None:
    """Runs until the standard input ends."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("name", help="of the subject")
    parser.add_argument("url")
    parser.add_argument("connections", type=int)
    parser.add_argument("--loop", choices=("asyncio", "uvloop"), default="asyncio")
    parser.add_argument("--core", type=int, help="the processor to run on")
    options = parser.parse_args()
    pin(options.core)
    factory = None
    if options.loop == "uvloop":
        import uvloop

        factory = uvloop.new_event_loop
    with asyncio.Runner(loop_factory=factory) as runner:
        runner.run(work(options.name, Place(options.url, options.connections)))


if __name__ == "__main__":
    main()
