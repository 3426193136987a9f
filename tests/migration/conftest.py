"""What the tests of migrations share."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from .support import Sides

if TYPE_CHECKING:
    from pathlib import Path

    from usersapi_async import UsersSession
    from usersapi_async.emulator import Emulator


@pytest.fixture
def sides(emulator: Emulator, users: UsersSession, tmp_path: Path) -> Sides:
    """Two groups without anybody."""
    return Sides(emulator, users, tmp_path)
