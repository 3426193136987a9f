"""JSON, workbooks and Parquet: cells become what can be sent, or are told with line and column."""

from __future__ import annotations

import datetime as dt
import json
import sys
import zipfile
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import openpyxl
import pyarrow as pa
import pytest
from pyarrow import parquet

from usersapi_async.cli.tables import TableError, TableOptions, TableRow, open_table
from usersapi_async.cli.tables.cells import _AS_TEXT, CellError, CellReader

if TYPE_CHECKING:
    from pathlib import Path

_at = dt.datetime.fromisoformat


def _rows(path: Path, **options: str) -> list[TableRow]:
    return list(open_table(path, TableOptions(**options)).rows())


def _faults(rows: list[TableRow]) -> list[str]:
    return [str(fault) for row in rows for fault in row.faults]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, ""),
        ("  ", ""),
        (" a ", " a "),
        ("#hashtag", "#hashtag"),
        ("1E5", "1E5"),
        (True, "true"),
        (False, "false"),
        (3, 3),
        (3.0, 3),
        (0.1, "0.1"),
        (1e-7, "0.0000001"),
        (Decimal("2.50"), "2.50"),
        (Decimal("2.00"), 2),
        (dt.date(2026, 1, 31), "2026-01-31"),
        (_at("2026-01-31 00:00"), "2026-01-31"),
        (_at("2026-01-31 14:30"), "2026-01-31T14:30:00"),
        (dt.datetime(2026, 1, 31, tzinfo=dt.UTC), "2026-01-31T00:00:00+00:00"),
        (dt.time(9, 30), "09:30:00"),
        (dt.timedelta(hours=30), "1 day, 6:00:00"),
        (["a", "b"], ["a", "b"]),
        ([], []),
        (10**17, 10**17),
    ],
)
def test_cells(value: Any, expected: Any) -> None:
    """Whole numbers are numbers, other ones and dates are text."""
    found = CellReader().read(value)
    assert (found, type(found)) == (expected, type(expected))


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (float("nan"), "no finite number"),
        (float("inf"), "no finite number"),
        (1.0e15, "more digits than are kept"),
        (2**63, "more digits than are kept"),
        ([1], "a list may hold nothing but text"),
        ({"a": 1}, "it is a dict"),
        (b"a", "it is a bytes"),
        ("1.5E+10", "scientific notation"),
    ],
)
def test_cells_that_can_t_be(value: Any, reason: str) -> None:
    """What would be sent wrongly is not sent."""
    with pytest.raises(CellError, match=reason):
        CellReader().read(value)


def test_a_date_format_is_for_days(tmp_path: Path) -> None:
    """Days and times of days are written as is wanted; times alone are as they are."""
    reader = CellReader("%m-%d-%Y")
    assert reader.read(dt.date(2026, 1, 31)) == "01-31-2026"
    assert reader.read(_at("2026-01-31 12:00")) == "01-31-2026"
    assert reader.read(dt.time(9)) == "09:00:00"


def test_spreadsheets_keep_fifteen_digits() -> None:
    """A longer number in one has lost the others."""
    assert CellReader(spreadsheet=True).read(10**15 - 1) == 10**15 - 1
    with pytest.raises(CellError, match="more digits"):
        CellReader(spreadsheet=True).read(10**15)


def test_jsonl(tmp_path: Path) -> None:
    """One object a line, each with its columns."""
    path = tmp_path / "people.jsonl"
    path.write_text(
        "\ufeff" + '{"id": 7, "first_name": "José 😀"}\n\n{}\n{"f_1_2": ["a", "b"], "id": 2.0, "n": null}\n'
    )
    rows = _rows(path)
    assert open_table(path, TableOptions()).columns is None
    assert [(row.line, dict(row.cells)) for row in rows] == [
        (1, {"id": 7, "first_name": "José 😀"}),
        (4, {"f_1_2": ["a", "b"], "id": 2, "n": ""}),
    ]
    assert _faults(rows) == []


def test_jsonl_that_is_wrong(tmp_path: Path) -> None:
    """Each line says what is wrong with it, and the others are read."""
    path = tmp_path / "people.jsonl"
    deep = "[" * 200_000
    path.write_bytes(
        b'{"a": NaN}\n[1]\n{"a": 1, "a": 2}\n{"a": {"b": 1}, "c": 1.5}\n{bad\n\xff\n{"a": '
        + b"9" * 5000
        + b"}\n"
        b'{"a": "good"}\n' + deep.encode() + b"\n"
    )
    rows = _rows(path)
    assert _faults(rows) == [
        "NaN is no number @ line 1",
        "not a JSON object @ line 2",
        "a name stands twice in an object @ line 3",
        "can't be sent, since it is a dict @ line 4, column a",
        "not JSON: Expecting property name enclosed in double quotes at character 2 @ line 5",
        "not in UTF-8 @ line 6",
        "a number of too many digits @ line 7",
        "nested too deep @ line 9",
    ]
    assert dict(rows[-2].cells) == {"a": "good"}


