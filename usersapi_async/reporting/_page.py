"""The page that reports a run. No I/O but for reading the package's own files."""

from __future__ import annotations

import base64
import datetime as dt
import hashlib
from collections.abc import Callable
from importlib import resources
from typing import TypeAlias

import attrs

from usersapi_async._masking import mask
from usersapi_async._version import __version__
from usersapi_async.batch import BatchReport
from usersapi_async.batch.outcomes import Key

from . import _charts
from ._advice import advice
from ._facts import Facts, Waits
from ._histogram import Histogram
from ._markup import Html, count, duration, fill, joined, plural, rate, table
from ._tally import OTHERS, Complaints, Kind, RowName

ShowKey: TypeAlias = Callable[[Key], str]

_FILES = resources.files(__package__)
_SHOWN_MESSAGES = 5
_SHOWN_DOUBTS = 10
_SHOWN_KINDS = 15
_LONGEST_MESSAGE = 200
_LONGEST_KEY = 80
_MASKED = "Email addresses and what was sent to the service are masked in messages."
_DOUBTFUL = "Rows that were sent and may or may not have been carried out"
_CALLS = (
    "Calls are those that were made over the recorder, reads among them; limit and latency are the session's."
)
_TONES = {"failed": "bad", "in doubt": "doubt", "not attempted": "left-out"}
_SECTION = '<section aria-labelledby="$name"><h2 id="$name">$title</h2>\n$body</section>\n'


