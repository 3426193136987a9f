"""The caller's own functions, which may raise."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from .outcomes import Outcome
from .report import Keep, Progress

_T = TypeVar("_T")
_R = TypeVar("_R")


class Callbacks:
    """Asks `keep` and tells `on_progress`, until the first of them that raises or until it is `silenced`.

    What that raised is kept in ``crash``, and `on_crash` is told. `unasked` is what holds for `keep` then.
    """

    def __init__(
        self,
        keep: Keep,
        on_progress: Callable[[Progress], object] | None,
        on_crash: Callable[[BaseException], None],
        *,
        unasked: bool,
    ) -> None:
        self._keep = keep
        self._on_progress = on_progress
        self._on_crash = on_crash
        self._unasked = unasked
        self.crash: BaseException | None = None
        self.silenced = False

    def keeps(self, outcome: Outcome) -> bool:
        """Whether the report is to hold this outcome."""
        return self._call(lambda one: bool(self._keep(one)), outcome, self._unasked)

    def tell(self, progress: Progress) -> None:
        """Passes the counts on."""
        if self._on_progress is not None:
            self._call(self._on_progress, progress, None)

    def _call(self, function: Callable[[_T], _R], argument: _T, default: _R) -> _R:
        if self.crash is not None or self.silenced:
            return default
        try:
            return function(argument)
        except BaseException as error:  # noqa: BLE001 (raised when the batch has ended)
            self.crash = error
            self._on_crash(error)
            return default
