"""Checks of settings. Each raises `ConfigurationError` that names the argument and what would be right."""

from __future__ import annotations

import math
from typing import Any, TypeVar

from .errors import ConfigurationError

_T = TypeVar("_T")


def instance(name: str, value: Any, kind: type[_T]) -> _T:
    """`value`, if it is a `kind`."""
    if not isinstance(value, kind):
        raise ConfigurationError(f"{name}: expected {kind.__name__}, got {type(value).__name__}")
    return value


def whole(name: str, value: Any, smallest: int = 1) -> int:
    """`value`, if it is an int of `smallest` or more."""
    if isinstance(value, bool) or not isinstance(value, int) or value < smallest:
        raise ConfigurationError(f"{name}: expected an int of {smallest} or more")
    return value


def number(name: str, value: Any, smallest: float = 0.0) -> float:
    """`value`, if it is a finite number of `smallest` or more."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not smallest <= value < math.inf:
        raise ConfigurationError(f"{name}: expected a number of {smallest:g} or more")
    return value


def positive(name: str, value: Any) -> float:
    """`value`, if it is a finite number above 0."""
    if number(name, value) == 0:
        raise ConfigurationError(f"{name}: expected a positive number")
    return float(value)
