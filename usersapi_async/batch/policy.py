"""What a `BatchRunner` was told, checked."""

from __future__ import annotations

from collections.abc import Callable

import attrs

from .keys import WINDOW
from .report import Progress
from .rows import AfterFailure


@attrs.frozen(kw_only=True)
class Policy:
    """The same for every run of a runner."""

    workers: int
    ahead: int
    """Workers beyond those, whose rows may only be made ready to be sent."""
    patience: float
    max_errors: float | None
    max_same_rejections: int | None
    ordered: bool
    after_failure: AfterFailure
    reconcile: bool
    marker_field: str | None
    on_progress: Callable[[Progress], object] | None
    window: int = WINDOW
    """With a journal, how many keys of rows that have ended are kept in memory."""
