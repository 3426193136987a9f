"""What a subject is: many creates, as many at once as there are connections."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from typing import TypeAlias

import attrs


@attrs.frozen
class Place:
    """Where the server is, and how many connections a subject may have."""

    url: str
    connections: int


Burst: TypeAlias = Callable[[range], Awaitable[list[float]]]
"""Creates the people of these numbers; gives back the seconds that each took."""

Subject: TypeAlias = Callable[[Place], AbstractAsyncContextManager[Burst]]


def by_workers(call: Callable[[int], Awaitable[object]], workers: int) -> Burst:
    """Coroutines that take the next number as soon as they are done with one."""

    async def burst(numbers: range) -> list[float]:
        left = iter(numbers)
        latencies: list[float] = []

        async def work() -> None:
            for number in left:
                began = time.perf_counter()
                await call(number)
                latencies.append(time.perf_counter() - began)

        async with asyncio.TaskGroup() as group:
            for _ in range(workers):
                group.create_task(work())
        return latencies

    return burst
