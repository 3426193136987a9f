"""Servers that answer too much, too slowly, or not to the question."""

from __future__ import annotations

import asyncio
import gzip
import random
from typing import TYPE_CHECKING

import pytest

from tests.faults.every_byte import GROUP
from tests.servers import Connection, answer, answering, raw_server
from usersapi_async import (
    Credentials,
    DeadlineExceeded,
    MalformedResponse,
    OutcomeUnknown,
    RequestTimeout,
    RetryPolicy,
    Timeout,
    UsersApiError,
    UsersSession,
)

if TYPE_CHECKING:
    from tests.servers import RawServer

pytestmark = pytest.mark.usefixtures("any_transport")

CREDENTIALS = Credentials(7, "admin@example.org", "6f0e7b0e-0000-4000-8000-000000000000")
MIB = 1024 * 1024


def session(server: RawServer, attempt: float | None = 60, total: float = 180) -> UsersSession:
    """A session that tries once."""
    return UsersSession(
        CREDENTIALS,
        group_id=GROUP,
        base_url=server.url,
        retry=RetryPolicy(attempts=1),
        timeout=Timeout(attempt=attempt, total=total),
        rng=random.Random(0),
    )


def about(clogin_id: int, group_id: int = GROUP, connected_to: int | None = None) -> bytes:
    """An answer that speaks of this user."""
    info = {"clogin_id": clogin_id, "group_id": group_id, "connected_to": connected_to or clogin_id}
    return answer({"success": True, "user_info": info})


async def test_a_body_of_100_mib_is_not_read_to_its_end() -> None:
    """A body beyond the cap ends the attempt: the server never gets to send most of it."""
    sent = 0

    async def flood(connection: Connection) -> None:
        nonlocal sent
        await connection.request()
        await connection.send(answer(b"", length=100 * MIB))
        for _ in range(100):
            await connection.send(b" " * MIB)
            sent += MIB

    async with raw_server(flood) as server, session(server) as users:
        with pytest.raises(OutcomeUnknown) as caught:
            await users.create({"first_name": "Nina"})
    assert isinstance(caught.value.cause, MalformedResponse)
    assert "too large" in str(caught.value.cause)
    assert sent < 50 * MIB


async def test_a_compressed_bomb_is_not_unpacked() -> None:
    """A small compressed body that unpacks to 200 MiB ends at the cap like any other."""
    bomb = gzip.compress(b" " * (200 * MIB), 9)
    handler = answering(answer(bomb, "Content-Encoding: gzip"))
    async with raw_server(handler) as server, session(server) as users:
        with pytest.raises(MalformedResponse, match="too large"):
            await users.get_info(5)


async def test_a_flood_of_headers() -> None:
    """Ten thousand headers, or one of a megabyte, are no answer."""
    for headers in ([f"X-{n}: {n}" for n in range(10_000)], ["X: " + "x" * MIB]):
        async with (
            raw_server(answering(answer({"success": True}, *headers))) as server,
            session(server) as users,
        ):
            with pytest.raises(UsersApiError) as caught:
                await users.create({"first_name": "Nina"})
            assert isinstance(caught.value, OutcomeUnknown)


@pytest.mark.parametrize(
    "head",
    [b"HTTP/1.1 200 OK\r\nX: ", b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n"],
    ids=["headers", "body"],
)
async def test_a_slow_drip_ends_with_the_attempt(head: bytes) -> None:
    """A byte now and then can't hold a call beyond the attempt's time, nor beyond the whole's."""

    async def drip(connection: Connection) -> None:
        await connection.request()
        await connection.send(head)
        while True:
            await connection.send(b"H")
            await asyncio.sleep(0.01)

    async with raw_server(drip) as server:
        async with session(server, attempt=0.1) as users:
            with pytest.raises(RequestTimeout):
                await users.get_info(5)
            with pytest.raises(OutcomeUnknown):
                await users.create({"first_name": "Nina"})
        async with session(server, attempt=None, total=0.1) as users:
            with pytest.raises(DeadlineExceeded):
                await users.get_info(5)
            with pytest.raises(OutcomeUnknown) as caught:
                await users.create({"first_name": "Nina"})
            assert isinstance(caught.value.cause, DeadlineExceeded)


async def test_answers_to_somebody_else_s_request() -> None:
    """An answer that names another user, group or parent, or a known id as a new one, is in doubt."""
    answers = [
        about(1),
        about(1),
        about(2, group_id=GROUP + 1),
        about(4, connected_to=3),
        about(6, connected_to=9),
        about(9),
    ]
    async with raw_server(answering(*answers)) as server, session(server) as users:
        assert (await users.create()).clogin_id == 1
        for call in (users.create(), users.create(), users.create(), users.create_child(5)):
            with pytest.raises(OutcomeUnknown) as caught:
                await call
            assert isinstance(caught.value.cause, MalformedResponse)
        with pytest.raises(MalformedResponse, match="names another user"):
            await users.get_info(5)


async def test_an_unsolicited_second_answer_is_nobody_s() -> None:
    """A second answer that nobody asked for is never taken for the next call's."""

    async def twice(connection: Connection) -> None:
        while await connection.request():
            number = len(server.requests)
            await connection.send(about(10 * number) + about(10 * number))

    async with raw_server(twice) as server, session(server) as users:
        ids = []
        for _ in range(20):
            try:
                ids.append((await users.create({"first_name": "Nina"})).clogin_id)
            except OutcomeUnknown as error:
                assert isinstance(error.cause, MalformedResponse)
    assert len(ids) == len(set(ids))
    assert ids
