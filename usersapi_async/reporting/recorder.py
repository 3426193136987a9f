"""`RunRecorder`: watches a run while it works, for the page that reports it."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Self

from usersapi_async import _arguments
from usersapi_async.batch import Outcome
from usersapi_async.limiter import Clock, Handle, LoopClock
from usersapi_async.observer import (
    AttemptStarted,
    CallFinished,
    CallStarted,
    Observer,
    Paused,
    RetryScheduled,
)
from usersapi_async.session import UsersSession

from ._facts import Facts
from ._timeline import Span


class RunRecorder(Observer):
    """Records one run for `write_report`, in memory that doesn't grow with its length, but for one bit a row.

    ``with RunRecorder(users) as recorder: …``, in the event loop of the session `users`. What is called or
    run over ``recorder.users`` is counted, and the session's pace is looked at ten times a second at first,
    and once a second in the end. An observer that the session has is told as before. ``add`` each outcome of
    a stream; those that the report of a batch holds need no adding.
    """

    def __init__(
        self,
        users: UsersSession,
        *,
        clock: Clock | None = None,
        wall_clock: Callable[[], float] = time.time,
    ) -> None:
        _arguments.instance("users", users, UsersSession)
        self.facts = Facts(group_id=users.group_id)
        """What was recorded, for `write_report`."""
        self.users = users.with_options(observer=self)
        """The session, watched."""
        self._next = users.observer
        self._clock = clock or LoopClock()
        self._wall_clock = wall_clock
        self._timer: Handle | None = None
        self._start = self._last = 0.0
        self._counts = (0, 0, 0, 0, 0)
        self._retries = 0

    def __enter__(self) -> Self:
        self._start = self._last = self._clock.now()
        self.facts.began = self._wall_clock()
        self._plan()
        return self

    def __exit__(self, *_: object) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._sample()

    def add(self, outcome: Outcome) -> None:
        """Takes in what became of a row. Each row counts once, however often it is added."""
        self.facts.tally.add(outcome)

    def call_started(self, event: CallStarted) -> None:
        """Passes it on."""
        if self._next is not None:
            self._next.call_started(event)

    def attempt_started(self, event: AttemptStarted) -> None:
        """Counts a request."""
        self.facts.requests += 1
        self._retries += event.attempt > 1
        self.facts.queued.add(event.waited)
        if self._next is not None:
            self._next.attempt_started(event)

    def retry_scheduled(self, event: RetryScheduled) -> None:
        """Counts a retry by its evidence."""
        self.facts.retries[event.evidence].add(event.wait)
        if self._next is not None:
            self._next.retry_scheduled(event)

    def paused(self, event: Paused) -> None:
        """Counts a pause."""
        self.facts.pauses[event.status].add(event.seconds)
        if self._next is not None:
            self._next.paused(event)

    def call_finished(self, event: CallFinished) -> None:
        """Counts a call by its ending."""
        ending = (
            "succeeded" if event.ending == "succeeded" else "in doubt" if event.may_have_changed else "failed"
        )
        self.facts.endings[ending] += 1
        self.facts.calls.add(event.elapsed)
        if self._next is not None:
            self._next.call_finished(event)

    def _plan(self) -> None:
        self._timer = self._clock.call_at(self._last + self.facts.timeline.interval, self._tick)

    def _tick(self) -> None:
        self._sample()
        self._plan()

    def _sample(self) -> None:
        facts, now, before = self.facts, self._clock.now(), self._counts
        pace = facts.latest = self.users.statistics()
        endings, latency = facts.endings, pace.latency
        self._counts = (
            endings["succeeded"],
            endings["failed"],
            endings["in doubt"],
            facts.requests,
            self._retries,
        )
        succeeded, failed, in_doubt, requests, retries = (
            count - earlier for count, earlier in zip(self._counts, before, strict=True)
        )
        facts.timeline.add(
            Span(
                began=self._last - self._start,
                ended=now - self._start,
                succeeded=succeeded,
                failed=failed,
                in_doubt=in_doubt,
                requests=requests,
                retries=retries,
                limit=pace.limit,
                in_flight=pace.in_flight,
                waiting=pace.waiting,
                paused=pace.paused_for > 0,
                p50=None if latency is None else latency.p50,
                p90=None if latency is None else latency.p90,
                p99=None if latency is None else latency.p99,
            )
        )
        self._last = now
