"""Batches with a journal that keep hardly a key in memory: nobody can tell them from others."""

from __future__ import annotations

import asyncio
import tempfile
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from usersapi_async import (
    BatchRunner,
    Create,
    CreateChild,
    Credentials,
    Failed,
    InDoubt,
    JournalError,
    NotAttempted,
    Outcome,
    PayloadError,
    Ref,
    RetryPolicy,
    Succeeded,
    Update,
    UsersSession,
)
from usersapi_async.batch._spilled import Spilled
from usersapi_async.emulator import Emulator, Fault, running_emulator

from .journals import people
from .support import everything, nothing_left, told, until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

Row = tuple[str, Any]

FAULTS = [None, Fault.rejected(), Fault.drop_after(), Fault.rate_limited(0), Fault.slow(0.002)]
REASONS = {
    Failed: "the row that it refers to failed",
    InDoubt: "the row that it refers to is in doubt",
    NotAttempted: "the row that it refers to was not attempted",
    Succeeded: "the row that it refers to creates nobody",
}


def narrow(runner: BatchRunner, window: int | None = 1) -> BatchRunner:
    """The same runner, with that many keys in memory."""
    if window is not None:
        runner._policy = attrs.evolve(runner._policy, window=window)
    return runner


def row_of(index: int, kind: str, one: int, other: int) -> Row:
    """A row, which may refer to others, by number."""
    key, doc = str(index), {"first_name": f"N{index}"}
    match kind:
        case "child":
            return key, CreateChild(connected_to=Ref(str(one)), doc=doc)
        case "update":
            return key, Update(clogin_id=Ref(str(one)), doc=doc)
        case "both":
            return key, Update(clogin_id=Ref(str(one)), connected_to=Ref(str(other)), doc=doc)
        case "again":
            return str(one), Create(doc=doc)
    return key, Create(doc=doc)


@st.composite
def inputs(draw: st.DrawFn) -> list[Row]:
    """Rows of which most refer backwards, some to themselves, forwards or to nobody."""
    kinds = st.sampled_from(["create", "create", "child", "child", "update", "both", "again"])
    count = draw(st.integers(1, 30))
    numbers = [st.integers(0, index + 1) for index in range(count)]
    return [row_of(index, draw(kinds), draw(numbers[index]), draw(numbers[index])) for index in range(count)]


async def outcomes_of(
    rows: list[Row], faults: list[Fault | None], *, window: int | None, concurrency: int, again: bool = True
) -> list[Outcome]:
    """What becomes of the rows, in the order of the input; `again` if what may be is sent again."""
    async with running_emulator() as emulator:
        emulator.script(*faults)
        session = UsersSession(
            Credentials(**emulator.credentials),
            group_id=emulator.group_id,
            base_url=emulator.base_url,
            retry=RetryPolicy(base=0, settle=0, attempts=5 if again else 1),
        )
        with tempfile.TemporaryDirectory() as directory:
            async with session as users:
                runner = BatchRunner(
                    users,
                    concurrency=concurrency,
                    max_same_rejections=None,
                    ordered=True,
                    patience=600 if again else 0,
                )
                report = await narrow(runner, window).run(rows, journal=Path(directory, "run.db"))
                nothing_left(users)
    told(report, report.outcomes)
    return report.outcomes


def words(outcome: Outcome) -> tuple[object, ...]:
    """All that can be compared of an outcome with that of another run."""
    return (
        type(outcome),
        outcome.key,
        outcome.payload,
        outcome.attempts,
        getattr(outcome, "clogin_id", None),
        getattr(outcome, "reason", None),
        str(getattr(outcome, "error", None)),
    )


