"""How fast and how much at once: a rate, a limit of concurrency, and pauses that the server imposed.

An attempt first takes a *slot* (concurrency), then a *turn* (rate and pauses). Whoever waits for either
stands in the line of a flow: flows are served by turns, and each of them first come, first served. A
cancelled waiter leaves its place to the next. Time comes from an injected clock.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable
from typing import Literal, Protocol, TypeAlias

import attrs

from . import _arguments
from ._concurrency import Controller, Fixed, Signal
from ._pacing import Found
from ._queue import FairQueue, Flow, Gate
from .errors import SessionError
from .rate import RateLimit, Schedule

_MOST_AHEAD = 32
"""Places beyond the slots; as many as there are slots if those are fewer."""
_AT_ONCE = 100
"""Waiters that are woken in one step of the loop at the most, so that the loop goes on meanwhile."""


class Handle(Protocol):
    """A timer that can be called off."""

    def cancel(self) -> None:
        """Calls it off."""


class Clock(Protocol):
    """Monotonic seconds, and a timer on them."""

    def now(self) -> float:
        """The time in seconds; only differences mean something."""

    def call_at(self, when: float, callback: Callable[[], None]) -> Handle:
        """Calls `callback` once `when` has come."""


class LoopClock:
    """The system's time, and timers of the running event loop.

    Not the loop's own time: uvloop's stands still until the loop's next turn, and so knows no microseconds.
    """

    def now(self) -> float:
        """Monotonic time."""
        return time.monotonic()

    def call_at(self, when: float, callback: Callable[[], None]) -> Handle:
        """A timer of the loop."""
        return asyncio.get_running_loop().call_later(max(0.0, when - self.now()), callback)


@attrs.frozen(kw_only=True)
class Pace:
    """What a limiter has found, for the next one to start from.

    ``limit`` is how many requests were allowed at once, ``rate`` how many a second, if the server was found
    to bound that. ``attrs.asdict(pace)`` can be written as JSON, and ``Pace(**read)`` takes it back.
    """

    limit: int
    rate: float | None = None

    def __attrs_post_init__(self) -> None:
        _arguments.whole("limit", self.limit)
        if self.rate is not None:
            _arguments.positive("rate", self.rate)


Concurrency: TypeAlias = int | Literal["auto"] | Pace


def _controller(concurrency: Concurrency) -> Controller:
    if isinstance(concurrency, Pace):
        return Found(concurrency.limit, concurrency.rate)
    return Found() if concurrency == "auto" else Fixed(_arguments.whole("concurrency", concurrency))


class Limiter:
    """One pace, for one session or for several of the same account.

    ``rate`` is a bound that you know; ``concurrency`` the most requests at once, or ``"auto"`` to find it, or
    the `Pace` that was found before, to find it sooner. A limiter belongs to the event loop in which it is
    first used; another one gets a `SessionError`.
    """

    def __init__(
        self, rate: RateLimit | None = None, concurrency: Concurrency = "auto", *, clock: Clock | None = None
    ) -> None:
        self._schedule = None if rate is None else Schedule(_arguments.instance("rate", rate, RateLimit))
        self._clock = clock or LoopClock()
        self._controller = _controller(concurrency)
        self._flow = Flow()
        self._slots = Gate(lambda: self.limit)
        self._places = Gate(lambda: self.limit + self._ahead())
        self._turns = FairQueue()
        self._awaiting_turns = 0
        self._next_turn = -math.inf
        self._resume_at = -math.inf
        self._timer: Handle | None = None
        self._sending_away = False
        self._closed: list[Flow] = []
        self._loop: asyncio.AbstractEventLoop | None = None

    @property
    def limit(self) -> int:
        """How many requests may be in flight at once, for now."""
        return self._controller.limit

    @property
    def pace(self) -> Pace:
        """What was found by now, for the ``concurrency`` of another limiter."""
        interval = self._controller.interval
        return Pace(limit=self.limit, rate=1 / interval if interval > 0 else None)

    @property
    def most(self) -> int:
        """The highest limit that there can be."""
        return self._controller.most

    @property
    def most_ahead(self) -> int:
        """The most places that there can be beyond the slots."""
        return min(self.most, _MOST_AHEAD)

    @property
    def rate(self) -> float:
        """Requests a second, for now at the most: what was given or is found, infinite if nothing is."""
        interval = max(self._given(), self._controller.interval)
        return 1 / interval if interval > 0 else math.inf

    @property
    def in_flight(self) -> int:
        """How many slots are taken."""
        return self._slots.taken

    @property
    def is_running_dry(self) -> bool:
        """Whether so few wait for a slot that slots may soon stand idle, though more have a place."""
        return 4 * len(self._slots.queue) < self._ahead()

    @property
    def waiting(self) -> int:
        """How many wait for a slot, a place or a turn."""
        return len(self._slots.queue) + len(self._places.queue) + len(self._turns)

    @property
    def paused_for(self) -> float:
        """Seconds until the server's pause is over, 0 when there is none."""
        return max(0.0, self._resume_at - self._clock.now())

    def bind(self) -> None:
        """Ties the limiter to the event loop that runs. Raises `SessionError` if that is not its own: whoever
        waits in one loop would never be woken from another."""
        loop = asyncio.get_running_loop()
        if self._loop is None:
            self._loop = loop
        elif self._loop is not loop:
            raise SessionError("the limiter belongs to another event loop; make one in each loop")

    async def acquire_slot(self, patience: float = math.inf, flow: Flow | None = None) -> bool:
        """Waits for a slot, in the line of `flow`; `release_slot` gives it back.

        False, and no slot is taken, once the server's pause lasts longer than `patience` seconds, or the flow
        is closed.
        """
        return await self._pass(self._slots, patience, flow)

    def release_slot(self) -> None:
        """Gives a slot back."""
        self._slots.release()

    async def acquire_place(self, patience: float = math.inf, flow: Flow | None = None) -> bool:
        """Waits for one of the few places ahead of the slots, for who has something to do just before it is
        sent, which must neither be long before nor take up a slot; `release_place` gives it back, after the
        slot. False as with `acquire_slot`."""
        return await self._pass(self._places, patience, flow)

    def release_place(self) -> None:
        """Gives a place back."""
        self._places.release()

    async def take_turn(self, patience: float = math.inf, flow: Flow | None = None) -> bool:
        """Waits until the rate and the server's pauses let one more request go.

        False, and no turn is taken, as with `acquire_slot`.
        """
        flow = flow or self._flow
        if not self._admits(patience, flow):
            return False
        if not self._turns and self._ready_at() <= (now := self._clock.now()):
            self._take(since=now)
        elif not await self._wait_for_turn(flow, patience):
            return False
        if self._schedule is not None:
            # Not when it was taken: the loop may have been busy since then.
            self._schedule.use(self._clock.now())
        return True

    async def _wait_for_turn(self, flow: Flow, patience: float) -> bool:
        self._awaiting_turns += 1
        try:
            return await self._turns.wait(flow, patience, joined=self._arm, give_back=self._give_back)
        finally:
            self._awaiting_turns -= 1

    async def _pass(self, gate: Gate, patience: float, flow: Flow | None) -> bool:
        flow = flow or self._flow
        return self._admits(patience, flow) and await gate.acquire(flow, patience)

    def _admits(self, patience: float, flow: Flow) -> bool:
        self.bind()
        return not flow.closed and self.paused_for <= patience

    def pause(self, seconds: float) -> None:
        """Nobody gets a turn for so long; a longer pause in force stays. Who waits with less patience, for a
        slot or a turn, is sent away at once."""
        self._resume_at = max(self._resume_at, self._clock.now() + seconds)
        self._send_away()

    def close(self, flow: Flow) -> None:
        """Whoever waits in `flow` is sent away at once, and whoever comes to it later."""
        flow.closed = True
        self._closed.append(flow)
        self._send_away()

    def _send_away(self) -> None:
        if self._sending_away:
            return
        left = _AT_ONCE
        for queue in (self._places.queue, self._slots.queue, self._turns):
            left -= queue.send_away(self.paused_for, left)
            for flow in self._closed:
                left -= queue.close(flow, left)
        if left:
            self._closed.clear()
        else:
            self._sending_away = True
            asyncio.get_running_loop().call_soon(self._send_more_away)

    def _send_more_away(self) -> None:
        self._sending_away = False
        self._send_away()

    def observe(self, began: float, latency: float, signal: Signal) -> None:
        """Tells how an attempt went that still has its slot: its begin and length by this limiter's clock."""
        interval = self._controller.interval
        # Who waits for a turn has a slot, but has sent nothing.
        waiting = self._awaiting_turns
        self._controller.observe(
            began,
            began + latency,
            signal,
            in_flight=self.in_flight - waiting,
            waiting=waiting > 0 and interval >= self._given(),
            paused=self.paused_for,
        )
        if self._controller.interval > interval:
            self._next_turn = max(self._next_turn, self._clock.now() + self._controller.interval)
        self._slots.fill()
        self._places.fill()

    def now(self) -> float:
        """The limiter's clock, for `observe`."""
        return self._clock.now()

    def _ahead(self) -> int:
        return min(self.limit, _MOST_AHEAD)

    def _given(self) -> float:
        return 0.0 if self._schedule is None else self._schedule.interval

    def _ready_at(self) -> float:
        ready_at = max(self._resume_at, self._next_turn)
        return ready_at if self._schedule is None else max(ready_at, self._schedule.ready_at())

    def _take(self, *, since: float) -> None:
        now, interval = self._clock.now(), self._controller.interval
        self._controller.sent(now)
        if interval > 0:
            # A timer that fires late doesn't push those behind it back, by one interval at the most.
            self._next_turn = interval + max(self._next_turn, since, now - interval)
        if self._schedule is not None:
            self._schedule.take(now, since)

    def _give_back(self) -> None:
        self._next_turn -= self._controller.interval
        if self._schedule is not None:
            self._schedule.give_back()
        if self._timer is not None:
            # It may be late now.
            self._timer.cancel()
            self._timer = None
        self._grant()

    def _arm(self) -> None:
        if self._timer is None:
            self._timer = self._clock.call_at(self._ready_at(), self._on_time)

    def _on_time(self) -> None:
        self._timer = None
        self._grant()

    def _grant(self) -> None:
        left = _AT_ONCE
        while left and self._ready_at() <= self._clock.now() and self._turns.release_one():
            self._take(since=self._resume_at)
            left -= 1
        if self._turns:
            self._arm()
