"""The results of ``benchmarks.calls``: as a table, as JSON, and beside those of an earlier run."""

from __future__ import annotations

import hashlib
import json
import platform
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import Self

import attrs

from .processes import cores
from .subjects import YARDSTICK

TOLERANCE = 1.10
_YARDSTICK_FILE = Path(__file__).with_name("subjects") / "bare_aiohttp.py"
_DISTRIBUTIONS = (
    "aiohttp",
    "attrs",
    "cattrs",
    "httptools",
    "httpx",
    "niquests",
    "requests",
    "urllib3",
    "uvloop",
)


@attrs.frozen(kw_only=True)
class Result:
    """What one subject took in one cell: medians of all rounds, but for `memory`."""

    subject: str
    loop: str
    connections: int
    latency: float
    """Milliseconds that the server takes."""
    cpu: float
    """Microseconds of the client's process for each call."""
    ratio: float
    """Of CPU, to the yardstick on the same loop, with its quartiles."""
    ratio_low: float
    ratio_high: float
    ratio_to_asyncio: float
    """Of CPU, to the yardstick on asyncio's loop."""
    wall: float
    """Microseconds between two calls' ends."""
    p50: float
    """Milliseconds that a call takes."""
    p99: float
    memory: float
    """The process's peak, in MiB."""
    calls: int
    """In each burst."""
    server_share: float
    """Of the server's core while the burst ran."""
    server_cpu: float
    """Microseconds of the server for each request."""

    @property
    def place(self) -> tuple[str, str, int, float]:
        """What it is to be compared with."""
        return self.subject, self.loop, self.connections, self.latency


def _quartiles(result: Result) -> str:
    return f"{result.ratio_low:.2f}-{result.ratio_high:.2f}"


# Title, unit, width and content.
_COLUMNS: tuple[tuple[str, str, int, Callable[[Result], str]], ...] = (
    ("subject", "", -26, lambda result: result.subject),
    ("loop", "", -7, lambda result: result.loop),
    ("conn", "", 4, lambda result: str(result.connections)),
    ("lat", "ms", 3, lambda result: f"{result.latency:.0f}"),
    ("CPU", "us", 5, lambda result: f"{result.cpu:.0f}"),
    ("ratio", "", 5, lambda result: f"{result.ratio:.2f}"),
    ("quartiles", "", 11, _quartiles),
    ("asyncio", "ratio", 7, lambda result: f"{result.ratio_to_asyncio:.2f}"),
    ("wall", "us", 6, lambda result: f"{result.wall:.0f}"),
    ("p50", "ms", 6, lambda result: f"{result.p50:.2f}"),
    ("p99", "ms", 7, lambda result: f"{result.p99:.2f}"),
    ("MiB", "", 3, lambda result: f"{result.memory:.0f}"),
    ("srv", "us", 3, lambda result: f"{result.server_cpu:.0f}"),
    ("srv", "%", 3, lambda result: f"{result.server_share:.0%}"[:-1]),
)


def _row(cells: Iterable[tuple[str, int]]) -> str:
    return " ".join(cell.ljust(-width) if width < 0 else cell.rjust(width) for cell, width in cells).rstrip()


def heading() -> str:
    """The table's first two lines."""
    titles = _row((title, width) for title, _, width, _ in _COLUMNS)
    return f"{titles}\n{_row((unit, width) for _, unit, width, _ in _COLUMNS)}"


def line(result: Result) -> str:
    """Its line of the table."""
    return _row((content(result), width) for _, _, width, content in _COLUMNS)


def results_of(results: Iterable[Result], connections: int, latency: float) -> list[Result]:
    """Those of one cell."""
    return [result for result in results if (result.connections, result.latency) == (connections, latency)]