@settings(max_examples=40)
@given(inputs(), st.lists(st.sampled_from(FAULTS), max_size=20))
def test_the_same_as_in_memory(rows: list[Row], faults: list[Fault | None]) -> None:
    """One after the other, each row ends alike with one key in memory as with all.

    Nothing is sent again, since a row that waits for that lets others pass it, by the time that it takes.
    """
    on_disk, in_memory = (
        asyncio.run(outcomes_of(rows, faults, window=window, concurrency=1, again=False))
        for window in (1, None)
    )
    assert list(map(words, on_disk)) == list(map(words, in_memory))


def judge(outcome: Outcome, payload: Any, index: int, parents: dict[str, Outcome | None]) -> None:
    """Compares an outcome with what became of those that the row refers to; None: nobody that is earlier."""
    for name, parent in parents.items():
        if parent is None:
            assert isinstance(outcome, Failed)
            assert str(outcome.error) == f"no earlier row has the key that it refers to @ $.{name}"
            return
        if not isinstance(parent, Succeeded) or isinstance(parent.payload, Update):
            assert isinstance(outcome, NotAttempted)
            assert outcome.reason == REASONS[type(parent)]
            return
    for name, parent in parents.items():
        assert getattr(outcome.payload, name) == getattr(parent, "clogin_id", None)
    assert not isinstance(outcome, Failed) or not isinstance(outcome.error, PayloadError)


@settings(max_examples=80)
@given(inputs(), st.lists(st.sampled_from(FAULTS), max_size=20), st.integers(1, 3), st.integers(1, 8))
def test_each_row_by_those_before_it(
    rows: list[Row], faults: list[Fault | None], window: int, concurrency: int
) -> None:
    """Side by side too, what a row ends as is what follows from the rows that it refers to."""
    outcomes = asyncio.run(outcomes_of(rows, faults, window=window, concurrency=concurrency))
    owners: dict[str, Outcome] = {}
    for index, ((key, payload), outcome) in enumerate(zip(rows, outcomes, strict=True)):
        if key in owners:
            assert isinstance(outcome, Failed)
            assert str(outcome.error) == "an earlier row has the same key @ key"
            assert outcome.key == index
            continue
        references = {name: getattr(payload, name, None) for name in ("clogin_id", "connected_to")}
        parents = {name: owners.get(ref.key) for name, ref in references.items() if isinstance(ref, Ref)}
        judge(outcome, payload, index, parents)
        owners[key] = outcome


async def test_memory_of_a_batch(users: UsersSession, path: Path) -> None:
    """It does not grow with the rows, if there is a journal; without one nothing goes to disk."""
    most = 0

    def watch(_: object) -> None:
        nonlocal most
        engine = runner._engine
        assert engine is not None
        most = max(most, len(engine._dependencies._keys._ended))

    runner = narrow(BatchRunner(users, concurrency=4, on_progress=watch), 10)
    assert (await runner.run(people(200), journal=path)).succeeded == 200
    assert most <= 40
    await until(lambda: "usersapi-keys_0" not in {thread.name for thread in threading.enumerate()})
    assert (await runner.run(people(200))).succeeded == 200
    assert most == 199


