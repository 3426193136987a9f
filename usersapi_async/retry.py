"""Whether a request may be sent again: one table, kind of action by evidence. No I/O.

`TABLE` is the whole rule; the documentation's table is rendered from it by `render_table`.
"""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING, Any

import attrs

from . import _arguments, payloads
from .errors import (
    ActionRejected,
    AuthenticationError,
    CertificateError,
    Delivery,
    MalformedResponse,
    RateLimited,
    ResponseError,
    ServerError,
    UsersApiError,
)

if TYPE_CHECKING:
    import random
    from collections.abc import Mapping


class Kind(enum.Enum):
    """What a second run of an action would do."""

    READ = "reads: get_info, get_user_list"
    ABSOLUTE_WRITE = "absolute writes: update, set_status, when nothing can fire twice"
    LOGIN = "login"
    NOT_REPEATABLE = "not repeatable: create, create_child, add_product, add_email, other update, set_status"


class Evidence(enum.Enum):
    """What is known of a failed attempt."""

    NOTHING_SENT = "nothing sent, proven (DNS, connect, pool wait, closed before the body)"
    UNFIXABLE = "certificate, bad URL, 3xx"
    BROKEN = "timeout, reset or write error after sending; 408"
    TOO_FAST = "425, 429"
    UNAVAILABLE = "503"
    SERVER_FAILED = "500, 502, 504 and other 5xx"
    MALFORMED = "2xx malformed, cut short, HTML"
    REJECTED = "200, success false"
    UNAUTHORIZED = "401"
    FORBIDDEN = "403"
    REFUSED = "other 4xx"


class Decision(enum.Enum):
    """What follows from an attempt."""

    RETRY = "retry"
    RETRY_ONCE = "one retry"
    FAIL = "fail"
    IN_DOUBT = "in doubt"
    STOP = "fail, stop the batch"
    STOP_IF_REPEATED = "fail; the same for several rows in a row stops the batch"


def _row(read: Decision, absolute: Decision, login: Decision, other: Decision) -> dict[Kind, Decision]:
    return dict(zip(Kind, (read, absolute, login, other), strict=True))


_AGAIN, _ONCE, _FAIL, _DOUBT = Decision.RETRY, Decision.RETRY_ONCE, Decision.FAIL, Decision.IN_DOUBT

TABLE: Mapping[Evidence, Mapping[Kind, Decision]] = {
    Evidence.NOTHING_SENT: _row(_AGAIN, _AGAIN, _AGAIN, _AGAIN),
    Evidence.UNFIXABLE: _row(_FAIL, _FAIL, _FAIL, _FAIL),
    Evidence.BROKEN: _row(_AGAIN, _AGAIN, _ONCE, _DOUBT),
    Evidence.TOO_FAST: _row(_AGAIN, _AGAIN, _AGAIN, _AGAIN),
    Evidence.UNAVAILABLE: _row(_AGAIN, _AGAIN, _ONCE, _DOUBT),
    Evidence.SERVER_FAILED: _row(_AGAIN, _AGAIN, _ONCE, _DOUBT),
    Evidence.MALFORMED: _row(_AGAIN, _AGAIN, _ONCE, _DOUBT),
    Evidence.REJECTED: _row(*[Decision.STOP_IF_REPEATED] * 4),
    Evidence.UNAUTHORIZED: _row(*[Decision.STOP] * 4),
    Evidence.FORBIDDEN: _row(*[Decision.STOP_IF_REPEATED] * 4),
    Evidence.REFUSED: _row(_FAIL, _FAIL, _FAIL, _FAIL),
}


def render_table() -> str:
    """`TABLE` in Markdown."""
    lines = ["| evidence | " + " | ".join(kind.value for kind in Kind) + " |", "|---" * (len(Kind) + 1) + "|"]
    lines += [
        f"| {evidence.value} | " + " | ".join(row[kind].value for kind in Kind) + " |"
        for evidence, row in TABLE.items()
    ]
    return "\n".join(lines)


