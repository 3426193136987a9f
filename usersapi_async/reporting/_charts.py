"""Charts over time as SVG. No I/O.

The drawing alone is stretched to the width that there is; what is to be read stands around it as HTML, so
that it has the size of all other text.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence

import attrs

from ._markup import Html, duration, fill, joined, rate
from ._timeline import SHORTEST, Span

_WIDTH, _HEIGHT = 1000, 100
_TICKS = 5
_LEAST = 1e-6


@attrs.frozen(kw_only=True)
class Series:
    """One value of each span, None where there is none. ``style`` is a class of the style sheet."""

    name: str
    style: str
    of: Callable[[Span], float | None]


@attrs.frozen(kw_only=True)
class Chart:
    """``areas`` are stacked, ``lines`` lie above them; ``unit`` writes a value. ``shows_pauses`` marks when
    the server's pause was in force."""

    name: str
    title: str
    says: str
    areas: tuple[Series, ...] = ()
    lines: tuple[Series, ...] = ()
    unit: Callable[[float], str]
    shows_pauses: bool = False

    @property
    def series(self) -> tuple[Series, ...]:
        """All of them."""
        return self.areas + self.lines


def _per_second(name: str) -> Callable[[Span], float]:
    return lambda span: span.rate(getattr(span, name))


THROUGHPUT = Chart(
    name="throughput",
    title="Throughput",
    says="Calls that ended and requests that were sent, per second.",
    areas=(
        Series(name="succeeded", style="good", of=_per_second("succeeded")),
        Series(name="failed", style="bad", of=_per_second("failed")),
        Series(name="in doubt", style="doubt", of=_per_second("in_doubt")),
    ),
    lines=(Series(name="requests", style="line-a", of=_per_second("requests")),),
    unit=lambda value: f"{rate(value)}/s",
)
PACE = Chart(
    name="pace",
    title="Pace",
    says="How many requests were in flight at once, and how many were allowed to be.",
    areas=(Series(name="in flight", style="calm", of=lambda span: span.in_flight),),
    lines=(Series(name="limit", style="line-b", of=lambda span: span.limit),),
    unit=rate,
    shows_pauses=True,
)
LATENCY = Chart(
    name="latency",
    title="Latency",
    says="From sending a request to its answer; of the latest 1,000 requests at each moment.",
    lines=(
        Series(name="p50", style="line-a", of=lambda span: span.p50),
        Series(name="p90", style="line-b", of=lambda span: span.p90),
        Series(name="p99", style="line-c", of=lambda span: span.p99),
    ),
    unit=duration,
)
RETRIES = Chart(
    name="retries",
    title="Retries",
    says="Requests that were sent again, per second.",
    areas=(Series(name="retries", style="again", of=_per_second("retries")),),
    unit=lambda value: f"{rate(value)}/s",
)
ALL = (THROUGHPUT, PACE, LATENCY, RETRIES)

_FIGURE = """<figure class="chart" aria-labelledby="$name-title">
<figcaption><h3 id="$name-title">$title</h3><p>$says</p></figcaption>
<ul class="legend">$legend</ul>
<div class="plot"><div class="y" aria-hidden="true">$values</div>
<svg viewBox="0 0 1000 100" preserveAspectRatio="none" role="img" aria-label="$label">
<path class="grid" d="M0 0.5H1000M0 50H1000M0 99.5H1000"/>$drawn$pauses$tips</svg>
<div class="x" aria-hidden="true">$times</div></div></figure>
"""


def draw(chart: Chart, spans: Sequence[Span]) -> Html:
    """The figure. There is one span at the least."""
    start, end = spans[0].began, spans[-1].ended
    stretch = _WIDTH / (end - start) if end - start >= SHORTEST else 0.0
    sides = [((span.began - start) * stretch, (span.ended - start) * stretch) for span in spans]
    stacked = [[0.0] * len(spans)]
    for series in chart.areas:
        stacked.append(
            [below + (series.of(span) or 0.0) for below, span in zip(stacked[-1], spans, strict=True)]
        )
    lines = [[series.of(span) for span in spans] for series in chart.lines]
    found: list[float | None] = [*itertools.chain(*stacked, *lines)]
    top = _round_up(max(value for value in found if value is not None))

    def height(value: float) -> float:
        return _HEIGHT - value / top * (_HEIGHT - 1)

    drawn = [
        _area(series.style, sides, [*map(height, below)], [*map(height, above)])
        for series, below, above in zip(chart.areas, stacked, stacked[1:], strict=False)
    ] + [
        _line(series.style, sides, [None if value is None else height(value) for value in values])
        for series, values in zip(chart.lines, lines, strict=True)
    ]
    pauses = [span.paused for span in spans] if chart.shows_pauses else []
    return fill(
        _FIGURE,
        name=chart.name,
        title=chart.title,
        says=chart.says,
        legend=_legend(chart, has_pauses=any(pauses)),
        values=joined(fill("<span>$it</span>", it=it) for it in (chart.unit(top), chart.unit(top / 2), "0")),
        label=_in_words(chart, spans),
        pauses=joined(_pause(*side) for side, paused in zip(sides, pauses, strict=False) if paused),
        drawn=joined(drawn),
        tips=joined(_tip(chart, span, side) for span, side in zip(spans, sides, strict=True)),
        times=joined(
            fill("<span>$it</span>", it=_time(start + (end - start) * at / (_TICKS - 1), end))
            for at in range(_TICKS)
        ),
    )


