"""What a batch writes of its rows as they end, and how a mended file is fed again."""

from __future__ import annotations

import asyncio
import csv
import json
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import pytest

from tests.disks import small_disk
from usersapi_async import (
    BatchReport,
    BatchRunner,
    ConfigurationError,
    Create,
    CreateChild,
    JournalError,
    Outcome,
    Progress,
    Reconciliation,
    Ref,
    Remainder,
    ResultLine,
    ResultsError,
    ResultWriter,
    SourceError,
    Succeeded,
    UsersSession,
    read_remainder,
    read_results,
    reconcile,
)
from usersapi_async.emulator import Fault, emulator_in_thread

from .support import conserved, everything, nothing_left, told, until
from .test_results import FORMATS

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping

    from usersapi_async.emulator import Emulator

Row: TypeAlias = dict[Any, Any]


def people(count: int) -> list[Row]:
    """Rows as a program reads them."""
    return [{"id": f"p{number}", "parent": "", "first_name": f"<{number}>"} for number in range(count)]


def keyed(rows: Iterable[Row]) -> Iterator[tuple[str, Row]]:
    """Each with its key."""
    return ((row["id"], row) for row in rows)


async def later(rows: Iterable[Any]) -> AsyncIterator[Any]:
    """The same from an async iterable."""
    for row in rows:
        await asyncio.sleep(0)
        yield row


def building(ids: Mapping[str, int]) -> Callable[[Row], Create | CreateChild]:
    """Makes a row a payload; `ids` are those of people who are no rows of this batch."""

    def build(row: Row) -> Create | CreateChild:
        doc = {name: value for name, value in row.items() if name != "parent"}
        if parent := row["parent"]:
            return CreateChild(connected_to=ids.get(parent) or Ref(parent), doc=doc)
        return Create(doc=doc)

    return build


build = building({})


def fill(path: Path, text: str) -> None:
    path.write_text(text)


def content(path: Path) -> str:
    return path.read_text()