class Held:
    """Keeps what is asked of the disk from being done."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, what: str) -> None:
        self.reached, self.free = threading.Event(), threading.Event()
        do: Callable[[Spilled, Any], Any] = getattr(Spilled, what)

        def wait(spilled: Spilled, argument: Any) -> Any:
            self.reached.set()
            assert self.free.wait(10)
            return do(spilled, argument)

        monkeypatch.setattr(Spilled, what, wait)


@pytest.fixture(params=["find", "add"])
def held(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Held]:
    made = Held(monkeypatch, request.param)
    yield made
    made.free.set()


# The first is looked up by its key, the second by what it refers to.
LATE: list[Row] = [
    ("row 0", Create(doc={"first_name": "again"})),
    ("child", CreateChild(connected_to=Ref("row 0"), doc={})),
]


@pytest.mark.parametrize("late", LATE, ids=["duplicate", "child"])
@pytest.mark.parametrize("end", ["cancel run", "cancel stream", "give up"])
async def test_broken_off_while_the_disk_is_asked(
    emulator: Emulator, users: UsersSession, path: Path, held: Held, late: Row, end: str
) -> None:
    """It is not waited for; the row that was read was not attempted, and none is read after it."""
    source = iter([*people(9), late, *people(20)])
    runner = narrow(BatchRunner(users, concurrency=1, keep=everything))

    async def consume() -> None:
        async with runner.stream(source, journal=path) as outcomes:
            async for _ in outcomes:
                pass

    work = consume() if end == "cancel stream" else runner.run(source, journal=path)
    working: asyncio.Task[Any] = asyncio.ensure_future(work)
    await until(held.reached.is_set)
    engine = runner._engine
    assert engine is not None
    if end == "give up":
        engine.give_up("enough")
    else:
        working.cancel()
    await asyncio.wait([working], timeout=5)
    assert working.done()
    report = runner.report
    told(report, report.outcomes)
    assert len(list(source)) == 30 - report.taken
    assert (report.succeeded, report.not_attempted) == (report.taken - 1, 1)
    assert emulator.executed["create"] == report.succeeded
    nothing_left(users)


@pytest.mark.parametrize("late", LATE, ids=["duplicate", "child"])
@pytest.mark.parametrize("end", ["abort", "stop"])
async def test_stopped_while_the_disk_is_asked(
    users: UsersSession, path: Path, monkeypatch: pytest.MonkeyPatch, late: Row, end: str
) -> None:
    """What comes from there counts: the row ends as others do then, and none is read after it."""
    held = Held(monkeypatch, "find")
    source = iter([*people(9), late, *people(20)])
    runner = narrow(BatchRunner(users, concurrency=1, ordered=True))
    working = asyncio.ensure_future(runner.run(source, journal=path))
    await until(held.reached.is_set)
    engine = runner._engine
    assert engine is not None
    engine.abort("enough") if end == "abort" else engine.stop("enough")
    held.free.set()
    report = await working
    told(report, report.outcomes)
    assert len(list(source)) == 20
    expected = Failed if late is LATE[0] else NotAttempted if end == "abort" else Succeeded
    assert isinstance(report.outcomes[-1], expected)
    assert report.stopped_by == "enough"


class SmallDisk(Spilled):
    """A disk that is soon full."""

    def add(self, entries: Sequence[tuple[str, int]]) -> None:
        super().add(entries)
        assert self._connection is not None
        self._connection.execute("PRAGMA temp.max_page_count = 6")


class LostDisk(Spilled):
    """A disk that can't be read any more."""

    def find(self, key: str) -> int | None:
        self.close()
        return super().find(key)


@pytest.mark.parametrize(
    ("kind", "words"),
    [(SmallDisk, "database or disk is full"), (LostDisk, "Cannot operate on a closed database.")],
)
async def test_a_disk_that_fails(
    emulator: Emulator,
    users: UsersSession,
    path: Path,
    monkeypatch: pytest.MonkeyPatch,
    kind: type[Spilled],
    words: str,
) -> None:
    """The batch stops before it sends more; nothing is lost, and the next run goes on."""
    monkeypatch.setattr("usersapi_async.batch.keys.Spilled", kind)
    rows = [*people(900), *LATE, *people(20)]
    runner = narrow(BatchRunner(users, concurrency=4), 50)
    with pytest.raises(JournalError) as caught:
        await runner.run(rows, journal=path)
    report = runner.report
    assert str(caught.value) == report.stopped_by == f"the temporary file of the batch's keys: {words}"
    told(report, report.outcomes)
    assert (report.failed, report.in_doubt) == (0, 0)
    assert report.not_attempted
    assert emulator.executed["create"] == report.succeeded < 901
    monkeypatch.undo()
    again = await narrow(BatchRunner(users), 50).run(rows, journal=path)
    assert (again.succeeded, again.failed) == (901, 21)
    assert emulator.executed["create"] == 900
