"""What a stream of a million rows keeps in memory: ``python -m benchmarks.memory``.

Each size runs in a process of its own, against a session that answers at once, so that what is measured is
the batch runner's own. The table gives the peak of the process above what it was before the first row, and
the time for each row.
"""

from __future__ import annotations

import argparse
import asyncio
import resource
import subprocess
import sys
import time
from collections.abc import Iterator

from usersapi_async import BatchRunner, Create, CreateResponse, Credentials, UserInfo, UsersSession
from usersapi_async._call import Call

SIZES = (1_000, 10_000, 100_000, 1_000_000)


class Instant(UsersSession):
    """A session whose every step is a success, without a server."""

    async def step(self, call: Call) -> CreateResponse:
        """A new user."""
        await asyncio.sleep(0)
        call.succeed()
        return CreateResponse(user_info=UserInfo(clogin_id=call.number))


def peak() -> float:
    """The most memory that this process had by now, in MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def rows(count: int, *, keys: bool) -> Iterator[object]:
    """People, made as they are asked for."""
    for number in range(count):
        payload = Create(doc={"first_name": "Nina", "main_email": f"nina{number}@example.org"})
        yield (f"row {number}", payload) if keys else payload


async def stream(count: int, *, keys: bool) -> str:
    """Runs one batch in this process."""
    async with Instant(Credentials(1, "a", "t"), group_id=1) as users:
        before, began = peak(), time.perf_counter()
        async with BatchRunner(users, concurrency=64).stream(rows(count, keys=keys)) as outcomes:
            seen = 0
            async for _ in outcomes:
                seen += 1
        elapsed = time.perf_counter() - began
    assert seen == count
    return f"{peak() - before:.1f} {elapsed / count * 1e6:.1f}"


def main() -> None:
    """Prints the table, or one line of it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--most", type=int, default=SIZES[-1])
    parser.add_argument("--only", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--keys", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.only:
        print(asyncio.run(stream(options.only, keys=options.keys)))
        return
    print(f"{'rows':>10} {'keys':>5} {'MiB':>8} {'us a row':>9}")
    for keys in (False, True):
        for size in (size for size in SIZES if size <= options.most):
            command = [sys.executable, "-m", "benchmarks.memory", "--only", str(size)]
            command += ["--keys"] if keys else []
            line = subprocess.run(command, check=True, capture_output=True, text=True).stdout  # noqa: S603 (this very module)
            grown, each = line.split()
            print(f"{size:>10,} {'yes' if keys else 'no':>5} {grown:>8} {each:>9}")


if __name__ == "__main__":
    main()
