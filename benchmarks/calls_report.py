"""The results of ``benchmarks.calls``: as a table, as JSON, and beside those of an earlier run."""

from __future__ import annotations

import hashlib
import json
import platform
import sys
from collections.abc import Iterable, Sequence
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


HEADING = (
    f"{'subject':<26} {'loop':<7} {'conn':>4} {'lat':>3} {'CPU':>6} {'ratio':>6} {'quartiles':>13} {'asyncio':>7} "
    f"{'wall':>7} {'p50':>7} {'p99':>7} {'MiB':>4} {'server':>11}\n"
    f"{'':<34} {'':>4} {'ms':>3} {'us':>6} {'':>6} {'':>13} {'ratio':>7} "
    f"{'us':>7} {'ms':>7} {'ms':>7} {'':>4} {'us   share':>11}"
)


def line(result: Result) -> str:
    """Its line of the table."""
    quartiles = f"{result.ratio_low:.2f}-{result.ratio_high:.2f}"
    return (
        f"{result.subject:<26} {result.loop:<7} {result.connections:>4} {result.latency:>3.0f} "
        f"{result.cpu:>6.0f} {result.ratio:>6.2f} {quartiles:>13} {result.ratio_to_asyncio:>7.2f} "
        f"{result.wall:>7.0f} {result.p50:>7.2f} {result.p99:>7.2f} {result.memory:>4.0f} "
        f"{result.server_cpu:>4.0f} {result.server_share:>6.0%}"
    )


def results_of(results: Iterable[Result], connections: int, latency: float) -> list[Result]:
    """Those of one cell."""
    return [result for result in results if (result.connections, result.latency) == (connections, latency)]


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

    def worse(self, results: Iterable[Result]) -> list[str]:
        """What got worse by more than the tolerance, a line each."""
        return [
            f"{result.subject} on {result.loop}, {result.connections} connections, {result.latency:g} ms: "
            f"{before.ratio:.2f} -> {result.ratio:.2f} ({result.ratio / before.ratio - 1:+.0%})"
            for result in results
            if (before := self.before.get(result.place)) and result.ratio > TOLERANCE * before.ratio
        ]

    def text(self, results: Sequence[Result]) -> str:
        """All that there is to say."""
        compared = [
            result for result in results if result.place in self.before and result.subject != YARDSTICK
        ]
        worse = self.worse(compared)
        said = f"{len(compared)} ratios of CPU compared: {len(worse)} worse by more than {TOLERANCE - 1:.0%}"
        return "\n".join([said, *worse])
