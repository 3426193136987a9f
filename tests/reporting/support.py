"""Runs to be reported: made-up ones, which need no server and no time."""

from __future__ import annotations

import random
from html.parser import HTMLParser
from typing import Any

from usersapi_async import (
    ActionRejected,
    BatchReport,
    ConnectionLost,
    Create,
    Failed,
    InDoubt,
    Latency,
    NotAttempted,
    Outcome,
    OutcomeUnknown,
    Pace,
    PayloadError,
    Pool,
    RequestTimeout,
    Statistics,
    Succeeded,
    UsersApiError,
)
from usersapi_async.reporting._facts import Facts
from usersapi_async.reporting._page import Page
from usersapi_async.reporting._timeline import Span

EMAIL = "philippa.quirke@home.example"
SCRIPT = '<script>alert("x")</script><img src=http://127.0.0.1:9/x onerror=alert(1)>'


def succeeded(index: int, *, resumed: bool = False) -> Succeeded:
    """A row that was carried out."""
    return Succeeded(
        index=index, key=f"k{index}", payload=Create(), clogin_id=index + 1, response=None, resumed=resumed
    )


def failed(index: int, error: UsersApiError | None = None, key: str = EMAIL) -> Failed:
    """A row that was not."""
    return Failed(
        index=index, key=key, payload=None, error=error or PayloadError("no address @ $.doc.main_email")
    )


def rejected(index: int, msg: str) -> Failed:
    """A row that the service refused with these words."""
    return failed(index, ActionRejected(f"create: the service refused it: {msg}", status=200, msg=msg))


def in_doubt(index: int, *, sent_at: float | None = 1_795_000_000.0, key: str = EMAIL) -> InDoubt:
    """A row of which nobody knows."""
    cause = ConnectionLost("the connection broke") if index % 2 else RequestTimeout("no answer in 60 s")
    error = OutcomeUnknown("who knows", cause=cause, sent_at=sent_at)
    error.action = "create"
    return InDoubt(index=index, key=key, payload=Create(), error=error)


def not_attempted(index: int) -> NotAttempted:
    """A row that was left out."""
    return NotAttempted(index=index, key=EMAIL, payload=None, reason="the row that it refers to failed")


def report_of(outcomes: list[Outcome], **values: Any) -> BatchReport:
    """The report of a batch that ended so."""
    report = BatchReport(**{"exhausted": True, "elapsed": 10.0, **values})
    for outcome in outcomes:
        report.taken += 1
        report.add(outcome, keep=True)
    return report


def statistics(**values: Any) -> Statistics:
    """A session at one moment."""
    zero = dict.fromkeys(
        ("calls", "succeeded", "failed", "in_doubt", "abandoned", "attempts", "retries", "refusals"), 0
    )
    return Statistics(
        **{
            "limit": 20,
            "in_flight": 12,
            "waiting": 3,
            "paused_for": 0.0,
            "pace": Pace(limit=20),
            "rate": 100.0,
            "latency": Latency(p50=0.02, p90=0.05, p99=0.4, attempts=1000),
            "retry_budget": 100.0,
            "pool": Pool(open=20, in_use=12, limit=100),
            **zero,
            **values,
        }
    )


def span(began: float, ended: float, rng: random.Random) -> Span:
    """A stretch of a busy run."""
    p50 = rng.uniform(0.01, 0.05)
    return Span(
        began=began,
        ended=ended,
        succeeded=int(rng.uniform(80, 120) * (ended - began)),
        failed=int(rng.uniform(0, 5) * (ended - began)),
        in_doubt=rng.random() < 0.1,
        requests=int(rng.uniform(90, 140) * (ended - began)),
        retries=rng.randrange(5),
        limit=rng.uniform(20, 40),
        in_flight=rng.uniform(10, 20),
        waiting=rng.uniform(0, 50),
        paused=rng.random() < 0.1,
        p50=p50,
        p90=p50 * 2,
        p99=p50 * rng.uniform(3, 9),
    )


def busy_facts(outcomes: list[Outcome], *, seconds: float = 60.0) -> Facts:
    """What was recorded of a run of so many seconds with everything in it."""
    rng = random.Random(7)
    facts = Facts(began=1_795_000_000.0, group_id=100909072, requests=6500, latest=statistics())
    step = seconds / 100
    for number in range(100):
        facts.timeline.add(span(number * step, (number + 1) * step, rng))
    for outcome in outcomes:
        facts.tally.add(outcome)
    for _ in range(1000):
        facts.calls.add(rng.expovariate(10))
        facts.queued.add(rng.expovariate(50))
    facts.endings["succeeded"] = 1000
    facts.retries["425, 429"].add(0.5)
    facts.pauses[429].add(1.0)
    return facts


def a_bit_of_everything() -> list[Outcome]:
    """Outcomes of every kind, with what must not be shown or run in their keys and messages."""
    return [
        *(succeeded(index) for index in range(60)),
        rejected(60, SCRIPT),
        rejected(61, f"{EMAIL} is taken"),
        failed(62),
        failed(63, PayloadError(["a @ $.b", "c @ $.d"])),
        *(not_attempted(index) for index in range(64, 70)),
        *(in_doubt(index) for index in range(70, 95)),
    ]


def page_of(outcomes: list[Outcome], facts: Facts | None = None, **values: Any) -> str:
    """The page of such a run."""
    if facts is None:
        facts = busy_facts(outcomes)
    report = values.pop("report", None) or report_of(outcomes)
    return Page(
        **{
            "report": report,
            "facts": facts,
            "title": "Report of a run",
            "written": 1_795_000_100.0,
            "show_key": None,
            **values,
        }
    ).html()


_VOID = {"meta", "br", "link", "img", "input", "hr"}


class Parsed(HTMLParser):
    """A page's elements and text; fails where tags don't match."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.texts: list[str] = []
        self.styles: list[str] = []
        self.feed(html)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        assert len(dict(attrs)) == len(attrs), f"<{tag}> has an attribute twice"
        if tag not in _VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        (self.styles if self.open[-1:] == ["style"] else self.texts).append(data)

    @property
    def text(self) -> str:
        """All of its text in one line."""
        return " ".join(" ".join(self.texts).split())

    def having(self, attribute: str) -> list[str]:
        """The values of an attribute, wherever it stands."""
        return [values[attribute] or "" for _, values in self.tags if attribute in values]
