"""One page that reports a run: what became of its rows, how fast it went, and what to do next."""

from .recorder import RunRecorder
from .writing import write_report

__all__ = ["RunRecorder", "write_report"]
