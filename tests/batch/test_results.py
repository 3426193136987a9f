"""Files of results: what is written is read back, whatever it holds and wherever the file ends."""

from __future__ import annotations

import csv
import itertools
import json
import logging
import re
import stat
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.disks import small_disk
from usersapi_async import (
    ConfigurationError,
    Failed,
    InDoubt,
    NotAttempted,
    Outcome,
    OutcomeUnknown,
    PayloadError,
    ResultLine,
    ResultsError,
    ResultWriter,
    Succeeded,
    read_results,
)
from usersapi_async.batch._cells import natural, neutralised
from usersapi_async.batch._formats import CsvWriting, JsonWriting, Writing, read_csv, read_jsonl

FORMATS = ["csv", "jsonl"]

# Whatever a cell may hold: what spreadsheets take for formulas, what CSV and JSON write otherwise, and half
# characters. A pair of halves is the character that it stands for.
texts = st.text(
    st.one_of(st.sampled_from("=+-@\t\r\n\0'\" ;,{}[]\ufeff😀é\ud800\udc00"), st.characters())
).map(lambda text: text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "surrogatepass"))
scalars = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False, allow_infinity=False), texts
)
values = st.one_of(
    texts, scalars, st.recursive(scalars, lambda inner: st.lists(inner) | st.dictionaries(texts, inner))
)
names = st.one_of(st.sampled_from(["first_name", "result_status", "result_json", "key", "", None]), texts)
rows = st.one_of(st.none(), st.dictionaries(names, values, max_size=5))
lines = st.builds(
    ResultLine,
    status=st.sampled_from(["succeeded", "failed", "in_doubt", "not_attempted"]),
    index=st.none() | st.integers(0),
    key=st.none() | texts,
    clogin_id=st.none() | st.integers(1),
    error=st.none() | texts,
    message=st.none() | texts,
    faults=st.lists(texts).map(tuple),
    reason=st.none() | texts,
    attempts=st.integers(0),
    elapsed=st.floats(0, 1e9),
    resumed=st.booleans(),
    input=rows,
)


def loaded(path: Path, data: bytes) -> list[ResultLine]:
    """What is read of a file with that content."""
    path.write_bytes(data)
    return list(read_results(path))


def written(path: Path, lines: Iterable[ResultLine], **options: Any) -> bytes:
    """A file with those lines."""
    with ResultWriter(path, keep_succeeded=True, **options) as results:
        for line in lines:
            results.add(line)
    return path.read_bytes()


def file_with(columns: list[str], *records: list[str]) -> bytes:
    """A CSV file as a spreadsheet may save it."""
    return "\n".join(";".join(record) for record in [columns, *records]).encode("utf-8-sig")


@given(st.lists(lines, max_size=4), st.lists(names))
@pytest.mark.parametrize("file_format", FORMATS)
def test_what_is_written_is_read(
    tmp_path_factory: pytest.TempPathFactory, file_format: str, said: list[ResultLine], columns: list[Any]
) -> None:
    """Every line comes back as it was, of any text, type and columns."""
    path = tmp_path_factory.mktemp("any") / f"results.{file_format}"
    written(path, said, columns=columns)
    assert list(read_results(path)) == said


suspicious = st.text("=+-@\uff1d\t\r\n\"' ;,a", max_size=8)


@given(suspicious)
def test_neutralising_is_undone(cell: str) -> None:
    """Each cell comes back; one that can't be taken for a formula is left as it is."""
    assert [natural(one) for one in neutralised([cell, "="])] == [cell, "="]
    harmless = ["don't; 'tis 2-1=1 'n \"so\"", "'t Hooft", "nina@example.org"]
    assert neutralised(harmless) == harmless


