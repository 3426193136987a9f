"""The queue between the workers and the consumer."""

from __future__ import annotations

import asyncio

import pytest

from usersapi_async import NotAttempted
from usersapi_async.batch.channel import Channel

from .support import steps


def outcome(index: int) -> NotAttempted:
    return NotAttempted(index=index, key=index, payload=None, reason="r")


async def test_outcomes_come_in_order_and_end() -> None:
    """What was put is handed out, then the end, again and again."""
    channel = Channel(1)
    for index in range(3):
        channel.put(outcome(index))
    channel.close()
    assert [found.index async for found in channel] == [0, 1, 2]
    assert [found.index async for found in channel] == []


@pytest.mark.parametrize("error", [ValueError("x"), SystemExit(3)])
async def test_an_error_comes_last_and_once(error: BaseException) -> None:
    """It is raised as it is, after all outcomes."""
    channel = Channel(1)
    channel.put(outcome(0))
    channel.close(error)
    assert (await anext(channel)).index == 0
    with pytest.raises(type(error)) as caught:
        await anext(channel)
    assert caught.value is error
    assert [found async for found in channel] == []


async def test_the_consumer_waits() -> None:
    """For an outcome, or for the end."""
    channel = Channel(1)
    waiting = asyncio.ensure_future(anext(channel))
    await steps(3)
    assert not waiting.done()
    channel.put(outcome(4))
    assert (await waiting).index == 4
    waiting = asyncio.ensure_future(anext(channel))
    await steps(3)
    channel.close()
    with pytest.raises(StopAsyncIteration):
        await waiting


async def test_room() -> None:
    """Who puts waits while the consumer is behind; any number of them."""
    channel = Channel(2)
    await channel.room()
    channel.put(outcome(0))
    await channel.room()
    channel.put(outcome(1))
    channel.put(outcome(2))
    waiting = [asyncio.ensure_future(channel.room()) for _ in range(3)]
    for left in (2, 1):
        await steps(3)
        assert not any(waiter.done() for waiter in waiting), left
        await anext(channel)
    await asyncio.wait_for(asyncio.gather(*waiting), 1)


async def test_room_for_all() -> None:
    """Once it is opened up nobody waits any more."""
    channel = Channel(1)
    channel.put(outcome(0))
    waiting = asyncio.ensure_future(channel.room())
    await steps(3)
    assert not waiting.done()
    channel.open_up()
    await asyncio.wait_for(waiting, 1)
    await channel.room()
