"""Collects from a stream of outcomes what a report shows. No I/O."""

from __future__ import annotations

import re
from collections import Counter

import attrs

from usersapi_async.batch import Outcome, ResultLine, Succeeded

_EXAMPLES = 4
_MOST_KINDS = 1000
# Where a fault is in a file; without it, equal ones are counted together.
_LINE = re.compile(r"(?: @|,) line \d+(?=; |$)|(?<= @ )line \d+, ")


@attrs.define(eq=False)
class Tally:
    """``examples`` are the first successes with an answer. ``complaints`` counts outcome, kind and message of
    the others, ``first`` has the key of the first row of each, ``lost`` the keys of all, and ``errors`` the
    names of their classes."""

    examples: list[Succeeded] = attrs.field(factory=list)
    complaints: Counter[tuple[str, str, str]] = attrs.field(factory=Counter)
    first: dict[tuple[str, str, str], str | int] = attrs.field(factory=dict)
    errors: set[str] = attrs.field(factory=set)
    lost: set[str | int] = attrs.field(factory=set)

    def add(self, outcome: Outcome) -> None:
        """Takes one outcome in."""
        if not isinstance(outcome, Succeeded):
            self.lost.add(outcome.key)
            line = ResultLine.of(outcome)
            message = _LINE.sub("", line.message or line.reason or "")
            told = (line.status.replace("_", " "), line.error or "", message)
            self.errors.add(told[1])
            if told not in self.complaints and len(self.complaints) >= _MOST_KINDS:
                told = (told[0], "", "of other kinds: see the file of results")
            self.complaints[told] += 1
            self.first.setdefault(told, outcome.key)
        elif outcome.response is not None and len(self.examples) < _EXAMPLES:
            self.examples.append(outcome)
