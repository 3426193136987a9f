"""What can go wrong on purpose: single faults, and how likely each is."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, Self

if TYPE_CHECKING:
    import random

Ending = Literal["answer", "json", "html", "nothing", "broken", "cut", "drop"]
RetryAfter = str | float | None


@dataclass(frozen=True, slots=True)
class Fault:
    """How one request is to go wrong. Make one with the class methods.

    `done` tells whether the work of the request is done all the same, `ending` what the client gets.
    """

    name: str
    ending: Ending
    done: bool = False
    code: int = 200
    seconds: float = 0.0
    retry_after: str | None = None
    msg: str = ""

    @classmethod
    def slow(cls, seconds: float) -> Self:
        """Waits, then works and answers as always."""
        return cls("slow", "answer", done=True, seconds=seconds)

    @classmethod
    def rate_limited(cls, retry_after: RetryAfter = None) -> Self:
        """429, with a Retry-After header if one is given: seconds, or text such as an HTTP date."""
        return cls(
            "rate_limited",
            "json",
            code=429,
            retry_after=_header(retry_after),
            msg="Too many requests.",
        )

    @classmethod
    def unavailable(cls, retry_after: RetryAfter = None) -> Self:
        """503 with an HTML page, as a front end gives whose back end is away."""
        return cls("unavailable", "html", code=503, retry_after=_header(retry_after))

    @classmethod
    def error(
        cls, status: int = 500, body: Literal["html", "json", "nothing"] = "html", *, done: bool = False
    ) -> Self:
        return cls("error", body, done=done, code=status, msg="Internal error.")

    @classmethod
    def status(cls, code: int) -> Self:
        """This status with a JSON body that says success false; nothing is done."""
        return cls("status", "json", code=code, msg=f"Status {code}.")

    @classmethod
    def rejected(cls, msg: str = "The request was rejected.") -> Self:
        """200 with success false; nothing is done."""
        return cls("rejected", "json", msg=msg)

    @classmethod
    def drop_before(cls) -> Self:
        """Nothing is done, and the connection is closed without a byte of an answer."""
        return cls("drop_before", "drop")

    @classmethod
    def drop_after(cls) -> Self:
        """The work is done, and the connection is closed without a byte of the answer."""
        return cls("drop_after", "drop", done=True)

    @classmethod
    def html(cls, *, done: bool = False) -> Self:
        """200 with an HTML page."""
        return cls("html", "html", done=done)

    @classmethod
    def broken_json(cls) -> Self:
        """The work is done; the answer is whole by its Content-Length, but is half a JSON text."""
        return cls("broken_json", "broken", done=True)

    @classmethod
    def cut_json(cls) -> Self:
        """The work is done; the connection is closed after half of the announced answer."""
        return cls("cut_json", "cut", done=True)


def _header(value: RetryAfter) -> str | None:
    return None if value is None else str(value)


@dataclass(frozen=True, kw_only=True, slots=True)
class Faults:
    """How likely each fault is, as a share of all requests; together at most 1.

    `slow_seconds`, `retry_after` (of 429 and 503) and `error_status` say how those faults look.
    """

    rate_limited: float = 0.0
    unavailable: float = 0.0
    error: float = 0.0
    drop_before: float = 0.0
    drop_after: float = 0.0
    slow: float = 0.0
    html: float = 0.0
    broken_json: float = 0.0
    cut_json: float = 0.0
    rejected: float = 0.0
    slow_seconds: float = 0.5
    retry_after: RetryAfter = None
    error_status: int = 500
    _table: tuple[tuple[float, Fault], ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        table = (
            (self.rate_limited, Fault.rate_limited(self.retry_after)),
            (self.unavailable, Fault.unavailable(self.retry_after)),
            (self.error, Fault.error(self.error_status)),
            (self.drop_before, Fault.drop_before()),
            (self.drop_after, Fault.drop_after()),
            (self.slow, Fault.slow(self.slow_seconds)),
            (self.html, Fault.html()),
            (self.broken_json, Fault.broken_json()),
            (self.cut_json, Fault.cut_json()),
            (self.rejected, Fault.rejected()),
        )
        shares = [share for share, _ in table]
        # A little room, since ten times 0.1 is not quite 1.
        if min(shares) < 0 or sum(shares) > 1 + 1e-9:
            raise ValueError("The shares of the faults must lie between 0 and 1, and so must their sum.")
        object.__setattr__(self, "_table", table)

    def draw(self, source: random.Random) -> Fault | None:
        """The fault that the next request meets, by one number of `source`."""
        point = source.random()
        for share, fault in self._table:
            point -= share
            if point < 0:
                return fault
        return None