@attrs.frozen(kw_only=True)
class RetryPolicy:
    """How often, how soon and how much is tried again.

    ``attempts`` counts the first one too; ``per_kind`` sets another number for a `Kind`. The wait before
    attempt n + 1 is drawn evenly between 0 and ``base * 2 ** (n - 1)`` seconds, ``cap`` at most (full
    jitter). A server that names a wait is obeyed up to ``max_pause`` seconds; beyond it calls fail at once.
    ``budget_ratio`` is how many retries one call earns, ``budget_burst`` how many may be saved up.
    After a write whose fate is unknown the next write to the same user waits ``settle`` seconds, so that a
    late first one can't overwrite it. ``repeat_writes`` says that no form trigger or mail of this project
    minds a second ``update`` or ``set_status``; ``retry_unavailable`` that a 503 of this server means that
    nothing was done.
    """

    attempts: int = 5
    per_kind: Mapping[Kind, int] = attrs.field(factory=dict)
    base: float = 0.25
    cap: float = 30.0
    max_pause: float = 300.0
    budget_ratio: float = 0.1
    budget_burst: float = 100.0
    settle: float = 30.0
    repeat_writes: bool = False
    retry_unavailable: bool = False

    def __attrs_post_init__(self) -> None:
        _arguments.whole("attempts", self.attempts)
        for kind, attempts in self.per_kind.items():
            _arguments.instance("per_kind", kind, Kind)
            _arguments.whole(f"per_kind[{kind.name}]", attempts)
        _arguments.positive("cap", self.cap)
        for name in ("base", "max_pause", "budget_ratio", "budget_burst", "settle"):
            _arguments.number(name, getattr(self, name))

    def attempts_of(self, kind: Kind) -> int:
        """The most attempts that an action of `kind` gets."""
        return self.per_kind.get(kind, self.attempts)

    def backoff(self, attempts: int, rng: random.Random) -> float:
        """The wait in seconds after so many attempts."""
        return rng.uniform(0.0, min(self.cap, self.base * 2.0 ** min(attempts - 1, 60)))


def kind_of(payload: payloads.AnyPayload, sent: Mapping[str, Any], policy: RetryPolicy) -> Kind:
    """What sending `payload` twice would do. `sent` is the request as it goes out."""
    if isinstance(payload, (payloads.GetInfo, payloads.GetUserList)):
        return Kind.READ
    if isinstance(payload, payloads.Login):
        return Kind.LOGIN
    if isinstance(payload, payloads.Custom):
        return Kind.READ if payload.repeatable else Kind.NOT_REPEATABLE
    silent = sent.get("submit_forms") is False and sent.get("disable_email_sending") is True
    if isinstance(payload, (payloads.Update, payloads.SetStatus)) and (silent or policy.repeat_writes):
        return Kind.ABSOLUTE_WRITE
    return Kind.NOT_REPEATABLE


def evidence_of(error: UsersApiError) -> Evidence:
    """The row of the table that an attempt's error belongs to."""
    if isinstance(error, CertificateError):
        return Evidence.UNFIXABLE
    if not isinstance(error, ResponseError):
        return Evidence.NOTHING_SENT if error.delivery is Delivery.NOT_SENT else Evidence.BROKEN
    if isinstance(error, AuthenticationError):
        return Evidence.UNAUTHORIZED
    if isinstance(error, RateLimited):
        return Evidence.TOO_FAST
    if isinstance(error, ActionRejected):
        return Evidence.REJECTED
    if isinstance(error, MalformedResponse):
        return Evidence.MALFORMED
    if isinstance(error, ServerError):
        return Evidence.UNAVAILABLE if error.status == 503 else Evidence.SERVER_FAILED
    if error.status < 400:
        return Evidence.UNFIXABLE
    return {403: Evidence.FORBIDDEN, 408: Evidence.BROKEN}.get(error.status, Evidence.REFUSED)


def decide(error: UsersApiError, kind: Kind, attempts: int, policy: RetryPolicy) -> Decision:
    """What to do after `attempts` attempts, the last of which ended with `error`."""
    evidence = evidence_of(error)
    decision = TABLE[evidence][kind]
    if evidence is Evidence.UNAVAILABLE and error.delivery is Delivery.REFUSED:
        decision = Decision.RETRY
    elif kind is Kind.NOT_REPEATABLE and error.delivery is Delivery.UNKNOWN:
        # Whatever the row says: an answer that may be somebody's own classification never repeats a create.
        return Decision.IN_DOUBT
    allowed = policy.attempts_of(kind)
    if decision is Decision.RETRY_ONCE:
        allowed = min(allowed, 2)
    if decision in (Decision.RETRY, Decision.RETRY_ONCE):
        return Decision.RETRY if attempts < allowed else Decision.FAIL
    return decision


def may_wait_for_server(error: UsersApiError) -> bool:
    """Whether nothing was done, for sure, and the reason lies with the server as a whole."""
    whole = evidence_of(error) in (Evidence.NOTHING_SENT, Evidence.TOO_FAST, Evidence.UNAVAILABLE)
    return whole and error.delivery is not Delivery.UNKNOWN


class RetryBudget:
    """Bounds retries to a share of the calls, so that an outage does not multiply the load.

    However calls and retries follow each other, there are never more than ``burst + ratio * calls`` retries.
    """

    def __init__(self, ratio: float, burst: float) -> None:
        self._ratio = ratio
        self._burst = burst
        self._balance = burst

    @property
    def balance(self) -> float:
        """How many retries are left."""
        return self._balance

    def earn(self) -> None:
        """A call begins."""
        self._balance = min(self._burst, self._balance + self._ratio)

    def spend(self) -> bool:
        """Takes one retry out, if there is one."""
        if self._balance < 1.0:
            return False
        self._balance -= 1.0
        return True
