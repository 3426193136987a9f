"""Many operations at once, with exactly one outcome for every row taken."""

from ._lines import ResultLine
from .journal import Journal
from .outcomes import Failed, InDoubt, NotAttempted, Outcome, Succeeded
from .remainder import Remainder, read_remainder
from .report import BatchReport, Progress
from .results import ResultWriter, read_results
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
    "Remainder",
    "ResultLine",
    "ResultWriter",
    "Succeeded",
    "read_remainder",
    "read_results",
]
