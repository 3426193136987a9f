"""CSV files as people's programs write them: each is read, or is told where it is wrong."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from usersapi_async.batch._cells import natural
from usersapi_async.cli.tables import TableError, TableOptions, TableRow, open_table

if TYPE_CHECKING:
    from pathlib import Path

_HEADER = "id,first_name\n"


def _rows(path: Path, content: str | bytes, **options: str) -> list[TableRow]:
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return list(open_table(path, TableOptions(**options)).rows())


def _cells(rows: list[TableRow]) -> list[list[object]]:
    assert not any(row.faults for row in rows)
    return [list(row.cells.values()) for row in rows]


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("\ufeff" + _HEADER + "1,José 😀\n", [["1", "José 😀"]]),
        ("id;first_name\n1;a,b\n", [["1", "a,b"]]),
        ("id\tfirst_name\n1\ta\n", [["1", "a"]]),
        ("id|first_name\n1|a\n", [["1", "a"]]),
        ("sep=;\r\nid;first_name\r\n1;a\r\n", [["1", "a"]]),
        ('"Id, the";first_name\n1;a\n', [["1", "a"]]),
        (_HEADER + '1,"two\nlines and ""quotes"""\n', [["1", 'two\nlines and "quotes"']]),
        (_HEADER + "\n1,a\n\n,\n , \n2,b", [["1", "a"], ["2", "b"]]),
        ("\n\n" + _HEADER + "1,a\n", [["1", "a"]]),
        ("id,first_name\r1,a\r2,b\r", [["1", "a"], ["2", "b"]]),
        ("id\tfirst_name\n1\tJosé\n".encode("utf-16"), [["1", "José"]]),
        ("id,first_name\n1,José\n".encode("utf-32"), [["1", "José"]]),
        ("id,first_name,,\n1,a,,\n2\n3,c,,,,\n", [["1", "a"], ["2", ""], ["3", "c"]]),
        ("id\n1\n", [["1"]]),
        (
            "id,first_name\n1,'=A()\n2,'+49 30\n3,'Ndrangheta\n",
            [["1", "=A()"], ["2", "+49 30"], ["3", "'Ndrangheta"]],
        ),
    ],
)
def test_what_is_read(tmp_path: Path, content: str | bytes, expected: list[list[str]]) -> None:
    """Marks, delimiters, line ends, empty rows and columns."""
    assert _cells(_rows(tmp_path / "people.csv", content)) == expected


def test_lines_are_those_of_an_editor(tmp_path: Path) -> None:
    """A row is where it begins, whatever line breaks and empty lines come before it."""
    rows = _rows(tmp_path / "people.csv", 'id,first_name\n1,"a\nb"\n\n2,b\n"3",c\n')
    assert [row.line for row in rows] == [2, 5, 6]
    rows = _rows(tmp_path / "people.csv", "sep=,\nid,first_name\n1,a\n")
    assert [row.line for row in rows] == [3]


def test_two_hundred_columns(tmp_path: Path) -> None:
    """There is no limit to columns."""
    content = f"{','.join(f'f_1_{n}' for n in range(200))}\n{','.join(map(str, range(200)))}\n"
    (row,) = _rows(tmp_path / "people.csv", content)
    assert row.cells == {f"f_1_{n}": str(n) for n in range(200)}


def test_an_encoding_or_a_delimiter_that_is_told(tmp_path: Path) -> None:
    """Where it can't be found by itself."""
    content = (_HEADER + "1,José\n").encode("latin-1")
    assert _cells(_rows(tmp_path / "people.csv", content, encoding="latin-1")) == [["1", "José"]]
    assert _cells(_rows(tmp_path / "people.txt", "id:first_name\n1:a\n", delimiter=":")) == [["1", "a"]]


