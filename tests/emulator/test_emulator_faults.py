from __future__ import annotations

import json
import random
from collections import Counter
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest

from usersapi_async.emulator import Capacity, Emulator, Fault, Faults, running_emulator
from usersapi_async.emulator.capacity import TokenBucket

from .support import create, post

if TYPE_CHECKING:
    from .support import Reply

Session = aiohttp.ClientSession


async def spoiled(emulator: Emulator, session: Session, fault: Fault, *, done: bool) -> Reply:
    """The reply to a create that met the fault; checks whether the work was done."""
    emulator.script(fault)
    reply = await create(emulator, session)
    assert len(emulator.users) == emulator.executed["create"] == done
    return reply


@pytest.mark.parametrize(
    ("fault", "status", "retry_after"),
    [
        (Fault.rate_limited(), 429, None),
        (Fault.rate_limited(0.5), 429, "0.5"),
        (Fault.rate_limited("Wed, 21 Oct 2026 07:28:00 GMT"), 429, "Wed, 21 Oct 2026 07:28:00 GMT"),
        (Fault.status(418), 418, None),
        (Fault.error(body="json"), 500, None),
    ],
)
async def test_error_statuses_with_json(
    emulator: Emulator, session: Session, fault: Fault, status: int, retry_after: str | None
) -> None:
    """Refusing statuses do nothing, and say so in JSON."""
    reply = await spoiled(emulator, session, fault, done=False)
    assert (reply.status, reply.headers.get("Retry-After")) == (status, retry_after)
    assert reply.json()["success"] is False


@pytest.mark.parametrize(
    ("fault", "status", "retry_after", "done"),
    [
        (Fault.unavailable(2), 503, "2", False),
        (Fault.error(502), 502, None, False),
        (Fault.error(done=True), 500, None, True),
        (Fault.html(), 200, None, False),
        (Fault.html(done=True), 200, None, True),
    ],
)
async def test_pages_instead_of_answers(
    emulator: Emulator, session: Session, fault: Fault, status: int, retry_after: str | None, done: bool
) -> None:
    """Front ends answer with pages for people, whether or not the work was done behind them."""
    reply = await spoiled(emulator, session, fault, done=done)
    assert (reply.status, reply.headers.get("Retry-After")) == (status, retry_after)
    assert reply.headers["Content-Type"].startswith("text/html")
    assert reply.raw.startswith(b"<!DOCTYPE html>")


async def test_error_with_nothing(emulator: Emulator, session: Session) -> None:
    """An error may have no body at all."""
    reply = await spoiled(emulator, session, Fault.error(504, "nothing"), done=False)
    assert (reply.status, reply.raw) == (504, b"")


async def test_rejected(emulator: Emulator, session: Session) -> None:
    """A rejection has status 200, and the message that was asked for."""
    reply = await spoiled(emulator, session, Fault.rejected("Not today."), done=False)
    assert (reply.status, reply.json()["msg"]) == (200, "Not today.")


async def test_slow(emulator: Emulator, session: Session) -> None:
    """A slow request is done and answered as any other."""
    reply = await spoiled(emulator, session, Fault.slow(0.001), done=True)
    assert reply.json()["success"] is True


@pytest.mark.parametrize(("fault", "done"), [(Fault.drop_before(), False), (Fault.drop_after(), True)])
async def test_dropped(emulator: Emulator, session: Session, fault: Fault, done: bool) -> None:
    """The connection ends without an answer, and the next request opens another."""
    with pytest.raises(aiohttp.ServerDisconnectedError):
        await spoiled(emulator, session, fault, done=done)
    assert emulator.executed["create"] == done
    assert (await create(emulator, session)).status == 200
    assert emulator.connections == 2


async def test_broken_json(emulator: Emulator, session: Session) -> None:
    """The answer is whole for HTTP, but is no JSON."""
    reply = await spoiled(emulator, session, Fault.broken_json(), done=True)
    assert (reply.status, int(reply.headers["Content-Length"])) == (200, len(reply.raw))
    with pytest.raises(json.JSONDecodeError):
        reply.json()


