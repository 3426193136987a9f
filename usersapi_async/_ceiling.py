"""A limit of concurrency that the server refused: how it is recognised, and how one comes near it again."""

from __future__ import annotations

import math

_CUT = 0.7
_HOLD = 32
"""Rounds just below the limit that was refused, at first; at a low limit fewer, since one less costs more."""
_HOLD_AFTER_TEST = 64
_LONGEST = 16
"""How many times as long at the most."""
_TEST = 0.8
_BELOW = 0.93
_TOO_MANY = 0.001
"""Share of refusals that is worth a test, beyond the first three."""
_NEEDED = 4
"""Refusals that would come in a test if the limit weren't to blame."""
_LONG_AGO = 3000
"""Answers after which the older half counts half."""


class Ceiling:
    """The limit that the server refused, and how one comes near it again."""

    def __init__(self) -> None:
        self._at = math.inf
        self._returning = False
        self._hold = 0
        self._held = 0

    def hit(self, limit: float, hold: int = _HOLD) -> None:
        """Here it is."""
        first = min(hold, max(4, int(4 * limit)))
        # In the midst of a hold it is rather chance than proof of the limit before.
        again = self._held >= self._hold and abs(limit - self._at) <= max(1.0, 0.1 * limit)
        self._hold = min(_LONGEST * first, 2 * self._hold) if again else first
        self._at = limit

    def return_from(self, limit: float) -> float:
        """The limit for now, well below the one that was refused."""
        self._returning, self._held = True, 0
        return max(1.0, limit * _CUT)

    def keep_below(self, limit: float) -> float:
        """The limit that stays below the one that a test found to blame."""
        self.hit(limit, _HOLD_AFTER_TEST)
        self._returning, self._held = False, 0
        return min(limit - 1, _BELOW * limit)

    def stay(self) -> None:
        """The limit is now lower for another reason: there is no haste to return."""
        self._returning = False

    def step(self, limit: float, step: float) -> float:
        """How much of this step up may be taken, or how much more."""
        below = self._at - limit
        near = max(1.5, 0.05 * limit)
        if below > near:
            return min(limit, below / 2) if self._returning else min(step, below - near)
        self._returning = False
        if below > 0 and self._held < self._hold:
            self._held += 1
            return 0.0
        return min(step, max(1.0, -below))


class Suspicion:
    """Refusals too few to be cut for: does a lower limit end them, or do they mean nothing?"""

    def __init__(self) -> None:
        self._answers = 0
        self._refused = 0.0
        self._meaningless = 0.0
        self._needed = 0.0
        self._tested: float | None = None

    @property
    def testing(self) -> bool:
        """Is the limit lower for now?"""
        return self._tested is not None

    def count(self, answers: int, refused: int) -> None:
        """What came of a round."""
        if self._tested is None and self._answers > _LONG_AGO:
            self._answers, self._refused = self._answers // 2, self._refused / 2
        self._answers += answers
        self._refused += refused

    def is_strong(self) -> bool:
        """Are there so many that a test is worth it?"""
        return self._refused >= 3 + max(_TOO_MANY, 2 * self._meaningless) * self._answers

    def test(self, limit: float) -> float:
        """The lower limit, to be tried for as long as it takes."""
        self._tested = limit
        self._needed = _NEEDED * self._answers / self._refused
        self._forget()
        return max(1.0, _TEST * limit)

    def verdict(self) -> tuple[float, bool] | None:
        """The limit that was tested and whether it is to blame, once that is known."""
        if self._tested is None or (self._answers < self._needed and self._refused < 3):
            return None
        limit, self._tested = self._tested, None
        to_blame = self._refused < 2
        self._meaningless = 0.0 if to_blame else self._refused / self._answers
        self._forget()
        return limit, to_blame

    def drop(self) -> None:
        """The limit was cut for a better reason."""
        self._tested = None
        self._forget()

    def _forget(self) -> None:
        self._answers, self._refused = 0, 0.0
