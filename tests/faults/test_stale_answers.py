"""Answers that come twice, or before their time: they must not be taken for another request's."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.servers import Connection, answer, raw_server
from tests.test_session import on
from usersapi_async import Delivery, OutcomeUnknown, UsersApiError

if TYPE_CHECKING:
    from tests.servers import Handler


pytestmark = pytest.mark.usefixtures("any_transport")


class Doubling:
    """A server that registers people, and sends its answer to the first request a second time.

    The second one comes together with the first, or after the request that follows it on the same connection,
    ahead of that one's own answer.
    """

    def __init__(self, first: dict[str, Any], *, status: str = "200 OK", late: bool) -> None:
        self._first = answer(first, status=status)
        self._late = late
        self._requests = 0
        self.executed: list[str] = []

    async def __call__(self, connection: Connection) -> None:
        """Serves one connection."""
        owed = b""
        while request := await connection.request():
            self._requests += 1
            body = json.loads(request.partition(b"\r\n\r\n")[2])
            own = self._first if self._requests == 1 else self._register(body)
            twice = self._requests == 1
            await connection.send(owed + own + (own if twice and not self._late else b""))
            owed = own if twice and self._late else b""

    def _register(self, body: dict[str, Any]) -> bytes:
        if body["action"] != "create":
            return answer({"success": True, "user_info": {"clogin_id": body["clogin_id"]}})
        self.executed.append(body["doc"]["main_email"])
        return answer({"success": True, "user_info": {"clogin_id": 900 + len(self.executed)}})


FIRST: dict[str, tuple[dict[str, Any], str]] = {
    "a read of somebody": ({"success": True, "user_info": {"clogin_id": 5}}, "200 OK"),
    "429": ({"success": False}, "429 Too Many Requests"),
    "404": ({"success": False}, "404 Not Found"),
    "success false": ({"success": False, "msg": "no"}, "200 OK"),
    "success that names nobody": ({"success": True}, "200 OK"),
}


@pytest.mark.parametrize("late", [False, True])
@pytest.mark.parametrize("name", FIRST)
async def test_an_answer_that_comes_twice(name: str, late: bool) -> None:
    """No create is sent twice, none that was carried out counts as refused, and nobody gets another's id."""
    body, status = FIRST[name]
    service = Doubling(body, status=status, late=late)
    handler: Handler = service
    async with raw_server(handler) as server, on(server.url) as users:
        try:
            await users.get_info(5)
        except UsersApiError as error:
            assert error.delivery is not Delivery.UNKNOWN
        for number in range(1, 5):
            email = f"{number}@example.org"
            try:
                created = await users.create({"main_email": email})
            except OutcomeUnknown:
                continue
            assert service.executed[created.clogin_id - 901] == email
    assert len(service.executed) == len(set(service.executed))


async def test_an_answer_before_any_request() -> None:
    """A server that greets with an answer registers nobody by that."""

    async def greeting(connection: Connection) -> None:
        await connection.send(answer({"success": True, "user_info": {"clogin_id": 77}}))
        await asyncio.sleep(0)
        await connection.gone()

    async with raw_server(greeting) as server, on(server.url) as users:
        try:
            await users.create({"main_email": "a@example.org"})
        except UsersApiError:
            return
    assert server.connections == 1
