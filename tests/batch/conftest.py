"""A session whose first request the test itself lets go, and a place for a journal."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from usersapi_async import Credentials, RetryPolicy, UsersSession

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from usersapi_async.emulator import Emulator


class Gate:
    """Stands before the first request; every other one passes."""

    def __init__(self, emulator: Emulator) -> None:
        self._credentials = Credentials(**emulator.credentials)
        self._open = asyncio.Event()
        self._asked = 0

    def open(self) -> None:
        self._open.set()

    async def credentials(self) -> Credentials:
        self._asked += 1
        if self._asked == 1:
            await self._open.wait()
        return self._credentials


@pytest.fixture
async def gate(emulator: Emulator) -> Gate:
    return Gate(emulator)


@pytest.fixture
async def gated(emulator: Emulator, gate: Gate) -> AsyncIterator[UsersSession]:
    session = UsersSession(
        gate.credentials,
        group_id=emulator.group_id,
        base_url=emulator.base_url,
        retry=RetryPolicy(base=0),
    )
    async with session:
        yield session


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where a journal may be."""
    return tmp_path / "run.db"
