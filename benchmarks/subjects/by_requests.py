"""requests, which blocks: one call after the other, or on threads."""

from __future__ import annotations

import threading
import time
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager

import requests

from .burst import Burst, Place
from .plain import HEADERS, body_of, new_id, timestamp


def _create(session: requests.Session, url: str, number: int) -> float:
    """Creates somebody and returns the seconds that it took."""
    began = time.perf_counter()
    response = session.post(url, json=body_of(number), headers=timestamp(), timeout=60)
    new_id(response.status_code, response.json())
    return time.perf_counter() - began


@asynccontextmanager
async def in_a_loop(place: Place) -> AsyncIterator[Burst]:
    """One ``requests.Session``, one call after the other, however many connections there might be."""
    with requests.Session() as session:
        session.headers.update(HEADERS)

        async def burst(numbers: range) -> list[float]:
            return [_create(session, place.url, number) for number in numbers]

        yield burst


@asynccontextmanager
async def on_threads(place: Place) -> AsyncIterator[Burst]:
    """As many threads as connections, each with a ``requests.Session`` of its own."""
    local = threading.local()

    def begin() -> None:
        local.session = requests.Session()
        local.session.headers.update(HEADERS)

    with ThreadPoolExecutor(place.connections, initializer=begin) as pool:

        async def burst(numbers: range) -> list[float]:
            return list(pool.map(lambda number: _create(local.session, place.url, number), numbers))

        yield burst
