"""Flows that take turns: who is served when, whoever else comes, gives up or is sent away."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from usersapi_async import Limiter, RateLimit
from usersapi_async._queue import FairQueue, Flow

from .clocks import ManualClock, settle

if TYPE_CHECKING:
    from collections.abc import Callable

KINDS = ["cancel", "serve after cancel", "cancel after serve", "send away", "close"]
STEPS = st.lists(
    st.tuples(st.sampled_from(8 * ["come"] + 4 * ["serve"] + KINDS), st.integers(0, 2), st.integers(0, 9)),
    min_size=10,
    max_size=80,
)


class Lines:
    """What a queue should do, in plain lists: each flow's line, and the flows in the order of their turns."""

    def __init__(self) -> None:
        self.lines: list[list[int]] = []
        self.flows: list[int] = []

    def come(self, flow: int, caller: int) -> None:
        if flow not in self.flows:
            self.flows.append(flow)
            self.lines.append([])
        self.lines[self.flows.index(flow)].append(caller)

    def serve(self) -> list[int]:
        """Who is served: nobody or one."""
        if not self.flows:
            return []
        flow, line = self.flows.pop(0), self.lines.pop(0)
        if line[1:]:
            self.flows.append(flow)
            self.lines.append(line[1:])
        return line[:1]

    def leave(self, goes: Callable[[int, int], bool]) -> list[int]:
        """Takes those out of whom `goes` says so by flow and caller."""
        pairs = list(zip(self.flows, self.lines, strict=True))
        gone = [caller for flow, line in pairs for caller in line if goes(flow, caller)]
        left = [(flow, [caller for caller in line if caller not in gone]) for flow, line in pairs]
        self.flows = [flow for flow, line in left if line]
        self.lines = [line for _, line in left if line]
        return gone

    def everybody(self) -> list[int]:
        return sorted(caller for line in self.lines for caller in line)


