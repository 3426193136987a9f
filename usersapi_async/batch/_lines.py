"""What a file of results says of one row. No I/O."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Literal, Self, TypeAlias

import attrs

from usersapi_async.errors import PayloadError

from .outcomes import Failed, InDoubt, Key, NotAttempted, Outcome, Succeeded

Status: TypeAlias = Literal["succeeded", "failed", "in_doubt", "not_attempted"]
Input: TypeAlias = Mapping[str | None, Any]
"""A row's columns; `csv.DictReader` gives the cells beyond the header under None."""

_STATUS: Mapping[type[Outcome], Status] = {
    Succeeded: "succeeded",
    Failed: "failed",
    InDoubt: "in_doubt",
    NotAttempted: "not_attempted",
}
_STATUSES = frozenset(_STATUS.values())
_DEEPEST = 50
_MOST_BITS = 10_000
"""Python refuses to write or read much longer numbers in decimal."""


class Unreadable(Exception):
    """Something in a file is not as it was written; says what and shows nothing of it."""


@attrs.frozen(kw_only=True)
class ResultLine:
    """What a file of results says of one row.

    ``status`` is ``"succeeded"``, ``"failed"``, ``"in_doubt"`` or ``"not_attempted"``; ``index`` counts the
    rows of that batch from 0; ``key`` is None if the row had none. ``error`` is the name of the error's
    class, ``message`` its text, in which what was sent is masked, and ``faults`` are those of a
    `PayloadError`, each as ``reason @ $.path``. ``reason`` says why nothing was attempted. ``attempts``
    counts requests, ``elapsed`` is in seconds, to four places. ``input`` has the row's columns, and is None
    if they were not kept.

    A line that somebody added to the file has no index, and was not attempted.
    """

    status: Status
    index: int | None = None
    key: str | None = attrs.field(default=None, repr=False)
    clogin_id: int | None = None
    error: str | None = None
    message: str | None = None
    faults: tuple[str, ...] = ()
    reason: str | None = None
    attempts: int = 0
    elapsed: float = 0.0
    resumed: bool = False
    input: Input | None = attrs.field(default=None, repr=False)

    @classmethod
    def of(cls, outcome: Outcome, *, key: Key | None = None, row: Input | None = None) -> Self:
        """What is to be written of an outcome and its `row`; `key` is the one that the row was given, where
        the outcome has another."""
        error = outcome.error if isinstance(outcome, (Failed, InDoubt)) else None
        known = outcome.key if key is None else key
        return cls(
            status=_STATUS[type(outcome)],
            index=outcome.index,
            key=known if isinstance(known, str) else None,
            clogin_id=outcome.clogin_id if isinstance(outcome, Succeeded) else None,
            error=None if error is None else type(error).__name__,
            message=None if error is None else str(error),
            faults=error.faults if isinstance(error, PayloadError) else (),
            reason=outcome.reason if isinstance(outcome, NotAttempted) else None,
            attempts=outcome.attempts,
            elapsed=round(outcome.elapsed, 4),
            resumed=isinstance(outcome, Succeeded) and outcome.resumed,
            input=row,
        )

    @property
    def known_as(self) -> Key | None:
        """The key under which a report and `reconcile` know the row."""
        return self.index if self.key is None else self.key


_KINDS: Mapping[str, tuple[type, ...]] = {
    "index": (int,),
    "key": (str,),
    "clogin_id": (int,),
    "error": (str,),
    "message": (str,),
    "faults": (list,),
    "reason": (str,),
    "attempts": (int,),
    "elapsed": (int, float),
    "resumed": (bool,),
    "input": (dict,),
}


def line_from(facts: Mapping[str, Any]) -> ResultLine:
    """The line that says these, as they were read. Raises `Unreadable`."""
    status = facts.get("status") or "not_attempted"
    if status not in _STATUSES:
        raise Unreadable(f"its status is none of {', '.join(sorted(_STATUSES))}")
    said: dict[str, Any] = {}
    for name, kinds in _KINDS.items():
        value = facts.get(name)
        if value is None:
            continue
        if not isinstance(value, kinds) or (isinstance(value, bool) and bool not in kinds):
            raise Unreadable(f"its {name} is not as it was written")
        said[name] = tuple(map(str, value)) if isinstance(value, list) else value
    return ResultLine(status=status, **said)


def plain_row(row: Mapping[Any, Any]) -> Input:
    """A copy of a row as JSON can say it: what it can't say becomes text."""
    return {
        name if name is None or isinstance(name, str) else _text(name): _plain(value, 1)
        for name, value in row.items()
    }


def _plain(value: Any, depth: int) -> Any:
    if value is None or isinstance(value, (str, bool)):
        return value
    if (isinstance(value, int) and value.bit_length() <= _MOST_BITS) or (
        isinstance(value, float) and math.isfinite(value)
    ):
        return value
    if depth < _DEEPEST and isinstance(value, Mapping):
        return {
            name if isinstance(name, str) else _text(name): _plain(inner, depth + 1)
            for name, inner in value.items()
        }
    if depth < _DEEPEST and isinstance(value, (list, tuple)):
        return [_plain(inner, depth + 1) for inner in value]
    return _text(value)


def _text(value: Any) -> str:
    try:
        return str(value)
    except Exception:  # noqa: BLE001 (the caller's own class; no row is to be lost over it)
        return f"<{type(value).__name__}>"
