"""By how much calls overrun their whole-call deadline: ``python -m benchmarks.deadlines``.

Many calls at once meet a server that keeps them waiting in one way or another; the table gives the worst
overrun in milliseconds beside the worst lag of the event loop in the same run, since no call can end sooner
than the loop lets it.
"""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import Callable

from usersapi_async import (
    Credentials,
    OutcomeUnknown,
    RateLimit,
    RetryPolicy,
    Timeout,
    UsersApiError,
    UsersSession,
)
from usersapi_async.emulator import Emulator, Faults, emulator_in_thread

CASES: dict[str, tuple[Faults, RateLimit | None]] = {
    "never answers": (Faults(slow=1, slow_seconds=60), None),
    "always 429, pause of 30 s": (Faults(rate_limited=1, retry_after="30"), None),
    "always 429, no pause named": (Faults(rate_limited=1), None),
    "drops every connection": (Faults(drop_before=1), None),
    "a rate of 1 a second": (Faults(), RateLimit(1)),
}


async def overruns(
    emulator: Emulator, rate: RateLimit | None, calls: int, total: float
) -> tuple[float, float]:
    """The worst overrun and the worst lag of the loop, in seconds."""
    loop = asyncio.get_running_loop()
    worst = lag = 0.0

    async def watch_loop() -> None:
        nonlocal lag
        while True:
            began = loop.time()
            await asyncio.sleep(0.001)
            lag = max(lag, loop.time() - began - 0.001)

    async def call(make: Callable[[], object]) -> None:
        nonlocal worst
        began = loop.time()
        try:
            await make()  # type: ignore[misc]
        except (OutcomeUnknown, UsersApiError):
            worst = max(worst, loop.time() - began - total)

    async with UsersSession(
        Credentials(**emulator.credentials),
        group_id=emulator.group_id,
        base_url=emulator.base_url,
        rate=rate,
        concurrency=100,
        timeout=Timeout(total=total),
        retry=RetryPolicy(attempts=1000, base=0.05, cap=0.2, budget_burst=1e6),
    ) as users:
        watcher = asyncio.ensure_future(watch_loop())
        reads = (call(lambda: users.get_info(1)) for _ in range(calls // 2))
        creates = (call(users.create) for _ in range(calls // 2))
        await asyncio.gather(*reads, *creates)
        watcher.cancel()
    return worst, lag


def main() -> None:
    """Runs every case and prints the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, default=200)
    parser.add_argument("--total", type=float, default=1.0, help="the deadline, in seconds")
    options = parser.parse_args()
    print(f"{options.calls} calls at once, deadline {options.total:g} s")
    print(f"{'server':<30} {'worst overrun':>14} {'worst loop lag':>15}")
    for name, (faults, rate) in CASES.items():
        with emulator_in_thread(faults=faults) as emulator:
            worst, lag = asyncio.run(overruns(emulator, rate, options.calls, options.total))
        print(f"{name:<30} {1000 * worst:>11.1f} ms {1000 * lag:>12.1f} ms")


if __name__ == "__main__":
    main()
