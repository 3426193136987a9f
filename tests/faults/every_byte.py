"""A service that cuts the connection after any number of bytes of a request or of its answer."""

from __future__ import annotations

import json
from collections import Counter
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Literal

import attrs

from tests.servers import Connection, RawServer, answer, raw_server

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

GROUP = 100909072
Side = Literal["request", "answer"]


@attrs.frozen
class Cut:
    """Where the next connection breaks: after so many bytes of one side, politely or by a reset."""

    side: Side
    after: int
    reset: bool


class CuttingService:
    """Carries out creates and reads; ``cut`` meets the next connection only."""

    def __init__(self) -> None:
        self.cut: Cut | None = None
        self.executed: Counter[str] = Counter()
        """How often each person was created, by first name."""
        self.server: RawServer | None = None

    @property
    def url(self) -> str:
        """The base URL for a session."""
        assert self.server is not None
        return self.server.url

    async def handle(self, connection: Connection) -> None:
        """Serves one request; each has a connection of its own, so that a cut meets the very next call."""
        cut, self.cut = self.cut, None
        if cut is not None and cut.side == "request":
            await connection.read_exactly(cut.after)
            await connection.end(reset=cut.reset)
            return
        reply = self._carry_out(await connection.request())
        await connection.send(reply if cut is None else reply[: cut.after])
        if cut is not None:
            await connection.end(reset=cut.reset)

    def _carry_out(self, request: bytes) -> bytes:
        body = json.loads(request.partition(b"\r\n\r\n")[2])
        clogin_id = body.get("clogin_id") or 1000 + self.executed.total()
        if body["action"] == "create":
            self.executed[body["doc"]["first_name"]] += 1
        return answer(
            {
                "success": True,
                "msg": "Done.",
                "user_info": {
                    "clogin_id": str(clogin_id),
                    "group_id": str(GROUP),
                    "connected_to": str(clogin_id),
                },
                "meta_info": {"total_forms": "2", "total_balance": "0.00"},
            },
            "Connection: close",
        )


@asynccontextmanager
async def cutting_service() -> AsyncIterator[CuttingService]:
    """The service on a real socket."""
    service = CuttingService()
    async with raw_server(service.handle) as server:
        service.server = server
        yield service
