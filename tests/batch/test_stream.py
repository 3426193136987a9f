"""Outcomes one by one."""

from __future__ import annotations

import asyncio
import gc
import tracemalloc
from typing import TYPE_CHECKING, Any

import anyio
import pytest

from usersapi_async import BatchRunner, Create, Outcome, SourceError, UsersSession
from usersapi_async.emulator import Fault

from .support import conserved, everything, never_twice, nothing_left, people, person, steps, told, until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from usersapi_async.emulator import Emulator

    from .conftest import Gate


class Counted:
    """Rows without end, and how many were taken."""

    def __init__(self, row: Any = None) -> None:
        self.taken = 0
        self._row = row

    def __iter__(self) -> Iterator[Any]:
        while True:
            self.taken += 1
            yield person(self.taken) if self._row is None else self._row


async def test_each_row_is_handed_out_once(emulator: Emulator, users: UsersSession) -> None:
    """The report then holds the counts, and no outcome unless asked."""
    runner = BatchRunner(users, concurrency=4)
    async with runner.stream(people(30)) as outcomes:
        seen = [outcome async for outcome in outcomes]
    told(runner.report, seen)
    never_twice(emulator, seen)
    assert (runner.report.succeeded, runner.report.exhausted) == (30, True)
    assert runner.report.outcomes == []
    nothing_left(users)


async def test_keep(users: UsersSession) -> None:
    """`keep` chooses what the report holds."""
    runner = BatchRunner(users, keep=lambda outcome: outcome.index == 1)
    async with runner.stream(people(3)) as outcomes:
        assert len([outcome async for outcome in outcomes]) == 3
    assert [outcome.index for outcome in runner.report.outcomes] == [1]


@pytest.mark.parametrize("ordered", [False, True])
async def test_the_order(gated: UsersSession, gate: Gate, ordered: bool) -> None:
    """That of the rows' ending, or that of the input if asked."""
    runner = BatchRunner(
        gated,
        concurrency=2,
        ordered=ordered,
        on_progress=lambda progress: gate.open() if progress.done == 5 else None,
    )
    async with runner.stream(people(6)) as outcomes:
        seen = [outcome.index async for outcome in outcomes]
    assert seen == (list(range(6)) if ordered else [1, 2, 3, 4, 5, 0])


async def test_ordered_reads_ahead_within_bounds(gated: UsersSession, gate: Gate) -> None:
    """While the first row is slow only so many others are held back for it."""
    rows = Counted()
    runner = BatchRunner(gated, concurrency=2, ordered=True)
    async with runner.stream(rows) as outcomes:
        await until(lambda: runner.report.succeeded == 31)
        await steps(100)
        assert rows.taken == 32
        gate.open()
        assert [(await anext(outcomes)).index for _ in range(40)] == list(range(40))


@pytest.mark.parametrize("row", [None, object()])
@pytest.mark.parametrize("ordered", [False, True])
async def test_a_slow_consumer_slows_the_workers(users: UsersSession, row: Any, ordered: bool) -> None:
    """No more rows are taken than it has room for, also when they fail before they are sent."""
    rows = Counted(row)
    runner = BatchRunner(users, concurrency=3, ordered=ordered)
    async with runner.stream(rows) as outcomes:
        for taken in range(1, 4):
            await anext(outcomes)
            await until(lambda: users.limiter.in_flight == 0)
            await steps(100)
            assert rows.taken <= taken + 3 + 3 * 4
    conserved(runner.report)


@pytest.mark.parametrize("consumed", [0, 1, 7])
@pytest.mark.parametrize("ordered", [False, True])
async def test_left_early(emulator: Emulator, users: UsersSession, consumed: int, ordered: bool) -> None:
    """Leaving the block breaks off what is under way, and the report is whole."""
    runner = BatchRunner(users, concurrency=4, ordered=ordered, keep=everything)
    async with runner.stream(Counted()) as outcomes:
        for _ in range(consumed):
            await anext(outcomes)
    told(runner.report, runner.report.outcomes)
    assert runner.report.stopped_by == "the stream was left"
    nothing_left(users)
    assert (await runner.run(people(3, "after"))).succeeded == 3
    never_twice(emulator, runner.report.outcomes)
    assert consumed or not [outcome async for outcome in outcomes if outcome.index > runner.report.taken]


@pytest.mark.parametrize("ordered", [False, True])
async def test_what_was_not_handed_out_is_kept(
    emulator: Emulator, users: UsersSession, ordered: bool
) -> None:
    """Leaving early loses no outcome: those that the consumer did not get are in the report."""
    runner = BatchRunner(users, concurrency=4, ordered=ordered, keep=lambda outcome: outcome.index == 1)
    seen: list[Outcome] = []
    async with runner.stream(Counted()) as outcomes:
        seen += [await anext(outcomes) for _ in range(3)]
        await until(lambda: runner.report.succeeded >= 6)
    kept = runner.report.outcomes
    assert sorted({outcome.index for outcome in (*seen, *kept)}) == list(range(runner.report.taken))
    assert len({outcome.index for outcome in kept}) == len(kept) >= 3
    never_twice(emulator, [*seen, *(outcome for outcome in kept if outcome not in seen)])


