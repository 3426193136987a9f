"""Many operations at once, with exactly one outcome for every row taken."""

from .journal import Journal
from .outcomes import Failed, InDoubt, NotAttempted, Outcome, Succeeded
from .report import BatchReport, Progress
from .runner import BatchRunner

__all__ = [
    "BatchReport",
    "BatchRunner",
    "Failed",
    "InDoubt",
    "Journal",
    "NotAttempted",
    "Outcome",
    "Progress",
    "Succeeded",
]