@attrs.frozen
class Target:
    """At most, or at least, so many times the CPU of another subject, each with its loop."""

    subject: tuple[str, str]
    other: tuple[str, str]
    most: float | None = None
    least: float | None = None
    connections: int | None = None
    """The only ones for which it is meant."""

    def line(self, cell: Mapping[tuple[str, str], Result], connections: int) -> str | None:
        """How near one cell comes to it; None if that can't be said."""
        if self.connections not in (None, connections):
            return None
        mine, other = cell.get(self.subject), cell.get(self.other)
        if mine is None or other is None:
            return None
        # Both stand beside the same yardstick, so that the machine's ups and downs cancel.
        times = mine.ratio_to_asyncio / other.ratio_to_asyncio
        if mine.loop == other.loop:
            times = mine.ratio / other.ratio
        met = times <= self.most if self.most is not None else times >= (self.least or 0.0)
        bound = f"at most {self.most:.2f}" if self.most is not None else f"at least {self.least:.2f}"
        names = f"{', '.join(self.subject)} / {', '.join(self.other)}"
        return f"  {names:<55} {times:>6.2f}  {bound:<14} {'met' if met else 'missed'}"


TARGETS = (
    Target(("ours", "asyncio"), (YARDSTICK, "asyncio"), most=1.0),
    Target(("ours", "uvloop"), (YARDSTICK, "uvloop"), most=1.0),
    Target(("ours", "uvloop"), (YARDSTICK, "asyncio"), most=0.7),
    Target(("httpx", "asyncio"), ("ours", "asyncio"), least=12, connections=64),
    Target(("ours, batch", "asyncio"), ("ours", "asyncio"), most=1.05),
    Target(("ours, batch, journal", "asyncio"), ("ours, batch", "asyncio"), most=1.1),
)


def targets(results: Sequence[Result]) -> str:
    """How near each cell comes to what it should be."""
    lines = []
    for connections, latency in dict.fromkeys((one.connections, one.latency) for one in results):
        cell = {(one.subject, one.loop): one for one in results_of(results, connections, latency)}
        lines.append(f"CPU at {connections} connections, {latency:g} ms:")
        lines += filter(None, (target.line(cell, connections) for target in TARGETS))
    return "\n".join(lines)


def write(path: Path, results: Sequence[Result]) -> None:
    """Writes the results, and by what they were measured."""
    record = {
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "cores": "one each for client and server" if cores()[0] is not None else "not pinned",
        "versions": {name: metadata.version(name) for name in _DISTRIBUTIONS},
        "yardstick": _yardstick(),
        "results": [attrs.asdict(result, value_serializer=_rounded) for result in results],
    }
    path.write_text(json.dumps(record, indent=1) + "\n", "utf-8")


def _rounded(_: object, __: object, value: object) -> object:
    return round(value, 4) if isinstance(value, float) else value


def _yardstick() -> str:
    """Which version of the yardstick this is."""
    return hashlib.sha256(_YARDSTICK_FILE.read_bytes()).hexdigest()


@attrs.frozen
class Comparison:
    """Results against earlier ones: ratios to the yardstick alone, since machines differ."""

    before: dict[tuple[str, str, int, float], Result]

    @classmethod
    def read(cls, path: Path) -> Self:
        """Ends the program if the file's ratios are to another yardstick."""
        record = json.loads(path.read_text("utf-8"))
        if record["yardstick"] != _yardstick():
            sys.exit(f"{path}: measured against another version of {_YARDSTICK_FILE.name}")
        results = [Result(**fields) for fields in record["results"]]
        return cls({result.place: result for result in results})

    def worse(self, results: Iterable[Result], *, surely: bool) -> list[str]:
        """What got worse by more than the tolerance, a line each: those beyond the noise, or the others."""
        return [
            f"{result.subject} on {result.loop}, {result.connections} connections, {result.latency:g} ms: "
            f"{before.ratio:.2f} ({_quartiles(before)}) -> {result.ratio:.2f} ({_quartiles(result)}), "
            f"{result.ratio / before.ratio - 1:+.0%}"
            for result in results
            if (before := self.before.get(result.place)) and result.ratio > TOLERANCE * before.ratio
            if (result.ratio_low > before.ratio_high) is surely
        ]

    def text(self, results: Sequence[Result]) -> str:
        """All that there is to say."""
        compared = [
            result for result in results if result.place in self.before and result.subject != YARDSTICK
        ]
        surely, perhaps = self.worse(compared, surely=True), self.worse(compared, surely=False)
        by = f"worse by more than {TOLERANCE - 1:.0%}"
        lines = [f"{len(compared)} ratios of CPU compared, {by}: {len(surely)}", *surely]
        if perhaps:
            lines += [f"{by}, but by no more than the runs differ among themselves: {len(perhaps)}", *perhaps]
        return "\n".join(lines)