def _workbook(path: Path, *rows: list[Any], sheets: tuple[str, ...] = ("People",)) -> None:
    book = openpyxl.Workbook()
    book.remove(book.active)
    for title in sheets:
        sheet = book.create_sheet(title)
        for row in rows:
            sheet.append(row)
    book.save(path)


def test_workbook(tmp_path: Path) -> None:
    """Dates, whole floats and texts come as they are meant; rows without anything don't."""
    path = tmp_path / "people.xlsx"
    _workbook(
        path,
        [],
        ["id", " first\nname ", "born", "f_1_2", None],
        [1.0, "José 😀", _at("2015-01-02 00:00"), True, None],
        [None, None, None],
        [102670540, "a", _at("2015-01-02 08:30"), 1.5],
        ["007", None],
    )
    table = open_table(path, TableOptions())
    assert table.columns == ["id", "first name", "born", "f_1_2"]
    assert [(row.line, list(row.cells.values())) for row in table.rows()] == [
        (3, [1, "José 😀", "2015-01-02", "true"]),
        (5, [102670540, "a", "2015-01-02T08:30:00", "1.5"]),
        (6, ["007", "", "", ""]),
    ]
    assert _rows(path, date_format="%d.%m.%Y")[0].cells["born"] == "02.01.2015"


def test_workbook_that_is_wrong(tmp_path: Path) -> None:
    """Cells that spreadsheets mangled, with row and column."""
    path = tmp_path / "people.xlsx"
    _workbook(path, ["id", "a"], [1.0267e17, "#REF!"], [1, 2, 3], [2, "#N/A"])
    assert _faults(_rows(path)) == [
        f"a number of more digits than are kept: {_AS_TEXT} @ line 2, column id",
        "a spreadsheet's error in place of a value @ line 2, column a",
        "something stands beyond the 2 columns that have names @ line 3",
        "a spreadsheet's error in place of a value @ line 4, column a",
    ]


def test_sheets(tmp_path: Path) -> None:
    """The first, or the one that is named."""
    path = tmp_path / "people.xlsx"
    _workbook(path, ["id"], [1], sheets=("One", "Two"))
    assert len(_rows(path, sheet="Two")) == 1
    with pytest.raises(TableError, match="no such sheet; there is: One, Two"):
        _rows(path, sheet="Three")


@pytest.mark.parametrize("content", [b"hello", b""])
def test_no_workbook(tmp_path: Path, content: bytes) -> None:
    """Whatever else has its ending."""
    path = tmp_path / "people.xlsx"
    path.write_bytes(content)
    with pytest.raises(TableError, match=r"people\.xlsx: it is no workbook"):
        _rows(path)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a", "b")
    with pytest.raises(TableError, match="it is no workbook"):
        _rows(path)


def test_an_empty_workbook(tmp_path: Path) -> None:
    """It has no columns."""
    _workbook(tmp_path / "people.xlsx")
    with pytest.raises(TableError, match="has no columns"):
        _rows(tmp_path / "people.xlsx")


def test_parquet(tmp_path: Path) -> None:
    """Typed columns; a row's line is its number."""
    path = tmp_path / "people.parquet"
    parquet.write_table(
        pa.table(
            {
                "id": [10**17, None, 3],
                "born": [dt.date(2015, 1, 2), None, None],
                "paid": [Decimal("2.50"), None, Decimal("3.00")],
                "tags": [["a"], None, []],
                "raw": [None, None, b"x"],
            }
        ),
        path,
    )
    rows = _rows(path)
    assert [(row.line, list(row.cells.values())) for row in rows] == [
        (1, [10**17, "2015-01-02", "2.50", ["a"], ""]),
        (3, [3, "", 3, [], "bytes"]),
    ]
    assert _faults(rows) == ["can't be sent, since it is a bytes @ line 3, column raw"]


def test_no_parquet(tmp_path: Path) -> None:
    """Neither what is something else nor what was damaged."""
    path = tmp_path / "people.parquet"
    path.write_bytes(b"hello")
    with pytest.raises(TableError, match=r"people\.parquet: it is not Parquet \(ArrowInvalid\)"):
        _rows(path)
    parquet.write_table(pa.table({"id": [f"row {n}" for n in range(5000)]}), path, compression="snappy")
    content = bytearray(path.read_bytes())
    content[8:4000] = bytes(3992)
    path.write_bytes(content)
    with pytest.raises(TableError, match=r"it can't be read beyond row \d+"):
        _rows(path)


@pytest.mark.parametrize(("ending", "module"), [("xlsx", "openpyxl"), ("parquet", "pyarrow")])
def test_without_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ending: str, module: str) -> None:
    """Who lacks a reader is told how to get it; CSV and JSON need none."""
    for loaded in [name for name in sys.modules if name.startswith(f"usersapi_async.cli.tables.{ending}")]:
        monkeypatch.delitem(sys.modules, loaded)
    monkeypatch.setitem(sys.modules, module, None)
    path = tmp_path / f"people.{ending}"
    path.touch()
    with pytest.raises(TableError, match=rf'{module} is missing .*"usersapi-async\[cli,tables\]"'):
        _rows(path)
    (tmp_path / "people.jsonl").write_text(json.dumps({"id": 1}))
    assert len(_rows(tmp_path / "people.jsonl")) == 1
