"""What a journal costs: ``python -m benchmarks.journal``.

The same creates with and without a journal, in turns, against an emulator in a process of its own; medians of
the ratios. CPU is that of this process, the journal's thread included.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import tempfile
import time
from pathlib import Path

from usersapi_async import BatchRunner, Create, UsersSession
from usersapi_async.cli.emulator_process import EmulatorPlace, emulator_process


async def run(place: EmulatorPlace, count: int, journal: Path | None) -> tuple[float, float]:
    """Seconds of wall clock and of CPU for so many creates."""
    async with UsersSession(
        place.credentials, group_id=place.group_id, base_url=place.base_url, concurrency=64
    ) as users:
        rows = [(f"row {number}", Create(doc={"first_name": "Nina"})) for number in range(count)]
        wall, cpu = time.perf_counter(), time.process_time()
        report = await BatchRunner(users).run(rows, journal=journal)
        used = time.perf_counter() - wall, time.process_time() - cpu
    assert report.succeeded == count
    return used


def compare(latency: float, count: int, rounds: int) -> str:
    """One line of the table."""
    walls, cpus, before = [], [], []
    with emulator_process([f"--latency={latency}"]) as place, tempfile.TemporaryDirectory() as directory:
        for number in range(rounds + 1):
            without = asyncio.run(run(place, count, None))
            with_it = asyncio.run(run(place, count, Path(directory, f"{number}.db")))
            if number:  # The first round warms up.
                walls.append(with_it[0] / without[0])
                cpus.append(with_it[1] / without[1])
                before.append((without[0] / count * 1e6, without[1] / count * 1e6))
    wall, cpu = statistics.median(walls), statistics.median(cpus)
    wall_before, cpu_before = (statistics.median(times) for times in zip(*before, strict=True))
    return f"{latency * 1000:>7.0f} {wall:>11.2f} {cpu:>11.2f} {wall_before:>10.0f} {cpu_before:>10.0f}"


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=2000)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    print(f"{'':>31} {'us a row without':>21}")
    print(f"{'latency':>7} {'wall, ratio':>11} {'CPU, ratio':>11} {'wall':>10} {'CPU':>10}")
    for latency in (0.0, 0.005, 0.05):
        print(compare(latency, options.count, options.rounds), flush=True)


if __name__ == "__main__":
    main()
