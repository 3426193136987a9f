"""How fast and how much at once: a rate, a limit of concurrency, and pauses that the server imposed.

An attempt first takes a *slot* (concurrency), then a *turn* (rate and pauses), each first come, first served.
A cancelled waiter leaves its place to the next. Time comes from an injected clock.
"""

from __future__ import annotations

import asyncio
import math
from collections import deque
from collections.abc import Callable
from typing import Literal, Protocol, TypeAlias

import attrs

from . import _arguments
from ._concurrency import Adaptive, Controller, Fixed, Signal
from .errors import SessionError

Concurrency: TypeAlias = int | Literal["auto"]

_MOST_AHEAD = 32
"""Places beyond the slots; as many as there are slots if those are fewer."""


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
    """The running event loop's clock."""

    def now(self) -> float:
        """The loop's time."""
        return asyncio.get_running_loop().time()

    def call_at(self, when: float, callback: Callable[[], None]) -> Handle:
        """A timer of the loop."""
        return asyncio.get_running_loop().call_at(when, callback)


@attrs.frozen
class RateLimit:
    """At most ``count`` requests in ``per`` seconds, handed out evenly: one every ``per / count`` seconds."""

    count: float
    per: float = 1.0

    def __attrs_post_init__(self) -> None:
        for name, value in (("count", self.count), ("per", self.per)):
            _arguments.positive(name, value)

    @property
    def interval(self) -> float:
        """Seconds between two turns."""
        return self.per / self.count


class _Queue:
    """Waiters in the order of their coming; those that gave up are passed over.

    Each gets True when its time has come, or False when it is sent away.
    """

    def __init__(self) -> None:
        self._waiters: deque[tuple[asyncio.Future[bool], float]] = deque()

    def __len__(self) -> int:
        return len(self._waiters)

    async def wait(
        self, patience: float, *, joined: Callable[[], None], give_back: Callable[[], None]
    ) -> bool:
        """Waits at the end; `joined` is called once it is there, `give_back` if its time had come when it was
        cancelled."""
        waiter: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._waiters.append((waiter, patience))
        joined()
        try:
            return await waiter
        except asyncio.CancelledError:
            if waiter.done() and not waiter.cancelled() and waiter.result():
                give_back()
            raise

    def release_one(self) -> bool:
        """Lets the first go; False when nobody waits."""
        while self._waiters:
            waiter, _ = self._waiters.popleft()
            if not waiter.done():
                waiter.set_result(True)
                return True
        return False

    def send_away(self, seconds: float) -> None:
        """Lets those go, without what they waited for, whose patience is shorter."""
        for waiter, patience in self._waiters:
            if patience < seconds and not waiter.done():
                waiter.set_result(False)


class _Gate:
    """Lets so many through at once as `capacity` says at the time."""

    def __init__(self, capacity: Callable[[], int]) -> None:
        self._capacity = capacity
        self.taken = 0
        self.queue = _Queue()

    async def acquire(self, patience: float) -> bool:
        if self.taken < self._capacity() and not self.queue:
            self.taken += 1
            return True
        return await self.queue.wait(patience, joined=self.fill, give_back=self.release)

    def release(self) -> None:
        self.taken -= 1
        self.fill()

    def fill(self) -> None:
        while self.taken < self._capacity() and self.queue.release_one():
            self.taken += 1