@pytest.mark.parametrize(
    ("content", "place", "reason"),
    [
        (_HEADER + "1,a,b\n", (2, None), "3 cells, but there are 2 columns"),
        (_HEADER + '1,a\n2,"b"c\n3,d\n', (3, None), "a quote is closed within a cell (line 3)"),
        (_HEADER + '1,"abc\n2,b\n', (2, None), "not closed to the end of the file"),
        (_HEADER + f'1,"{"a" * 140_000}\n', (2, None), "perhaps a quote is not closed"),
        (_HEADER + "1,a\0b\n", (2, "first_name"), "holds a NUL"),
        (_HEADER + "1.02670E+08,a\n", (2, "id"), "scientific notation"),
        (_HEADER + "1,#REF!\n", (2, "first_name"), "a spreadsheet's error"),
        (_HEADER + "1,########\n", (2, "first_name"), "a spreadsheet's error"),
    ],
)
def test_what_is_wrong_with_a_row(
    tmp_path: Path, content: str, place: tuple[int, str | None], reason: str
) -> None:
    """It is told with line and column, and costs no other row."""
    faults = [fault for row in _rows(tmp_path / "people.csv", content) for fault in row.faults]
    assert [(fault.line, fault.column) for fault in faults] == [place]
    assert reason in str(faults[0])


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("", "has no columns"),
        ("\n\n", "has no columns"),
        (
            "a,b,a,b,a\n",
            "line 1 is to name .*'a' stands in columns 1, 3 and 5; 'b' stands in columns 2 and 4",
        ),
        ("a,,b\n", "column 2 has no name"),
        ('a,"b\n', "line 1: a quote that opens here"),
        ("a" * 140_000, "line 1: a cell does not end up to line 1"),
        ((_HEADER + "1,a\n2,José\n").encode("latin-1"), "line 3 is not in UTF-8: .*--encoding cp1252"),
        ("id\tfirst_name\n".encode("utf-16")[:-1], "it is not in utf-16"),
    ],
)
def test_what_is_wrong_with_a_file(tmp_path: Path, content: str | bytes, reason: str) -> None:
    """It is refused as a whole, with the place."""
    with pytest.raises(TableError, match=f"(?s){reason}"):
        _rows(tmp_path / "people.csv", content)


def test_options_that_can_t_be(tmp_path: Path) -> None:
    """They are told by name."""
    with pytest.raises(TableError, match="--delimiter: expected one character"):
        _rows(tmp_path / "people.csv", _HEADER, delimiter="ab")
    with pytest.raises(TableError, match="--encoding: Python knows no 'utf-9'"):
        _rows(tmp_path / "people.csv", _HEADER, encoding="utf-9")


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("people.xls", "save it as .xlsx"),
        ("people.doc", "expected a file that ends in"),
        ("none.csv", "no such"),
    ],
)
def test_other_files(tmp_path: Path, name: str, reason: str) -> None:
    """What can't be read says what can."""
    if not name.startswith("none"):
        (tmp_path / name).touch()
    with pytest.raises(TableError, match=reason):
        open_table(tmp_path / name, TableOptions())


_CELLS = st.text(st.characters(blacklist_categories=["Cs"], blacklist_characters="\0"), max_size=8)


@given(
    rows=st.lists(st.lists(_CELLS, min_size=2, max_size=2), max_size=5),
    delimiter=st.sampled_from(",;\t|"),
    end=st.sampled_from(["\n", "\r\n"]),
    mark=st.sampled_from(["utf-8", "utf-8-sig", "utf-16"]),
)
def test_whatever_a_writer_writes_is_read(
    tmp_path_factory: pytest.TempPathFactory, rows: list[list[str]], delimiter: str, end: str, mark: str
) -> None:
    """Any text in any dialect comes back as it was, blank cells as empty ones."""
    text = io.StringIO(newline="")
    # Python's own does not quote a lone carriage return where it is not the end of lines.
    quoting: Literal[0, 1] = csv.QUOTE_ALL if end == "\n" else csv.QUOTE_MINIMAL
    writer = csv.writer(text, delimiter=delimiter, lineterminator=end, quoting=quoting)
    writer.writerows([["id", "first_name"], *rows])
    path = tmp_path_factory.mktemp("csv") / "people.csv"
    found = _rows(path, text.getvalue().encode(mark))
    expected = [["" if cell.isspace() else natural(cell) for cell in row] for row in rows]
    assert [list(row.cells.values()) for row in found] == [row for row in expected if any(row)]
