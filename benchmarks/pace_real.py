"""The pace over real sockets: batches of reads against emulators of known capacity, in a process of their
own.

Reads, since what is refused can then be sent again; a batch runs until its deadline, warm-up included. Rows
that succeed are counted for ours and for fixed concurrencies; each runs twice in turns, and the better run
counts, as this machine may be at something else.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Sequence
from typing import Literal

from usersapi_async import BatchRunner, GetUserList, UsersSession
from usersapi_async.cli.emulator_process import EmulatorPlace, emulator_process

_SETTINGS: Sequence[int | Literal["auto"]] = ("auto", 4, 16, 64)
_SERVERS = {
    "8 workers of 100 ms, 24 wait": ["--latency=0.1", "--workers=8", "--queue=24"],
    "20 workers of 100 ms, 40 wait": ["--latency=0.1", "--workers=20", "--queue=40"],
    "60/s, burst 20, 50 ms": ["--latency=0.05", "--rate=60", "--burst=20"],
    "no limit, 100 ms": ["--latency=0.1"],
}


async def goodput(place: EmulatorPlace, concurrency: int | Literal["auto"], seconds: float) -> float:
    """Successes a second."""
    async with UsersSession(
        place.credentials, group_id=place.group_id, base_url=place.base_url, concurrency=concurrency
    ) as users:
        rows = (GetUserList() for _ in itertools.count())
        runner = BatchRunner(users, keep=lambda _outcome: False)
        report = await runner.run(rows, deadline=seconds)
    return report.succeeded / seconds


def main(seconds: float, rounds: int) -> None:
    """Prints the table."""
    print(
        f"{'successes a second':<32}" + "".join(f"{setting!s:>9}" for setting in _SETTINGS) + "   best fixed"
    )
    for name, options in _SERVERS.items():
        found = dict.fromkeys(_SETTINGS, 0.0)
        for _, setting in itertools.product(range(rounds), _SETTINGS):
            with emulator_process(options) as place:
                found[setting] = max(found[setting], asyncio.run(goodput(place, setting, seconds)))
        best = max(found[setting] for setting in _SETTINGS[1:])
        print(
            f"{name:<32}" + "".join(f"{found[setting]:>9.1f}" for setting in _SETTINGS),
            f"  {found['auto'] / best - 1:+.1%}",
            flush=True,
        )
