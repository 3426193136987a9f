"""niquests, as its documentation advises: one session."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import niquests

from .burst import Burst, Place, by_workers
from .plain import HEADERS, body_of, new_id, timestamp


@asynccontextmanager
async def by_niquests(place: Place) -> AsyncIterator[Burst]:
    """Workers over one ``niquests.AsyncSession``."""
    async with niquests.AsyncSession(pool_connections=1, pool_maxsize=place.connections) as session:
        session.headers.update(HEADERS)

        async def call(number: int) -> int:
            response = await session.post(place.url, json=body_of(number), headers=timestamp(), timeout=60)
            return new_id(response.status_code, response.json())

        yield by_workers(call, place.connections)
