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

    def __init__(self, size: float) -> None:
        self._size = size
        self._outcomes: deque[Outcome] = deque()
        self._closed = False
        self._error: BaseException | None = None
        self._filled = asyncio.Event()
        self._drained = asyncio.Event()

    def put(self, outcome: Outcome) -> None:
        """Adds an outcome."""
        self._outcomes.append(outcome)
        self._filled.set()

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
