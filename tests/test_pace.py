"""The pace that was found, handed to the next run."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import attrs
import pytest

from usersapi_async import ConfigurationError, Limiter, Pace
from usersapi_async._concurrency import Signal

from .clocks import ManualClock
from .test_session import session

if TYPE_CHECKING:
    from usersapi_async.emulator import Emulator


async def test_a_pace_is_handed_on(emulator: Emulator) -> None:
    """What one session found is where the next one starts, also by way of a file, and goes on finding."""
    clock = ManualClock()
    limiter = Limiter(clock=clock)
    assert limiter.pace == Pace(limit=limiter.limit)
    for _ in range(20):
        for _ in range(limiter.limit):
            await limiter.acquire_slot()
        began, clock.time = clock.time, clock.time + 0.1
        for _ in range(limiter.limit):
            limiter.observe(began, 0.1, Signal.SUCCESS)
        for _ in range(limiter.in_flight):
            limiter.release_slot()
    assert limiter.limit > 20
    text = json.dumps(attrs.asdict(limiter.pace))
    async with session(emulator, concurrency=Pace(**json.loads(text))) as users:
        assert users.limiter.limit == limiter.limit
        assert users.limiter.most == 100
        await users.create()


def test_a_number_is_no_pace() -> None:
    """A limit that is given stays as it is; its pace says the same."""
    limiter = Limiter(None, 7)
    assert (limiter.most, limiter.pace) == (7, Pace(limit=7))


async def test_a_rate_is_handed_on() -> None:
    """A rate that the server was found to bound is kept from the beginning on, whatever the limit."""
    limiter = Limiter(concurrency=Pace(limit=40, rate=12.5), clock=ManualClock())
    assert (limiter.limit, limiter.rate, limiter.pace) == (40, 12.5, Pace(limit=40, rate=12.5))
    with pytest.raises(ConfigurationError, match=r"^rate: expected a positive number"):
        Pace(limit=4, rate=0)


@pytest.mark.parametrize("limit", [0, -1, 2.5, True, None, "20"])
def test_what_is_no_pace(limit: Any) -> None:
    """What can't be right names its argument."""
    with pytest.raises(ConfigurationError, match=r"^limit: expected an int of 1 or more"):
        Pace(limit=limit)
