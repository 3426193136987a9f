"""What the emulator's tests share: calls without a socket, and calls over one."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

from usersapi_async.emulator.actions import perform
from usersapi_async.emulator.arguments import RefusalError
from usersapi_async.emulator.catalogue import GROUP_ID
from usersapi_async.emulator.state import Organisation

if TYPE_CHECKING:
    import aiohttp

    from usersapi_async.emulator import Emulator


class Desk:
    """An organisation, and the calls that it answers; everything without I/O."""

    def __init__(self, seed: int = 0) -> None:
        self.organisation = Organisation(seed)
        self.users = self.organisation.people

    def call(self, action: object, *, group_id: object = GROUP_ID, **body: object) -> dict[str, Any]:
        return perform(self.organisation, {"action": action, "group_id": group_id, **body})

    def refused(self, action: object, **body: Any) -> str:
        """The message of a call that must be refused."""
        try:
            answer = self.call(action, **body)
        except RefusalError as refusal:
            return refusal.msg
        raise AssertionError(f"not refused: {answer}")

    def new(self, action: str = "create", **body: object) -> int:
        """The clogin_id of somebody who is registered by this call."""
        return int(self.call(action, **body)["user_info"]["clogin_id"])


def headers_for(emulator: Emulator) -> dict[str, str]:
    return {
        "Api-id": str(emulator.credentials["api_id"]),
        "Api-user": emulator.credentials["api_user"],
        "Api-token": emulator.credentials["api_token"],
        "Timestamp": str(int(time.time())),
        "Content-Type": "application/json",
    }


class Reply:
    def __init__(self, response: aiohttp.ClientResponse, raw: bytes) -> None:
        self.status = response.status
        self.headers = response.headers
        self.raw = raw

    def json(self) -> Any:
        return json.loads(self.raw)


async def post(
    emulator: Emulator,
    session: aiohttp.ClientSession,
    body: object,
    *,
    headers: dict[str, str] | None = None,
    without: str = "",
) -> Reply:
    """Posts `body`, as it is if it is bytes; `headers` change the usual ones, `without` leaves one out."""
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    sent = {**headers_for(emulator), **(headers or {})}
    sent.pop(without, None)
    async with session.post(emulator.base_url, data=data, headers=sent) as response:
        return Reply(response, await response.read())


async def create(emulator: Emulator, session: aiohttp.ClientSession) -> Reply:
    return await post(emulator, session, {"action": "create", "group_id": emulator.group_id})