async def test_cut_json(emulator: Emulator, session: Session) -> None:
    """The answer ends before the length that its headers announce."""
    with pytest.raises(aiohttp.ClientPayloadError):
        await spoiled(emulator, session, Fault.cut_json(), done=True)
    assert emulator.executed["create"] == 1


async def test_what_is_no_fault(emulator: Emulator) -> None:
    """Parentheses that were forgotten are found where they were."""
    odd: Any = Fault.drop_after
    with pytest.raises(TypeError, match=r"expected a Fault, such as Fault.drop_after\(\), got method"):
        emulator.script(odd)


async def test_scripts_come_one_by_one(emulator: Emulator, session: Session) -> None:
    """Scripted faults meet requests in order, those of an action first, and before any probability."""
    emulator.faults = Faults(rejected=1)
    emulator.script(Fault.status(501), None)
    emulator.script(Fault.status(502), action="create")
    listing = {"action": "get_user_list", "group_id": emulator.group_id}
    statuses = [
        (await create(emulator, session)).status,
        (await post(emulator, session, listing)).status,
    ]
    assert statuses == [502, 501]
    assert [(await create(emulator, session)).json()["success"] for _ in range(2)] == [True, False]


async def test_probabilities_follow_the_seed(session: Session) -> None:
    """A sequential client meets the same faults in each run of one seed."""

    async def run(seed: int) -> list[int]:
        faults = Faults(rate_limited=0.3, unavailable=0.3, retry_after=0)
        async with running_emulator(seed=seed, faults=faults) as emulator:
            return [(await create(emulator, session)).status for _ in range(30)]

    first = await run(7)
    assert set(first) == {200, 429, 503}
    assert first == await run(7)
    assert first != await run(8)


def test_shares_are_met() -> None:
    """Over many draws each fault comes about as often as its share says, and else none."""
    faults = Faults(
        rate_limited=0.05,
        unavailable=0.05,
        error=0.05,
        drop_before=0.05,
        drop_after=0.05,
        slow=0.05,
        html=0.05,
        broken_json=0.05,
        cut_json=0.05,
        rejected=0.05,
        slow_seconds=2.0,
        error_status=502,
    )
    source = random.Random(1)
    drawn = [faults.draw(source) for _ in range(20_000)]
    counts = Counter(fault.name if fault else "none" for fault in drawn)
    assert counts.pop("none") == pytest.approx(10_000, rel=0.1)
    assert len(counts) == 10
    assert all(number == pytest.approx(1000, rel=0.2) for number in counts.values())
    assert Fault.slow(2.0) in drawn
    assert Fault.error(502) in drawn


@pytest.mark.parametrize("shares", [{"slow": -0.1}, {"slow": 0.6, "html": 0.6}])
def test_impossible_shares(shares: dict[str, float]) -> None:
    """Shares below 0, or above 1 together, are an error where they are written."""
    with pytest.raises(ValueError, match="between 0 and 1"):
        Faults(**shares)  # type: ignore[arg-type]


def test_bucket_refills() -> None:
    """Requests above the rate are refused, and are admitted again as time passes, up to the burst."""
    bucket = TokenBucket(Capacity(rate=2.0, burst=2))
    assert [bucket.admits(100.0) for _ in range(3)] == [True, True, False]
    assert [bucket.admits(100.5) for _ in range(2)] == [True, False]
    assert [bucket.admits(200.0) for _ in range(3)] == [True, True, False]


@pytest.mark.parametrize(
    "arguments", [{"rate": 0}, {"burst": 0}, {"workers": 0}, {"queue": 1}, {"workers": 1, "queue": -1}]
)
def test_impossible_capacity(arguments: dict[str, int]) -> None:
    """A capacity that could serve nobody is an error where it is written."""
    with pytest.raises(ValueError, match=r"must be|needs"):
        Capacity(**arguments)