async def test_left_by_break(users: UsersSession) -> None:
    """The usual way to leave a loop."""
    runner = BatchRunner(users)
    async with runner.stream(Counted()) as outcomes:
        async for outcome in outcomes:
            if outcome.index > 5:
                break
    conserved(runner.report)
    nothing_left(users)


@pytest.mark.parametrize("consumed", [0, 1])
async def test_left_by_an_exception(users: UsersSession, consumed: int) -> None:
    """What the block raises comes out as it is."""
    error = LookupError("mine")
    runner = BatchRunner(users)

    async def use() -> None:
        async with runner.stream(Counted()) as outcomes:
            for _ in range(consumed):
                await anext(outcomes)
            raise error

    with pytest.raises(LookupError) as caught:
        await use()
    assert caught.value is error
    conserved(runner.report)
    nothing_left(users)


async def cancelled_at(emulator: Emulator, creates: int, scope: anyio.CancelScope) -> None:
    """Cancels once so many creates have arrived."""
    await until(lambda: emulator.received["create"] == creates)
    scope.cancel()


async def test_left_by_a_timeout_of_anyio(emulator: Emulator, users: UsersSession) -> None:
    """Its cancellations, which come again in each step of the loop, do not cut the ending short."""
    emulator.faults = None
    emulator.script(*[Fault.slow(20)] * 4)
    for begin in ("run", "stream"):
        runner = BatchRunner(users, concurrency=2, keep=everything)
        sent = emulator.received["create"] + 2
        with anyio.CancelScope() as scope:
            timeout = asyncio.ensure_future(cancelled_at(emulator, sent, scope))
            if begin == "run":
                await runner.run(Counted())
            else:
                async with runner.stream(Counted()) as outcomes:
                    await anext(outcomes)
        await timeout
        assert scope.cancelled_caught
        told(runner.report, runner.report.outcomes)
        assert runner.report.in_doubt == 2
        nothing_left(users)


async def test_a_source_that_breaks_off(users: UsersSession) -> None:
    """The error comes after all outcomes."""

    def rows() -> Iterator[Create]:
        yield from people(9)
        raise KeyError("x")

    seen: list[Outcome] = []

    async def use() -> None:
        async with BatchRunner(users, concurrency=2).stream(rows()) as outcomes:
            async for outcome in outcomes:
                seen.append(outcome)  # noqa: PERF401 (what came before the error counts)

    with pytest.raises(SourceError):
        await use()
    assert len(seen) == 9
    nothing_left(users)


@pytest.mark.parametrize("crash", [ValueError("x"), GeneratorExit("x")])
async def test_a_crash_of_keep(users: UsersSession, crash: BaseException) -> None:
    """The consumer gets each outcome, the one that made it crash too, and then the error."""

    def keep(outcome: Outcome) -> bool:
        if outcome.index == 3:
            raise crash
        return True

    runner = BatchRunner(users, concurrency=1, keep=keep)
    async with runner.stream(people(9)) as outcomes:
        indices = [(await anext(outcomes)).index for _ in range(4)]
        await until(lambda: runner.report.stopped_by)
        indices += [(await anext(outcomes)).index for _ in range(runner.report.taken - 4)]
        with pytest.raises(type(crash)) as caught:
            await anext(outcomes)
    assert caught.value is crash
    assert indices == list(range(runner.report.taken))
    conserved(runner.report)


async def test_the_last_outcome_may_be_left(users: UsersSession) -> None:
    """A consumer that counts for itself leaves a batch that is as good as over."""
    runner = BatchRunner(users, concurrency=1)
    async with runner.stream(people(3)) as outcomes:
        for _ in range(3):
            await anext(outcomes)
    conserved(runner.report)
    assert runner.report.succeeded == 3


async def peak_of(users: UsersSession, count: int) -> int:
    runner = BatchRunner(users, concurrency=8)
    gc.collect()
    tracemalloc.start()
    try:
        async with runner.stream(object() for _ in range(count)) as outcomes:
            async for _ in outcomes:
                pass
        assert runner.report.failed == count
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


async def test_memory_does_not_grow_with_the_input(users: UsersSession) -> None:
    """Ten times as many rows take no more of it."""
    await peak_of(users, 100)
    assert await peak_of(users, 10_000) < await peak_of(users, 1_000) + 100_000
