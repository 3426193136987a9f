"""One run of a batch: workers that share one iterator, and the one place where a row ends."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from typing import cast

import attrs

from usersapi_async._call import Call
from usersapi_async._timers import Timer
from usersapi_async.errors import JournalError, PayloadError, SourceError, UsersApiError
from usersapi_async.payloads import AnyPayload
from usersapi_async.responses import Response
from usersapi_async.session import UsersSession

from ._tasks import Sleepers, all_ended
from .callbacks import Callbacks
from .channel import Channel
from .ledger import Ledger, introduce
from .outcomes import NotAttempted, Outcome
from .policy import Policy
from .report import BatchReport, Keep
from .rows import Dependencies, Row, lost, unfinished, won
from .source import Build, Item, Items, Source
from .stopping import StopRules

_OPEN_PER_WORKER = 4
"""Rows on their way for each worker: all of them may be parked at once."""
_ORDERED_AHEAD = 16
_CANCELLED = "the batch was cancelled"
_CRASHED = "the batch crashed"


class Engine:
    """The state of one run. Rows move from taken through waiting, ready, sent and parked to ended; every move
    but sending is synchronous, so that a cancellation at any await finds each row in exactly one place."""

    def __init__(
        self,
        users: UsersSession,
        policy: Policy,
        items: Items,
        build: Build | None,
        keep: Keep,
        channel: Channel | None,
        limit: int | None,
        ledger: Ledger | None,
    ) -> None:
        self._users = users
        self._policy = policy
        self._source = Source(items)
        self._build = build
        # What a stream's consumer gets need not be kept.
        self._callbacks = Callbacks(keep, policy.on_progress, self._on_crash, unasked=channel is None)
        self._channel = channel
        self._limit = limit
        self._ledger = ledger
        # What a journal is told of a row before it is sent keeps no other from being sent meanwhile.
        self._workers = policy.workers + (0 if ledger is None else policy.ahead)
        self._loop = asyncio.get_running_loop()
        self._began = self._loop.time()
        self._dependencies = Dependencies(policy.after_failure, None if ledger is None else policy.window)
        self._open: dict[int, Row] = {}
        self._ready: deque[Row] = deque()
        self._parked: dict[Row, Timer] = {}
        self._sleepers = Sleepers()
        self._stepping: dict[Row, asyncio.Task[None]] = {}
        self._tasks: list[asyncio.Task[None]] = []
        self._finished = asyncio.Event()
        self._advancing = 0
        self._given_up = False
        self._is_reading = False
        self._no_more_rows = False
        self._abort_reason: str | None = None
        self._rules = StopRules(
            policy.max_errors, policy.max_same_rejections, max_pause=users.retry.max_pause
        )
        self._error: SourceError | JournalError | None = None
        self.report = BatchReport()

    async def run(self, deadline: float | None) -> None:
        """Works until every row taken has ended.

        Raises `SourceError` when the input broke off, `JournalError` when the journal can't be used.
        """
        try:
            async with self._ledger or contextlib.nullcontext():
                await self._run(deadline)
        except JournalError as error:
            self.report.stopped_by = self.report.stopped_by or str(error)
            raise
        finally:
            self._dependencies.close()
            self._finished.set()

    async def _run(self, deadline: float | None) -> None:
        timer = (
            None if deadline is None else self._loop.call_later(deadline, self.abort, "the deadline passed")
        )
        self._tasks = [self._loop.create_task(self._work()) for _ in range(self._workers)]
        reason = _CANCELLED
        try:
            await asyncio.wait(self._tasks, return_when=asyncio.FIRST_EXCEPTION)
            reason = _CRASHED
        finally:
            if timer is not None:
                timer.cancel()
            if not all(task.done() for task in self._tasks):
                self.give_up(reason)
            try:
                await all_ended(self._tasks)
            finally:
                crashes = [task.exception() for task in self._tasks if not task.cancelled()]
                self._settle(reason)
        for crash in (*crashes, self._callbacks.crash, self._error):
            if crash is not None:
                raise crash

    async def finished(self) -> None:
        """Waits until `run` is over."""
        await self._finished.wait()

    def stop(self, reason: str) -> None:
        """Takes no further row; those taken go on."""
        if self._channel is not None:
            self._channel.open_up()
        if self._no_more_rows:
            return
        self._no_more_rows = True
        self.report.stopped_by = self.report.stopped_by or reason
        self._source.stop()
        self._sleepers.wake_all()

    def abort(self, reason: str) -> None:
        """Takes no further row, and begins none of those taken; requests under way are let finish."""
        self.stop(reason)
        if self._abort_reason is not None:
            return
        self._abort_reason = reason
        if self._open:
            self.report.stopped_by = self.report.stopped_by or reason
        for row, task in self._stepping.items():
            if row.call is not None and row.call.watch is None:
                # It still waits for its turn: with a pause in force, perhaps for hours.
                row.withdrawn = True
                task.cancel()
        for row, timer in self._parked.items():
            timer.cancel()
            self._ready.append(row)
        self._parked.clear()
        if self._ledger is not None:
            self._ready.extend(self._ledger.release())
        self._sleepers.wake_all()

    def give_up(self, reason: str) -> None:
        """Breaks off what is under way; every row still gets its outcome."""
        if self._finished.is_set():
            return
        self.abort(reason)
        self._given_up = True
        for task in self._tasks:
            task.cancel()

    async def _work(self) -> None:
        try:
            while (row := await self._next_row()) is not None:
                self._advancing += 1
                try:
                    await self._advance(row)
                finally:
                    self._advancing -= 1
        except asyncio.CancelledError:
            if not self._given_up:
                # It came from outside, and the row that this worker had can't go on without it.
                self.give_up(_CANCELLED)
            raise

    async def _next_row(self) -> Row | None:
        """A row that may be sent now, or None when all have ended."""
        while not self._given_up:
            if self._channel is not None:
                await self._channel.room()
            if self._ledger is not None and self._ledger.due:
                await self._look_up(self._ledger)
            if self._ready:
                return self._ready.popleft()
            if self._may_read():
                await self._read()
            elif self._ledger is not None and self._ledger.holds and not self._is_moving():
                await self._look_up(self._ledger)
            elif self._no_more_rows and not self._open:
                self._sleepers.wake_all()
                return None
            else:
                await self._sleepers.sleep()
        return None

    def _may_read(self) -> bool:
        workers = self._workers
        if self._no_more_rows or self._is_reading:
            return False
        if self._channel is not None and self._channel.behind(self.report.taken) >= workers * _ORDERED_AHEAD:
            return False
        return len(self._open) < workers * _OPEN_PER_WORKER

    def _is_moving(self) -> bool:
        """Whether more rows may come to be looked up with those that are held."""
        return bool(self._advancing or self._parked or self._is_reading)

    async def _look_up(self, ledger: Ledger) -> None:
        """Finds out what became of the rows that an earlier run left in doubt."""
        for row, outcome in await ledger.settle(ledger.release()):
            if outcome is not None:
                self._end(row, outcome)
            elif not self._left_out(row):
                self._ready.append(row)
                self._sleepers.wake(1)

    async def _read(self) -> None:
        """Takes one row, and no other before its place among the rest is known."""
        self._is_reading = True
        try:
            item = await self._source.read()
        except SourceError as error:
            item, self._error = None, error
            self.stop("the iterable of rows raised")
        if item is not None:
            await self._take(item)
        elif self._source.exhausted:
            self.report.exhausted = not self._no_more_rows
            self._no_more_rows = True
        self._is_reading = False
        self._sleepers.wake(1)
        # A source and a build that never wait would keep everything else from running.
        await asyncio.sleep(0)

    async def _take(self, item: Item) -> None:
        index = self.report.taken
        self.report.taken += 1
        if self.report.taken == self._limit:
            self.stop(f"the limit of {self._limit} rows")
        row = Row(index, item.key_or(index), self._loop.time())
        # From here on it will be told how the row ended, also if this is broken off.
        self._open[index] = row
        try:
            await self._dependencies.register(row)
            row.payload = item.payload(self._build)
            introduce(row, self._ledger, self._policy.marker_field)
            await self._dependencies.bind(row)
        except PayloadError as error:
            self._end(row, lost(row, error))
        except JournalError as error:
            self._error = error
            self.abort(str(error))
            self._left_out(row)
        else:
            self._admit(row)

    def _admit(self, row: Row) -> None:
        verdict = self._dependencies.admit(row)
        if verdict == "ready":
            self._ready.append(row)
            self._sleepers.wake(1)
        elif verdict != "waiting":
            self._end(row, verdict)

    async def _advance(self, row: Row) -> None:
        """Sends a row once, and ends or parks it."""
        if self._left_out(row):
            return
        try:
            call = row.call or await self._begin(row)
            if call is None:
                return
            result = await self._step(row, call)
        except UsersApiError as error:
            reason = self._rules.after_error(error)
            self._obey(reason)
            if reason is None or (row.call is not None and row.call.attempts):
                self._end(row, lost(row, error))
            else:
                self._end(row, row.not_attempted(reason))
            return
        if isinstance(result, Response):
            self._rules.after_success()
            self._end(row, won(row, result))
        elif not self._left_out(row):
            self._parked[row] = self._users.call_later(result, lambda: self._unpark(row))

    async def _begin(self, row: Row) -> Call | None:
        """Prepares the row's call, unless it ended in an earlier run or the batch was aborted."""
        ledger = self._ledger
        if ledger is not None:
            ended = await ledger.recall(row)
            if ended == "held":
                if self._abort_reason is not None:
                    ledger.release()
                    self._left_out(row)
                return None
            if ended is not None:
                self._end(row, ended)
                return None
            if self._left_out(row):
                return None
        payload = cast("AnyPayload", row.payload)
        row.call = self._users.prepare(payload, patience=self._policy.patience, bulk=True)
        row.call.intent = None if ledger is None else ledger.intent(row, row.call)
        return row.call

    async def _step(self, row: Row, call: Call) -> Response | float:
        """One attempt, or none if the batch was aborted before the row's turn came."""
        self._stepping[row] = task = cast("asyncio.Task[None]", asyncio.current_task())
        try:
            return await self._users.step(call)
        except asyncio.CancelledError:
            if self._given_up or not row.withdrawn:
                raise
            task.uncancel()
            return 0.0
        finally:
            del self._stepping[row]

    def _left_out(self, row: Row) -> bool:
        """Ends a row that can't go on since the batch was aborted."""
        if self._abort_reason is not None:
            self._end(row, unfinished(row, self._abort_reason))
            return True
        return False

    def _unpark(self, row: Row) -> None:
        del self._parked[row]
        self._ready.append(row)
        self._sleepers.wake(1)

    def _end(self, row: Row, outcome: Outcome) -> None:
        """Ends a row, and whatever ends with it."""
        ended: deque[tuple[Row, Outcome]] = deque([(row, outcome)])
        while ended:
            row, outcome = ended.popleft()
            self._record(row, outcome)
            for waiting in self._dependencies.end(row, outcome):
                verdict = self._dependencies.admit(waiting)
                if verdict == "ready":
                    self._ready.append(waiting)
                elif verdict != "waiting":
                    ended.append((waiting, verdict))
        # One more than is ready, since there may be room for another row; all of them once it is over.
        if self._open or not self._no_more_rows:
            self._sleepers.wake(len(self._ready) + 1)
        else:
            self._sleepers.wake_all()

    def _record(self, row: Row, outcome: Outcome) -> None:
        outcome = attrs.evolve(
            outcome,
            attempts=0 if row.call is None else row.call.attempts,
            elapsed=self._loop.time() - row.taken_at,
        )
        self.report.elapsed = self._loop.time() - self._began
        if row.call is not None:
            # A record still kept of an attempt means that the row ends in the middle of it.
            abandoned = row.call.watch is not None or isinstance(outcome, NotAttempted)
            self._users.finish(row.call, getattr(outcome, "error", None), abandoned=abandoned)
        del self._open[row.index]
        if self._ledger is not None:
            self._ledger.record(row, outcome)
        self.report.add(outcome, keep=self._callbacks.keeps(outcome))
        if self._channel is not None:
            self._channel.put(outcome)
        self._obey(self._rules.after_outcome(self.report))
        self._callbacks.tell(self.report.progress())

    def _on_crash(self, error: BaseException) -> None:
        """Ends the batch, but lets what is under way finish: broken off, it would be in doubt."""
        self.abort(_CRASHED) if isinstance(error, Exception) else self.give_up(_CRASHED)

    def _obey(self, reason: str | None) -> None:
        if reason is not None:
            self.abort(reason)

    def _settle(self, reason: str) -> None:
        """Gives an outcome to every row that is still open, after a cancellation or a crash."""
        for timer in self._parked.values():
            timer.cancel()
        self._parked.clear()
        self._ready.clear()
        self._no_more_rows = True
        self._callbacks.silenced = True
        if self._open or not self.report.exhausted:
            self.report.stopped_by = self.report.stopped_by or reason
        while self._open:
            row = next(iter(self._open.values()))
            self._end(row, unfinished(row, self.report.stopped_by or ""))
        self.report.elapsed = self._loop.time() - self._began
