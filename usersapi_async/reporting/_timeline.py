"""A run over time, in so many spans at the most, however long it lasts. No I/O."""

from __future__ import annotations

import itertools

import attrs

MOST_SPANS = 120
SHORTEST = 0.001
"""Seconds that are taken for a stretch of time."""
_FIRST_WIDTH = 0.1
_LONGEST_INTERVAL = 1.0


@attrs.frozen(kw_only=True)
class Span:
    """What happened between two moments, in seconds since the run began.

    Counted: calls by their ending, requests, and how many of those were retries. Averages: ``limit``,
    ``in_flight`` and ``waiting``. ``paused`` tells that the server's pause was in force. The percentiles are
    the highest that were seen, in seconds.
    """

    began: float
    ended: float
    succeeded: int = 0
    failed: int = 0
    in_doubt: int = 0
    requests: int = 0
    retries: int = 0
    limit: float = 0.0
    in_flight: float = 0.0
    waiting: float = 0.0
    paused: bool = False
    p50: float | None = None
    p90: float | None = None
    p99: float | None = None

    @property
    def seconds(self) -> float:
        """How long it lasted."""
        return self.ended - self.began

    def rate(self, count: int) -> float:
        """So many, per second."""
        return count / self.seconds if self.seconds >= SHORTEST else 0.0

    def followed_by(self, other: Span) -> Span:
        """Both as one."""
        whole = self.seconds + other.seconds
        share = self.seconds / whole if whole > 0 else 0.5

        def mean(one: float, two: float) -> float:
            return one * share + two * (1 - share)

        return Span(
            began=self.began,
            ended=other.ended,
            succeeded=self.succeeded + other.succeeded,
            failed=self.failed + other.failed,
            in_doubt=self.in_doubt + other.in_doubt,
            requests=self.requests + other.requests,
            retries=self.retries + other.retries,
            limit=mean(self.limit, other.limit),
            in_flight=mean(self.in_flight, other.in_flight),
            waiting=mean(self.waiting, other.waiting),
            paused=self.paused or other.paused,
            p50=_higher(self.p50, other.p50),
            p90=_higher(self.p90, other.p90),
            p99=_higher(self.p99, other.p99),
        )


def _higher(one: float | None, two: float | None) -> float | None:
    return max((value for value in (one, two) if value is not None), default=None)


class Timeline:
    """Spans of one width, which is doubled when there are too many of them."""

    def __init__(self) -> None:
        self.spans: list[Span] = []
        self._width = _FIRST_WIDTH

    @property
    def interval(self) -> float:
        """Seconds after which the next span is due."""
        return min(self._width, _LONGEST_INTERVAL)

    def add(self, span: Span) -> None:
        """Takes a span in that begins where the last one ended."""
        last = self.spans[-1] if self.spans else None
        # Of a short one, as there is at the end of a run, a rate would say little.
        if last is not None and (
            span.seconds < self.interval / 2 or last.seconds + span.seconds <= self._width
        ):
            self.spans[-1] = last.followed_by(span)
            return
        self.spans.append(span)
        if len(self.spans) > MOST_SPANS:
            self._width *= 2
            pairs = itertools.zip_longest(self.spans[::2], self.spans[1::2])
            self.spans = [one if two is None else one.followed_by(two) for one, two in pairs]
