"""Hands outcomes from the workers to one consumer."""

from __future__ import annotations

import asyncio
import math
from collections import deque
from typing import Self

from .outcomes import Outcome


class Channel:
    """A queue whose `put` never waits, so that no cancellation can lose an outcome; who puts asks for `room`
    before it does more work."""

    def __init__(self, size: float, *, ordered: bool = False) -> None:
        self._size = size
        self._ordered = ordered
        self._early: dict[int, Outcome] = {}
        self._passed = 0
        self._outcomes: deque[Outcome] = deque()
        self._closed = False
        self._error: BaseException | None = None
        self._filled = asyncio.Event()
        self._drained = asyncio.Event()

    def put(self, outcome: Outcome) -> None:
        """Adds an outcome; in the order of the input, if the channel is ordered."""
        if not self._ordered:
            self._outcomes.append(outcome)
            self._filled.set()
            return
        self._early[outcome.index] = outcome
        while self._passed in self._early:
            self._outcomes.append(self._early.pop(self._passed))
            self._passed += 1
            self._filled.set()

    def behind(self, taken: int) -> int:
        """How many rows of those taken came after one that has not ended, while its turn is held up."""
        return taken - self._passed if self._early else 0

    async def room(self) -> None:
        """Waits while the consumer is behind."""
        while len(self._outcomes) >= self._size:
            self._drained.clear()
            await self._drained.wait()

    def open_up(self) -> None:
        """There is room from now on: no more is coming than what was begun, and the consumer may itself wait
        for the end of it."""
        self._size = math.inf
        self._drained.set()

    def left(self) -> list[Outcome]:
        """The outcomes that nobody took."""
        return list(self._outcomes)

    def close(self, error: BaseException | None = None) -> None:
        """Says that nothing more comes, or why: it is raised once all outcomes are handed out."""
        self._closed = True
        self._error = error
        self._filled.set()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Outcome:
        while not self._outcomes:
            if self._closed:
                error, self._error = self._error, None
                raise error or StopAsyncIteration
            self._filled.clear()
            await self._filled.wait()
        outcome = self._outcomes.popleft()
        if len(self._outcomes) < self._size:
            self._drained.set()
        return outcome
