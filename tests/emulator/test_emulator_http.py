from __future__ import annotations

import asyncio
import ssl
import uuid

import aiohttp
import pytest
import trustme

from usersapi_async import emulator as package
from usersapi_async.emulator import Capacity, Emulator, Fault, emulator_in_thread, running_emulator, serve

from .support import create, headers_for, post

Session = aiohttp.ClientSession


def count(emulator: Emulator) -> tuple[int, int]:
    """Creates that arrived, and those that were done."""
    return emulator.received["create"], emulator.executed["create"]


async def test_create_over_http(emulator: Emulator, session: Session) -> None:
    """A create is done, counted and kept, and its person can be seen by id."""
    reply = await create(emulator, session)
    assert reply.status == 200
    assert reply.headers["Content-Type"].startswith("application/json")
    clogin_id = int(reply.json()["user_info"]["clogin_id"])
    assert emulator.users[clogin_id] is emulator.users_in(emulator.group_id)[clogin_id]
    assert clogin_id not in emulator.users_in(emulator.other_group_id)
    assert count(emulator) == (1, 1)
    (arrived,) = emulator.requests
    assert arrived.action == "create"
    assert arrived.body == {"action": "create", "group_id": emulator.group_id}
    assert arrived.headers["api-TOKEN"] == emulator.credentials["api_token"]
    assert emulator.connections == 1


async def test_credentials_are_a_copy(emulator: Emulator) -> None:
    """The credentials have the documented shapes, and changing the dict does not change the service."""
    credentials = emulator.credentials
    assert str(uuid.UUID(credentials["api_token"])) == credentials["api_token"]
    credentials["api_id"] = 0
    assert emulator.credentials["api_id"] > 0


@pytest.mark.parametrize("name", ["Api-id", "Api-user", "Api-token", "Timestamp"])
async def test_headers_are_needed(emulator: Emulator, session: Session, name: str) -> None:
    """Without one of the four headers, or with a wrong one, the answer is 401 and nothing is done."""
    body = {"action": "create", "group_id": emulator.group_id}
    for headers, without in (({}, name), ({name: "wrong"}, "")):
        reply = await post(emulator, session, body, headers=headers, without=without)
        assert reply.status == 401
        assert reply.json()["success"] is False
        assert name in reply.json()["msg"]
    assert count(emulator) == (2, 0)


@pytest.mark.parametrize(
    ("timestamp", "status"),
    [("1000", 200), ("701", 200), ("1300", 200), ("700", 401), ("1301", 401), ("1e3", 401)],
)
async def test_timestamp_is_about_now(session: Session, timestamp: str, status: int) -> None:
    """The timestamp is whole seconds and at most five minutes from the service's clock."""
    async with running_emulator(clock=lambda: 1000.75) as emulator:
        body = {"action": "create", "group_id": emulator.group_id}
        reply = await post(emulator, session, body, headers={"Timestamp": timestamp})
    assert reply.status == status


async def test_foreign_group_is_forbidden(emulator: Emulator, session: Session) -> None:
    """A group of another organisation is answered with 403."""
    reply = await post(emulator, session, {"action": "create", "group_id": emulator.foreign_group_id})
    assert reply.status == 403
    assert reply.json()["success"] is False


async def test_refusals_have_status_200(emulator: Emulator, session: Session) -> None:
    """What the service will not do is told by success false, and is not counted as done."""
    reply = await post(emulator, session, {"action": "delete", "group_id": emulator.group_id})
    assert reply.status == 200
    assert reply.json() == {
        "success": False,
        "msg": "There is no action delete.",
        "msg_type": "error",
        "meta_info": [],
        "user_info": [],
    }
    assert (emulator.received, dict(emulator.executed)) == ({"unknown": 1}, {})


@pytest.mark.parametrize("body", [b"", b"no", b"[]", b'"x"', b'{"a": NaN}', b"\xff", b"[" * 200_000])
async def test_bad_bodies(emulator: Emulator, session: Session, body: bytes) -> None:
    """A body that is no JSON object is answered with 400."""
    reply = await post(emulator, session, body)
    assert reply.status == 400
    assert emulator.requests[0].body is None


async def test_content_type_is_needed(emulator: Emulator, session: Session) -> None:
    """JSON that is sent as something else is answered with 400."""
    body = {"action": "create", "group_id": emulator.group_id}
    assert (await post(emulator, session, body, headers={"Content-Type": "text/plain"})).status == 400


async def test_only_one_endpoint(emulator: Emulator, session: Session) -> None:
    """Other paths are 404 and other methods 405, both with a page for people."""
    async with session.get(emulator.base_url) as response:
        assert (response.status, response.headers["Allow"]) == (405, "POST")
    async with session.post(emulator.base_url.rstrip("/")) as response:
        assert (response.status, response.content_type) == (404, "text/html")
    assert not emulator.received


async def test_state_endpoint(emulator: Emulator, session: Session) -> None:
    """The counts can be read by another process, without credentials and without being counted."""
    parent = (await create(emulator, session)).json()["user_info"]["clogin_id"]
    child = {"action": "create_child", "connected_to": parent, "doc": [], "group_id": emulator.group_id}
    await post(emulator, session, child)
    async with session.get(emulator.base_url.replace("/reg/api2/users/", "/_emulator/state")) as response:
        state = await response.json()
    assert state == {
        "users": 2,
        "parents": 1,
        "children": 1,
        "executed": {"create": 1, "create_child": 1},
        "received": {"create": 1, "create_child": 1},
        "mails_sent": 2,
        "connections": 1,
    }