class Limiter:
    """One pace, for one session or for several of the same account.

    ``rate`` is a bound that you know; ``concurrency`` the most requests at once, or ``"auto"`` to find it.
    A limiter belongs to the event loop in which it is first used; another one gets a `SessionError`.
    """

    def __init__(
        self, rate: RateLimit | None = None, concurrency: Concurrency = "auto", *, clock: Clock | None = None
    ) -> None:
        self._rate = None if rate is None else _arguments.instance("rate", rate, RateLimit)
        self._clock = clock or LoopClock()
        self._controller: Controller = (
            Adaptive() if concurrency == "auto" else Fixed(_arguments.whole("concurrency", concurrency))
        )
        self._slots = _Gate(lambda: self.limit)
        self._places = _Gate(lambda: self.limit + self._ahead())
        self._turns = _Queue()
        self._next_turn = -math.inf
        self._resume_at = -math.inf
        self._timer: Handle | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    @property
    def limit(self) -> int:
        """How many requests may be in flight at once, for now."""
        return self._controller.limit

    @property
    def most(self) -> int:
        """The highest limit that there can be."""
        return self._controller.most

    @property
    def most_ahead(self) -> int:
        """The most places that there can be beyond the slots."""
        return min(self.most, _MOST_AHEAD)

    @property
    def in_flight(self) -> int:
        """How many slots are taken."""
        return self._slots.taken

    @property
    def is_running_dry(self) -> bool:
        """Whether so few wait for a slot that slots may soon stand idle, though more have a place."""
        return 4 * len(self._slots.queue) < self._ahead()

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

    async def acquire_slot(self, patience: float = math.inf) -> bool:
        """Waits for a slot; `release_slot` gives it back.

        False, and no slot is taken, once the server's pause lasts longer than `patience` seconds.
        """
        return await self._pass(self._slots, patience)

    def release_slot(self) -> None:
        """Gives a slot back."""
        self._slots.release()

    async def acquire_place(self, patience: float = math.inf) -> bool:
        """Waits for one of the few places ahead of the slots, for who has something to do just before it is
        sent, which must neither be long before nor take up a slot; `release_place` gives it back, after the
        slot. False as with `acquire_slot`."""
        return await self._pass(self._places, patience)

    def release_place(self) -> None:
        """Gives a place back."""
        self._places.release()

    async def _pass(self, gate: _Gate, patience: float) -> bool:
        self.bind()
        return self.paused_for <= patience and await gate.acquire(patience)

    async def take_turn(self, patience: float = math.inf) -> bool:
        """Waits until the rate and the server's pauses let one more request go.

        False, and no turn is taken, once the server's pause lasts longer than `patience` seconds.
        """
        self.bind()
        if self.paused_for > patience:
            return False
        if not self._turns and self._ready_at() <= self._clock.now():
            self._take()
            return True
        return await self._turns.wait(patience, joined=self._arm, give_back=self._give_back)

    def pause(self, seconds: float) -> None:
        """Nobody gets a turn for so long; a longer pause in force stays. Who waits with less patience, for a
        slot or a turn, is sent away at once."""
        self._resume_at = max(self._resume_at, self._clock.now() + seconds)
        for queue in (self._places.queue, self._slots.queue, self._turns):
            queue.send_away(self.paused_for)

    def observe(self, began: float, latency: float, signal: Signal) -> None:
        """Tells how an attempt went that still has its slot: its begin and length by this limiter's clock."""
        self._controller.observe(began, began + latency, signal, in_flight=self.in_flight)
        self._slots.fill()
        self._places.fill()

    def now(self) -> float:
        """The limiter's clock, for `observe`."""
        return self._clock.now()

    def _ahead(self) -> int:
        return min(self.limit, _MOST_AHEAD)

    def _ready_at(self) -> float:
        return max(self._resume_at, self._next_turn)

    def _take(self, *, waited: bool = False) -> None:
        if self._rate is not None:
            now, interval = self._clock.now(), self._rate.interval
            # A timer that fires late doesn't push those behind it back, by one interval at the most.
            self._next_turn = interval + (max(self._ready_at(), now - interval) if waited else now)

    def _give_back(self) -> None:
        if self._rate is not None:
            self._next_turn -= self._rate.interval
        self._grant()

    def _arm(self) -> None:
        if self._timer is None:
            self._timer = self._clock.call_at(self._ready_at(), self._on_time)

    def _on_time(self) -> None:
        self._timer = None
        self._grant()

    def _grant(self) -> None:
        while self._turns and self._ready_at() <= self._clock.now():
            if self._turns.release_one():
                self._take(waited=True)
        if self._turns:
            self._arm()
