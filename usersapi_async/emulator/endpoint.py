"""One HTTP request to the emulator, from its arrival to its answer, spoiled or not."""

from __future__ import annotations

import asyncio
import contextlib
import json
from typing import TYPE_CHECKING, Final, NoReturn

from aiohttp import web

from .actions import ACTIONS, check_access, perform
from .arguments import JsonObject, RefusalError
from .capacity import Capacity, TokenBucket
from .emulator import Emulator, ReceivedRequest
from .faults import Fault
from .views import refusal

if TYPE_CHECKING:
    from collections.abc import Callable

    from .state import Organisation

USERS_PATH: Final = "/reg/api2/users/"
STATE_PATH: Final = "/_emulator/state"
_PAGE: Final = "<!DOCTYPE html>\n<html><head><title>{0}</title></head><body><h1>{0}</h1></body></html>\n"


class Endpoint:
    """Answers the requests of all connections; `clock` gives Unix time."""

    def __init__(
        self,
        emulator: Emulator,
        organisation: Organisation,
        *,
        latency: float,
        capacity: Capacity,
        clock: Callable[[], float],
    ) -> None:
        self._emulator = emulator
        self._organisation = organisation
        self._latency = latency
        self._over_rate = Fault.rate_limited(capacity.retry_after)
        self._full = Fault.unavailable(capacity.retry_after)
        self._bucket = TokenBucket(capacity)
        self._places = capacity.places
        self._taken = 0
        self._desks = capacity.desks()
        self._now = clock

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        if request.path == STATE_PATH and request.method == "GET":
            return _json(200, _encode(self._emulator.summary()))
        if request.path != USERS_PATH:
            return _html(404)
        if request.method != "POST":
            return _html(405, {"Allow": "POST"})
        arrived = self._note(request, await request.read())
        fault = self._emulator.next_fault(arrived.action)
        if fault is None and not self._bucket.admits(asyncio.get_running_loop().time()):
            fault = self._over_rate
        if fault is None and self._taken >= self._places:
            fault = self._full
        if fault is None:
            return _json(*await self._work(arrived))
        await asyncio.sleep(fault.seconds)
        status, answer = await self._work(arrived) if fault.done else (200, b"")
        return await _spoiled(request, fault, status, answer)

    def _note(self, request: web.BaseRequest, raw: bytes) -> ReceivedRequest:
        body = _decode(raw) if request.content_type == "application/json" else None
        action = None if body is None else body.get("action")
        name = action if isinstance(action, str) and action in ACTIONS else "unknown"
        arrived = ReceivedRequest(name, request.headers, body)
        self._emulator.received[name] += 1
        self._emulator.requests.append(arrived)
        return arrived

    async def _work(self, arrived: ReceivedRequest) -> tuple[int, bytes]:
        self._taken += 1
        try:
            async with self._desks:
                if self._latency:
                    await asyncio.sleep(self._latency)
                try:
                    answer = self._answer(arrived)
                except RefusalError as refused:
                    return refused.status, _encode(refusal(refused.msg))
                self._emulator.executed[arrived.action] += 1
                return 200, _encode(answer)
        finally:
            self._taken -= 1

    def _answer(self, arrived: ReceivedRequest) -> JsonObject:
        if arrived.body is None:
            raise RefusalError("The body must be a JSON object, and be sent as one.", status=400)
        check_access(arrived.headers, self._emulator.credentials, self._now())
        return perform(self._organisation, arrived.body)


async def _spoiled(request: web.BaseRequest, fault: Fault, status: int, answer: bytes) -> web.StreamResponse:
    headers = {} if fault.retry_after is None else {"Retry-After": fault.retry_after}
    match fault.ending:
        case "answer":
            return _json(status, answer)
        case "json":
            return _json(fault.code, _encode(refusal(fault.msg)), headers)
        case "html":
            return _html(fault.code, headers)
        case "nothing":
            return web.Response(status=fault.code)
        case "broken":
            return _json(status, answer[: len(answer) // 2])
        case "cut":
            return await _cut(request, status, answer)
    # What is left is "drop"; aiohttp finds the connection closed and sends nothing of this.
    request.protocol.force_close()
    return web.Response()


async def _cut(request: web.BaseRequest, status: int, answer: bytes) -> web.StreamResponse:
    response = web.StreamResponse(
        status=status, headers={"Content-Type": "application/json", "Content-Length": str(len(answer))}
    )
    # The client may have left before.
    with contextlib.suppress(ConnectionError):
        await response.prepare(request)
        await response.write(answer[: len(answer) // 2])
    request.protocol.force_close()
    return response


def _json(status: int, body: bytes, headers: dict[str, str] | None = None) -> web.Response:
    return web.Response(status=status, body=body, content_type="application/json", headers=headers)


def _html(status: int, headers: dict[str, str] | None = None) -> web.Response:
    return web.Response(
        status=status, text=_PAGE.format(f"Status {status}"), content_type="text/html", headers=headers
    )


def _encode(answer: JsonObject) -> bytes:
    return json.dumps(answer, separators=(",", ":")).encode()


def _decode(raw: bytes) -> JsonObject | None:
    """The object that the text holds; None if it holds something else, or is not strictly JSON."""
    try:
        body = json.loads(raw, parse_constant=_refuse_constant)
    except (ValueError, RecursionError):
        return None
    return body if isinstance(body, dict) else None


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(name)
