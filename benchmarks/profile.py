"""Where the CPU of a call goes: ``python -m benchmarks.profile``.

Each subject is profiled beside the bare aiohttp script, over the same server; all figures are microseconds
for each call. The profiler makes small Python functions look dearer than they are, and code in C cheaper: it
tells where to look, and ``benchmarks.calls`` what came of it. Other threads, a journal's, are not seen.
"""

from __future__ import annotations

import argparse
import asyncio
import cProfile
import pstats
import sysconfig
import time
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path

import attrs

from .processes import cores, pin, running_server
from .subjects import NAMES, YARDSTICK, load
from .subjects.burst import Place
from .worker import measured

_CONNECTIONS = 64
_WARM = 500
_INSTALLED = tuple(sysconfig.get_path(name) + "/" for name in ("purelib", "platlib"))
_STANDARD = sysconfig.get_path("stdlib") + "/"
_OTHER = "other standard library"
_HERE = str(Path(__file__).parents[1]) + "/"
_WIDTH = 72


@attrs.frozen
class Profile:
    """Own time and calls of each function, for each call of the subject."""

    own: Mapping[str, float]
    times: Mapping[str, float]
    packages: Mapping[str, float]
    cpu: float
    """Microseconds without the profiler."""


def _named(file: str, number: int, name: str) -> tuple[str, str]:
    """What to call a function, and what it belongs to."""
    if file == "~":
        return name, "(in C)"
    if file.startswith("<attrs generated"):
        return f"{file} {name}", "attrs"
    for folder in (_HERE, *_INSTALLED, _STANDARD):
        if file.startswith(folder):
            place = file.removeprefix(folder)
            package = place.split("/")[0]
            known = folder != _STANDARD or package in ("asyncio", "json")
            return f"{place}:{number} {name}", package if known else _OTHER
    return f"{file}:{number} {name}", _OTHER


async def _profiled(subject: str, url: str, calls: int) -> Profile:
    profiler = cProfile.Profile()
    async with load(subject)(Place(url, _CONNECTIONS)) as burst:
        await burst(range(_WARM))
        cpu = (await measured(burst, range(_WARM, _WARM + calls)))["cpu"]
        numbers = range(_WARM + calls, _WARM + 2 * calls)
        cpu_before, wall_before = time.process_time(), time.perf_counter()
        profiler.enable()
        await burst(numbers)
        profiler.disable()
        # The profiler goes by the wall clock, which also runs while other processes have the core.
        busy = (time.process_time() - cpu_before) / (time.perf_counter() - wall_before)
    own: Counter[str] = Counter()
    times: Counter[str] = Counter()
    packages: Counter[str] = Counter()
    stats = pstats.Stats(profiler).stats  # type: ignore[attr-defined] # typeshed leaves it out
    for (file, number, name), (_, called, seconds, _, _) in stats.items():
        title, package = _named(file, number, name)
        each = busy * seconds / calls * 1e6
        own[title] += each
        times[title] += called / calls
        packages[package] += each
    return Profile(own, times, packages, cpu * 1e6)


def _compare(
    title: str,
    found: Mapping[str, float],
    bare: Mapping[str, float],
    times: Mapping[str, float],
    most: int,
    key: Callable[[str], float],
) -> None:
    print(f"\n{title:<{_WIDTH}} {'own':>6} {'bare':>6} {'more':>6} {'times':>6}")
    for name in sorted({*found, *bare}, key=key, reverse=True)[:most]:
        mine, other = found.get(name, 0.0), bare.get(name, 0.0)
        shown = name if len(name) <= _WIDTH else "…" + name[1 - _WIDTH :]
        often = f"{times[name]:>6.1f}" if name in times else ""
        print(f"{shown:<{_WIDTH}} {mine:>6.1f} {other:>6.1f} {mine - other:>+6.1f} {often}".rstrip())


def show(subject: str, profile: Profile, bare: Profile, most: int) -> None:
    """Prints where it spends its time, and where it spends more than the bare script."""
    own, other = profile.own, bare.own
    print(
        f"\n{subject}: {profile.cpu:.0f} us of CPU a call, bare aiohttp {bare.cpu:.0f}; "
        f"{sum(own.values()):.0f} and {sum(other.values()):.0f} under the profiler"
    )
    _compare(
        "by package", profile.packages, bare.packages, {}, most, lambda name: profile.packages.get(name, 0)
    )
    _compare("by own time", own, other, profile.times, most, lambda name: own.get(name, 0.0))
    _compare(
        "by what it is more than in the bare script",
        own,
        other,
        profile.times,
        most,
        lambda name: own.get(name, 0.0) - other.get(name, 0.0),
    )


def main() -> None:
    """Prints the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--subjects", nargs="+", choices=NAMES, default=("ours", "ours, batch"), metavar="NAME"
    )
    parser.add_argument("--calls", type=int, default=3000)
    parser.add_argument("--lines", type=int, default=20)
    options = parser.parse_args()
    with running_server() as server:
        pin(cores()[1])
        bare = asyncio.run(_profiled(YARDSTICK, server.url, options.calls))
        for subject in options.subjects:
            show(subject, asyncio.run(_profiled(subject, server.url, options.calls)), bare, options.lines)


if __name__ == "__main__":
    main()
