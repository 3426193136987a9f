"""What a stream of a million rows keeps in memory, and what a key costs: ``python -m benchmarks.memory``.

Each size runs in a process of its own, against a session that answers at once, so that what is measured is
the batch runner's own. The first table gives the peak of the process above what it was before the first row,
and wall clock and CPU of each row. In families, the first half of the rows are parents, and each row of the
second half is the child of one of them.

The second is about the keys alone: the CPU, all threads, that each takes in memory, and with a journal, where
most are on disk. With references, the second half of the keys asks for one of the first half each.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from usersapi_async import (
    BatchRunner,
    Create,
    CreateChild,
    CreateResponse,
    Credentials,
    Ref,
    UserInfo,
    UsersSession,
)
from usersapi_async._call import Call
from usersapi_async.batch.keys import WINDOW, Keys

SIZES = (1_000, 10_000, 100_000, 1_000_000)
INPUTS = ("no keys", "keys", "journal", "families")
REFERENCES = ("none", "in order", "at random")


class Instant(UsersSession):
    """A session whose every step is a success, without a server; a journal is told as it is of any other."""

    async def step(self, call: Call) -> CreateResponse:
        """A new user."""
        if call.intent is None:
            await asyncio.sleep(0)
        else:
            await call.intent.declare(time.time())
        call.succeed()
        return CreateResponse(user_info=UserInfo(clogin_id=call.number))


def peak() -> float:
    """The most memory that this process had by now, in MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def rows(count: int, kind: str) -> Iterator[object]:
    """People, made as they are asked for."""
    for number in range(count):
        doc = {"first_name": "Nina", "main_email": f"nina{number}@example.org"}
        parent = number - count // 2
        if kind == "families" and parent >= 0:
            yield f"row {number}", CreateChild(connected_to=Ref(f"row {parent}"), doc=doc)
        else:
            yield Create(doc=doc) if kind == "no keys" else (f"row {number}", Create(doc=doc))


async def stream(count: int, kind: str) -> str:
    """Runs one batch in this process."""
    with tempfile.TemporaryDirectory() as directory:
        journal = Path(directory, "run.db") if kind in ("journal", "families") else None
        async with Instant(Credentials(1, "a", "t"), group_id=1) as users:
            before, wall, cpu = peak(), time.perf_counter(), time.process_time()
            runner = BatchRunner(users, concurrency=64)
            async with runner.stream(rows(count, kind), journal=journal) as outcomes:
                async for _ in outcomes:
                    pass
            used = time.perf_counter() - wall, time.process_time() - cpu
    assert runner.report.succeeded == count
    return f"{peak() - before:8.1f} {used[0] / count * 1e6:11.1f} {used[1] / count * 1e6:9.1f}"


async def keys(count: int, references: str, window: int | None) -> float:
    """Microseconds of CPU for each of so many keys."""
    known, chosen = Keys[object](window), random.Random(1)
    began = time.process_time()
    for number in range(count):
        await known.find([f"row {number}"])
        known.begin(f"row {number}", known)
        earlier = number - count // 2
        if references != "none" and earlier >= 0:
            if references == "at random":
                earlier = chosen.randrange(count // 2)
            assert await known.find([f"row {earlier}"]) == {f"row {earlier}": earlier + 1}
        known.end(f"row {number}", number + 1)
    used = time.process_time() - began
    known.close()
    return used / count * 1e6


def main() -> None:
    """Prints the tables, or one line of the first."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--most", type=int, default=SIZES[-1])
    parser.add_argument("--only", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.only:
        print(asyncio.run(stream(int(options.only[0]), options.only[1])))
        return
    print(f"{'rows':>10} {'input':>9} {'MiB':>8} {'us of clock':>11} {'us of CPU':>9}")
    for kind in INPUTS:
        for size in (size for size in SIZES if size <= options.most):
            command = [sys.executable, "-m", "benchmarks.memory", "--only", str(size), kind]
            line = subprocess.run(command, check=True, capture_output=True, text=True).stdout  # noqa: S603 (this very module)
            print(f"{size:>10,} {kind:>9} {line.rstrip()}", flush=True)
    print(f"\n{'keys':>10} {'references':>10} {'us in memory':>12} {'us with a journal':>17}")
    for references in REFERENCES:
        in_memory, on_disk = (
            asyncio.run(keys(options.most, references, window)) for window in (None, WINDOW)
        )
        print(f"{options.most:>10,} {references:>10} {in_memory:>12.1f} {on_disk:>17.1f}", flush=True)


if __name__ == "__main__":
    main()
