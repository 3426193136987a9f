"""What can go wrong, as one tree.

::

    UsersApiError
    ├── ConfigurationError (ValueError)   an argument, a variable or a URL is missing or wrong
    ├── PayloadError (ValueError)         the payload has faults; nothing was sent
    ├── SessionError                      not open, closed, or used from another event loop
    ├── JournalError                      the journal can't be read or written
    ├── ResultsError                      the file of results can't be written or read
    ├── ReportError                       the page of a run can't be written
    ├── WebhookError (ValueError)         what was posted can't be read as an event
    ├── SourceError                       the caller's own iterable raised
    ├── TransportError                    no complete answer was read
    │   ├── ConnectError                  no connection was made
    │   │   ├── PoolTimeout               none became free in time
    │   │   └── CertificateError          the server's certificate was not accepted
    │   ├── RequestTimeout (TimeoutError) one attempt took too long
    │   └── ConnectionLost                the connection broke while it was in use
    ├── ResponseError                     the server answered, but not with success
    │   ├── AuthenticationError           401
    │   ├── RateLimited                   429 and 425
    │   ├── RequestRejected               any other 3xx and 4xx
    │   ├── ServerError                   5xx
    │   ├── MalformedResponse             not JSON, wrong shape, cut short, too large, another's
    │   └── ActionRejected                200 with "success": false
    ├── DeadlineExceeded (TimeoutError)   the whole call ran out of time
    └── OutcomeUnknown                    it must not be repeated, and may or may not have been done

Every error says in ``delivery`` how far the request came. No error shows the token, the payload or the
body of an answer; a server's message is kept with every value of the request masked in it.
"""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING, Any, ClassVar

if TYPE_CHECKING:
    from collections.abc import Iterable


class Delivery(enum.Enum):
    """How far a request came, as far as that can be proven."""

    NOT_SENT = "not sent"
    """No byte of it left this machine."""
    REFUSED = "refused"
    """The server said that it did nothing."""
    UNKNOWN = "unknown"
    """It may have been carried out."""


class UsersApiError(Exception):
    """The base of everything that this library raises.

    ``action`` is the action's name where the error belongs to one call, ``attempts`` how many requests that
    call had made by then, ``position`` where to go on when a walk through the list of users broke off.
    """

    default_delivery: ClassVar[Delivery] = Delivery.NOT_SENT

    def __init__(self, message: str = "", *, delivery: Delivery | None = None) -> None:
        super().__init__(message)
        self.delivery = self.default_delivery if delivery is None else delivery
        self.action: str | None = None
        self.attempts = 0
        self.position: int | None = None


class ConfigurationError(UsersApiError, ValueError):
    """A setting is missing or wrong; the message names the argument or the variable."""


class PayloadError(UsersApiError, ValueError):
    """A payload has faults. ``faults`` holds all of them, each as ``reason @ $.path``."""

    def __init__(self, faults: Iterable[str] = (), *, delivery: Delivery | None = None) -> None:
        self.faults: tuple[str, ...] = (faults,) if isinstance(faults, str) else tuple(faults)
        super().__init__("; ".join(self.faults), delivery=delivery)

    def __reduce__(self) -> tuple[object, ...]:
        return type(self), (self.faults,), self.__dict__


class SessionError(UsersApiError):
    """The session is not open, is closed, or belongs to another event loop."""


class JournalError(UsersApiError):
    """The journal can't be used; nothing that it should have recorded was sent."""


class ResultsError(UsersApiError):
    """A file of results can't be written or read; the message names it.

    A batch that was to write it takes no further row, and its report holds the outcomes that the file lacks.
    """


class ReportError(UsersApiError):
    """The page that reports a run can't be written; the message says why."""


class WebhookError(UsersApiError, ValueError):
    """What was posted to a webhook's URL can't be read as an event; the message says why, and shows none of
    it."""


class SourceError(UsersApiError):
    """The iterable that the caller gave to a batch raised; its own exception is the ``__cause__``."""


class TransportError(UsersApiError):
    """No complete answer was read. ``errno`` is the operating system's number, where it gave one."""

    default_delivery = Delivery.UNKNOWN

    def __init__(
        self, message: str = "", *, delivery: Delivery | None = None, errno: int | None = None
    ) -> None:
        super().__init__(message, delivery=delivery)
        self.errno = errno


class ConnectError(TransportError):
    """No connection was made: name look-up, refusal, or no answer in time."""

    default_delivery = Delivery.NOT_SENT


class PoolTimeout(ConnectError):
    """Every connection of the pool was busy for longer than the connect timeout."""


class CertificateError(ConnectError):
    """The server's certificate was not accepted; trying again can't help."""


class RequestTimeout(TransportError, TimeoutError):
    """One attempt took longer than ``Timeout.attempt``."""


class ConnectionLost(TransportError):
    """The connection was closed or reset while the request or the answer was under way."""


class ResponseError(UsersApiError):
    """The server answered, but not with success.

    ``status`` is the HTTP status; ``msg`` and ``msg_type`` are the service's own words where the body had
    them, with every value of the request masked; ``said`` is a hash of the message as it came, by which
    equal ones are known in this process; ``retry_after`` is the wait in seconds that the answer named.
    """

    default_delivery = Delivery.REFUSED

    def __init__(
        self,
        message: str = "",
        *,
        delivery: Delivery | None = None,
        status: int = 0,
        msg: str | None = None,
        msg_type: str | None = None,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message, delivery=delivery)
        self.status = status
        self.said: int | None = None
        self.msg = msg
        self.msg_type = msg_type
        self.retry_after = retry_after


class AuthenticationError(ResponseError):
    """401: the id, the login or the token is not accepted. It stops a batch."""


class RateLimited(ResponseError):
    """429 or 425: too fast, or too early."""


class RequestRejected(ResponseError):
    """Any other 3xx or 4xx. 408 alone leaves open whether something was done."""


class ServerError(ResponseError):
    """5xx: the server failed, perhaps after it had done the work."""

    default_delivery = Delivery.UNKNOWN


class MalformedResponse(ResponseError):
    """A 2xx whose body can't be this call's answer."""

    default_delivery = Delivery.UNKNOWN


class ActionRejected(ResponseError):
    """200 with ``"success": false``. That this means "nothing was done" is an assumption; see
    `usersapi_async.assumptions`."""


class DeadlineExceeded(UsersApiError, TimeoutError):
    """The whole call ran out of time; ``delivery`` speaks of the last attempt."""

    default_delivery = Delivery.UNKNOWN


class OutcomeUnknown(UsersApiError):
    """A call that must not be repeated was sent, and what became of it is not known.

    Look before you send it again. ``cause`` is the error that left it open; ``payload`` is what was sent to
    which ``group_id``, ``sent_at`` and ``ended_at`` when the last attempt began and ended, in Unix time: what
    it takes to find out.
    """

    default_delivery = Delivery.UNKNOWN

    def __init__(
        self,
        message: str = "",
        *,
        cause: UsersApiError | None = None,
        payload: Any = None,
        group_id: int | None = None,
        sent_at: float | None = None,
        ended_at: float | None = None,
        delivery: Delivery | None = None,
    ) -> None:
        super().__init__(message, delivery=delivery)
        self.cause = cause
        self.payload = payload
        self.group_id = group_id
        self.sent_at = sent_at
        self.ended_at = ended_at
