"""The cells of a CSV file: what stands in one for a value, and what value one stands for. No I/O.

A cell is text and nothing else. Where it can't say a value exactly, the value is noted beside it as JSON; the
note counts as long as the cell is as it was written, and a cell that was mended counts itself.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any, NoReturn

# What makes a spreadsheet take a cell for a formula. A program that splits at semicolons or tabs, as many
# spreadsheets do by their language, finds cells inside ours, and lines inside those of several.
_FORMULA = "=+\\-@\uff1d\uff0b\uff0d\uff20"
_SUSPICIOUS = re.compile(f"[{_FORMULA}\t\r\n]")
_BEGIN = "(?:^|(?<=[;\t\r\n]))[\"' ]*"
_TO_NEUTRALISE = re.compile(f"{_BEGIN}(?=[{_FORMULA}])|^[\"' ]*(?=[\t\r\n])")
_NEUTRALISED = re.compile(f"{_BEGIN}'(?=[{_FORMULA}])|^[\"' ]*'(?=[\t\r\n])")
_NOT_IN_CELLS = re.compile("[\0\ud800-\udfff]")

_NUMBERS = (int, float)

# Made once: `json.dumps` makes another encoder for each call that has options.
to_json = json.JSONEncoder(ensure_ascii=False, allow_nan=False).encode
to_ascii_json = json.JSONEncoder(allow_nan=False, separators=(",", ":")).encode


def neutralised(cells: Sequence[str]) -> Sequence[str]:
    """The cells such that a spreadsheet shows them as text and runs nothing: with an apostrophe before what
    would begin a formula."""
    if _SUSPICIOUS.search("".join(cells)) is None:
        return cells
    return [
        cell if _SUSPICIOUS.search(cell) is None else _TO_NEUTRALISE.sub(lambda found: f"{found[0]}'", cell)
        for cell in cells
    ]


def natural(cell: str) -> str:
    """A cell before it was `neutralised`."""
    if _SUSPICIOUS.search(cell) is None:
        return cell
    return _NEUTRALISED.sub(lambda found: found[0][:-1], cell)


def fits(text: str) -> bool:
    """Whether a cell can say it: no UTF-8 has a lone surrogate, and programs cut a cell at a NUL."""
    return "\0" not in text if text.isascii() else _NOT_IN_CELLS.search(text) is None


def decoded(text: str) -> Any:
    """What that JSON says. Raises `ValueError`."""
    try:
        return json.loads(text, parse_constant=_refuse)
    except RecursionError:
        raise ValueError("nested too deep") from None


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no number")


def shown(noted: Sequence[Any]) -> str:
    """What stands in the cell of a value with a note, which is a list of it; an empty one: there is none."""
    if not noted or noted[0] is None:
        return ""
    value = noted[0]
    # What JSON writes of plain numbers, in a fraction of the time.
    text = value if isinstance(value, str) else repr(value) if type(value) in _NUMBERS else to_json(value)
    return text if fits(text) else _NOT_IN_CELLS.sub("\ufffd", text)


def mended(cell: str, noted: Sequence[Any]) -> Any:
    """The value of a cell that was changed: of the noted one's type, if it can be read as such."""
    was = noted[0] if noted else None
    if was is None or isinstance(was, str):
        return cell
    try:
        # Spreadsheets write TRUE.
        value = decoded(cell.lower() if isinstance(was, bool) else cell)
    except ValueError:
        return cell
    return value if _kind(value) is _kind(was) else cell


def _kind(value: Any) -> type:
    # A whole number may be mended to a fraction, and the other way round.
    return float if type(value) is int else type(value)