class Street:
    """A queue, callers of three flows in it, and what was expected of it."""

    def __init__(self) -> None:
        self.queue = FairQueue()
        self.flows = [Flow() for _ in range(3)]
        self.expected = Lines()
        self.patience: list[int] = []
        self.tasks: list[asyncio.Task[bool]] = []
        self.served: list[int] = []
        self.sent_away: list[int] = []

    def _give_back(self) -> None:
        self.queue.release_one()

    async def _wait(self, caller: int, flow: int) -> bool:
        served = await self.queue.wait(
            self.flows[flow], self.patience[caller], joined=lambda: None, give_back=self._give_back
        )
        (self.served if served else self.sent_away).append(caller)
        return served

    async def step(self, kind: str, flow: int, number: int) -> None:
        """Does one thing and looks whether what followed is what should."""
        served: list[int] = []
        gone: list[int] = []
        there = self.expected.everybody()
        chosen = there[number % len(there)] if there else -1
        if kind == "come":
            self.patience.append(number)
            self.expected.come(flow, len(self.tasks))
            self.tasks.append(asyncio.ensure_future(self._wait(len(self.tasks), flow)))
        elif kind == "serve":
            served = self.expected.serve()
            assert self.queue.release_one() is bool(served)
        elif kind == "send away":
            gone = self.expected.leave(lambda _, caller: self.patience[caller] < number // 3)
            assert self.queue.send_away(number // 3, 100) == len(gone)
        elif kind == "close":
            gone = self.expected.leave(lambda other, _: other == flow)
            assert self.queue.close(self.flows[flow], 100) == len(gone)
        elif there and kind == "cancel after serve":
            served = self.expected.serve()
            self.queue.release_one()
            self.tasks[chosen].cancel()
            self.expected.leave(lambda _, caller: caller == chosen)
            served = self.expected.serve() if chosen in served else served
        elif there:
            self.expected.leave(lambda _, caller: caller == chosen)
            self.tasks[chosen].cancel()
            if kind == "serve after cancel":
                served = self.expected.serve()
                assert self.queue.release_one() is bool(served)
        self.served.clear()
        self.sent_away.clear()
        await settle()
        assert self.served == served
        assert sorted(self.sent_away) == sorted(gone)
        assert len(self.queue) == len(self.expected.everybody())


@given(STEPS)
def test_it_is_as_with_plain_lists(steps: list[tuple[str, int, int]]) -> None:
    """Whoever comes, gives up, or is sent away, the right one is served next."""

    async def run() -> None:
        street = Street()
        for step in steps:
            await street.step(*step)
        for task in street.tasks:
            task.cancel()
        await asyncio.gather(*street.tasks, return_exceptions=True)
        assert not street.queue

    asyncio.run(run())


class Desk:
    """Callers of one limiter, each named, and the order in which they were let go."""

    def __init__(self, limiter: Limiter) -> None:
        self.limiter = limiter
        self.order: list[str] = []

    async def _slot(self, name: str, flow: Flow) -> None:
        await self.limiter.acquire_slot(flow=flow)
        self.order.append(name)
        self.limiter.release_slot()

    async def _turn(self, name: str, flow: Flow) -> None:
        await self.limiter.take_turn(flow=flow)
        self.order.append(name)

    async def slots(self, flow: Flow, *names: str) -> list[asyncio.Task[None]]:
        tasks = [asyncio.ensure_future(self._slot(name, flow)) for name in names]
        await settle()
        return tasks

    async def turns(self, flow: Flow, *names: str) -> list[asyncio.Task[None]]:
        tasks = [asyncio.ensure_future(self._turn(name, flow)) for name in names]
        await settle()
        return tasks


async def test_a_long_line_is_in_nobodys_way() -> None:
    """With two flows in line, the k-th of either is served after 2k - 1 others at the most."""
    desk = Desk(Limiter(None, 1, clock=ManualClock()))
    bulk, single = Flow(), Flow()
    await desk.limiter.acquire_slot()
    tasks = await desk.slots(bulk, *"abcdefgh")
    tasks += await desk.slots(single, *"123")
    desk.limiter.release_slot()
    await asyncio.gather(*tasks)
    assert "".join(desk.order) == "a1b2c3defgh"


@pytest.mark.parametrize("rate", [RateLimit(1), None])
async def test_turns_are_shared_alike(rate: RateLimit | None) -> None:
    """With a rate, and after a pause, turns go by the same order."""
    clock = ManualClock()
    desk = Desk(Limiter(rate, 10, clock=clock))
    bulk, single = Flow(), Flow()
    desk.limiter.pause(10)
    tasks = await desk.turns(bulk, *"abcd")
    tasks += await desk.turns(single, *"12")
    await clock.advance(20)
    await asyncio.gather(*tasks)
    assert "".join(desk.order) == "a1b2cd"


async def test_a_closed_flow() -> None:
    """Who waits in a flow that is closed leaves at once, wherever it waits, and who comes later doesn't wait;
    the others stay."""
    clock = ManualClock()
    limiter = Limiter(RateLimit(1), 1, clock=clock)
    closing, staying = Flow(), Flow()
    assert await limiter.acquire_slot()
    assert await limiter.take_turn()
    places = [await limiter.acquire_place() for _ in range(2)]
    assert places == [True, True]
    waits = (limiter.acquire_slot, limiter.take_turn, limiter.acquire_place)
    going = [asyncio.ensure_future(wait(flow=closing)) for wait in waits for _ in range(2)]
    left = [asyncio.ensure_future(wait(flow=staying)) for wait in waits]
    await settle()
    assert limiter.waiting == 9
    limiter.close(closing)
    assert await asyncio.gather(*going) == 6 * [False]
    assert not any([await wait(flow=closing) for wait in waits])
    assert limiter.waiting == 3
    limiter.release_slot()
    limiter.release_place()
    await clock.advance(1)
    assert await asyncio.gather(*left) == 3 * [True]
