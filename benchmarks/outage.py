"""How much load a server in trouble sees: ``python -m benchmarks.outage``.

A server that fails every request meets a stream of calls. The table gives requests per call while the retry
budget lasts and after it is spent, beside what the same policy would send without a budget.
"""

from __future__ import annotations

import argparse
import asyncio

from usersapi_async import Credentials, RetryPolicy, UsersApiError, UsersSession
from usersapi_async.emulator import Emulator, Faults, emulator_in_thread


async def load(emulator: Emulator, calls: int, policy: RetryPolicy) -> list[float]:
    """Requests per call in each tenth of the calls."""
    shares = []
    async with UsersSession(
        Credentials(**emulator.credentials),
        group_id=emulator.group_id,
        base_url=emulator.base_url,
        concurrency=32,
        retry=policy,
    ) as users:

        async def call() -> None:
            try:
                await users.get_info(1)
            except UsersApiError:
                return

        for _ in range(10):
            before = emulator.received.total()
            for _ in range(calls // 10 // 50):
                await asyncio.gather(*(call() for _ in range(50)))
            shares.append((emulator.received.total() - before) / (calls // 10 // 50 * 50))
    return shares


def main() -> None:
    """Prints requests per call, with the budget and without."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, default=5000)
    options = parser.parse_args()
    policies = {
        "default budget": RetryPolicy(base=0.001),
        "no budget": RetryPolicy(base=0.001, budget_burst=1e9),
    }
    print(f"{options.calls} reads, every request fails with 500; requests per call in each tenth")
    for name, policy in policies.items():
        with emulator_in_thread(faults=Faults(error=1)) as emulator:
            shares = asyncio.run(load(emulator, options.calls, policy))
        print(f"{name:<15} " + " ".join(f"{share:.2f}" for share in shares))


if __name__ == "__main__":
    main()
