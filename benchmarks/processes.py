"""Processes of the benchmarks: each on a core of its own, told what to do by lines of JSON."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, cast

import attrs


class ChildError(Exception):
    """A process of the benchmark ended before its time; what it printed of that stands above."""


def cores() -> tuple[int | None, int | None]:
    """The server's core and the client's; None where there are not two, or processes can't be tied to one."""
    if not hasattr(os, "sched_getaffinity"):
        return None, None
    available = sorted(os.sched_getaffinity(0))
    return (available[0], available[-1]) if len(available) > 1 else (None, None)


def pin(core: int | None) -> None:
    """Ties this process to a core."""
    if core is not None:
        os.sched_setaffinity(0, {core})


def peak_memory() -> float:
    """The most memory that this process had by now, in MiB."""
    status = Path("/proc/self/status")
    if status.exists():
        # Unlike ru_maxrss, which on Linux begins at what the parent process had.
        for line in status.read_text("ascii").splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1 if sys.platform == "darwin" else 1024)


class Child:
    """A process that answers lines."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def listen(self) -> dict[str, Any]:
        """The next line that it prints. Raises `ChildError` if there is none."""
        line = cast("IO[str]", self._process.stdout).readline()
        if not line:
            raise ChildError(f"{self._process.args!r} ended")
        said: dict[str, Any] = json.loads(line)
        return said

    def ask(self, **question: Any) -> dict[str, Any]:
        """What it answers."""
        pipe = cast("IO[str]", self._process.stdin)
        pipe.write(json.dumps(question) + "\n")
        pipe.flush()
        return self.listen()


@contextmanager
def child(module: str, *arguments: object) -> Iterator[Child]:
    """``python -m module arguments``, until the block is left."""
    process = subprocess.Popen(  # noqa: S603 (the program is this very package)
        [sys.executable, "-m", module, *map(str, arguments)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with process:
        try:
            yield Child(process)
        finally:
            cast("IO[str]", process.stdin).close()
            try:
                process.wait(5)
            except subprocess.TimeoutExpired:
                process.kill()


@attrs.frozen
class Usage:
    """What the server did between two questions."""

    requests: int
    cpu: float
    """Seconds."""
    share: float
    """Of its core's time: near 1 it holds the clients up."""


class Server:
    """The server of ``benchmarks.server``, in a process of its own."""

    def __init__(self, process: Child) -> None:
        self._process = process
        self.url = f"http://127.0.0.1:{process.listen()['port']}/reg/api2/users/"
        self._latency = 0.0
        self._before = self.look()

    def look(self) -> dict[str, Any]:
        """What it has done so far."""
        return self._process.ask(latency=self._latency)

    def begin(self, latency: float) -> None:
        """From now on it answers after `latency` seconds, and its usage counts."""
        self._latency = latency
        self._before = self.look()

    def end(self) -> Usage:
        """Its usage since `begin`."""
        before, after = self._before, self.look()
        cpu = after["cpu"] - before["cpu"]
        return Usage(after["requests"] - before["requests"], cpu, cpu / (after["now"] - before["now"]))


@contextmanager
def running_server() -> Iterator[Server]:
    """The server, until the block is left."""
    core, _ = cores()
    with child("benchmarks.server", *([] if core is None else ["--core", core])) as process:
        yield Server(process)
