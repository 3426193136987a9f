"""From what a format holds in a cell to what can be sent, or what is wrong with it. No I/O."""

from __future__ import annotations

import datetime as dt
import re
from decimal import Decimal
from typing import Any

import attrs

from .rows import Value

_ERRORS = frozenset({"#N/A", "#REF!", "#NAME?", "#VALUE!", "#DIV/0!", "#NUM!", "#NULL!", "#SPILL!", "#CALC!"})
_TOO_NARROW = re.compile(r"#{3,}")
_SCIENTIFIC = re.compile(r"[+-]?\d(?:[.,]\d+)?E\+\d{2,3}")
# Spreadsheets keep 15 digits.
_LOSSY = 10**15
_LARGEST = 2**63 - 1
_AS_TEXT = "format the column as text, and type it again"


class CellError(Exception):
    """What is wrong with a cell; shows nothing of it."""


@attrs.frozen
class CellReader:
    """Reads cells; ``date_format`` is that of `datetime.strftime`, ISO 8601 by default. Numbers of a
    ``spreadsheet`` have no more than 15 digits that mean something."""

    date_format: str | None = None
    spreadsheet: bool = False

    def read(self, value: Any) -> Value:
        """What is to be sent for it. Raises `CellError`."""
        if value is None:
            return ""
        if isinstance(value, str):
            return checked_text(value)
        if isinstance(value, bool):
            return "true" if value else "false"
        if isinstance(value, (int, float, Decimal)):
            return self._number(value)
        if isinstance(value, (dt.date, dt.time, dt.timedelta)):
            return self._date(value)
        if isinstance(value, (list, tuple)):
            return _texts(value)
        raise CellError(f"can't be sent, since it is a {type(value).__name__}")

    def _number(self, value: float | Decimal) -> Value:
        number = Decimal(repr(value)) if isinstance(value, float) else Decimal(value)
        if not number.is_finite():
            raise CellError("is no finite number")
        is_exact = not isinstance(value, float) and not self.spreadsheet
        if abs(number) >= (_LARGEST if is_exact else _LOSSY):
            raise CellError(f"a number of more digits than are kept: {_AS_TEXT}")
        return int(number) if number == int(number) else f"{number:f}"

    def _date(self, value: dt.date | dt.time | dt.timedelta) -> str:
        if isinstance(value, dt.datetime) and value.tzinfo is None and value.time() == dt.time():
            # How spreadsheets keep a day.
            value = value.date()
        if self.date_format is not None and isinstance(value, dt.date):
            return value.strftime(self.date_format)
        return str(value) if isinstance(value, dt.timedelta) else value.isoformat()


def checked_text(text: str) -> str:
    """The text, "" if it is blank. Raises `CellError` for what spreadsheets write in place of a value."""
    if not text or text.isspace():
        return ""
    if text[0] == "#" and (text in _ERRORS or _TOO_NARROW.fullmatch(text)):
        raise CellError("a spreadsheet's error in place of a value")
    if "E+" in text and _SCIENTIFIC.fullmatch(text):
        raise CellError(f"a number in scientific notation, of which digits are lost: {_AS_TEXT}")
    if "\0" in text:
        raise CellError("holds a NUL, as a text does that is read in the wrong encoding")
    return text


def _texts(values: list[Any] | tuple[Any, ...]) -> list[str]:
    if not all(isinstance(value, str) for value in values):
        raise CellError("a list may hold nothing but text")
    return list(values)
