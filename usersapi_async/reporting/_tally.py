"""What became of the rows of a run, as far as a page shows it, in memory that hardly grows. No I/O."""

from __future__ import annotations

from collections import Counter
from typing import TypeAlias

import attrs

from usersapi_async.batch import Failed, InDoubt, NotAttempted, Outcome, Succeeded
from usersapi_async.batch.outcomes import Key
from usersapi_async.errors import ResponseError, UsersApiError

MOST_KINDS = 40
MOST_MESSAGES = 20
MOST_DOUBTS = 100

RowName: TypeAlias = tuple[int, Key]
"""Index and key."""


@attrs.frozen(order=True)
class Kind:
    """Rows that ended alike: the outcome in words, the error's class, the HTTP status if one came."""

    outcome: str
    error: str
    status: int


OTHERS = Kind("of other kinds", "", 0)
"""Stands for kinds beyond the first so many."""


@attrs.define(eq=False)
class Complaint:
    """A message, how often it came, and the first row that it was about."""

    first: RowName = attrs.field(repr=False)
    count: int = 0


@attrs.define(eq=False)
class Complaints:
    """The rows of one kind, by message; ``count`` counts also those whose messages were too many to keep."""

    count: int = 0
    by_message: dict[str, Complaint] = attrs.field(factory=dict)

    def add(self, message: str, row: RowName) -> None:
        """Counts a row."""
        self.count += 1
        if message in self.by_message or len(self.by_message) < MOST_MESSAGES:
            self.by_message.setdefault(message, Complaint(row)).count += 1


@attrs.frozen
class Doubt:
    """One row in doubt."""

    row: RowName = attrs.field(repr=False)
    action: str
    cause: str
    sent_at: float | None


@attrs.define(eq=False)
class Tally:
    """Takes each row in once, however often it is told of it: one bit a row remembers which were."""

    counted: int = 0
    resumed: int = 0
    actions: Counter[str] = attrs.field(factory=Counter)
    complaints: dict[Kind, Complaints] = attrs.field(factory=dict)
    doubts: list[Doubt] = attrs.field(factory=list)
    _seen: bytearray = attrs.field(factory=bytearray, repr=False)

    def add(self, outcome: Outcome) -> None:
        """Takes one outcome in."""
        if self._has(outcome.index):
            return
        self.counted += 1
        if outcome.payload is not None:
            self.actions[outcome.payload.action] += 1
        row = (outcome.index, outcome.key)
        if isinstance(outcome, Succeeded):
            self.resumed += outcome.resumed
        elif isinstance(outcome, NotAttempted):
            self._complain(Kind("not attempted", "", 0), outcome.reason, row)
        elif isinstance(outcome, Failed):
            self._complain(_kind("failed", outcome.error), str(outcome.error), row)
        else:
            self._doubt(outcome, row)

    def _has(self, index: int) -> bool:
        """Whether the row was counted before; from now on it was."""
        place, bit = index // 8, 1 << index % 8
        if place >= len(self._seen):
            self._seen.extend(bytes(place + 1 - len(self._seen)))
        was_there = bool(self._seen[place] & bit)
        self._seen[place] |= bit
        return was_there

    def _doubt(self, outcome: InDoubt, row: RowName) -> None:
        error = outcome.error
        cause = error.cause or error
        self._complain(_kind("in doubt", cause), str(cause), row)
        if len(self.doubts) < MOST_DOUBTS:
            self.doubts.append(Doubt(row, error.action or "", type(cause).__name__, error.sent_at))

    def _complain(self, kind: Kind, message: str, row: RowName) -> None:
        if kind not in self.complaints and len(self.complaints) >= MOST_KINDS:
            kind = OTHERS
        self.complaints.setdefault(kind, Complaints()).add(message, row)


def _kind(outcome: str, error: UsersApiError) -> Kind:
    return Kind(outcome, type(error).__name__, error.status if isinstance(error, ResponseError) else 0)
