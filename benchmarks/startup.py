"""What it takes to begin: ``python -m benchmarks.startup``.

Each line is of fresh interpreters, in turn with those that import aiohttp alone, or call by it alone; the
ratios are medians of such pairs. The first table is about imports, the second about the time from the start
of a process to the first byte that the server gets from it, and the CPU of the process until its end. The
last one lists the modules that cost most, of those that aiohttp doesn't import.
"""

from __future__ import annotations

import argparse
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence

import attrs

from .processes import Server, running_server
from .subjects import YARDSTICK

IMPORTS = (
    "import aiohttp",
    "import usersapi_async",
    "from usersapi_async import UsersSession",
    "from usersapi_async import BatchRunner, Create, Credentials, UsersSession",
)
FIRST_CALLS = (
    YARDSTICK,
    "ours",
    "ours, batch",
    "ours, batch, journal",
    "httpx",
    "niquests",
    "requests, loop",
)

_IMPORT = """
import time
wall, cpu = time.perf_counter(), time.process_time()
{}
print(time.perf_counter() - wall, time.process_time() - cpu)
"""
_CALL = """
import asyncio
from benchmarks.subjects import load
from benchmarks.subjects.burst import Place

async def main():
    async with load({!r})(Place({!r}, 1)) as burst:
        await burst(range(1))

asyncio.run(main())
"""


@attrs.frozen
class Spent:
    """Seconds of one run."""

    wall: float
    cpu: float


def _run(*arguments: str) -> subprocess.CompletedProcess[str]:
    """A fresh interpreter with these arguments, to its end."""
    command = [sys.executable, *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True)  # noqa: S603 (our own code)


def _import(statement: str) -> Spent:
    return Spent(*map(float, _run("-c", _IMPORT.format(statement)).stdout.split()))


def _first_call(server: Server, subject: str) -> Spent:
    """The time to the first byte, and the CPU of the whole process."""
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    _run("-c", _CALL.format(subject, server.url))
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Spent(server.look()["first_bytes_at"] - began, cpu)


def compare(title: str, names: Sequence[str], run: Callable[[str], Spent], rounds: int) -> None:
    """Prints a table; the first name is what the others are held against."""
    spent: dict[str, list[Spent]] = {name: [] for name in names}
    for number in range(rounds + 1):
        for name in names:
            took = run(name)
            if number:  # The first round compiles modules and fills the cache of files.
                spent[name].append(took)
    print(f"{title:<76} {'wall, ms':>8} {'ratio':>6} {'CPU, ms':>8} {'ratio':>6}")
    base = spent[names[0]]
    for name, runs in spent.items():
        wall = statistics.median(one.wall for one in runs) * 1000
        cpu = statistics.median(one.cpu for one in runs) * 1000
        walls = statistics.median(one.wall / other.wall for one, other in zip(runs, base, strict=True))
        cpus = statistics.median(one.cpu / other.cpu for one, other in zip(runs, base, strict=True))
        print(f"{name:<76} {wall:>8.1f} {walls:>6.2f} {cpu:>8.1f} {cpus:>6.2f}", flush=True)


def _import_times(statement: str) -> dict[str, int]:
    """The microseconds that each module takes by itself, without those that it imports."""
    lines = [line.split("|") for line in _run("-X", "importtime", "-c", statement).stderr.splitlines()]
    return {
        name.strip(): int(own.rpartition(":")[2])
        for own, _, name in (line for line in lines if len(line) == 3)
        if own.rpartition(":")[2].strip().isdecimal()
    }


def list_modules(rounds: int, most: int) -> None:
    """Prints what is imported beyond aiohttp, the dearest first."""
    known = _import_times(IMPORTS[0]).keys()
    runs = [_import_times(IMPORTS[-1]) for _ in range(rounds)]
    own = {
        # The least, since these are times by the wall clock.
        name: min(run[name] for run in runs)
        for name in runs[0]
        if name not in known and all(name in run for run in runs)
    }
    print(f"{len(own)} modules beyond aiohttp's, {sum(own.values()) / 1000:.1f} ms by themselves:")
    for name in sorted(own, key=own.__getitem__, reverse=True)[:most]:
        print(f"{own[name] / 1000:>8.1f} {name}")


def main() -> None:
    """Prints the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--modules", type=int, default=15, help="how many of them to list")
    options = parser.parse_args()
    compare("import", IMPORTS, _import, options.rounds)
    with running_server() as server:
        compare("to the first byte", FIRST_CALLS, lambda name: _first_call(server, name), options.rounds)
    list_modules(min(options.rounds, 5), options.modules)


if __name__ == "__main__":
    main()
