"""A run over time, how long many things took, and what became of rows: all in little memory."""

from __future__ import annotations

import itertools
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from usersapi_async import ActionRejected, Outcome, PayloadError
from usersapi_async.reporting._histogram import Histogram
from usersapi_async.reporting._tally import MOST_DOUBTS, MOST_KINDS, MOST_MESSAGES, OTHERS, Tally
from usersapi_async.reporting._timeline import MOST_SPANS, Span, Timeline

from .support import failed, in_doubt, not_attempted, rejected, succeeded

COUNTS = ("succeeded", "failed", "in_doubt", "requests", "retries")


@given(
    st.lists(
        st.tuples(st.floats(0, 30), st.integers(0, 50), st.booleans(), st.none() | st.floats(0, 5)),
        min_size=1,
        max_size=600,
    )
)
def test_nothing_is_lost_where_spans_are_joined(steps: list[tuple[float, int, bool, float | None]]) -> None:
    """Counts add up, the spans follow on each other, averages are averages, and there are few of them."""
    timeline, at = Timeline(), 0.0
    for seconds, number, paused, latency in steps:
        timeline.add(
            Span(
                began=at,
                ended=at + seconds,
                **dict.fromkeys(COUNTS, number),
                limit=number,
                in_flight=number,
                waiting=number,
                paused=paused,
                p50=latency,
            )
        )
        at += seconds
    spans = timeline.spans
    assert 1 <= len(spans) <= MOST_SPANS
    assert (spans[0].began, spans[-1].ended) == (0, at)
    assert all(one.ended == two.began for one, two in itertools.pairwise(spans))
    for name in COUNTS:
        assert sum(getattr(span, name) for span in spans) == sum(number for _, number, _, _ in steps)
    area = sum(seconds * number for seconds, number, _, _ in steps)
    assert sum(span.seconds * span.limit for span in spans) == pytest.approx(area, abs=1e-6)
    assert any(span.paused for span in spans) == any(paused for _, _, paused, _ in steps)
    highest = max((latency for *_, latency in steps if latency is not None), default=None)
    assert max((span.p50 for span in spans if span.p50 is not None), default=None) == highest


def test_a_long_run_has_as_many_spans_as_a_short_one() -> None:
    """The interval grows to a second; from then on spans take several in."""
    timeline, at, intervals = Timeline(), 0.0, set()
    while at < 10_000:
        intervals.add(timeline.interval)
        timeline.add(Span(began=at, ended=at + timeline.interval, requests=1))
        at += timeline.interval
    assert intervals == {0.1, 0.2, 0.4, 0.8, 1.0}
    assert MOST_SPANS / 2 <= len(timeline.spans) <= MOST_SPANS
    widths = [span.seconds for span in timeline.spans]
    assert max(widths) < 2 * min(widths[:-1])


def test_the_short_end_of_a_run_is_no_span() -> None:
    """Three calls in a millisecond are no 3,000 a second."""
    timeline = Timeline()
    timeline.add(Span(began=0, ended=0.1, succeeded=10))
    timeline.add(Span(began=0.1, ended=0.101, succeeded=3))
    (span,) = timeline.spans
    assert span.rate(span.succeeded) == pytest.approx(13 / 0.101)
    assert Span(began=1, ended=1, succeeded=3).rate(3) == 0


@given(st.lists(st.floats(0, 1e7), min_size=1, max_size=300))
def test_percentiles(durations: list[float]) -> None:
    """Never too small, and 5 % too large at the most; the longest is exact."""
    histogram = Histogram()
    for seconds in durations:
        histogram.add(seconds)
    ordered = sorted(durations)
    for share in (0.5, 0.9, 0.99):
        exact = ordered[math.ceil(share * len(ordered)) - 1]
        told = histogram.percentile(share)
        assert min(exact, 1e6) * 0.9999 <= told <= max(min(exact * 1.051, ordered[-1]), 1.051e-4)
    assert histogram.longest == ordered[-1]
    assert histogram.total == pytest.approx(sum(durations))
    assert histogram.count == len(durations)
    assert len(histogram._classes) < 500


def test_no_durations() -> None:
    """Nothing took no time."""
    assert Histogram().percentile(0.99) == 0


def test_a_row_counts_once() -> None:
    """However often and in whatever order rows are told."""
    tally = Tally()
    for index in (5, 0, 5, 17, 16, 0, 17, 100_000):
        tally.add(succeeded(index, resumed=index == 5))
        tally.add(failed(index))
    assert (tally.counted, tally.resumed, tally.complaints) == (5, 1, {})


def test_kinds_and_messages() -> None:
    """Rows are put together by outcome, error and status, and within these by message, with the first row."""
    tally = Tally()
    outcomes: list[Outcome] = [
        failed(0),
        failed(1),
        rejected(2, "no"),
        failed(3, ActionRejected("no", status=409)),
        failed(4, PayloadError("other")),
        not_attempted(5),
        in_doubt(6),
        in_doubt(7),
    ]
    for outcome in outcomes:
        tally.add(outcome)
    found = {
        (kind.outcome, kind.error, kind.status): {
            message: (complaint.count, complaint.first[0]) for message, complaint in some.by_message.items()
        }
        for kind, some in tally.complaints.items()
    }
    assert found == {
        ("failed", "PayloadError", 0): {"no address @ $.doc.main_email": (2, 0), "other": (1, 4)},
        ("failed", "ActionRejected", 200): {"create: the service refused it: no": (1, 2)},
        ("failed", "ActionRejected", 409): {"no": (1, 3)},
        ("not attempted", "", 0): {"the row that it refers to failed": (1, 5)},
        ("in doubt", "RequestTimeout", 0): {"no answer in 60 s": (1, 6)},
        ("in doubt", "ConnectionLost", 0): {"the connection broke": (1, 7)},
    }


def test_a_tally_does_not_grow() -> None:
    """Of a million different messages, kinds and doubts only so many are kept, but all are counted."""
    tally = Tally()
    for index in range(2000):
        tally.add(rejected(index, f"message {index}"))
        tally.add(failed(10_000 + index, ActionRejected("no", status=300 + index)))
        tally.add(in_doubt(20_000 + index))
    assert len(tally.complaints) == MOST_KINDS + 1
    assert sum(some.count for some in tally.complaints.values()) == tally.counted == 6000
    assert tally.complaints[OTHERS].count > 1000
    assert max(len(some.by_message) for some in tally.complaints.values()) == MOST_MESSAGES
    assert len(tally.doubts) == MOST_DOUBTS


def test_a_tally_shows_no_key() -> None:
    """A key may be an email."""
    tally = Tally()
    tally.add(in_doubt(1))
    assert "quirke" not in repr(tally)