@pytest.fixture(params=FORMATS)
def file(tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    """Where results may be, in each format."""
    return tmp_path / f"results.{request.param}"


def by_index(lines: Iterable[ResultLine]) -> list[ResultLine]:
    return sorted(lines, key=lambda line: -1 if line.index is None else line.index)


def agree(path: Path, outcomes: Iterable[Outcome], rows: list[Row]) -> list[ResultLine]:
    """The file says what the outcomes say, and has the rows of those that did not succeed."""
    lines = by_index(read_results(path))
    assert lines == by_index(
        ResultLine.of(outcome, row=None if isinstance(outcome, Succeeded) else rows[outcome.index])
        for outcome in outcomes
    )
    return lines


@pytest.mark.parametrize("way", ["run", "stream", "ordered", "async"])
async def test_each_row_is_written(emulator: Emulator, users: UsersSession, file: Path, way: str) -> None:
    """Once, with what became of it; whichever way the batch is run."""
    emulator.script(Fault.drop_after(), Fault.rejected("no"), Fault.drop_before())
    rows = people(30)
    rows[7]["password"] = "short"
    rows[9]["parent"] = "p7"
    runner = BatchRunner(users, concurrency=4, ordered=way == "ordered", keep=everything)
    items: Any = later(keyed(rows)) if way == "async" else keyed(rows)
    if way in ("run", "async"):
        await runner.run(items, build=build, results=file)
    else:
        async with runner.stream(items, build=build, results=str(file)) as outcomes:
            told(runner.report, [outcome async for outcome in outcomes])
    report = runner.report
    told(report, report.outcomes)
    assert (report.succeeded, report.failed, report.in_doubt, report.not_attempted) == (25, 2, 2, 1)
    lines = agree(file, report.outcomes, rows)
    assert lines[7].faults == ("must have 6 characters or more @ $.doc.password",)
    assert lines[9].reason == "the row that it refers to failed"
    assert {line.clogin_id for line in lines} - {None} < emulator.users.keys()


async def test_lines_are_there_when_their_rows_end(users: UsersSession, file: Path) -> None:
    """Whoever looks at the file meanwhile finds each of them."""
    seen: list[tuple[int, int]] = []

    def look(progress: Progress) -> None:
        seen.append((progress.done, len(list(read_results(file)))))

    await BatchRunner(users, concurrency=3, on_progress=look).run(people(12), build=build, results=file)
    assert seen == [(number, number) for number in range(1, 13)]


@pytest.mark.parametrize("way", ["cancel", "source", "callback", "left", "journal"])
async def test_however_it_ends(
    emulator: Emulator, users: UsersSession, file: Path, tmp_path: Path, way: str
) -> None:
    """Every row that was taken has its line after any exit, those that were broken off too."""
    rows = people(20)

    def source() -> Iterator[tuple[str, Row]]:
        yield from keyed(rows[:6])
        raise KeyError("x")

    def callback(progress: Progress) -> None:
        if progress.done == 4:
            raise ValueError

    runner = BatchRunner(users, concurrency=3, on_progress=callback if way == "callback" else None)
    if way == "cancel":
        emulator.script(*[Fault.slow(30)] * 3)
        task = asyncio.ensure_future(runner.run(keyed(rows), build=build, results=file))
        await until(lambda: emulator.received["create"] == 3)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert runner.report.in_doubt == 3
    elif way == "source":
        with pytest.raises(SourceError):
            await runner.run(source(), build=build, results=file)
    elif way == "callback":
        with pytest.raises(ValueError, match=r"^$"):
            await runner.run(keyed(rows), build=build, results=file)
    elif way == "left":
        async with runner.stream(keyed(rows), build=build, results=file) as outcomes:
            await anext(outcomes)
    else:
        fill(tmp_path / "run.db", "no journal" * 1000)
        with pytest.raises(JournalError):
            await runner.run(keyed(rows), build=build, results=file, journal=tmp_path / "run.db")
    conserved(runner.report)
    nothing_left(users)
    lines = by_index(read_results(file))
    assert [line.index for line in lines] == list(range(runner.report.taken))
    counts = Counter(line.status for line in lines)
    report = runner.report
    assert counts["in_doubt"] == report.in_doubt
    assert counts["failed"] == report.failed
    assert counts["succeeded"] == report.succeeded
    assert [line.input for line in lines if line.status != "succeeded"] == [
        rows[line.index or 0] for line in lines if line.status != "succeeded"
    ]


async def test_the_very_row_is_kept(users: UsersSession, file: Path) -> None:
    """As it was given, whatever `build` does to it, with its key, also where it can't have that."""

    def spoiling(row: Row) -> Any:
        row.clear()

    rows: list[Any] = [
        ("a", {"name": "Nina", "tags": ["x"], None: ["more", "cells"]}),
        ("a", {"name": "Bob"}),
        (5, {"name": "Zoe"}),
        {"name": "Lisa", "age": 7},
        object(),
    ]
    report = await BatchRunner(users, concurrency=1).run(rows, build=spoiling, results=file)
    assert report.failed == 5
    lines = by_index(read_results(file))
    assert [(line.key, line.input) for line in lines] == [
        ("a", {"name": "Nina", "tags": ["x"], None: ["more", "cells"]}),
        ("a", {"name": "Bob"}),
        (None, {"name": "Zoe"}),
        (None, {"name": "Lisa", "age": 7}),
        (None, None),
    ]


async def test_a_writer_of_ones_own(users: UsersSession, tmp_path: Path) -> None:
    """It has the options, takes several batches, and stays open for what else there is to write."""
    path = tmp_path / "results.csv"
    runner = BatchRunner(users)
    writer = ResultWriter(path, keep_succeeded=True, input_of=lambda payload: payload.doc)
    with pytest.raises(ResultsError, match="it is not open"):
        await runner.run([Create()], results=writer)
    assert runner.report.stopped_by == "results results.csv: it is not open; use the writer with `with`"
    assert not path.exists()
    with writer:
        for name in ("Nina", "Bob"):
            await runner.run([Create(doc={"first_name": name})], results=writer)
        (outcome,) = runner.report.outcomes
        writer.write(outcome, Create(doc={"first_name": "again"}))
    assert [line.input for line in read_results(path)] == [
        {"first_name": name} for name in ("Nina", "Bob", "again")
    ]


async def test_input_that_raises(emulator: Emulator, users: UsersSession, file: Path) -> None:
    """A row whose columns can't be told is not taken, so that none is lost."""
    with ResultWriter(file, input_of=lambda row: {"name": row["name"]}) as writer:
        with pytest.raises(SourceError) as caught:
            await BatchRunner(users).run([{"name": "a"}, {}], build=lambda _: Create(), results=writer)
        assert isinstance(caught.value.__cause__, ConfigurationError)
    assert emulator.executed["create"] == len(list(read_results(file))) == 1


@pytest.mark.parametrize("way", ["run", "stream"])
async def test_a_file_that_can_not_be_made(
    emulator: Emulator, users: UsersSession, file: Path, way: str
) -> None:
    """Nothing is sent, and the runner can be used again; a wrong argument leaves no file behind."""
    fill(file, "mine")
    runner = BatchRunner(users)

    async def use(items: Any, results: Any) -> BatchReport:
        if way == "run":
            return await runner.run(items, build=build, results=results)
        async with runner.stream(items, build=build, results=results) as outcomes:
            async for _ in outcomes:
                pass
        return runner.report

    with pytest.raises(ResultsError, match=rf"^results {file.name}: it is there already"):
        await use(people(2), file)
    assert (runner.report.taken, runner.report.stopped_by) == (
        0,
        f"results {file.name}: it is there already, and is not written over",
    )
    assert content(file) == "mine"
    assert not emulator.received
    other = file.with_stem("other")
    for items in ("text", {"a": 1}, 5):
        with pytest.raises(ConfigurationError, match="items: expected an iterable of rows"):
            await use(items, other)
    with pytest.raises(ConfigurationError, match="file_format"):
        await use(people(1), file.with_suffix(".txt"))
    assert not other.exists()
    assert (await use(people(2), other)).succeeded == 2


@pytest.mark.parametrize("way", ["run", "stream"])
async def test_a_full_disk(emulator: Emulator, users: UsersSession, file: Path, way: str) -> None:
    """The batch stops with the name of the file, and every outcome is in the file or in the report."""
    rows = [{**row, "note": "x" * 200} for row in people(300)]
    runner = BatchRunner(users, concurrency=4, keep=lambda _: False)
    seen: list[Outcome] = []

    async def use() -> None:
        if way == "run":
            with ResultWriter(file) as writer:
                await runner.run(keyed(rows), build=build, results=writer)
        else:
            async with runner.stream(keyed(rows), build=build, results=file) as outcomes:
                async for outcome in outcomes:
                    seen.append(outcome)  # noqa: PERF401 (what came before the error counts)

    with small_disk(5000), pytest.raises(ResultsError) as caught:
        await use()
    assert str(caught.value) == f"results {file.name}: File too large"
    report = runner.report
    conserved(report)
    nothing_left(users)
    assert report.stopped_by == str(caught.value)
    assert emulator.executed["create"] == report.succeeded < 300
    written = list(read_results(file))
    assert written
    kept = [outcome.index for outcome in report.outcomes]
    assert sorted([*(line.index or 0 for line in written), *kept]) == list(range(report.taken))
    assert [rows[outcome.index]["id"] for outcome in report.outcomes] == [o.key for o in report.outcomes]
    if way == "stream":
        assert sorted(outcome.index for outcome in seen) == list(range(report.taken))


async def test_a_disk_that_is_full_when_a_batch_is_cancelled(
    emulator: Emulator, users: UsersSession, file: Path
) -> None:
    """The cancellation goes on, and the outcomes that found no room are in the report."""
    emulator.script(*[Fault.slow(30)] * 3)
    runner = BatchRunner(users, concurrency=3, keep=lambda _: False)
    with small_disk(10):
        task = asyncio.ensure_future(runner.run(keyed(people(9)), build=build, results=file))
        await until(lambda: emulator.received["create"] == 3)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    told(runner.report, runner.report.outcomes)
    assert runner.report.in_doubt == 3
    assert list(read_results(file)) == []


# A name that a spreadsheet would run, and whatever else must come back as it was.
AWKWARD = [
    "=1+1",
    "+49 30 1234",
    "-5",
    "@x",
    "\tTab",
    "\rCR",
    'two\r\n"lines"',
    "😀",
    "a\0b",
    "'=q",
    "'t Hooft",
    "; =x",
]


def families() -> list[Row]:
    """Parents with a child each, of whom some can't be registered before they are mended."""
    rows: list[Row] = []
    for number, name in enumerate(AWKWARD):
        both = {"first_name": name, "username": ""}
        rows.append({"id": f"p{number}", "parent": "", "main_email": f"p{number}@example.org", **both})
        rows.append({"id": f"c{number}", "parent": f"p{number}", "main_email": "", **both})
    rows[4]["main_email"] = "no address"
    rows[13]["username"] = "taken"
    return rows


def mend(path: Path, mended: Mapping[str, Mapping[str, str]]) -> None:
    """Changes cells as people do, by key: in a spreadsheet with another delimiter, or in an editor."""
    if path.suffix == ".csv":
        with path.open(encoding="utf-8-sig", newline="") as file:
            header, *records = csv.reader(file)
        for record in records:
            for name, cell in mended.get(record[header.index("result_key")], {}).items():
                record[header.index(name)] = cell
        with path.open("w", encoding="utf-8-sig", newline="") as file:
            csv.writer(file, delimiter=";").writerows([header, *records])
    else:
        lines = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
        for line in lines:
            if line["input"] is not None:
                line["input"] |= mended.get(line["key"], {})
        path.write_text("".join(f"{json.dumps(line)}\n" for line in lines), "utf-8")


def everybody_once(emulator: Emulator, rows: list[Row]) -> None:
    """Each person of the rows exists once, as the row says, under the right parent."""
    there = [user for user in emulator.users.values() if "id" in user.doc]
    assert Counter(user.doc["id"] for user in there) == {row["id"]: 1 for row in rows}
    by_id = {user.doc["id"]: user for user in there}
    for row in rows:
        user = by_id[row["id"]]
        assert user.doc["first_name"] == row["first_name"]
        assert user.connected_to == by_id[row["parent"] or row["id"]].clogin_id


async def settled(users: UsersSession, report: BatchReport) -> Reconciliation:
    return await reconcile(users, report.doubts, marker_field="id", settle=0)


async def test_mended_and_fed_again(emulator: Emulator, users: UsersSession, file: Path) -> None:
    """Who succeeded is left out, and who failed or was not attempted is sent; everybody is there once."""
    await users.create({"username": "taken"})
    rows = families()
    runner = BatchRunner(users, concurrency=1)
    emulator.script(None, Fault.drop_after(), None, Fault.drop_before())
    # The second row of a key fails; it must not be taken for another person later.
    report = await runner.run(keyed([*rows, rows[0]]), build=build, results=file)
    assert (report.failed, report.in_doubt, report.not_attempted) == (3, 2, 1)

    mend(file, {"p2": {"main_email": "p2@example.org"}, "c6": {"username": "free"}})
    reconciled = await settled(users, report)
    assert (len(reconciled.found), len(reconciled.absent)) == (1, 1)
    left = read_remainder(file, key=lambda row: row["id"], reconciled=reconciled)
    assert [key for key, _ in left.rows] == sorted(
        ["p2", "c2", "c6", *map(str, reconciled.absent)], key=[row["id"] for row in rows].index
    )
    assert [line.key for line in left.repeated] == ["p0"]
    assert (left.in_doubt, left.without_input) == ([], [])
    assert left.ids.keys() == {row["id"] for row in rows} - {key for key, _ in left.rows}

    again = file.with_stem("again")
    report = await runner.run(left.rows, build=building(left.ids), results=again)
    assert (report.taken, report.succeeded) == (4, 4)
    everybody_once(emulator, rows)
    assert read_remainder(again).rows == []


async def test_with_a_journal_the_whole_file_is_fed(
    emulator: Emulator, users: UsersSession, file: Path, path: Path
) -> None:
    """It skips those who succeeded, whose rows are kept for that, and settles those in doubt."""
    rows = families()
    rows[13]["username"] = ""
    runner = BatchRunner(users, concurrency=1, marker_field="id", reconcile=True)
    emulator.script(None, Fault.drop_after(), None, Fault.drop_before())
    with ResultWriter(file, keep_succeeded=True) as writer:
        report = await runner.run(keyed(rows), build=build, journal=path, results=writer, limit=20)
    assert (report.in_doubt, report.failed, report.taken) == (2, 1, 20)

    mend(file, {"p2": {"main_email": "p2@example.org"}})
    lines = by_index(read_results(file))
    fed = [(line.key, line.input) for line in lines]
    again = file.with_stem("again")
    report = await runner.run([*fed, *keyed(rows[20:])], build=build, journal=path, results=again)
    assert (report.taken, report.succeeded) == (24, 24)
    everybody_once(emulator, rows)
    resumed = {line.key for line in read_results(again) if line.resumed}
    assert resumed >= {line.key for line in lines if line.status == "succeeded"}
    assert emulator.executed["create"] + emulator.executed["create_child"] == 24


def test_who_is_in_doubt_is_left_out(file: Path) -> None:
    """Unless it was found out what became of them; rows that can't be fed are told, added ones come last."""
    said = [
        ResultLine(status="failed", index=5, input={"n": 5}),
        ResultLine(status="not_attempted", input={"n": 99}),
        ResultLine(status="in_doubt", index=1, key="found", input={"n": 1}),
        ResultLine(status="in_doubt", index=2, key="absent", input={"n": 2}),
        ResultLine(status="in_doubt", index=3, input={"n": 3}),
        ResultLine(status="in_doubt", index=4, key="open", input={"n": 4}),
        ResultLine(status="failed", index=0, key="none"),
        ResultLine(status="failed", index=6, key="open", input={"n": 6}),
        ResultLine(status="succeeded", index=7, key="read"),
    ]
    with ResultWriter(file) as writer:
        for line in said:
            writer.add(line)
    left = read_remainder(file)
    assert left == Remainder(
        rows=[{"n": 5}, {"n": 99}],
        ids={},
        in_doubt=said[2:6],
        repeated=[said[7]],
        without_input=[said[6]],
    )
    reconciled = Reconciliation(
        found={"found": 7}, absent=("absent", 3), ambiguous={"open": ()}, complete=True, pages=2
    )
    left = read_remainder(file, reconciled=reconciled)
    assert left.rows == [("absent", {"n": 2}), {"n": 3}, {"n": 5}, {"n": 99}]
    assert (left.ids, left.in_doubt) == ({"found": 7}, [said[5]])
    with pytest.raises(ConfigurationError, match=r"^key raised KeyError in <lambda>, line \d+$"):
        read_remainder(file, key=lambda row: str(row["id"]))


CHILD = """
import asyncio, json, sys
from usersapi_async import BatchRunner, Credentials, UsersSession
from tests.batch.test_results_of_batches import building, keyed, people

async def main(place, results):
    session = UsersSession(
        Credentials(**place["credentials"]), group_id=place["group_id"], base_url=place["base_url"]
    )
    async with session as users:
        await BatchRunner(users, concurrency=4).run(keyed(people(5000)), build=building({}), results=results)

asyncio.run(main(json.loads(sys.argv[1]), sys.argv[2]))
"""


def test_a_killed_process_leaves_what_had_ended(file: Path) -> None:
    """Every row whose answer had come by then, but those in flight."""
    with emulator_in_thread() as emulator:
        place = {
            "credentials": emulator.credentials,
            "group_id": emulator.group_id,
            "base_url": emulator.base_url,
        }
        with subprocess.Popen([sys.executable, "-c", CHILD, json.dumps(place), str(file)]) as child:  # noqa: S603 (our own code)
            while emulator.received["create"] < 300:
                assert child.poll() is None
            child.kill()
        there = {user.doc["id"]: user.clogin_id for user in emulator.users.values()}
    lines = list(read_results(file))
    told_of = {line.key: line.clogin_id for line in lines}
    assert len(told_of) == len(lines) >= len(there) - 4
    assert told_of.items() <= there.items()