@given(st.lists(suspicious, min_size=1, max_size=3))
def test_nothing_begins_a_formula(tmp_path_factory: pytest.TempPathFactory, cells: list[str]) -> None:
    """Not in a cell, and not in what a program takes for one that splits at semicolons or tabs."""
    path = tmp_path_factory.mktemp("any") / "results.csv"
    row: dict[str | None, str] = {f"{cell}{number}": cell for number, cell in enumerate(cells)}
    written(path, [ResultLine(status="failed", message=cells[0], input=row)])
    for delimiter in ",;\t":
        with path.open(encoding="utf-8-sig", newline="") as file:
            cells = list(itertools.chain(*csv.reader(file, delimiter=delimiter)))
        for cell in cells:
            begin, formula = re.fullmatch(r"([\"'\s]*)([=+\-@\uff1d]?).*", cell, re.DOTALL).groups()  # type: ignore[union-attr]
            assert not formula or begin.endswith("'")
            assert delimiter != "," or not begin.startswith(("\t", "\r", "\n"))


def test_what_a_csv_file_looks_like(tmp_path: Path) -> None:
    """The columns of the results around those of the input; most people's files need no notes."""
    path = tmp_path / "results.csv"
    error = PayloadError(["not an email address @ $.doc.main_email"])
    with ResultWriter(path) as results:
        for outcome in (
            Succeeded(index=0, key="p1", payload=None, attempts=1, clogin_id=7, response=None, resumed=True),
            Failed(index=1, key="p2", payload=None, elapsed=0.25, error=error),
            InDoubt(index=2, key=2, payload=None, attempts=1, error=OutcomeUnknown("who knows")),
            NotAttempted(index=3, key="p4", payload=None, reason="left out"),
        ):
            results.write(
                outcome, {"id": outcome.key, "name": "=Nina"} if outcome.index else {"id": "p1", "name": ""}
            )
    with path.open(encoding="utf-8-sig", newline="") as file:
        found = list(csv.reader(file))
    header, *records = found
    assert header == [
        *("result_status", "result_key", "result_clogin_id", "result_error", "result_message"),
        *("result_reason", "result_attempts", "result_elapsed", "result_resumed", "id", "name"),
        *("result_json", "result_index"),
    ]
    faults = json.dumps({"faults": error.faults}, separators=(",", ":"))
    assert [dict(zip(header, record, strict=True)) for record in records] == [
        dict(zip(header, said, strict=True))
        for said in (
            ("succeeded", "p1", "7", "", "", "", "1", "0.0", "true", "", "", '{"input":null}', "0"),
            (
                "failed",
                "p2",
                "",
                "PayloadError",
                error.faults[0],
                "",
                "0",
                "0.25",
                "false",
                "p2",
                "'=Nina",
                faults,
                "1",
            ),
            (
                "in_doubt",
                "",
                "",
                "OutcomeUnknown",
                "who knows",
                "",
                "1",
                "0.0",
                "false",
                "2",
                "'=Nina",
                '{"input":[["id",2]]}',
                "2",
            ),
            ("not_attempted", "p4", "", "", "", "left out", "0", "0.0", "false", "p4", "'=Nina", "", "3"),
        )
    ]


def test_what_a_jsonl_file_looks_like(tmp_path: Path) -> None:
    """One object a line, in UTF-8, with everything in its type and nothing neutralised."""
    path = tmp_path / "results.jsonl"
    outcome = Failed(index=4, key="é", payload=None, error=PayloadError(["no @ $.a", "no @ $.b"]))
    with ResultWriter(path) as results:
        results.write(outcome, {"name": "=José", "age": 7, "tags": ("a",)})
    (line,) = path.read_text("utf-8").splitlines()
    assert "=José" in line
    assert json.loads(line) == {
        "status": "failed",
        "index": 4,
        "key": "é",
        "clogin_id": None,
        "error": "PayloadError",
        "message": "no @ $.a; no @ $.b",
        "faults": ["no @ $.a", "no @ $.b"],
        "reason": None,
        "attempts": 0,
        "elapsed": 0.0,
        "resumed": False,
        "input": {"name": "=José", "age": 7, "tags": ["a"]},
    }