async def test_requests_are_bounded(emulator: Emulator) -> None:
    """A long run does not keep all requests that it saw."""
    assert emulator.requests.maxlen == 1000


async def test_what_the_organisation_has(emulator: Emulator, session: Session) -> None:
    """Products, statuses, dead domains, mails and tokens can be looked at and used."""
    clogin_id = int((await create(emulator, session)).json()["user_info"]["clogin_id"])
    login = {"action": "login", "clogin_id": clogin_id, "doc": {}, "group_id": emulator.group_id}
    token = (await post(emulator, session, login)).json()["user_token"]
    assert emulator.use_token(token) == clogin_id
    assert emulator.mails_sent == 1
    assert any(status.excludes for status in emulator.statuses.values())
    assert all(product.price >= 0 for product in emulator.products.values())
    assert emulator.dead_domains == {"invalid"}


async def test_tls(session: Session) -> None:
    """With an SSL context the service speaks HTTPS, and ends though a client keeps its connection."""
    authority = trustme.CA()
    server_side = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(server_side)
    client_side = ssl.create_default_context()
    authority.configure_trust(client_side)
    async with running_emulator(ssl_context=server_side, host="localhost") as emulator:
        assert emulator.base_url.startswith("https://localhost:")
        body = b"{}"
        async with session.post(
            emulator.base_url, data=body, headers=headers_for(emulator), ssl=client_side
        ) as response:
            assert (await response.json())["success"] is False


async def test_rate_is_capped(session: Session) -> None:
    """What exceeds the burst is answered with 429, and the header that was asked for."""
    capacity = Capacity(rate=0.001, burst=2, retry_after=1.5)
    async with running_emulator(capacity=capacity) as emulator:
        replies = [await create(emulator, session) for _ in range(3)]
    assert [reply.status for reply in replies] == [200, 200, 429]
    assert replies[-1].headers["Retry-After"] == "1.5"
    assert count(emulator) == (3, 2)


async def test_workers_queue(session: Session) -> None:
    """Requests beyond the number of workers wait for their turn, and all are served."""
    async with running_emulator(capacity=Capacity(workers=1), latency=0.01) as emulator:
        started = asyncio.get_running_loop().time()
        replies = await asyncio.gather(*(create(emulator, session) for _ in range(4)))
        elapsed = asyncio.get_running_loop().time() - started
    assert [reply.status for reply in replies] == [200] * 4
    assert elapsed >= 0.04


async def test_a_full_queue_refuses(session: Session) -> None:
    """What finds neither a worker nor a place to wait is answered with 503, and nothing is done; later there
    is room again."""
    async with running_emulator(capacity=Capacity(workers=1, queue=2), latency=0.02) as emulator:
        replies = await asyncio.gather(*(create(emulator, session) for _ in range(5)))
        assert sorted(reply.status for reply in replies) == [200, 200, 200, 503, 503]
        assert count(emulator) == (5, 3)
        assert (await create(emulator, session)).status == 200


async def test_shutdown_does_not_wait_for_clients(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    """Connections kept alive and requests in progress end with the emulator."""
    met = asyncio.Event()

    def stuck(action: str) -> Fault:
        met.set()
        return Fault.slow(3600)

    async with running_emulator() as emulator:
        await create(emulator, session)
        monkeypatch.setattr(emulator, "next_fault", stuck)
        call = asyncio.create_task(create(emulator, session))
        await met.wait()
    with pytest.raises(aiohttp.ClientError):
        await call
    assert count(emulator) == (2, 1)
    with pytest.raises(aiohttp.ClientConnectorError):
        await create(emulator, session)


async def test_serve_runs_until_cancelled() -> None:
    """`serve` tells when it listens, and stops listening once it is cancelled."""
    ready: asyncio.Future[Emulator] = asyncio.get_running_loop().create_future()
    task = asyncio.create_task(serve(on_ready=ready.set_result, seed=5))
    emulator = await ready
    async with aiohttp.ClientSession() as session:
        assert (await create(emulator, session)).status == 200
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        with pytest.raises(aiohttp.ClientError):
            await create(emulator, session)


def test_emulator_in_thread() -> None:
    """An emulator in a thread of its own serves callers that have no event loop, and ends with them."""

    async def call(emulator: Emulator) -> int:
        async with aiohttp.ClientSession() as session:
            return (await create(emulator, session)).status

    with emulator_in_thread() as emulator:
        emulator.script(Fault.unavailable())
        assert asyncio.run(call(emulator)) == 503
        assert asyncio.run(call(emulator)) == 200
        assert count(emulator) == (2, 1)
    with pytest.raises(aiohttp.ClientConnectorError):
        asyncio.run(call(emulator))


async def test_emulator_in_thread_tells_why_it_does_not_start(emulator: Emulator) -> None:
    """A port that is in use is reported to the caller's thread."""
    port = int(emulator.base_url.split(":")[2].partition("/")[0])
    with pytest.raises(OSError, match="address already in use"), emulator_in_thread(port=port):
        raise AssertionError


def test_exports() -> None:
    """Every exported name exists, and others are errors as in any module."""
    assert all(hasattr(package, name) for name in package.__all__)
    assert not hasattr(package, "nothing")
