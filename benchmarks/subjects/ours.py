"""This library: single calls, and batches with what can be added to them."""

from __future__ import annotations

import itertools
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Literal

from benchmarks.service import API_ID, API_TOKEN, API_USER, GROUP_ID, person
from usersapi_async import BatchRunner, Create, Credentials, RateLimit, Succeeded, UsersSession

from .burst import Burst, Place, Subject, by_workers

# So high that nobody waits for it: what is measured is its keeping.
_RATE = RateLimit(1_000_000)


def session(
    place: Place,
    *,
    rate: RateLimit | None = None,
    found: bool = False,
    transport: Literal["aiohttp", "httptools"] = "aiohttp",
) -> UsersSession:
    """A session with so many connections; `found` leaves it to the limiter how many are used."""
    return UsersSession(
        Credentials(API_ID, API_USER, API_TOKEN),
        group_id=GROUP_ID,
        base_url=place.url,
        rate=rate,
        concurrency="auto" if found else place.connections,
        transport=transport,
    )


def rows(numbers: range, *, keys: bool = False) -> Iterator[object]:
    """Payloads, with or without keys, made as they are asked for."""
    for number in numbers:
        payload = Create(doc=person(number), disable_email_sending=True)
        yield (f"row {number}", payload) if keys else payload


def _single(**options: Any) -> Subject:
    """Coroutines that call `UsersSession.create`; the options are those of `session`."""

    @asynccontextmanager
    async def subject(place: Place) -> AsyncIterator[Burst]:
        async with session(place, **options) as users:

            async def call(number: int) -> object:
                return await users.create(person(number), disable_email_sending=True)

            yield by_workers(call, place.connections)

    return subject


def _batch(*, journal: bool = False, **options: Any) -> Subject:
    """`BatchRunner.stream`; with a journal each burst has a file of its own. The options are those of
    `session`."""

    @asynccontextmanager
    async def subject(place: Place) -> AsyncIterator[Burst]:
        with tempfile.TemporaryDirectory() as directory:
            files = (Path(directory, f"{number}.db") for number in itertools.count())
            async with session(place, **options) as users:
                runner = BatchRunner(users)

                async def burst(numbers: range) -> list[float]:
                    latencies = []
                    file = next(files) if journal else None
                    async with runner.stream(rows(numbers, keys=journal), journal=file) as outcomes:
                        async for outcome in outcomes:
                            assert isinstance(outcome, Succeeded), outcome
                            latencies.append(outcome.elapsed)
                    return latencies

                yield burst

    return subject


single = _single()
single_rate = _single(rate=_RATE)
single_found = _single(found=True)
single_httptools = _single(transport="httptools")
batch = _batch()
batch_rate = _batch(rate=_RATE)
batch_httptools = _batch(transport="httptools")
batch_journal = _batch(journal=True)
batch_journal_rate = _batch(journal=True, rate=_RATE)
