"""Checks of settings. Each raises `ConfigurationError` that names the argument and what would be right."""

from __future__ import annotations

import functools
import math
import traceback
from typing import Any, TypeGuard, TypeVar, cast

from .errors import ConfigurationError

_T = TypeVar("_T")
_KindT = TypeVar("_KindT", bound=type)


def shielded(kind: _KindT) -> _KindT:
    """Lets what the constructor raises come from a frame that holds none of its arguments.

    A traceback with local variables would show secrets and people's data otherwise.
    """
    build = vars(kind)["__init__"]

    @functools.wraps(build)
    def construct(self: Any, *args: Any, **values: Any) -> None:
        failure: Exception | None = None
        try:
            build(self, *args, **values)
        except Exception as error:  # noqa: BLE001 (raised below)
            failure = error.with_traceback(None)
        if failure is not None:
            # Nor of a half-built object, whose `repr` would fail.
            self, args = None, ()
            values.clear()
            try:
                raise failure
            finally:
                # An error and the frame that it holds would keep each other.
                del failure

    kind.__init__ = construct  # type: ignore[misc]
    return kind


def raised(error: Exception) -> str:
    """The kind of an error of the caller's own function, and the place: its words may be somebody's data."""
    frames = traceback.extract_tb(error.__traceback__)[1:]
    if not frames:
        return f"{type(error).__name__}, since it can't be called like that"
    return f"{type(error).__name__} in {frames[-1].name}, line {frames[-1].lineno}"


def misfit(name: str, value: Any, kind: type) -> ConfigurationError | None:
    """What is wrong with `value`, if it is no `kind`."""
    if isinstance(value, kind):
        return None
    return ConfigurationError(f"{name}: expected {kind.__name__}, got {type(value).__name__}")


def instance(name: str, value: Any, kind: type[_T]) -> _T:
    """`value`, if it is a `kind`."""
    wrong = misfit(name, value, kind)
    if wrong is not None:
        # It may be a secret, and a traceback with local variables would show it.
        del value
        raise wrong
    return cast("_T", value)


def whole(name: str, value: Any, smallest: int = 1) -> int:
    """`value`, if it is an int of `smallest` or more."""
    if isinstance(value, bool) or not isinstance(value, int) or value < smallest:
        raise ConfigurationError(f"{name}: expected an int of {smallest} or more")
    return value


def _is_finite(value: Any) -> TypeGuard[int | float]:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) < math.inf


def number(name: str, value: Any, smallest: float = 0.0) -> float:
    """`value`, if it is a finite number of `smallest` or more."""
    if not _is_finite(value) or value < smallest:
        raise ConfigurationError(f"{name}: expected a number of {smallest:g} or more")
    return value


def positive(name: str, value: Any) -> float:
    """`value`, if it is a finite number above 0."""
    if not _is_finite(value) or value <= 0:
        raise ConfigurationError(f"{name}: expected a positive number")
    return float(value)
