"""What a session tells about its calls while it works: to the log, and to one object of the caller's.

An event holds no person's data, no id of a user and no secret: only what an operator needs to see.
"""

from __future__ import annotations

import contextlib
import logging
from typing import Literal, TypeAlias

import attrs

from .errors import Delivery

logger = logging.getLogger("usersapi_async")
# An application that has not set up logging shall not find our records on its standard error.
logger.addHandler(logging.NullHandler())

Ending: TypeAlias = Literal["succeeded", "failed", "in doubt", "abandoned"]


@attrs.frozen(kw_only=True)
class CallStarted:
    """A call was made; nothing is sent yet. ``call`` numbers the calls of a session."""

    call: int
    action: str
    group_id: int


@attrs.frozen(kw_only=True)
class AttemptStarted:
    """A request is about to go out, the ``attempt``-th of its call. ``waited`` is how many seconds this
    attempt stood in the limiter's queue; ``fresh`` says that it gets a connection of its own."""

    call: int
    action: str
    attempt: int
    waited: float
    fresh: bool


@attrs.frozen(kw_only=True)
class RetryScheduled:
    """An attempt ended with ``error`` (a class name) and another will follow in ``wait`` seconds.

    ``evidence`` is the row of the delivery table that allows it; ``status`` the HTTP status, where one came.
    """

    call: int
    action: str
    attempt: int
    error: str
    status: int | None
    delivery: Delivery
    evidence: str
    wait: float


@attrs.frozen(kw_only=True)
class Paused:
    """The server asked for a pause of ``seconds``; every call of the session waits for its end."""

    seconds: float
    status: int


@attrs.frozen(kw_only=True)
class CallFinished:
    """A call is over. ``abandoned`` is one that was cancelled, the caller's own timeout included:
    ``delivery`` says whether it may have been carried out.

    ``error`` is the class name of what was raised, ``cause`` that of what an `OutcomeUnknown` hides.
    ``elapsed`` is in seconds, with all waits. ``reads_only`` says that the action changes nothing.
    """

    call: int
    action: str
    ending: Ending
    attempts: int
    elapsed: float
    delivery: Delivery | None
    error: str | None
    cause: str | None
    status: int | None
    reads_only: bool

    @property
    def may_have_changed(self) -> bool:
        """True when something may have been done without the caller's knowing."""
        return self.delivery is Delivery.UNKNOWN and not self.reads_only


Event: TypeAlias = CallStarted | AttemptStarted | RetryScheduled | Paused | CallFinished


class Observer:
    """Override what you want to see; each method returns at once, since the call waits for it.

    An exception that one of them raises is logged and otherwise ignored: watching must not change what
    happens.
    """

    def call_started(self, event: CallStarted) -> None:
        """A call was made."""

    def attempt_started(self, event: AttemptStarted) -> None:
        """A request is about to go out."""

    def retry_scheduled(self, event: RetryScheduled) -> None:
        """An attempt failed, and another will follow."""

    def paused(self, event: Paused) -> None:
        """The server asked for a pause."""

    def call_finished(self, event: CallFinished) -> None:
        """A call is over."""


_METHODS: dict[type, str] = {
    CallStarted: "call_started",
    AttemptStarted: "attempt_started",
    RetryScheduled: "retry_scheduled",
    Paused: "paused",
    CallFinished: "call_finished",
}


def is_watched(observer: Observer | None) -> bool:
    """Whether anybody sees what is no cause for concern."""
    return observer is not None or logger.isEnabledFor(logging.DEBUG)


def notify(observer: Observer | None, event: Event) -> None:
    """Logs an event and hands it to the observer. Whatever either raises, the call goes on."""
    with contextlib.suppress(Exception):
        _log(event)
    if observer is None:
        return
    try:
        getattr(observer, _METHODS[type(event)])(event)
    except Exception as error:  # noqa: BLE001 (see above)
        # Without its traceback, whose frames may show what the observer was told by others.
        logger.error("the observer raised %s", type(error).__name__)  # noqa: TRY400


def _log(event: Event) -> None:
    """One record an event, with its fields in ``record.usersapi``."""
    level = _level(event)
    if logger.isEnabledFor(level):
        fields = {
            name: value.value if isinstance(value, Delivery) else value
            for name, value in attrs.asdict(event, recurse=False).items()
        }
        text = " ".join(f"{name}={value}" for name, value in fields.items() if value is not None)
        logger.log(
            level,
            "%s %s",
            _METHODS[type(event)],
            text,
            extra={"usersapi": {"event": type(event).__name__, **fields}},
        )


def _level(event: Event) -> int:
    if isinstance(event, (RetryScheduled, Paused)):
        return logging.INFO
    if (
        isinstance(event, CallFinished)
        and event.ending in ("in doubt", "abandoned")
        and event.may_have_changed
    ):
        return logging.WARNING
    return logging.DEBUG
