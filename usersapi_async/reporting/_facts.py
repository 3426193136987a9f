"""All that a page shows of a run. No I/O."""

from __future__ import annotations

from collections import Counter, defaultdict

import attrs

from usersapi_async.stats import Statistics

from ._histogram import Histogram
from ._tally import Tally
from ._timeline import Timeline


@attrs.define
class Waits:
    """How often something was waited for, and how many seconds."""

    count: int = 0
    seconds: float = 0.0
    longest: float = 0.0

    def add(self, seconds: float) -> None:
        """One wait."""
        self.count += 1
        self.seconds += seconds
        self.longest = max(self.longest, seconds)


@attrs.define(eq=False)
class Facts:
    """What was recorded: ``tally`` of rows, the rest of calls, which reads and single calls are too.

    ``endings`` counts calls that were given up with the failed ones, unless they may have been carried out.
    ``calls`` are seconds from a call's beginning to its end, ``queued`` those that a request waited for its
    turn, ``retries`` the waits by the evidence that allowed them, ``pauses`` those of the server by HTTP
    status. ``began`` is Unix time, ``latest`` the session as it was seen last.
    """

    tally: Tally = attrs.field(factory=Tally)
    timeline: Timeline = attrs.field(factory=Timeline)
    endings: Counter[str] = attrs.field(factory=Counter)
    requests: int = 0
    retries: dict[str, Waits] = attrs.field(factory=lambda: defaultdict(Waits))
    pauses: dict[int, Waits] = attrs.field(factory=lambda: defaultdict(Waits))
    calls: Histogram = attrs.field(factory=Histogram)
    queued: Histogram = attrs.field(factory=Histogram)
    latest: Statistics | None = None
    began: float | None = None
    group_id: int | None = None
