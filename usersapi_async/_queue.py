"""Waiting in line: first come, first served within a flow, and the flows take turns. No clock.

This is fair queueing, as in Nagle's switches and in the API server of Kubernetes, with requests for packets.
So whoever has much to send, such as a batch, stands in nobody's way: with m flows in line, the first of a
flow is served after m - 1 others at the most, its k-th after k * m - 1. Where only one waits, it gets
everything. Netflix's partitioned limiter reserves a share of the limit for each kind of caller, and refuses
those beyond; here nobody is refused, and no share has to be guessed.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
import math
from collections import OrderedDict
from collections.abc import Callable
from typing import TypeAlias

_Waiter: TypeAlias = "asyncio.Future[bool]"

_FEW = 64


class Flow:
    """Callers that stand in one line, such as all single calls of a session, or all its batches."""

    closed = False
    """True once nobody may wait in it any more."""


class FairQueue:
    """Waiters, each of whom gets True when its time has come, or False when it is sent away.

    Whatever happens to one of them costs O(log n) at the most.
    """

    def __init__(self) -> None:
        # Not plain dicts, which search their beginning again after each removal from it.
        self._lines: OrderedDict[Flow, OrderedDict[_Waiter, None]] = OrderedDict()
        self._hasty: list[tuple[float, int, _Waiter, Flow]] = []
        """A heap of those whose patience ends. Who has gone by another way stays for a while."""
        self._numbers = itertools.count()

    def __len__(self) -> int:
        return sum(map(len, self._lines.values()))

    def __bool__(self) -> bool:
        return bool(self._lines)

    async def wait(
        self, flow: Flow, patience: float, *, joined: Callable[[], None], give_back: Callable[[], None]
    ) -> bool:
        """Waits at the end of the flow's line; `joined` is called once it is there, `give_back` if its time
        had come when it was cancelled."""
        waiter: _Waiter = asyncio.get_running_loop().create_future()
        line = self._lines.get(flow)
        if line is None:
            line = self._lines[flow] = OrderedDict()
        line[waiter] = None
        if patience < math.inf:
            self._note(patience, waiter, flow)
        joined()
        try:
            return await waiter
        except asyncio.CancelledError:
            if waiter.cancelled():
                self._leave(flow, waiter)
            elif waiter.result():
                give_back()
            raise

    def release_one(self) -> bool:
        """Lets the first of the next flow go; False when nobody waits."""
        while self._lines:
            flow, line = next(iter(self._lines.items()))
            waiter, _ = line.popitem(last=False)
            # It may have been cancelled in this very step of the loop.
            served = not waiter.done()
            if not line:
                del self._lines[flow]
            elif served:
                self._lines.move_to_end(flow)
            if served:
                waiter.set_result(True)
                return True
        return False

    def send_away(self, seconds: float, most: int) -> int:
        """Lets those go, without what they waited for, whose patience is shorter: how many, of `most`."""
        gone = 0
        while gone < most and self._hasty and self._hasty[0][0] < seconds:
            _, _, waiter, flow = heapq.heappop(self._hasty)
            gone += self._dismiss(flow, waiter)
        return gone

    def close(self, flow: Flow, most: int) -> int:
        """Lets those go, without what they waited for, who wait in `flow`: how many, of `most`."""
        gone = 0
        while gone < most and (line := self._lines.get(flow)):
            gone += self._dismiss(flow, next(iter(line)))
        return gone

    def _note(self, patience: float, waiter: _Waiter, flow: Flow) -> None:
        if len(self._hasty) > 2 * len(self) + _FEW:
            self._hasty = [entry for entry in self._hasty if not entry[2].done()]
            heapq.heapify(self._hasty)
        heapq.heappush(self._hasty, (patience, next(self._numbers), waiter, flow))

    def _dismiss(self, flow: Flow, waiter: _Waiter) -> bool:
        waits = not waiter.done()
        self._leave(flow, waiter)
        if waits:
            waiter.set_result(False)
        return waits

    def _leave(self, flow: Flow, waiter: _Waiter) -> None:
        line = self._lines.get(flow)
        if line is not None:
            line.pop(waiter, None)
            if not line:
                del self._lines[flow]


class Gate:
    """Lets so many through at once as `capacity` says at the time."""

    def __init__(self, capacity: Callable[[], int]) -> None:
        self._capacity = capacity
        self.taken = 0
        self.queue = FairQueue()

    async def acquire(self, flow: Flow, patience: float) -> bool:
        """Goes through, or waits; False when it was sent away."""
        if self.taken < self._capacity() and not self.queue:
            self.taken += 1
            return True
        return await self.queue.wait(flow, patience, joined=self.fill, give_back=self.release)

    def release(self) -> None:
        """One has come out."""
        self.taken -= 1
        self.fill()

    def fill(self) -> None:
        """Lets in as many as may go."""
        while self.taken < self._capacity() and self.queue.release_one():
            self.taken += 1
