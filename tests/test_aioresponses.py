"""Single odd answers through a mock of aiohttp, which must never pass for proof that nothing was sent."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from unittest.mock import Mock

import aiohttp
import pytest
from aioresponses import aioresponses

from usersapi_async import (
    ConnectionLost,
    Credentials,
    Delivery,
    MalformedResponse,
    OutcomeUnknown,
    RequestTimeout,
    ResponseError,
    RetryPolicy,
    UsersSession,
    classify,
)
from usersapi_async.transport import Watch

if TYPE_CHECKING:
    from collections.abc import Iterator

URL = "https://users.example.org/api2/users/"
DONE = {"success": True, "user_info": {"clogin_id": "5", "group_id": "1", "connected_to": "5"}}


class MockedResponse(aiohttp.ClientResponse):
    """What newer versions of aiohttp want to be told of, and this mock does not know."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        if "stream_writer" in aiohttp.ClientResponse.__init__.__annotations__:
            named.setdefault("stream_writer", Mock(output_size=0))
        super().__init__(*arguments, **named)


@pytest.fixture
def service() -> Iterator[aioresponses]:
    """A service that answers as it is told."""
    with aioresponses() as mocked:
        yield mocked


def client() -> UsersSession:
    """A session on it that repeats nothing."""
    return UsersSession(
        Credentials(1, "a", "t"), group_id=1, base_url=URL, retry=RetryPolicy(attempts=1, settle=0)
    )


async def test_a_mocked_success(service: aioresponses) -> None:
    """A plain answer is read, and the mock saw the request's headers and its body."""
    service.post(URL, payload=DONE, response_class=MockedResponse)
    async with client() as users:
        assert (await users.create({"first_name": "Nina"})).clogin_id == 5
    ((call,),) = service.requests.values()
    assert call.kwargs["headers"]["Api-token"] == "t"
    assert call.kwargs["allow_redirects"] is False
    assert isinstance(call.kwargs["data"], Watch)
    assert b"".join([call.kwargs["data"]._value]) == (
        b'{"action":"create","group_id":1,"doc":{"first_name":"Nina"}}'
    )


@pytest.mark.parametrize(
    "status", [201, 204, 302, 400, 401, 403, 404, 408, 418, 425, 429, 451, 500, 503, 599]
)
@pytest.mark.parametrize(
    "body", ["", "<html></html>", "{}", "null", '{"success": true}', '{"success": false}']
)
async def test_odd_answers(service: aioresponses, status: int, body: str) -> None:
    """Every status with every body becomes the error that `classify` names."""
    service.post(URL, status=status, body=body, response_class=MockedResponse)
    verdict = classify(status, {"success": "true" in body} if "success" in body else None)
    async with client() as users:
        with pytest.raises((ResponseError, OutcomeUnknown)) as caught:
            await users.create()
    error = caught.value.cause if isinstance(caught.value, OutcomeUnknown) else caught.value
    # A success that names no id is malformed: this body has none.
    assert type(error) is (verdict.error or MalformedResponse)
    assert isinstance(error, ResponseError)
    assert error.status == status
    assert caught.value.delivery is (verdict.delivery if verdict.error else Delivery.UNKNOWN)


@pytest.mark.parametrize("encoding", ["utf-8", "latin-1", "utf-16", "utf-8-sig"])
async def test_encodings(service: aioresponses, encoding: str) -> None:
    """JSON is UTF-8 by its definition, with a mark at its start or without; other bytes are no answer."""
    body = '{"success": true, "msg": "Zoë", "user_info": {"clogin_id": 5}}'.encode(encoding)
    service.post(URL, body=body, response_class=MockedResponse, content_type="text/html; charset=iso-8859-1")
    async with client() as users:
        if encoding == "latin-1":
            with pytest.raises(OutcomeUnknown):
                await users.create()
        else:
            assert (await users.create()).msg == "Zoë"


MOCKED_FAILURES = [
    TimeoutError(),
    aiohttp.ServerTimeoutError(),
    aiohttp.ConnectionTimeoutError(),
    aiohttp.SocketTimeoutError(),
    aiohttp.ServerDisconnectedError(),
    aiohttp.ClientConnectionError(),
    aiohttp.ClientConnectionResetError(),
    aiohttp.ClientOSError(),
    aiohttp.ClientPayloadError(),
    aiohttp.ClientConnectorError(Mock(), OSError(111, "refused")),
    aiohttp.ClientConnectorDNSError(Mock(), OSError(-2, "no such name")),
    aiohttp.InvalidURL("users"),
    aiohttp.ClientResponseError(Mock(), ()),
    ConnectionRefusedError(),
    RuntimeError("Session is closed"),
]


@pytest.mark.parametrize("failure", MOCKED_FAILURES, ids=lambda failure: type(failure).__name__)
async def test_a_mocked_failure_is_no_proof(service: aioresponses, failure: Exception) -> None:
    """An exception's type alone never says that nothing was sent."""
    service.post(URL, exception=failure)
    async with client() as users:
        with pytest.raises(OutcomeUnknown) as caught:
            await users.create()
    assert caught.value.delivery is Delivery.UNKNOWN
    assert isinstance(caught.value.cause, (RequestTimeout, ConnectionLost, MalformedResponse))
    assert caught.value.cause.delivery is Delivery.UNKNOWN
