"""A session: what it sends with each request, who may use it, and what its views share."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from usersapi_async import (
    ActionRejected,
    AuthenticationError,
    ConfigurationError,
    Create,
    Credentials,
    Delivery,
    Limiter,
    MalformedResponse,
    OutcomeUnknown,
    PayloadError,
    RequestRejected,
    RetryPolicy,
    ServerError,
    SessionError,
    Timeout,
    UsersSession,
    Verdict,
    classify,
)
from usersapi_async._version import __version__
from usersapi_async.emulator import Fault

from .servers import answer, answering, raw_server, until

if TYPE_CHECKING:
    from collections.abc import Mapping

    from usersapi_async.emulator import Emulator


def session(emulator: Emulator, credentials: Any = None, **options: Any) -> UsersSession:
    """A session on this emulator that retries without a wait."""
    usual = {
        "group_id": emulator.group_id,
        "base_url": emulator.base_url,
        "retry": RetryPolicy(base=0, settle=0),
    }
    return UsersSession(credentials or Credentials(**emulator.credentials), **{**usual, **options})


def on(url: str) -> UsersSession:
    """A session on a server of which only the URL is known."""
    return UsersSession(
        Credentials(1, "a", "t"), group_id=1, base_url=url, retry=RetryPolicy(base=0, settle=0)
    )


async def test_headers(emulator: Emulator, users: UsersSession) -> None:
    """The account's three headers, JSON both ways, and the library's name."""
    await users.create()
    headers = emulator.requests[-1].headers
    assert headers["Api-id"] == str(emulator.credentials["api_id"])
    assert headers["Api-user"] == emulator.credentials["api_user"]
    assert headers["Api-token"] == emulator.credentials["api_token"]
    assert headers["Content-Type"] == "application/json"
    assert headers["Accept"] == "application/json"
    assert headers["User-Agent"] == f"usersapi-async/{__version__}"
    assert headers["Timestamp"].isdecimal()


async def test_the_timestamp_is_fresh_at_each_attempt(emulator: Emulator) -> None:
    """It is computed when an attempt is sent, not when the call was made."""
    # Each attempt looks at the clock when it begins and when it ends.
    times = iter([1_700_000_000.9, 1_700_000_003.0, 1_700_000_007.2, 1_700_000_008.0])
    emulator.script(Fault.error(), None)
    async with session(emulator, wall_clock=lambda: next(times)) as users:
        with pytest.raises(AuthenticationError):  # the emulator's own clock shows another year
            await users.get_user_list()
    sent = [request.headers["Timestamp"] for request in emulator.requests]
    assert sent == ["1700000000", "1700000007"]


async def test_the_timestamp_can_be_left_out(
    emulator: Emulator, users: UsersSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One assumption switches the header off."""
    monkeypatch.setattr("usersapi_async._attempts.SEND_TIMESTAMP", False)
    with pytest.raises(AuthenticationError):  # the emulator follows the older documentation
        await users.get_user_list()
    assert "Timestamp" not in emulator.requests[-1].headers


async def test_no_redirects() -> None:
    """A redirect is refused: its target would get the token and a GET."""
    moved = answer(b"", "Location: http://127.0.0.1:1/", status="302 Found")
    async with raw_server(answering(moved)) as server, on(server.url) as users:
        with pytest.raises(RequestRejected) as caught:
            await users.get_user_list()
    assert (caught.value.status, caught.value.attempts) == (302, 1)
    assert len(server.requests) == 1


async def test_no_cookies() -> None:
    """A cookie of one answer is not sent with the next request."""
    baked = answer({"success": True, "users": []}, "Set-Cookie: php=1; Path=/")
    async with raw_server(answering(baked, baked)) as server, on(server.url) as users:
        await users.get_user_list()
        await users.get_user_list()
    assert len(server.requests) == 2
    assert not any(b"cookie" in request.lower() for request in server.requests)


async def test_large_answers(emulator: Emulator) -> None:
    """An answer beyond the cap is malformed; a read is repeated before it fails."""
    async with session(emulator, max_response_bytes=50, retry=RetryPolicy(attempts=2, base=0)) as users:
        with pytest.raises(MalformedResponse, match="too large") as caught:
            await users.get_user_list()
    assert (caught.value.attempts, emulator.received["get_user_list"]) == (2, 2)


@pytest.mark.parametrize("style", ["plain", "function", "coroutine"])
async def test_credentials_from_a_function(emulator: Emulator, style: str) -> None:
    """Credentials may come from a function of either kind, which is asked before each attempt."""
    asked: list[str] = []
    good = Credentials(**emulator.credentials)

    def function() -> Credentials:
        asked.append("sync")
        return good

    async def coroutine() -> Credentials:
        await asyncio.sleep(0)
        return function()

    source = {"plain": good, "function": function, "coroutine": coroutine}[style]
    emulator.script(Fault.error())
    async with session(emulator, source) as users:
        await users.get_user_list()
    assert len(asked) == (0 if style == "plain" else 2)
    assert emulator.received["get_user_list"] == 2


