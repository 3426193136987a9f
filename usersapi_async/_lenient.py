"""How single values of an answer are read: whatever a PHP server may mean by them, if that is sure.

Each takes the value and returns it typed, or None where the server says "nothing"; `Unreadable` otherwise.
Its text names types and never values, since values are people's data.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

_INT = re.compile(r"[+-]?\d{1,18}(?:\.0{1,6})?\Z")
_MONEY = re.compile(r"[+-]?\d{1,18}(?:\.\d{1,6})?\Z")
_GROUPED = re.compile(r"[+-]?\d{1,3}(?:,\d{3}){1,5}(?:\.\d{1,6})?\Z")
_BOOLS = {"true": True, "1": True, "false": False, "0": False, "": False}
_DIGITS = 18
_LARGEST = 10**_DIGITS


class Unreadable(ValueError):
    """The meaning of a value is not sure. ``path`` leads from the value that was read to the odd one."""

    def __init__(self, reason: str, path: str = "") -> None:
        super().__init__(reason)
        self.reason = reason
        self.path = path

    def below(self, step: str) -> Unreadable:
        """The same, seen from one level up."""
        return Unreadable(self.reason, step + self.path)


def _unreadable(expected: str, value: Any) -> Unreadable:
    return Unreadable(f"expected {expected}, got {type(value).__name__}")


def _number(value: str, plain: re.Pattern[str]) -> str | None:
    value = value.strip()
    if plain.match(value):
        return value
    if _GROUPED.match(value) and plain.match(value.replace(",", "")):
        return value.replace(",", "")
    return None


def read_int(value: Any) -> int | None:
    """``"2"``, ``2``, ``2.0``, ``"1,234"``; null and ``""`` are None."""
    if type(value) is str and len(value) < _DIGITS and value.isascii() and value.isdecimal():
        # Nearly every value, and a third of the time.
        return int(value)
    if value is None or value == "":
        return None
    if isinstance(value, bool):
        raise _unreadable("a whole number", value)
    if isinstance(value, int) and abs(value) < _LARGEST:
        return value
    if isinstance(value, float) and value.is_integer() and abs(value) < _LARGEST:
        return int(value)
    if isinstance(value, str) and (text := _number(value, _INT)) is not None:
        return int(text.partition(".")[0])
    raise _unreadable("a whole number", value)


def read_money(value: Any) -> Decimal | None:
    """``"1,234.00"``, ``12``, ``12.5``; null and ``""`` are None. Binary floats are read by their digits."""
    if value is None or value == "":
        return None
    if isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) < _LARGEST:
        return Decimal(str(value))
    if isinstance(value, str) and (text := _number(value, _MONEY)) is not None:
        return Decimal(text)
    raise _unreadable("an amount", value)


def read_bool(value: Any) -> bool | None:
    """``true``, ``"true"``, ``1``, ``"1"`` and their opposites; PHP prints false as ``""``."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, (int, str)) and (known := _BOOLS.get(str(value).strip().lower())) is not None:
        return known
    raise _unreadable("a truth value", value)


def read_str(value: Any) -> str | None:
    """A string; numbers are taken by their digits."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return str(value)
    raise _unreadable("a string", value)


def read_map(value: Any) -> Mapping[str, Any]:
    """An object; null and ``[]`` are an empty one, since PHP can't tell an empty map from an empty list."""
    if isinstance(value, dict):
        return value
    if value is None or value == [] or value == "":
        return {}
    raise _unreadable("an object", value)


def read_list(value: Any) -> list[Any]:
    """A list; null and ``{}`` are an empty one, and a PHP list with gaps arrives as ``{"0": …, "2": …}``."""
    if isinstance(value, list):
        return value
    if value is None or value == "" or value is False:
        return []
    if isinstance(value, dict) and all(key.isdecimal() for key in value):
        return list(value.values())
    raise _unreadable("a list", value)
