"""What Ctrl-C does while a batch runs."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable
from types import FrameType
from typing import Self

from usersapi_async.batch import BatchRunner

_DRAIN = 30.0


class Interruptions:
    """While it is entered, the first Ctrl-C lets the rows taken end, the second gives them up, and a
    third does what it would without this. Enter it when the batch has begun: there is nothing to stop before.
    """

    def __init__(self, runner: BatchRunner, say: Callable[[str], object]) -> None:
        self.count = 0
        self._runner = runner
        self._say = say
        self._loop = asyncio.get_running_loop()
        self._stops: list[asyncio.Task[None]] = []

    def __enter__(self) -> Self:
        # The loop's own add_signal_handler is not there on every platform.
        self._before = signal.signal(signal.SIGINT, self._on_signal)
        return self

    def __exit__(self, *_: object) -> None:
        signal.signal(signal.SIGINT, self._before)

    def _on_signal(self, _number: int, _frame: FrameType | None) -> None:
        self.count += 1
        if self.count > 1:
            signal.signal(signal.SIGINT, self._before)
        self._loop.call_soon_threadsafe(self._stop, 0.0 if self.count > 1 else _DRAIN)

    def _stop(self, drain: float) -> None:
        self._say(
            f"Stopping: no further row is taken; those taken have {drain:.0f} s to end. "
            "Ctrl-C again stops at once."
            if drain
            else "Stopped: rows under way are given up."
        )
        self._stops.append(self._loop.create_task(self._runner.stop(drain)))
