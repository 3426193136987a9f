"""httpx, as its documentation advises: one client."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx

from .burst import Burst, Place, by_workers
from .plain import HEADERS, body_of, new_id, timestamp


@asynccontextmanager
async def by_httpx(place: Place) -> AsyncIterator[Burst]:
    """Workers over one ``httpx.AsyncClient``."""
    limits = httpx.Limits(max_connections=place.connections, max_keepalive_connections=place.connections)
    async with httpx.AsyncClient(limits=limits, headers=HEADERS, timeout=60) as client:

        async def call(number: int) -> int:
            response = await client.post(place.url, json=body_of(number), headers=timestamp())
            return new_id(response.status_code, response.json())

        yield by_workers(call, place.connections)