class Awkward:
    """Something that has no text."""

    def __str__(self) -> str:
        raise RuntimeError


@pytest.mark.parametrize("file_format", FORMATS)
def test_what_json_can_not_say_becomes_text(tmp_path: Path, file_format: str) -> None:
    """A row is never lost over a value; numbers that are none stay out of the file."""
    endless: dict[str, Any] = {}
    endless["again"] = endless
    row = {
        "date": Path("x"),
        "nan": float("nan"),
        "long": 10**5000,
        "awkward": Awkward(),
        "inner": {1: {2.5: [float("-inf")]}},
        "endless": endless,
        7: "seven",
    }
    path = tmp_path / f"results.{file_format}"
    with ResultWriter(path) as results:
        results.write(NotAttempted(index=0, key=0, payload=None, reason="so"), row)
        results.write(NotAttempted(index=1, key=1, payload=None, reason="so"), "no mapping")
    first, second = read_results(path)
    assert first.input is not None
    found = dict(first.input)
    assert '"again"' in json.dumps(found.pop("endless"))
    assert found == {
        "date": "x",
        "nan": "nan",
        "long": "<int>",
        "awkward": "<Awkward>",
        "inner": {"1": {"2.5": ["-inf"]}},
        "7": "seven",
    }
    assert second.input is None


