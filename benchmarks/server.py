"""A server that answers every create at once, for clients to be measured: ``python -m benchmarks.server``.

It reads lines of JSON from its standard input, and ends with it. Each sets the latency in seconds
(``{"latency": 0.005}``) and is answered with what the process has done so far: requests, seconds of CPU, and
the clock of ``time.monotonic`` now and when a connection's first bytes came in last. The first line that it
prints is its port.

The first request of each connection is checked in full, so that no client gains by sending less; the others
cost no more than it takes to find their end.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import json
import os
import sys
import time
from typing import Any, cast

import httptools
import uvloop

from .processes import pin
from .service import GROUP_ID, faults

_BODY = b"""{"success":true,"msg":"User was created","msg_type":"success",\
"meta_info":{"u_name":"Nina Simone","total_forms":"2","completed_forms":"0","total_user_forms":"2",\
"total_completed_user_forms":"0","total_user_mandatory_forms":"2","total_completed_user_mandatory_forms":"0",\
"total_order":"0.00","total_paid":"0.00","total_balance":"0.00","status_id":"0","status_name":null,\
"status_color":null},\
"user_info":{"clogin_id":"%d","group_id":"GROUP","connected_to":"%d"},"system_action":[]}"""
# Ids of nine digits, so that all answers are equally long.
_FIRST_ID = 100_000_000


def _with_head(body: bytes, length: int, status: bytes = b"200 OK") -> bytes:
    head = (
        b"HTTP/1.1 " + status + b"\r\n"
        b"Server: nginx\r\n"
        b"Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n"
        b"Content-Type: application/json; charset=utf-8\r\n"
        b"Content-Length: " + str(length).encode() + b"\r\n"
        b"Connection: keep-alive\r\n"
        b"Cache-Control: no-store, no-cache, must-revalidate\r\n"
        b"Vary: Accept-Encoding\r\n\r\n"
    )
    return head + body


_BODY = _BODY.replace(b"GROUP", str(GROUP_ID).encode())
_ANSWER = _with_head(_BODY, len(_BODY % (_FIRST_ID, _FIRST_ID)))


class _State:
    """What all connections share."""

    def __init__(self) -> None:
        self.latency = 0.0
        self.ids = itertools.count(_FIRST_ID)
        self.requests = 0
        self.first_bytes_at = 0.0


class _Connection(asyncio.Protocol):
    """One connection."""

    def __init__(self, state: _State) -> None:
        self._state = state

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._parser = httptools.HttpRequestParser(_First(self))
        self._begun = False

    def data_received(self, data: bytes) -> None:
        if not self._begun:
            self._begun = True
            self._state.first_bytes_at = time.monotonic()
        self._parser.feed_data(data)

    def on_message_complete(self) -> None:
        state = self._state
        state.requests += 1
        number = next(state.ids)
        self._send(_ANSWER % (number, number))

    def checked(self, wrong: list[str]) -> None:
        """The first request has come; the next ones are not looked at."""
        self._parser = httptools.HttpRequestParser(self)
        if wrong:
            body = json.dumps({"success": False, "msg": f"unlike the others: {', '.join(wrong)}"}).encode()
            self._send(_with_head(body, len(body), b"400 Bad Request"))
        else:
            self.on_message_complete()

    def _send(self, answer: bytes) -> None:
        if self._state.latency:
            asyncio.get_running_loop().call_later(self._state.latency, self._transport.write, answer)
        else:
            self._transport.write(answer)


class _First:
    """Takes in a connection's first request."""

    def __init__(self, connection: _Connection) -> None:
        self._connection = connection
        self._headers: dict[str, str] = {}
        self._body = b""

    def on_header(self, name: bytes, value: bytes) -> None:
        self._headers[name.decode().lower()] = value.decode()

    def on_body(self, part: bytes) -> None:
        self._body += part

    def on_message_complete(self) -> None:
        self._connection.checked(faults(self._headers, json.loads(self._body)))


async def _serve() -> None:
    state = _State()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: _Connection(state), "127.0.0.1", 0, backlog=1024)
    ended = asyncio.Event()

    def obey() -> None:
        said = os.read(sys.stdin.fileno(), 65_536)
        if not said:
            ended.set()
        for line in said.splitlines():
            state.latency = json.loads(line)["latency"]
            _say(
                requests=state.requests,
                cpu=time.process_time(),
                now=time.monotonic(),
                first_bytes_at=state.first_bytes_at,
            )

    loop.add_reader(sys.stdin.fileno(), obey)
    _say(port=server.sockets[0].getsockname()[1])
    await ended.wait()


def _say(**facts: Any) -> None:
    print(json.dumps(facts), flush=True)


def main() -> None:
    """Serves until the standard input ends."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--core", type=int, help="the processor to run on")
    pin(parser.parse_args().core)
    uvloop.run(_serve())


if __name__ == "__main__":
    main()
