"""A service for commands that run in this process."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from usersapi_async import Credentials, UsersSession

from .migrations import Place

if TYPE_CHECKING:
    from pathlib import Path

    from usersapi_async.emulator import Emulator


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty directory to work in."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def service(usersapi_emulator: Emulator, here: Path, monkeypatch: pytest.MonkeyPatch) -> Emulator:
    """An emulator on a real socket, in the environment of the commands."""
    access = usersapi_emulator.credentials
    monkeypatch.setenv("USERSAPI_ID", str(access["api_id"]))
    monkeypatch.setenv("USERSAPI_USER", access["api_user"])
    monkeypatch.setenv("USERSAPI_TOKEN", access["api_token"])
    monkeypatch.setenv("USERSAPI_GROUP", str(usersapi_emulator.group_id))
    monkeypatch.setenv("USERSAPI_BASE_URL", usersapi_emulator.base_url)
    return usersapi_emulator


@pytest.fixture
async def place(service: Emulator, here: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    """Three families in one group of the service, and nobody in the other."""
    # A migration works on the groups that its options name.
    monkeypatch.delenv("USERSAPI_GROUP")
    async with UsersSession(
        Credentials(**service.credentials), group_id=service.group_id, base_url=service.base_url
    ) as users:
        for number in range(3):
            doc = {"first_name": f"P{number}", "phone": "1"}
            parent = await users.create(doc, disable_email_sending=True)
            await users.create_child(
                parent.clogin_id, {"first_name": f"C{number}"}, disable_email_sending=True
            )
    return Place(service, here)
