"""What all tests may use: an emulator of the service, and an open session on it."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, get_args

import pytest
from hypothesis import settings

from usersapi_async import Credentials, RetryPolicy, UsersSession
from usersapi_async._attempts import TransportName
from usersapi_async.emulator import running_emulator

from .transports import DEFAULTS

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from usersapi_async.emulator import Emulator

# The same examples in every run, and none left behind on disk.
settings.register_profile("repeatable", derandomize=True, database=None, deadline=None)
settings.load_profile("repeatable")


@pytest.fixture(params=get_args(TransportName))
def any_transport(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Has a test run over each transport, as the one that sessions take unless they are told."""
    monkeypatch.setitem(DEFAULTS, "transport", request.param)


@pytest.fixture
async def emulator() -> AsyncIterator[Emulator]:
    """The service, freshly started."""
    async with running_emulator() as running:
        yield running


@pytest.fixture
async def users(emulator: Emulator) -> AsyncIterator[UsersSession]:
    """A session that is open on the emulator's group and retries without a wait."""
    session = UsersSession(
        Credentials(**emulator.credentials),
        group_id=emulator.group_id,
        base_url=emulator.base_url,
        retry=RetryPolicy(base=0, settle=0),
        rng=random.Random(0),
    )
    async with session:
        yield session
