"""The connection breaks after each single byte of the request and of the answer."""

from __future__ import annotations

import random
from collections import Counter
from typing import TYPE_CHECKING

import pytest

from tests.faults.every_byte import GROUP, Cut, CuttingService, Side, cutting_service
from usersapi_async import (
    Credentials,
    Delivery,
    OutcomeUnknown,
    RetryPolicy,
    Timeout,
    UsersApiError,
    UsersSession,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

pytestmark = pytest.mark.usefixtures("any_transport")

CREDENTIALS = Credentials(7, "admin@example.org", "6f0e7b0e-0000-4000-8000-000000000000")


@pytest.fixture
async def service() -> AsyncIterator[CuttingService]:
    """A service whose connections break on demand."""
    async with cutting_service() as running:
        yield running


def session(service: CuttingService) -> UsersSession:
    """A session whose retries don't wait and never run out."""
    return UsersSession(
        CREDENTIALS,
        group_id=GROUP,
        base_url=service.url,
        retry=RetryPolicy(base=0, budget_ratio=1),
        timeout=Timeout(attempt=5, total=10),
        rng=random.Random(0),
    )


async def lengths(service: CuttingService, users: UsersSession, action: str) -> dict[Side, int]:
    """How long a request of `action` and its answer are."""
    assert service.server is not None
    before = len(service.server.requests)
    await (users.create({"first_name": "0000"}) if action == "create" else users.get_info(1))
    request = service.server.requests[before]
    return {"request": len(request), "answer": len(service._carry_out(request))}


@pytest.mark.parametrize("reset", [False, True], ids=["closed", "reset"])
@pytest.mark.parametrize("side", ["request", "answer"])
async def test_no_create_runs_twice_wherever_it_is_cut(
    service: CuttingService, side: Side, reset: bool
) -> None:
    """Cut at any byte, a create is done at most once, and what the caller is told is true."""
    seen: Counter[str] = Counter()
    async with session(service) as users:
        length = (await lengths(service, users, "create"))[side]
        service.executed.clear()
        for after in range(length):
            name = f"{after:04}"
            service.cut = Cut(side, after, reset)
            try:
                created = await users.create({"first_name": name})
            except OutcomeUnknown as error:
                assert error.delivery is Delivery.UNKNOWN
                seen["in doubt"] += 1
                # What the server could not read whole it can't have done; what it answered, it did.
                assert service.executed[name] == (1 if side == "answer" else 0)
            else:
                assert created.clogin_id
                seen["created"] += 1
                assert service.executed[name] == 1
    assert seen.total() == length
    assert seen["in doubt"] >= length - 2
    assert users.limiter.in_flight == 0


@pytest.mark.parametrize("reset", [False, True], ids=["closed", "reset"])
@pytest.mark.parametrize("side", ["request", "answer"])
async def test_a_read_succeeds_wherever_it_is_cut(service: CuttingService, side: Side, reset: bool) -> None:
    """Cut at any byte, a read is tried again on a fresh connection, and succeeds."""
    async with session(service) as users:
        length = (await lengths(service, users, "get_info"))[side]
        for after in range(length):
            service.cut = Cut(side, after, reset)
            info = await users.get_info(5)
            assert info.user_info is not None
            assert info.user_info.clogin_id == 5
    assert users.limiter.in_flight == 0


async def test_every_cut_is_one_of_the_library_s_errors(service: CuttingService) -> None:
    """With no retry allowed, each cut comes out as one error of the tree, with a delivery."""
    kinds: Counter[str] = Counter()
    async with session(service) as users:
        once = users.with_options(retry=RetryPolicy(attempts=1))
        for side, length in (await lengths(service, users, "get_info")).items():
            for after in range(length):
                service.cut = Cut(side, after, reset=after % 2 == 0)
                with pytest.raises(UsersApiError) as caught:
                    await once.get_info(5)
                assert isinstance(caught.value.delivery, Delivery)
                assert caught.value.__cause__ is None
                assert caught.value.__context__ is None
                kinds[type(caught.value).__name__] += 1
    assert set(kinds) <= {"ConnectionLost", "MalformedResponse", "ConnectError"}
