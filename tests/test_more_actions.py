"""What is built on the nine actions: custom ones, the check of an account, the search for a person."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from usersapi_async import (
    ActionRejected,
    AuthenticationError,
    Credentials,
    Custom,
    PayloadError,
    Response,
    UsersSession,
)

from .servers import bodies
from .test_session import session

if TYPE_CHECKING:
    from usersapi_async.emulator import Emulator


async def test_custom(emulator: Emulator, users: UsersSession) -> None:
    """An action of one's own goes out as it is and gets a plain response."""
    clogin_id = (await users.create()).clogin_id
    answer = await users.send(
        Custom(action="login", extra={"clogin_id": clogin_id, "doc": {}}, repeatable=True)
    )
    assert type(answer) is Response
    assert emulator.use_token(str(answer.extra["user_token"])) == clogin_id
    with pytest.raises(ActionRejected, match="There is no action"):
        await users.send(Custom(action="delete"))


async def test_extra_arguments(emulator: Emulator, users: UsersSession) -> None:
    """Undocumented arguments of a known action go along."""
    await users.send(Custom(action="create", extra={"new": [1], "doc": {"first_name": "Nina"}}))
    assert bodies(emulator)[-1]["new"] == [1]


async def test_check(emulator: Emulator, users: UsersSession) -> None:
    """Good credentials and a good group give the first page; bad ones raise."""
    clogin_id = (await users.create()).clogin_id
    assert [user.clogin_id for user in (await users.check()).everyone] == [clogin_id]
    wrong = Credentials(1, "somebody@example.org", "00000000-0000-4000-8000-000000000000")
    async with session(emulator, wrong) as strangers:
        with pytest.raises(AuthenticationError) as caught:
            await strangers.check()
    assert "somebody" not in str(caught.value)


async def test_faults_are_found_before_sending(emulator: Emulator, users: UsersSession) -> None:
    """Arguments that can't be right never reach the service."""
    calls = [
        users.create([]),  # type: ignore[arg-type]
        users.create_child(0),
        users.login(True),
        users.update(1, {"_status": 1}),
        users.add_product(1, []),
        users.add_email(1, "mail"),  # type: ignore[arg-type]
        users.get_info(1, "first_name"),
        users.set_status(1, -1),
        users.get_user_list(starting_position=-1),
    ]
    for call in calls:
        with pytest.raises(PayloadError):
            await call
    with pytest.raises(PayloadError):
        users.iter_users(starting_position=-1)
    assert emulator.connections == 0


async def test_find_user(emulator: Emulator, users: UsersSession) -> None:
    """Somebody is found by username or main email, whatever the case, the excluded too."""
    nina = (await users.create({"username": "Nina", "main_email": "n@example.org"})).clogin_id
    lisa = (await users.create({"main_email": "N@Example.org", "username": "lisa"})).clogin_id
    await users.set_status(lisa, 8103)
    assert [user.clogin_id for user in await users.find_user(username=" nina ")] == [nina]
    assert [user.clogin_id for user in await users.find_user(main_email="n@EXAMPLE.org")] == [nina, lisa]
    assert await users.find_user(username="nobody") == ()
    faults = {
        "must not be blank @ $.username": {"username": ""},
        "invalid type, expected str, got int @ $.main_email": {"main_email": 5},
        "required: username or main_email @ $": {},
    }
    for fault, sought in faults.items():
        with pytest.raises(PayloadError) as caught:
            await users.find_user(**sought)  # type: ignore[arg-type]  # wrong on purpose
        assert caught.value.faults == (fault,)
