"""The yardstick: creates by aiohttp alone, as a careful user would write them. Frozen.

All other subjects are given as ratios to this one, so a change here makes every committed figure worthless;
the comparison refuses a baseline that was measured by another version of this file.

Why it is fair. It does what aiohttp's documentation advises: one session for all calls, a connector with as
many connections as there are workers, what never changes (the account's headers) set once on the session,
``json=`` and ``response.json()``, and a timeout. It does what the service asks for: the documented body,
built for each call, ``Accept``, and a ``Timestamp`` of the moment of sending. It checks what must be checked
for the answer to mean anything, the status and ``success``, and gives back the new id, which is what one
creates somebody for.

It does nothing that only a library has reason to do: no validation, no types, no limit beyond the
connector's, no retries, no judgement of what became of a request that failed. Nor does it leave out for speed
what a user would not think of leaving out: cookies are handled, redirects followed, and answers decoded by
the charset that they name.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp

from benchmarks.service import API_ID, API_TOKEN, API_USER, GROUP_ID, person

from .burst import Burst, Place, by_workers


class CreateError(Exception):
    """The service did not create somebody."""


async def create(session: aiohttp.ClientSession, url: str, doc: dict[str, str]) -> int:
    """Creates somebody and returns the new id."""
    body = {"action": "create", "group_id": GROUP_ID, "doc": doc, "disable_email_sending": True}
    async with session.post(url, json=body, headers={"Timestamp": str(int(time.time()))}) as response:
        if response.status != 200:
            raise CreateError(f"HTTP {response.status}")
        answer = await response.json()
    if answer.get("success") is not True:
        raise CreateError(answer.get("msg"))
    return int(answer["user_info"]["clogin_id"])


@asynccontextmanager
async def bare_aiohttp(place: Place) -> AsyncIterator[Burst]:
    """Workers over one session."""
    async with aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=place.connections),
        timeout=aiohttp.ClientTimeout(total=60),
        headers={
            "Accept": "application/json",
            "Api-id": str(API_ID),
            "Api-user": API_USER,
            "Api-token": API_TOKEN,
        },
    ) as session:

        async def call(number: int) -> int:
            return await create(session, place.url, person(number))

        yield by_workers(call, place.connections)
