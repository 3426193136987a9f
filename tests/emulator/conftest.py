from __future__ import annotations

from typing import TYPE_CHECKING

import aiohttp
import pytest

from usersapi_async.emulator import running_emulator

from .support import Desk

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from usersapi_async.emulator import Emulator


@pytest.fixture
def desk() -> Desk:
    return Desk()


@pytest.fixture
async def emulator() -> AsyncIterator[Emulator]:
    async with running_emulator() as running:
        yield running


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as opened:
        yield opened