@pytest.mark.parametrize("file_format", FORMATS)
def test_rows_that_are_no_mappings(tmp_path: Path, file_format: str) -> None:
    """`input_of` says what their columns are; what it raises shows nothing of them."""

    def input_of(row: tuple[str, int]) -> dict[str, Any]:
        return {"name": row[0], "age": 1 // row[1]}

    path = tmp_path / f"results.{file_format}"
    with ResultWriter(path, input_of=input_of) as results:
        results.write(NotAttempted(index=0, key=0, payload=None, reason="so"), ("Nina", 1))
        with pytest.raises(
            ConfigurationError, match=r"^input_of raised ZeroDivisionError in input_of, line \d+$"
        ):
            results.write(NotAttempted(index=1, key=1, payload=None, reason="so"), ("Nina", 0))
    assert [line.input for line in read_results(path)] == [{"name": "Nina", "age": 1}]


def test_input_of_successes_is_kept_if_asked(tmp_path: Path) -> None:
    """Their data need not lie in one more file."""
    outcome = Succeeded(index=0, key="a", payload=None, clogin_id=1, response=None)
    for keep in (False, True):
        path = tmp_path / f"{keep}.csv"
        with ResultWriter(path, keep_succeeded=keep) as results:
            results.write(outcome, {"name": "Nina"})
        (line,) = read_results(path)
        assert line.input == ({"name": "Nina"} if keep else None)
        assert b"name" in path.read_bytes()


SAID = [
    ResultLine(
        status="failed", index=0, key="a", message='"quoted"', input={"note": 'two\r\n"lines"\n', "x": "😀"}
    ),
    ResultLine(status="succeeded", index=10, clogin_id=12, input={"note": "", "x": "é\ud800"}),
    ResultLine(status="not_attempted", index=213, reason="so", input={"note": ";", "x": 3}),
]


@pytest.mark.parametrize(
    ("writing", "reader", "end"), [(CsvWriting(["note", "x"]), read_csv, 2), (JsonWriting(), read_jsonl, 1)]
)
def test_a_file_that_was_cut_is_read_up_to_there(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, writing: Writing, reader: Any, end: int
) -> None:
    """Cut after any byte, it gives the lines that are whole, and tells of a part of one."""
    data, ends = writing.head(), []
    for line in SAID:
        data += writing.line(line)
        # Whole without the end of the line, too.
        ends.append(len(data) - end)
    path = tmp_path / ("results.csv" if end == 2 else "results.jsonl")
    for length in range(len(data) + 1):
        caplog.clear()
        whole = sum(length >= at for at in ends)
        assert loaded(path, data[:length]) == SAID[:whole], length
        told = [record.getMessage() for record in caplog.records]
        assert set(told) <= {f"results {path.name}: the last line is not whole, and is left out"}
        begin = max([len(writing.head()), *(at + end for at in ends if at <= length)])
        if length > begin:
            assert len(told) == 1


def test_a_spreadsheet_may_have_saved_it(tmp_path: Path) -> None:
    """With another delimiter, order of columns and spelling, with new columns and rows, without the notes."""
    columns = ["name", "result_status", "result_index", "result_resumed", "result_clogin_id", "new", "age"]
    first, second, third = loaded(
        tmp_path / "results.csv",
        file_with(
            columns,
            ["'=x", "succeeded", "3", "TRUE", "7", "added", "5"],
            [],
            ["added by hand"],
            ["'t Hooft", "", "", "", "", "", ""],
        ),
    )
    assert first == ResultLine(
        status="succeeded",
        index=3,
        resumed=True,
        clogin_id=7,
        input={"name": "=x", "new": "added", "age": "5"},
    )
    assert second == ResultLine(status="not_attempted", input={"name": "added by hand", "new": "", "age": ""})
    assert third.input == {"name": "'t Hooft", "new": "", "age": ""}


@pytest.mark.parametrize(
    ("was", "cell", "now"),
    [
        ("x", "5", "5"),
        (None, "", None),
        (None, "5", "5"),
        (5, "5", 5),
        (5, "6", 6),
        (5, "6.5", 6.5),
        (5, "six", "six"),
        (5, "true", "true"),
        (5, "NaN", "NaN"),
        (1.5, "2", 2),
        (True, "FALSE", False),
        (True, "no", "no"),
        (["a"], '["b"]', ["b"]),
        (["a"], "b", "b"),
        (["a"], "[" * 100_000, "[" * 100_000),
        ({"a": 1}, '{"a": 2}', {"a": 2}),
        ("a\0b", "a\ufffdb", "a\0b"),
        ("a\ud800b", "ab", "ab"),
    ],
)
def test_a_mended_cell_counts(tmp_path: Path, was: Any, cell: str, now: Any) -> None:
    """In the type that it had, if it can be read so; one that was not mended says what it said."""
    path = tmp_path / "results.csv"
    data = written(path, [ResultLine(status="failed", index=0, input={"mended": was, "other": 1})])
    with path.open(encoding="utf-8-sig", newline="") as file:
        header, record = csv.reader(file)
    record[header.index("mended")] = cell
    path.unlink()
    with path.open("w", encoding="utf-8-sig", newline="") as file:
        csv.writer(file).writerows([header, record])
    assert data
    (line,) = read_results(path)
    assert line.input == {"mended": now, "other": 1}
    assert line.input is not None
    assert type(line.input["mended"]) is type(now)


def test_a_column_that_a_row_does_not_have(tmp_path: Path) -> None:
    """It is none that is empty, until somebody fills it; a row that was not kept can be filled in too."""
    path = tmp_path / "results.csv"
    said = [
        ResultLine(status="failed", index=0, input={"a": "1", "b": "2"}),
        ResultLine(status="failed", index=1, input={"b": "2"}),
        ResultLine(status="failed", index=2, input=None),
    ]
    data = written(path, said)
    assert list(read_results(path)) == said
    filled = data.replace(b'"false","","2"', b'"false","9","2"').replace(
        b'"false","","","', b'"false","8","","'
    )
    assert [line.input for line in loaded(path, filled)] == [
        {"a": "1", "b": "2"},
        {"a": "9", "b": "2"},
        {"a": "8", "b": ""},
    ]


def test_cells_of_any_length(tmp_path: Path) -> None:
    """The limit of Python's readers is for files of others, and stays as it was for those."""
    path, limit = tmp_path / "results.csv", csv.field_size_limit()
    said = [ResultLine(status="failed", index=0, input={"note": "x" * (limit + 1)})]
    written(path, said)
    assert list(read_results(path)) == said
    assert csv.field_size_limit() == limit


@pytest.mark.parametrize(
    ("name", "data", "words"),
    [
        ("a.csv", b"key,name\n1,Nina\n", "it has no column result_status"),
        ("a.csv", b"x" * 40, "it has no column result_status"),
        (
            "a.csv",
            b"result_status\nfine\n",
            "line 2: its status is none of failed, in_doubt, not_attempted, succeeded",
        ),
        (
            "a.csv",
            b"result_status,name\nfailed,Jos\xe9\n",
            "line 2: it is not UTF-8; save the file as CSV in UTF-8",
        ),
        (
            "a.csv",
            b"result_status,Jos\xe9\nfailed,a\n",
            "line 1: it is not UTF-8; save the file as CSV in UTF-8",
        ),
        ("a.csv", b"result_status,name\nfailed,a,b\n", "line 2: it has more cells than there are columns"),
        ("a.csv", b'result_status,name\n"failed"x,a\n"', "line 2: ',' expected after '\"'"),
        ("a.csv", b"result_status,result_index\nfailed,one\n", "line 2: its index is not as it was written"),
        ("a.csv", b"result_status,result_index\nfailed,true\n", "line 2: its index is not as it was written"),
        *(
            (
                "a.csv",
                b"result_status,result_json\nfailed,%b\n" % notes,
                "line 2: its result_json is not as it was written",
            )
            for notes in (b"{", b"5", b'"{""input"":5}"', b'"{""input"":[[[]]]}"', b'"{""input"":[[]]}"')
        ),
        ("a.jsonl", b'{"status": "failed"}\n{"sta\n', "line 2: not JSON in UTF-8"),
        ("a.jsonl", b'{"status": "failed", "key": "\xe9"}\n', "line 1: not JSON in UTF-8"),
        ("a.jsonl", b'{"status": "failed", "elapsed": NaN}\n', "line 1: not JSON in UTF-8"),
        ("a.jsonl", b"[]\n", "line 1: not an object with a status"),
        ("a.jsonl", b"\n{}\n", "line 2: not an object with a status"),
        (
            "a.jsonl",
            b'{"status": "failed", "attempts": "1"}\n',
            "line 1: its attempts is not as it was written",
        ),
        ("a.jsonl", b'{"status": "failed", "input": []}\n', "line 1: its input is not as it was written"),
        ("a.jsonl", None, "No such file or directory"),
    ],
)
def test_files_that_can_not_be_read(tmp_path: Path, name: str, data: bytes | None, words: str) -> None:
    """Each is refused with its name, the line and the reason, and nothing of what stands there."""
    if data is not None:
        (tmp_path / name).write_bytes(data)
    with pytest.raises(ResultsError) as caught:
        list(read_results(tmp_path / name))
    assert str(caught.value) == f"results {name}: {words}"
    assert caught.value.__context__ is None


def test_the_format(tmp_path: Path) -> None:
    """It is that of the path's ending, or given."""
    with pytest.raises(
        ConfigurationError, match=r'^file_format: expected "csv" or "jsonl", or a path that ends so$'
    ):
        ResultWriter(tmp_path / "results.txt")
    with pytest.raises(ConfigurationError, match="file_format"):
        ResultWriter(tmp_path / "results.csv", file_format="xml")  # type: ignore[arg-type]
    for name, file_format in (("a.NDJSON", None), ("b.txt", "jsonl"), ("c.jsonl", "csv")):
        written(tmp_path / name, SAID, file_format=file_format)
        assert list(read_results(tmp_path / name, file_format=file_format)) == SAID  # type: ignore[arg-type]


@pytest.mark.parametrize("file_format", FORMATS)
def test_the_file_is_private_and_new(tmp_path: Path, file_format: str) -> None:
    """People's data are for the one who ran it, and results are never written over."""
    path = tmp_path / f"results.{file_format}"
    data = written(path, [])
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    # A table with no rows has its columns.
    assert list(read_results(path)) == []
    assert bool(data) is (file_format == "csv")
    with pytest.raises(ResultsError, match=r": it is there already, and is not written over$"):
        written(path, SAID)
    assert path.read_bytes() == data
    with pytest.raises(ResultsError, match=rf"^results x\.{file_format}: No such file or directory$"):
        written(tmp_path / "nowhere" / f"x.{file_format}", SAID)


def test_a_writer_is_used_while_it_is_open(tmp_path: Path) -> None:
    """Before and after, it says so."""
    results = ResultWriter(tmp_path / "results.csv")
    for _ in range(2):
        with pytest.raises(
            ResultsError, match=r"^results results.csv: it is not open; use the writer with `with`$"
        ):
            results.add(SAID[0])
        if not results._path.exists():
            with results:
                results.add(SAID[1])
    assert list(read_results(tmp_path / "results.csv")) == [attrs.evolve(SAID[1], input=None)]


@pytest.mark.parametrize("file_format", FORMATS)
def test_a_full_disk(tmp_path: Path, file_format: str) -> None:
    """The file ends with the last line that it had room for, and says why nothing more is written."""
    path = tmp_path / f"results.{file_format}"
    line = ResultLine(status="failed", index=0, input={"note": "x" * 100})
    added = 0
    with small_disk(2000), ResultWriter(path) as results:
        try:
            while True:
                results.add(line)
                added += 1
        except ResultsError as error:
            said = str(error)
        with pytest.raises(ResultsError):
            results.write(NotAttempted(index=0, key=0, payload=None, reason="so"))
    assert said == f"results {path.name}: File too large"
    assert list(read_results(path)) == [line] * added
    assert added > 3
    # Nothing is left of the line that had no room.
    assert path.read_bytes().endswith(b"\n")


def test_no_room_for_the_header(tmp_path: Path) -> None:
    """A file that can't be finished says so, unless something else went wrong before."""
    with (
        small_disk(10),
        pytest.raises(ResultsError, match="File too large"),
        ResultWriter(tmp_path / "results.csv"),
    ):
        pass
    with small_disk(10), pytest.raises(KeyError), ResultWriter(tmp_path / "results-2.csv"):
        raise KeyError


def test_the_last_words_of_a_disk(tmp_path: Path) -> None:
    """Some disks refuse when a file is closed."""

    class Late:
        def write(self, data: bytes) -> int:
            return len(data)

        def close(self) -> None:
            raise OSError(122, "Disk quota exceeded")

    results = ResultWriter(tmp_path / "results.csv").__enter__()
    assert results._file is not None
    results._file.close()
    results._file = Late()  # type: ignore[assignment]
    results.write(outcome_of(0))
    with pytest.raises(ResultsError, match=r"^results results.csv: Disk quota exceeded$"):
        results.__exit__(None, None, None)


def outcome_of(number: int) -> Outcome:
    return Failed(index=number, key=f"secret {number}", payload=None, error=PayloadError(["no @ $"]))


def test_a_line_shows_nobody(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Neither its key nor its input stand in its `repr`, and none of it in the log."""
    caplog.set_level(logging.DEBUG)
    line = ResultLine.of(outcome_of(1), row={"name": "Nina"})
    assert "secret" not in repr(line)
    assert "Nina" not in repr(line)
    assert line.known_as == "secret 1"
    assert ResultLine(status="failed", index=3).known_as == 3
    data = written(tmp_path / "results.csv", [line])
    loaded(tmp_path / "results.csv", data[:-9])
    assert "Nina" not in caplog.text
    assert "is not whole" in caplog.text