@attrs.frozen(kw_only=True)
class Page:
    """What is put on a page. ``written`` is Unix time; ``show_key`` makes of a key what may be shown."""

    report: BatchReport
    facts: Facts
    title: str
    written: float
    show_key: ShowKey | None

    def html(self) -> str:
        """The whole page."""
        style = _FILES.joinpath("page.css").read_text("utf-8")
        sections = [
            ("next", "What to do next", self._next()),
            ("time", "Over time", self._over_time()),
            ("latency", "How long it took", self._durations()),
            ("retries", "Retries and pauses", self._waits()),
            ("errors", "What did not succeed", self._errors()),
            ("doubts", "In doubt", self._doubts()),
            ("about", "About this page", self._about()),
        ]
        present = [(name, title, body) for name, title, body in sections if body]
        return fill(
            _FILES.joinpath("page.html").read_text("utf-8"),
            policy=_policy(style),
            style=Html(style),
            title=self.title,
            facts=" · ".join(self._head()),
            tone=self._tone(),
            verdict=self._verdict(),
            totals=self._totals(),
            links=joined(
                fill('<li><a href="#$name">$title</a></li>', name=name, title=title)
                for name, title, _ in present
            ),
            sections=joined(
                fill(_SECTION, name=name, title=title, body=body) for name, title, body in present
            ),
        )

    def _head(self) -> list[str]:
        began = self.facts.began
        found = [f"written {_moment(self.written)}" if began is None else f"began {_moment(began)}"]
        if self.report.elapsed:
            found.append(f"took {duration(self.report.elapsed)}")
        if self.facts.group_id is not None:
            found.append(f"group {self.facts.group_id}")
        return [*found, f"usersapi-async {__version__}"]

    def _tone(self) -> str:
        if self.report.in_doubt:
            return "doubt"
        lost = self.report.failed or self.report.not_attempted or self._stopped()
        return "bad" if lost else "good"

    def _stopped(self) -> str:
        return "" if self.report.exhausted else self._shown(self.report.stopped_by or "")

    def _verdict(self) -> str:
        report = self.report
        parts = [
            plural(number, "row") + f" {what}"
            for number, what in (
                (report.in_doubt, "in doubt"),
                (report.failed, "failed"),
                (report.not_attempted, "not attempted"),
            )
            if number
        ]
        if not report.taken:
            return "No row was taken"
        if not parts:
            return (
                f"All {count(report.taken)} rows taken succeeded" if report.taken > 1 else "The row succeeded"
            )
        return f"{count(report.succeeded)} of {plural(report.taken, 'row')} succeeded; {', '.join(parts)}"

    def _totals(self) -> Html:
        report, facts = self.report, self.facts
        ended = report.progress()
        tiles = [
            ("", "rows taken", count(report.taken)),
            ("good", "succeeded", count(report.succeeded)),
            ("bad", "failed", count(report.failed)),
            ("doubt", "in doubt", count(report.in_doubt)),
            ("left-out", "not attempted", count(report.not_attempted)),
            ("", "rows a second", rate(ended.rate)),
        ]
        if facts.requests:
            tiles.append(("", "requests", count(facts.requests)))
            tiles.append(("", "sent again", count(sum(wait.count for wait in facts.retries.values()))))
        return fill(
            '<dl class="tiles">$tiles</dl>$bar',
            tiles=joined(
                fill(
                    '<div class="tile $tone"><dt>$name</dt><dd>$value</dd></div>',
                    tone="" if value == "0" else tone,
                    name=name,
                    value=value,
                )
                for tone, name, value in tiles
            ),
            bar=self._bar(),
        )

    def _bar(self) -> Html:
        report = self.report
        parts = [
            ("good", report.succeeded, "succeeded"),
            ("bad", report.failed, "failed"),
            ("doubt", report.in_doubt, "in doubt"),
            ("left-out", report.not_attempted, "not attempted"),
        ]
        whole = sum(number for _, number, _ in parts)
        drawn, at = [], 0.0
        for style, number, _ in parts:
            if number:
                # A few among many are seen too.
                width = max(4.0, 1000 * number / whole)
                drawn.append(
                    fill(
                        '<rect class="$style area" x="$x" width="$width" height="10"/>',
                        style=style,
                        x=f"{at:.1f}",
                        width=f"{width:.1f}",
                    )
                )
                at += width
        if not drawn:
            return Html()
        return fill(
            '<svg class="bar" viewBox="0 0 $whole 10" preserveAspectRatio="none" role="img"'
            ' aria-label="$label">$drawn</svg>',
            whole=f"{at:.1f}",
            label=", ".join(f"{name} {number / whole:.1%}" for _, number, name in parts if number),
            drawn=joined(drawn),
        )

    def _next(self) -> Html:
        said = advice(self.report, self.facts, self._stopped())
        return fill(
            '<ol class="advice">$items</ol>', items=joined(fill("<li>$it</li>", it=it) for it in said)
        )

    def _over_time(self) -> Html:
        spans = self.facts.timeline.spans
        if not spans:
            return Html()
        charts = [chart for chart in _charts.ALL if chart is not _charts.RETRIES or self.facts.retries]
        series = [one for chart in charts for one in (*chart.areas, *chart.lines)]
        units = [chart.unit for chart in charts for _ in (*chart.areas, *chart.lines)]
        rows = [
            [
                f"{duration(span.began)} to {duration(span.ended)}",
                *(
                    "" if (value := one.of(span)) is None else unit(value)
                    for one, unit in zip(series, units, strict=True)
                ),
            ]
            for span in spans
        ]
        return fill(
            '<div class="charts">$charts</div>'
            "<details><summary>The same as a table</summary>$table</details>",
            charts=joined(_charts.draw(chart, spans) for chart in charts),
            table=table(
                "numbers",
                "Averages of each span of time; of latencies the highest",
                ["time", *(one.name for one in series)],
                rows,
                numbers=frozenset(range(1, len(series) + 1)),
            ),
        )

    def _durations(self) -> Html:
        facts = self.facts
        rows = [
            _durations("calls, with all waits and retries", facts.calls),
            _durations("waits of requests for their turn", facts.queued),
        ]
        latency = None if facts.latest is None else facts.latest.latency
        if latency is None:
            return Html()
        head = ["the latest requests, from sending to answer", count(latency.attempts), ""]
        percentiles = [duration(value) for value in (latency.p50, latency.p90, latency.p99)]
        return table(
            "durations",
            "Half, 90 % and 99 % took so long or less",
            ["what", "how many", "average", "p50", "p90", "p99", "longest"],
            [*rows, [*head, *percentiles, ""]],
            numbers=frozenset(range(1, 7)),
        )

    def _waits(self) -> Html:
        facts = self.facts
        if not facts.calls.count:
            return Html()
        rows = [
            *(_waits(f"retry after: {evidence}", wait) for evidence, wait in sorted(facts.retries.items())),
            *(
                _waits(f"pause asked for with HTTP {status}", wait)
                for status, wait in sorted(facts.pauses.items())
            ),
        ]
        if not rows:
            return Html("<p>There were none.</p>")
        return table(
            "waits",
            "Waits before requests were sent again",
            ["why", "how often", "average wait", "longest"],
            rows,
            numbers=frozenset({1, 2, 3}),
        )

    def _errors(self) -> Html:
        found = sorted(
            self.facts.tally.complaints.items(), key=lambda pair: (pair[0] is OTHERS, -pair[1].count, pair[0])
        )
        if not found:
            return Html()
        rest = sum(complaints.count for _, complaints in found[_SHOWN_KINDS:])
        return fill(
            '<ul class="kinds">$kinds</ul>$rest',
            kinds=joined(self._kind(kind, some) for kind, some in found[:_SHOWN_KINDS]),
            rest=fill("<p>And $rows of further kinds.</p>", rows=plural(rest, "row")) if rest else "",
        )

    def _kind(self, kind: Kind, complaints: Complaints) -> Html:
        told = sorted(complaints.by_message.items(), key=lambda pair: -pair[1].count)
        shown = told[:_SHOWN_MESSAGES]
        rest = complaints.count - sum(complaint.count for _, complaint in shown)
        items = [
            fill(
                "<li>$message <small>$rows, first $first</small></li>",
                message=self._shown(message),
                rows=plural(complaint.count, "row"),
                first=self._row(complaint.first),
            )
            for message, complaint in shown
        ]
        if rest:
            items.append(fill("<li>$rows with other messages</li>", rows=plural(rest, "row")))
        name = f"{kind.error}, HTTP {kind.status}" if kind.status else kind.error
        return fill(
            '<li class="$tone"><h3>$title <small>$rows</small></h3><ul>$items</ul></li>',
            tone=_TONES.get(kind.outcome, ""),
            title=f"{kind.outcome}: {name}" if name else kind.outcome,
            rows=plural(complaints.count, "row"),
            items=joined(items),
        )

    def _doubts(self) -> Html:
        doubts = self.facts.tally.doubts
        if not doubts:
            return Html()
        keys = [] if self.show_key is None else ["key"]
        rows = [
            [
                count(doubt.row[0]),
                *(self._key(doubt.row[1]) for _ in keys),
                doubt.action,
                "" if doubt.sent_at is None else fill("<time>$it</time>", it=_moment(doubt.sent_at)),
                doubt.cause,
            ]
            for doubt in doubts
        ]
        first, others = rows[:_SHOWN_DOUBTS], rows[_SHOWN_DOUBTS:]
        heads = ["row", *keys, "action", "last sent", "why"]
        tables = [table("doubtful", _DOUBTFUL, heads, first, numbers=frozenset({0}))]
        if others:
            more = table("doubtful-too", "Further rows in doubt", heads, others, numbers=frozenset({0}))
            tables.append(
                fill(
                    "<details><summary>$rows more</summary>$table</details>",
                    rows=count(len(others)),
                    table=more,
                )
            )
        rest = self.report.in_doubt - len(doubts)
        return fill(
            "$table$rest",
            table=joined(tables),
            rest=fill("<p>And $rows besides.</p>", rows=plural(rest, "row")) if rest > 0 else "",
        )

    def _about(self) -> Html:
        tally, report = self.facts.tally, self.report
        said = [
            "Row numbers are indices, which count the rows of the input from 0 as a file of results does.",
            f"{_MASKED} Keys are not shown." if self.show_key is None else _MASKED,
            _CALLS,
        ]
        if tally.resumed:
            said.append(f"{plural(tally.resumed, 'row')} had been carried out by an earlier run already.")
        if tally.counted < report.taken:
            said.append(
                f"This page knows the outcomes of {count(tally.counted)} of {count(report.taken)} rows; "
                "of the others it says only how many ended in which way."
            )
        if report.succeeded > tally.resumed and not self.facts.calls.count:
            said.append("No call was recorded, so there is nothing to be shown over time.")
        return joined(fill("<p>$it</p>", it=it) for it in said)

    def _row(self, row: RowName) -> str:
        shown = f"row {count(row[0])}"
        return shown if self.show_key is None else f"{shown} ({self._key(row[1])})"

    def _key(self, key: Key) -> str:
        return "" if self.show_key is None else _cut(str(self.show_key(key)), _LONGEST_KEY)

    def _shown(self, message: str) -> str:
        return _cut(mask(message, {}), _LONGEST_MESSAGE)


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[:most]}…"


def _policy(style: str) -> str:
    """Lets the page load nothing and run nothing, and look like this style sheet and no other."""
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    return f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"


def _moment(unix: float) -> str:
    return f"{dt.datetime.fromtimestamp(unix, dt.UTC):%Y-%m-%d %H:%M:%S} UTC"


def _durations(name: str, histogram: Histogram) -> list[str]:
    number = histogram.count
    average = histogram.total / number if number else 0.0
    times = (average, *(histogram.percentile(share) for share in (0.5, 0.9, 0.99)), histogram.longest)
    return [name, count(number), *map(duration, times)]


def _waits(why: str, wait: Waits) -> list[str]:
    return [why, count(wait.count), duration(wait.seconds / wait.count), duration(wait.longest)]