async def test_rotated_credentials(emulator: Emulator) -> None:
    """What the function gives next is used from the next request on."""
    right = emulator.credentials
    wrong = Credentials(right["api_id"], right["api_user"], "00000000-0000-4000-8000-000000000000")
    given = [Credentials(**right), wrong]
    async with session(emulator, given.pop) as users:
        with pytest.raises(AuthenticationError) as caught:
            await users.check()
        await users.check()
    assert (caught.value.status, caught.value.attempts) == (401, 1)
    assert "0000" not in str(caught.value)


async def test_credentials_that_fail(emulator: Emulator) -> None:
    """A function that raises, or gives something else, ends the call with nothing sent."""

    def broken() -> Credentials:
        raise LookupError("vault")

    async with session(emulator, broken) as users:
        with pytest.raises(
            ConfigurationError, match="credentials: the function raised LookupError"
        ) as caught:
            await users.create()
    assert isinstance(caught.value.__cause__, LookupError)
    async with session(emulator, lambda: "token") as users:
        with pytest.raises(ConfigurationError, match="credentials: expected Credentials, got str"):
            await users.create()
    assert emulator.connections == 0


async def test_not_open_or_closed(emulator: Emulator) -> None:
    """Before and after ``async with`` nothing is sent, and the error says how to do it."""
    users = session(emulator)
    with pytest.raises(SessionError, match="the session is new; use it within `async with"):
        await users.create()
    async with users:
        assert repr(users) == f"<UsersSession group_id={emulator.group_id} open>"
        with pytest.raises(SessionError, match="the session is open; make another"):
            await users.__aenter__()
        await users.create()
        users.require_open()
    with pytest.raises(SessionError, match="the session is closed; use it"):
        users.require_open()
    with pytest.raises(SessionError, match="the session is closed; use it") as caught:
        await users.create()
    with pytest.raises(SessionError, match="the session is closed; make another"):
        await users.__aenter__()
    assert caught.value.delivery is Delivery.NOT_SENT
    await users.__aexit__(None, None, None)
    assert emulator.received == {"create": 1}


async def test_closed_while_calls_wait(emulator: Emulator) -> None:
    """A call that waits for its slot when the session closes is not sent; one under way ends as it can."""
    emulator.script(Fault.slow(30))
    users = session(emulator, concurrency=1)
    async with users:
        calls = [asyncio.ensure_future(users.create()) for _ in range(2)]
        await until(lambda: emulator.received["create"])
    sent, waiting = await asyncio.gather(*calls, return_exceptions=True)
    assert isinstance(sent, OutcomeUnknown)
    assert isinstance(waiting, SessionError)
    assert (waiting.delivery, waiting.action, waiting.attempts) == (Delivery.NOT_SENT, "create", 0)
    assert emulator.received["create"] == 1


def test_the_pool_is_as_large_as_the_limit(emulator: Emulator) -> None:
    """So that no call which the limiter let go waits for a connection."""
    for concurrency in (7, 500):
        users = session(emulator, concurrency=concurrency)
        assert users._dispatcher._pool.connections == concurrency
    assert session(emulator, connections=3)._dispatcher._pool.connections == 3


async def test_another_loop(emulator: Emulator, users: UsersSession) -> None:
    """A session used from another event loop sends nothing."""

    def elsewhere() -> str:
        with pytest.raises(SessionError) as caught:
            asyncio.run(users.create())
        return str(caught.value)

    message = await asyncio.to_thread(elsewhere)
    assert message == "the session belongs to another event loop; open one in each loop"
    assert emulator.connections == 0


async def test_what_is_no_payload(users: UsersSession) -> None:
    """`send` takes payloads, and needs a group from somewhere."""
    with pytest.raises(ConfigurationError, match="payload: expected Payload, got dict"):
        await users.send({"action": "create"})  # type: ignore[arg-type]


async def test_no_group(emulator: Emulator) -> None:
    """Without a group of the session each call must name one."""
    async with session(emulator, group_id=None) as users:
        assert users.group_id is None
        with pytest.raises(PayloadError, match="required: group_id"):
            await users.create()
        created = await users.create(group_id=emulator.group_id)
    assert created.user_info.group_id == emulator.group_id
    assert emulator.received == {"create": 1}


