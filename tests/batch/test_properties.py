"""Any mix of rows, faults and ways to end: what must hold always."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter, defaultdict
from typing import TYPE_CHECKING, Any, Literal

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from usersapi_async import (
    BatchReport,
    BatchRunner,
    Create,
    CreateChild,
    Credentials,
    GetInfo,
    InDoubt,
    NotAttempted,
    Outcome,
    Ref,
    RetryPolicy,
    Succeeded,
    Update,
    UsersApiError,
    UsersSession,
)
from usersapi_async.emulator import Fault, running_emulator

from .support import everything, nothing_left, steps, told

if TYPE_CHECKING:
    from collections.abc import Iterator

    from usersapi_async.emulator import Emulator

FAULTS = [
    None,
    Fault.rate_limited(),
    Fault.rate_limited(0),
    Fault.unavailable(),
    Fault.error(),
    Fault.error(done=True),
    Fault.rejected(),
    Fault.status(401),
    Fault.status(404),
    Fault.rate_limited(1000),
    Fault.drop_before(),
    Fault.drop_after(),
    Fault.html(),
    Fault.html(done=True),
    Fault.broken_json(),
    Fault.cut_json(),
    Fault.slow(0.002),
]


@attrs.frozen
class Script:
    """One batch: its rows, what goes wrong, and how it ends."""

    rows: list[tuple[str, int]]
    faults: list[Fault | None]
    concurrency: int
    ordered: bool
    after_failure: Literal["continue", "skip"]
    max_errors: float | None
    end: Literal["run", "stream", "cancel run", "cancel stream", "stop", "give up", "leave"]
    after: int


scripts = st.builds(
    Script,
    rows=st.lists(
        st.tuples(
            st.sampled_from(["create", "child", "update", "update new", "read", "connect", "bad", "again"]),
            st.integers(0, 30),
        ),
        max_size=30,
    ),
    faults=st.lists(st.one_of(st.none(), st.sampled_from(FAULTS)), max_size=30),
    concurrency=st.integers(1, 8),
    ordered=st.booleans(),
    after_failure=st.sampled_from(["continue", "skip"]),
    max_errors=st.sampled_from([None, 1, 5, 0.5]),
    end=st.sampled_from(["run", "stream", "cancel run", "cancel stream", "stop", "give up", "leave"]),
    after=st.integers(1, 150),
)


def row_of(index: int, kind: str, other: int, known: list[int]) -> tuple[str, Any]:
    """A row; `other` is the index of the one that it refers to, or chooses somebody known."""
    key, doc = str(index), {"first_name": f"<{index}>"}
    somebody = known[other % len(known)]
    silent = {"submit_forms": False, "disable_email_sending": True} if other % 2 else {}
    match kind:
        case "create":
            return key, Create(doc=doc)
        case "child":
            return key, CreateChild(connected_to=Ref(str(other)), doc=doc)
        case "update":
            return key, Update(clogin_id=somebody, doc=doc, **silent)  # type: ignore[arg-type]
        case "update new":
            return key, Update(clogin_id=Ref(str(other)), doc=doc)
        case "read":
            return key, GetInfo(clogin_id=somebody)
        case "connect":
            return key, Create(clogin_id=somebody, doc=doc)
        case "again":
            return str(other), Create(doc=doc)
    return key, None


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    """A log record for each of thousands of calls would only take time."""
    logger = logging.getLogger("usersapi_async")
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    yield
    logger.setLevel(level)


async def drive(runner: BatchRunner, rows: Any, script: Script) -> list[Outcome]:
    """Runs the batch to the end that the script wants, and gives what the consumer or the report saw."""
    seen: list[Outcome] = []

    async def consume() -> None:
        async with runner.stream(rows) as outcomes:
            async for outcome in outcomes:
                seen.append(outcome)
                if script.end == "leave" and len(seen) * 10 > script.after:
                    break

    streamed = script.end in ("stream", "cancel stream", "leave")
    working: asyncio.Task[Any] = asyncio.ensure_future(consume() if streamed else runner.run(rows))
    if script.end not in ("run", "stream", "leave"):
        await steps(script.after)
    if script.end.startswith("cancel"):
        working.cancel()
    elif script.end in ("stop", "give up"):
        await runner.stop(None if script.end == "stop" else 0)
    try:
        await working
    except asyncio.CancelledError:
        assert script.end.startswith("cancel")
    return seen if script.end == "stream" else runner.report.outcomes


async def played(script: Script) -> tuple[Emulator, BatchReport]:
    async with running_emulator() as emulator:
        session = UsersSession(
            Credentials(**emulator.credentials),
            group_id=emulator.group_id,
            base_url=emulator.base_url,
            retry=RetryPolicy(base=0, settle=0),
        )
        async with session as users, asyncio.timeout(20):
            known = [(await users.create({})).clogin_id for _ in range(2)]
            emulator.requests.clear()
            emulator.script(*script.faults)
            runner = BatchRunner(
                users,
                concurrency=script.concurrency,
                ordered=script.ordered,
                after_failure=script.after_failure,
                max_errors=script.max_errors,
                max_same_rejections=3,
                keep=everything,
            )
            rows = [row_of(index, *row, known) for index, row in enumerate(script.rows)]
            seen = await drive(runner, rows, script)
            told(runner.report, seen)
            told(runner.report, runner.report.outcomes)
            nothing_left(users)
            if script.end == "stream" and script.ordered:
                assert [outcome.index for outcome in seen] == list(range(len(seen)))
        return emulator, runner.report


def in_order(emulator: Emulator) -> Counter[str]:
    """Writes to one user came in the order of the input, each with its own repetitions: how many of each."""
    requests: Counter[str] = Counter()
    writes: dict[object, list[int]] = defaultdict(list)
    for request in emulator.requests:
        body: Any = request.body
        if request.action != "get_info":
            index = int(body["doc"]["first_name"][1:-1])
            requests[f"<{index}>"] += 1
            writes[body.get("clogin_id")].append(index)
    writes.pop(None, None)
    assert all(came == sorted(came) for came in writes.values())
    return requests


def judge_one(outcome: Outcome, emulator: Emulator, requests: int) -> None:
    """Compares what a row is said to be with what the server did."""
    payload = outcome.payload
    marker = f"<{outcome.index}>"
    done = sum(user.doc.get("first_name") == marker for user in emulator.users.values())
    creates = isinstance(payload, (Create, CreateChild)) and not payload.clogin_id
    if creates:
        assert done <= 1
    if isinstance(outcome, Succeeded):
        assert outcome.attempts
        assert not creates or outcome.clogin_id in emulator.users
    elif isinstance(outcome, InDoubt):
        assert outcome.attempts
        assert not isinstance(payload, GetInfo)
    elif creates:
        assert not done
    if isinstance(outcome, NotAttempted):
        assert outcome.reason
        assert not requests
    assert requests <= outcome.attempts


def judge_users(outcomes: list[Outcome]) -> None:
    """Nothing is written to a user after a write that is in doubt."""
    doubtful: set[int] = set()
    for outcome in outcomes:
        user = getattr(outcome.payload, "clogin_id", None)
        if isinstance(user, int) and not isinstance(outcome.payload, GetInfo):
            assert user not in doubtful or isinstance(outcome, NotAttempted)
            if isinstance(outcome, InDoubt):
                doubtful.add(user)


@settings(max_examples=150)
@given(scripts)
def test_whatever_happens(script: Script) -> None:
    """Every row ends once and truly, no create is done twice, and nothing else is raised."""
    emulator, report = asyncio.run(played(script))
    requests = in_order(emulator)
    outcomes = sorted(report.outcomes, key=lambda outcome: outcome.index)
    for outcome in outcomes:
        judge_one(outcome, emulator, requests[f"<{outcome.index}>"])
    judge_users(outcomes)
    try:
        report.raise_for_errors()
    except ExceptionGroup as group:
        assert group.subgroup(UsersApiError) is not None
