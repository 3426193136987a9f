"""When a batch stops by itself. No I/O."""

from __future__ import annotations

from usersapi_async.errors import (
    AuthenticationError,
    ConfigurationError,
    JournalError,
    ResponseError,
    SessionError,
    UsersApiError,
)
from usersapi_async.retry import Evidence, evidence_of

from .report import BatchReport

_FEWEST_FOR_SHARE = 20
_ALIKE = frozenset({Evidence.REJECTED, Evidence.FORBIDDEN})


class StopRules:
    """Each method returns the reason to stop, or None."""

    def __init__(
        self, max_errors: float | None, max_same_rejections: int | None, *, max_pause: float
    ) -> None:
        self._max_errors = max_errors
        self._max_same = max_same_rejections
        self._max_pause = max_pause
        self._last: ResponseError | None = None
        self._same = 0

    def after_success(self) -> None:
        """A row succeeded, so what was refused before is not refused to everybody."""
        self._last = None

    def after_error(self, error: UsersApiError) -> str | None:
        """Whether `error` will be the same for every row, or the server wants a longer pause than allowed."""
        if isinstance(error, (AuthenticationError, ConfigurationError, JournalError, SessionError)):
            return str(error)
        if not isinstance(error, ResponseError):
            return None
        if error.retry_after is not None and error.retry_after > self._max_pause:
            return f"{error} (the server asks for a pause of {error.retry_after:.0f} s)"
        if evidence_of(error) not in _ALIKE:
            return None
        self._same = self._same + 1 if self._is_last(error) else 1
        self._last = error
        return (
            f"{self._same} rows in a row were refused alike: {error}"
            if self._same == self._max_same
            else None
        )

    def _is_last(self, error: ResponseError) -> bool:
        """Whether the last rejection was like this one."""
        last = self._last
        if last is None or (type(last), last.status) != (type(error), error.status):
            return False
        # A message may name each row's values, which are masked, or hold words that are some row's values.
        return (
            error.status == 403
            or (error.msg == last.msg)
            or (error.said is not None and error.said == last.said)
        )

    def after_outcome(self, report: BatchReport) -> str | None:
        """Whether there are too many errors."""
        most = self._max_errors
        if most is None:
            return None
        errors = report.failed + report.in_doubt
        tried = errors + report.succeeded
        # A share means nothing before there are enough rows to take it of.
        too_many = errors >= most if most >= 1 else tried >= _FEWEST_FOR_SHARE and errors > most * tried
        return f"{errors} rows failed or are in doubt (max_errors)" if too_many else None