def _round_up(value: float) -> float:
    """The next of 1, 2, 4, 5, 6, 8 and their tenfolds: an axis ends there."""
    if value <= 0:
        return 1.0
    power = 10.0 ** math.floor(math.log10(max(value, _LEAST)))
    return next(step * power for step in (1, 2, 4, 5, 6, 8, 10, 20) if step * power >= value)


def _time(moment: float, end: float) -> str:
    """A place on the axis of time, which goes on to `end`."""
    if moment <= 0:
        return "0"
    return f"{moment:.1f} s" if moment < 1 <= end else duration(moment)


def _number(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")


def _steps(sides: Sequence[tuple[float, float]], heights: Sequence[float]) -> str:
    """A line that goes along each span at its height."""
    parts = []
    at = None
    for (_, right), height in zip(sides, heights, strict=True):
        where = _number(height)
        parts.append(f"H{_number(right)}" if where == at else f"V{where}H{_number(right)}")
        at = where
    return "".join(parts)


def _area(
    style: str, sides: Sequence[tuple[float, float]], below: Sequence[float], above: Sequence[float]
) -> Html:
    """Drawn only where it has a height: its edge would be seen elsewhere too."""
    paths = []
    spans = zip(sides, below, above, strict=True)
    for is_flat, together in itertools.groupby(spans, lambda span: span[1] == span[2]):
        if not is_flat:
            where, lower, upper = zip(*together, strict=True)
            back = [(right, left) for left, right in reversed(where)]
            left = f"M{_number(where[0][0])} {_number(lower[0])}"
            paths.append(f"{left}{_steps(where, upper)}{_steps(back, lower[::-1])}Z")
    return _path(f"{style} area", paths)


def _line(style: str, sides: Sequence[tuple[float, float]], heights: Sequence[float | None]) -> Html:
    paths = []
    together = itertools.groupby(zip(sides, heights, strict=True), lambda pair: pair[1] is None)
    for is_gap, pairs in together:
        if not is_gap:
            known = [(side, height) for side, height in pairs if height is not None]
            (left, _), first = known[0]
            steps = _steps([side for side, _ in known], [height for _, height in known])
            paths.append(f"M{_number(left)} {_number(first)}{steps}")
    return _path(f"{style} line", paths)


def _path(style: str, paths: Sequence[str]) -> Html:
    if not paths:
        return Html()
    return fill('<path class="$style" d="$path"/>', style=style, path="".join(paths))


def _pause(left: float, right: float) -> Html:
    return fill(
        '<rect class="pause" x="$x" width="$width" height="5"/>',
        x=_number(left),
        width=_number(right - left),
    )


def _tip(chart: Chart, span: Span, side: tuple[float, float]) -> Html:
    """What a pointer that rests there is shown."""
    found = [(series.name, series.of(span)) for series in chart.series]
    values = [f"{name} {chart.unit(value)}" for name, value in found if value is not None]
    if chart.shows_pauses and span.paused:
        values.append("paused by the server")
    return fill(
        '<rect class="tip" x="$x" width="$width" height="100"><title>$when: $values</title></rect>',
        x=_number(side[0]),
        width=_number(side[1] - side[0]),
        when=f"{duration(span.began)} to {duration(span.ended)}",
        values=", ".join(values),
    )


def _legend(chart: Chart, *, has_pauses: bool) -> Html:
    entries = [(series.name, series.style, "area") for series in chart.areas]
    entries += [(series.name, series.style, "line") for series in chart.lines]
    if has_pauses:
        entries.append(("paused by the server", "pause", "area"))
    return joined(
        fill(
            '<li><svg class="swatch" viewBox="0 0 24 12" aria-hidden="true">'
            '<path class="$style $kind" d="$path"/></svg>$name</li>',
            style=style,
            kind=kind,
            path="M0 6H24" if kind == "line" else "M0 0H24V12H0Z",
            name=name,
        )
        for name, style, kind in entries
    )


def _in_words(chart: Chart, spans: Sequence[Span]) -> str:
    """The chart for those who can't see it; the numbers stand in a table of their own."""
    found = []
    for series in chart.series:
        values = [value for value in map(series.of, spans) if value is not None]
        if values:
            found.append(f"{series.name} {chart.unit(min(values))} to {chart.unit(max(values))}")
    return f"{chart.title} over {duration(spans[-1].ended - spans[0].began)}: {', '.join(found) or 'nothing'}"
