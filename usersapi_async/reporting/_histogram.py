"""How long many things took, in memory that doesn't grow. No I/O."""

from __future__ import annotations

import math
from collections import Counter

_STEP = math.log(1.05)
_SHORTEST, _LONGEST = 1e-4, 1e6


class Histogram:
    """Counts seconds in classes that are 5 % wide, so that a percentile is at most that much too large."""

    def __init__(self) -> None:
        self.count = 0
        self.total = 0.0
        self.longest = 0.0
        self._classes: Counter[int] = Counter()

    def add(self, seconds: float) -> None:
        """Takes one in."""
        self.count += 1
        self.total += seconds
        self.longest = max(self.longest, seconds)
        self._classes[math.ceil(math.log(min(max(seconds, _SHORTEST), _LONGEST)) / _STEP)] += 1

    def percentile(self, share: float) -> float:
        """So large a `share` of them took so long or less; 0 if there were none."""
        left = math.ceil(share * self.count)
        for number in sorted(self._classes):
            left -= self._classes[number]
            if left <= 0:
                return min(math.exp(number * _STEP), self.longest)
        return 0.0