async def test_another_group_for_one_call(emulator: Emulator, users: UsersSession) -> None:
    """A call's own group goes before the session's, and a view may have another."""
    one = await users.create(group_id=emulator.other_group_id)
    view = users.with_options(group_id=emulator.other_group_id)
    two = await view.create()
    assert {one.clogin_id, two.clogin_id} == set(emulator.users_in(emulator.other_group_id))
    assert (view.group_id, users.group_id) == (emulator.other_group_id, emulator.group_id)


async def test_a_foreign_group(emulator: Emulator, users: UsersSession) -> None:
    """403 is a rejection, and `check` finds it out."""
    with pytest.raises(RequestRejected) as caught:
        await users.check(group_id=emulator.foreign_group_id)
    assert (caught.value.status, caught.value.attempts) == (403, 1)


async def test_views(emulator: Emulator, users: UsersSession) -> None:
    """A view changes what it is told and shares the rest: pool, pace, budget and known ids."""
    view = users.with_options(retry=RetryPolicy(attempts=1, settle=0), timeout=Timeout(total=30))
    assert view.limiter is users.limiter
    assert (view.retry.attempts, users.retry.attempts) == (1, 5)
    emulator.script(Fault.error(), Fault.error())
    with pytest.raises(ServerError) as caught:
        await view.get_user_list()
    assert caught.value.attempts == 1
    await users.get_user_list()
    assert emulator.received["get_user_list"] == 3
    assert emulator.connections <= 3
    with pytest.raises(ConfigurationError, match="retry: expected RetryPolicy, got int"):
        users.with_options(retry=5)  # type: ignore[arg-type]


async def test_own_classification(emulator: Emulator, users: UsersSession) -> None:
    """A function of one's own decides what an answer means."""

    def ours(status: int, body: Mapping[str, Any] | None) -> Verdict:
        if body and body.get("msg") == "Busy.":
            return Verdict(ServerError, Delivery.REFUSED)
        return classify(status, body)

    emulator.script(Fault.rejected("Busy."))
    await users.with_options(classify=ours).get_user_list()
    assert emulator.received["get_user_list"] == 2
    emulator.script(Fault.rejected("Busy."))
    with pytest.raises(ActionRejected):
        await users.get_user_list()


async def test_what_is_no_classification(emulator: Emulator, users: UsersSession) -> None:
    """What can't be called is refused at once; what can't be called like that is told."""
    with pytest.raises(ConfigurationError, match="classify: expected a function of status and body"):
        session(emulator, classify=5)
    odd: Any = lambda: None  # noqa: E731 (a function of nothing)
    with pytest.raises(
        MalformedResponse, match="classify raised TypeError, since it can't be called like that"
    ):
        await users.with_options(classify=odd, retry=RetryPolicy(attempts=1)).get_user_list()
    for kind in (ValueError, "x"):
        wrong = Verdict(kind)  # type: ignore[arg-type]  # wrong on purpose
        view = users.with_options(classify=lambda *_, wrong=wrong: wrong, retry=RetryPolicy(attempts=1))
        with pytest.raises(MalformedResponse, match="not a Verdict of a ResponseError"):
            await view.get_user_list()


async def test_a_shared_limiter(emulator: Emulator) -> None:
    """Two sessions with one limiter never have more under way together than it allows."""
    limiter = Limiter(concurrency=1)
    async with session(emulator, limiter=limiter) as first, session(emulator, limiter=limiter) as second:
        assert first.limiter is second.limiter is limiter
        calls = [asyncio.ensure_future(users.create()) for users in (first, second) * 5]
        while not all(call.done() for call in calls):
            assert limiter.in_flight <= 1
            await asyncio.sleep(0)
        await asyncio.gather(*calls)
    assert (limiter.in_flight, emulator.executed["create"]) == (0, 10)


async def test_an_id_given_twice() -> None:
    """A "new" person with the id of another is somebody else's answer."""
    same = answer({"success": True, "user_info": {"clogin_id": "5", "group_id": "1", "connected_to": "5"}})
    async with raw_server(answering(same, same, same)) as server, on(server.url) as users:
        assert (await users.create()).clogin_id == 5
        assert 5 in users.given_ids
        with pytest.raises(OutcomeUnknown) as caught:
            await users.create()
        assert (await users.create(clogin_id=5)).clogin_id == 5
    assert isinstance(caught.value.cause, MalformedResponse)
    assert "an id that somebody else had before" in str(caught.value.cause)


async def test_old_ids_are_forgotten(users: UsersSession, monkeypatch: pytest.MonkeyPatch) -> None:
    """The memory of given ids is bounded; the oldest goes first."""
    monkeypatch.setattr("usersapi_async._call._REMEMBERED_IDS", 2)
    ids = [(await users.send(Create())).clogin_id for _ in range(3)]
    assert [clogin_id in users.given_ids for clogin_id in ids] == [False, True, True]
