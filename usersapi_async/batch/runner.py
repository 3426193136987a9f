"""`BatchRunner`: fans many operations out over one session."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, nullcontext
from typing import Any

from usersapi_async import _arguments
from usersapi_async.errors import ConfigurationError, SessionError
from usersapi_async.session import UsersSession

from ._tasks import all_ended
from .channel import Channel
from .engine import Engine
from .journal import JournalSource, journal_of
from .ledger import Ledger
from .outcomes import Outcome
from .policy import Policy
from .recorder import Recorder, ResultsTarget
from .report import BatchReport, Keep, Progress
from .rows import AfterFailure
from .source import Build, Item, Items


class BatchRunner:
    """Runs batches over a session, one after the other.

    ``concurrency`` is how many rows are worked on at once, by default as many as the session's limiter may
    ever let go. A row waits ``patience`` seconds at most for a server that can't be reached or refuses for
    now, so that an outage or a restart in the night costs time and no rows; meanwhile hardly anything is sent
    and no further row is taken.

    ``max_errors`` stops the batch at so many failures and doubts, or, below 1, at that share of the rows
    tried; ``max_same_rejections`` when so many rows in a row are refused alike (None: never). A refusal of
    the credentials always stops it. ``after_failure="skip"`` leaves out what is still to be written to a user
    once a write failed.

    With a journal, ``reconcile`` looks up what an earlier run left in doubt before it goes on: who was found
    has succeeded, who is absent is sent, and who can't be told stays in doubt. ``marker_field`` names a form
    field of the project into which each create writes its row's key: then nobody is mistaken for another.

    ``ordered`` hands outcomes out in the order of the input instead of that of their ending. ``keep`` says
    which outcomes the report holds (by default `run` keeps all, `stream` none). ``on_progress`` is called
    with a `Progress` at the end of each row.
    """

    def __init__(
        self,
        users: UsersSession,
        *,
        concurrency: int | None = None,
        patience: float = 600.0,
        max_errors: float | None = None,
        max_same_rejections: int | None = 20,
        ordered: bool = False,
        after_failure: AfterFailure = "continue",
        reconcile: bool = False,
        marker_field: str | None = None,
        keep: Keep | None = None,
        on_progress: Callable[[Progress], object] | None = None,
    ) -> None:
        self._users = _arguments.instance("users", users, UsersSession)
        if max_errors is not None:
            _arguments.positive("max_errors", max_errors)
        if max_same_rejections is not None:
            _arguments.whole("max_same_rejections", max_same_rejections)
        if after_failure not in ("continue", "skip"):
            raise ConfigurationError('after_failure: expected "continue" or "skip"')
        if marker_field is not None and not _arguments.instance("marker_field", marker_field, str).strip():
            raise ConfigurationError("marker_field: expected the name of a field")
        _checked_function("keep", keep)
        _checked_function("on_progress", on_progress)
        self._policy = Policy(
            workers=users.limiter.most
            if concurrency is None
            else _arguments.whole("concurrency", concurrency),
            ahead=users.limiter.most_ahead if concurrency is None else 0,
            patience=_arguments.number("patience", patience),
            max_errors=max_errors,
            max_same_rejections=max_same_rejections,
            ordered=_arguments.instance("ordered", ordered, bool),
            after_failure=after_failure,
            reconcile=_arguments.instance("reconcile", reconcile, bool),
            marker_field=marker_field,
            on_progress=on_progress,
        )
        self._keep = keep
        self._engine: Engine | None = None
        self._report = BatchReport()

    @property
    def report(self) -> BatchReport:
        """The report of the run under way, or of the last one, however it ended."""
        return self._report

    async def run(
        self,
        items: Items,
        *,
        build: Build | None = None,
        journal: JournalSource | None = None,
        results: ResultsTarget | None = None,
        limit: int | None = None,
        deadline: float | None = None,
    ) -> BatchReport:
        """Works through `items` and returns the report.

        `items` is a sync or async iterable of payloads or of ``(key, payload)`` pairs. With `build`, a
        function that returns a payload, they are raw rows or ``(key, raw)`` pairs: a row for which it raises
        is one failed outcome. It is called in the order of the input. At most `limit` rows are taken: a
        canary before the rest. After `deadline` seconds no further row is begun.

        `journal`, the path of a file or a `Journal`, makes the run resumable: another one with the same
        journal and the same keys skips what was carried out (its outcomes are ``resumed``, without a
        response), and sends what was not. Every row needs a key then. What was in flight when a process died
        is in doubt, unless the runner may ``reconcile``.

        `results`, the path of a new file or a `ResultWriter`, gets a line for each row as soon as it has
        ended.

        Raises `SourceError` when the iterable raises, `SessionError` when the session is not open,
        `JournalError` when the journal can't be used or written, which stops the batch before it sends,
        `ResultsError` when the results can't be written, after which no row is begun, and what ``keep`` or
        ``on_progress`` raise, after the requests under way have ended; all outcomes up to then are in
        ``report``, also after a cancellation.
        """
        given = Item(items)
        # A traceback with local variables would show the rows of a list.
        del items
        deadline = _checked_deadline(deadline)
        recorder = None if results is None else Recorder(results)
        engine = self._new_engine(given, build, self._keep or _everything, None, limit, journal, recorder)
        try:
            with recorder or nullcontext():
                await engine.run(deadline)
        finally:
            self._engine = None
            if self._policy.ordered:
                engine.report.outcomes.sort(key=lambda outcome: outcome.index)
        return engine.report

    @asynccontextmanager
    async def stream(
        self,
        items: Items,
        *,
        build: Build | None = None,
        journal: JournalSource | None = None,
        results: ResultsTarget | None = None,
        limit: int | None = None,
        deadline: float | None = None,
    ) -> AsyncIterator[AsyncIterator[Outcome]]:
        """The outcomes one by one, in memory that does not grow with the input, but without a journal by 130
        bytes for each key.

        ``async with runner.stream(items) as outcomes: async for outcome in outcomes: …``; the arguments and
        what is raised are those of `run`. A slow consumer slows the workers. Leaving the block early breaks
        off what is under way; ``report`` is whole then too, and its ``outcomes`` hold all that were not
        handed out.
        """
        given = Item(items)
        del items
        deadline = _checked_deadline(deadline)
        channel = Channel(self._policy.workers, ordered=self._policy.ordered)
        recorder = None if results is None else Recorder(results)
        engine = self._new_engine(given, build, self._keep or _nothing, channel, limit, journal, recorder)
        task = asyncio.create_task(self._drive(engine, channel, deadline, recorder))
        try:
            yield channel
        finally:
            # No cancellation of the task: one that comes before its first step would skip its cleaning up.
            engine.give_up("the stream was left")
            try:
                await all_ended([task])
            finally:
                engine.report.keep(channel.left())

    async def stop(self, drain: float | None = None) -> None:
        """Takes no further row, lets those taken end, and waits for that.

        After `drain` seconds (None: however long it takes) what is still under way is given up; a request
        that was sent by then may leave its row in doubt.
        """
        if drain is not None:
            _arguments.number("drain", drain)
        engine = self._engine
        if engine is None:
            return
        engine.stop("stopped by the caller")
        try:
            async with asyncio.timeout(drain):
                await engine.finished()
        except TimeoutError:
            engine.give_up("stopped by the caller")
            await engine.finished()

    def _new_engine(
        self,
        given: Item,
        build: Build | None,
        keep: Keep,
        channel: Channel | None,
        limit: int | None,
        journal: JournalSource | None,
        recorder: Recorder | None,
    ) -> Engine:
        if self._engine is not None:
            raise SessionError("this runner is at work; use another for a second batch at the same time")
        _checked_function("build", build)
        if limit is not None:
            _arguments.whole("limit", limit)
        ledger = None if journal is None else self._ledger_of(journal)
        self._users.require_open()
        items = given if recorder is None else Item(recorder.watch(given.read))
        engine = Engine(self._users, self._policy, items.read, build, keep, channel, limit, ledger)
        self._report = engine.report
        if recorder is not None:
            recorder.open(engine.report, engine.abort)
        self._engine = engine
        return engine

    def _ledger_of(self, journal: JournalSource) -> Ledger:
        return Ledger(
            self._users,
            journal_of(journal),
            settles=self._policy.reconcile,
            marker_field=self._policy.marker_field,
        )

    async def _drive(
        self, engine: Engine, channel: Channel, deadline: float | None, recorder: Recorder | None
    ) -> None:
        """Runs an engine in a task of its own, and closes the channel with what it ends with."""
        error: BaseException | None = None
        try:
            with recorder or nullcontext():
                await engine.run(deadline)
        except asyncio.CancelledError:
            raise
        except BaseException as crash:  # noqa: BLE001 (the consumer of the channel raises it)
            error = crash
        finally:
            self._engine = None
            channel.close(error)


def _everything(_: Outcome) -> bool:
    return True


def _nothing(_: Outcome) -> bool:
    return False


def _checked_deadline(deadline: float | None) -> float | None:
    return None if deadline is None else _arguments.positive("deadline", deadline)


def _checked_function(name: str, function: Any) -> None:
    if function is not None and not callable(function):
        raise ConfigurationError(f"{name}: expected a function, got {type(function).__name__}")
    if inspect.iscoroutinefunction(function):
        raise ConfigurationError(f"{name}: expected a plain function, got a coroutine function")
