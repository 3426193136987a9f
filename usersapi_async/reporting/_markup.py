"""HTML out of templates; whatever is put into one is text unless it is known to be HTML. No I/O."""

from __future__ import annotations

import html
from collections.abc import Iterable
from string import Template

_MINUTE, _HOUR = 60, 3600


class Html(str):
    """Text that is HTML already."""

    __slots__ = ()


def text(value: object) -> Html:
    """The value as HTML that shows it, without what doesn't print or turns the direction of the text."""
    if isinstance(value, Html):
        return value
    shown = "".join(character if character.isprintable() else "\ufffd" for character in str(value))
    return Html(html.escape(shown))


def fill(template: str, **values: object) -> Html:
    """The template with each ``$name`` replaced."""
    return Html(Template(template).substitute({name: text(value) for name, value in values.items()}))


def joined(parts: Iterable[object], between: str = "") -> Html:
    """The parts one after the other."""
    return Html(between.join(text(part) for part in parts))


def count(number: float) -> str:
    """A number of things."""
    return f"{number:,.0f}"


def plural(number: int, one: str, many: str = "") -> str:
    """So many of them, like ``1 row`` and ``2 rows``."""
    return f"{count(number)} {one if number == 1 else many or one + 's'}"


def rate(value: float) -> str:
    """So many a second, with as many digits as say something."""
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}".removesuffix(".0") if value >= 1 else f"{value:.2g}"


def duration(seconds: float) -> str:
    """A span of time, like ``12 ms``, ``3.4 s``, ``5 min 10 s`` or ``2 h 5 min``."""
    if seconds < 0.9995:
        return (
            f"{seconds * 1000:.0f} ms" if seconds >= 0.00995 or seconds == 0 else f"{seconds * 1000:.1f} ms"
        )
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < _MINUTE:
        return f"{whole} s"
    if whole < _HOUR:
        return f"{whole // _MINUTE} min {whole % _MINUTE} s"
    return f"{whole // _HOUR:,} h {whole % _HOUR // _MINUTE} min"


def table(
    name: str,
    caption: str,
    heads: Iterable[str],
    rows: Iterable[Iterable[object]],
    *,
    numbers: frozenset[int],
) -> Html:
    """A table that scrolls by itself where it is too wide; the columns `numbers` stand to the right."""
    classes = {True: Html(' class="number"'), False: Html("")}

    def row(cells: Iterable[object]) -> Html:
        return joined(
            fill(
                '<th scope="row"$kind>$cell</th>' if at == 0 else "<td$kind>$cell</td>",
                kind=classes[at in numbers],
                cell=cell,
            )
            for at, cell in enumerate(cells)
        )

    return fill(
        '<div class="scroll" role="region" tabindex="0" aria-labelledby="$name-caption">'
        '<table><caption id="$name-caption">$caption</caption><thead><tr>$heads</tr></thead>'
        "<tbody>$rows</tbody></table></div>\n",
        name=name,
        caption=caption,
        heads=joined(
            fill('<th scope="col"$kind>$head</th>', kind=classes[at in numbers], head=head)
            for at, head in enumerate(heads)
        ),
        rows=joined(fill("<tr>$cells</tr>\n", cells=row(cells)) for cells in rows),
    )
