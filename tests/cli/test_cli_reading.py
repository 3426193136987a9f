"""`usersapi call`, `fields` and `export`, against a service on a real socket."""

from __future__ import annotations

import csv
import json
import stat
import sys
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyarrow import parquet

from usersapi_async.batch._cells import natural
from usersapi_async.cli.call_command import operation_of, plain
from usersapi_async.cli.failures import CommandError
from usersapi_async.cli.fields_command import Fields
from usersapi_async.cli.mapping import FIELDS, read_mapping
from usersapi_async.cli.tables.writing import as_text, written
from usersapi_async.emulator import Fault
from usersapi_async.responses import MetaInfo, Response

from .support import invoke

if TYPE_CHECKING:
    from pathlib import Path

    from usersapi_async.emulator import Emulator

_PEOPLE = """id,parent,first_name,main_email,f_251473_6251473
p,,=Nina(),nina@example.org,Piano
c,p,Lisa,,
"""


@pytest.fixture
def people(service: Emulator, here: Path) -> Emulator:
    """A parent with a child."""
    (here / "people.csv").write_text(_PEOPLE)
    assert invoke("import", "people.csv", "--key", "id", "--parent", "parent").code == 0
    return service


def _many(service: Emulator, here: Path, count: int) -> None:
    (here / "many.csv").write_text("first_name\n" + "".join(f"Guest {number}\n" for number in range(count)))
    assert invoke("import", "many.csv").code == 0


@pytest.mark.parametrize(
    ("arguments", "data", "expected"),
    [
        (("clogin_id=7", "x=true", "y=abc"), None, {"clogin_id": 7, "x": True, "y": "abc"}),
        (("doc.zip=01234", "doc.n=7", "doc.e="), None, {"doc": {"zip": "01234", "n": "7", "e": ""}}),
        (("doc.n:=7", "doc.a.b=c=d"), None, {"doc": {"n": 7, "a": {"b": "c=d"}}}),
        (("doc.b=2",), '{"doc": {"a": 1}, "action": "other"}', {"doc": {"a": 1, "b": "2"}}),
    ],
)
def test_arguments(arguments: tuple[str, ...], data: str | None, expected: dict[str, Any]) -> None:
    """Ids and switches are JSON, what stands in a doc is text, and := is JSON."""
    assert operation_of("act", arguments, data) == {**expected, "action": "act"}


@pytest.mark.parametrize(
    ("arguments", "data", "reason"),
    [
        (("clogin_id",), None, "'clogin_id': expected name=value"),
        (("=1",), None, "expected name=value"),
        (("doc.a:=x",), None, "doc.a:: not JSON"),
        (("doc=1", "doc.a=1"), None, "doc is given as a value already"),
        ((), "[1]", "--data: expected a JSON object"),
        ((), "{", "--data: not JSON"),
    ],
)
def test_arguments_that_can_t_be(arguments: tuple[str, ...], data: str | None, reason: str) -> None:
    """They are wrong usage."""
    with pytest.raises(CommandError, match=reason):
        operation_of("act", arguments, data)


def test_call_shows_the_answer(people: Emulator, here: Path) -> None:
    """Readable for people, one line for programs; from arguments, a file or the standard input."""
    parent, child = people.users
    done = invoke("call", "get_info", f"clogin_id={child}", "doc.first_name:=true")
    assert done.code == 0
    assert json.loads(done.out)["values"] == {"first_name": "Lisa"}
    assert done.out.startswith('{\n  "msg"')
    (here / "data.json").write_text(json.dumps({"clogin_id": child, "doc": {"last_name": "Simone"}}))
    assert invoke("call", "update", "--data", "@data.json").code == 0
    assert people.users[child].doc["last_name"] == "Simone"
    done = invoke("call", "get_user_list", "--data", "-", "--json", typed='{"doc": {"only_parents": true}}')
    assert done.out.count("\n") == 1
    assert [user["user_info"]["clogin_id"] for user in json.loads(done.out)["parents"]] == [parent]
    assert people.mails_sent == 0


def test_call_that_fails(people: Emulator) -> None:
    """Each way has its exit code, and one line."""
    assert invoke("call", "update", "clogin_id=1").code == 2
    done = invoke("call", "login", "clogin_id=1")
    assert (done.code, done.err.count("\n")) == (1, 1)
    people.script(Fault.drop_after())
    assert invoke("call", "create").code == 4


def test_what_is_shown_of_an_answer() -> None:
    """Keys that the documentation does not name stand among the others; what did not come is left out."""
    answer = Response(msg="hi", meta_info=MetaInfo(total_forms=2, extra={"odd": (1, {"a": None})}))
    assert plain(answer) == {"msg": "hi", "meta_info": {"total_forms": 2, "odd": [1, {"a": None}]}}


def test_fields(people: Emulator, here: Path) -> None:
    """Those of every project and of this one, and how many have something there; never what."""
    done = invoke("fields", "--mapping-file", "m.toml")
    assert done.code == 0
    rows = [line.split() for line in done.out.splitlines()]
    assert ["first_name", "2"] in rows
    assert ["main_email", "1"] in rows
    assert ["your_instrument", "f_251473_6251473", "1"] in rows
    assert ["allergies", "f_251474_6251480", "0"] in rows
    assert "Lisa" not in done.out
    mapping = read_mapping(here / "m.toml")
    assert list(mapping.fields)[: len(FIELDS)] == list(FIELDS)
    assert mapping.fields["allergies"] == "allergies"
    assert stat.S_IMODE((here / "m.toml").stat().st_mode) == 0o600
    assert invoke("fields", "--mapping-file", "m.toml").code == 1
    facts = json.loads(invoke("fields", "--json", "--sample", "1").out)
    assert facts["users"] == 1
    assert {"field": "your_instrument", "id": "f_251473_6251473", "filled": 1} in facts["fields"]


def test_fields_without_users_or_names(service: Emulator, people: Emulator) -> None:
    """What can't be seen is left out."""
    service.script(Fault.rejected(), action="get_info")
    assert "f_251474_6251480" not in invoke("fields").out.partition("field_index")[2]
    assert "Of 0 users" in invoke("fields", "--group", "100909073").out


def test_how_fields_are_listed_may_be_other() -> None:
    """It is not documented: what is not known is left out."""
    found = Fields()
    found.add_index([1])
    found.add_index({"f_1": {"name": "a"}, "f_2": "b", "f_3": 3, "f_4": {"name": ""}, "f_5": {}})
    assert found.names == {"f_1": "a", "f_2": "b"}


def _csv(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


def test_export_of_all_fields(people: Emulator, here: Path) -> None:
    """Whatever fields users have; what a spreadsheet would run is neutralised."""
    done = invoke("export", "out.csv")
    assert (done.code, done.out) == (0, "Wrote 2 users to out.csv.\n")
    parent, _ = people.users
    nina, lisa = _csv(here / "out.csv")
    assert nina == {
        "clogin_id": str(parent),
        "connected_to": str(parent),
        "status_id": "0",
        "status_name": "",
        "username": "nina@example.org",
        "first_name": "'=Nina()",
        "main_email": "nina@example.org",
        "your_instrument": "Piano",
    }
    assert (lisa["connected_to"], lisa["your_instrument"]) == (str(parent), "")
    assert stat.S_IMODE((here / "out.csv").stat().st_mode) == 0o600
    assert not list(here.glob("*.part"))


def test_an_export_can_be_imported(people: Emulator, here: Path) -> None:
    """Into another group, with the accounts connected and texts as they were."""
    assert invoke("export", "out.csv", "--fields", "first_name,main_email", "--only-parents").code == 0
    (here / "m.toml").write_text('ignore = ["connected_to", "status_id", "status_name"]')
    done = invoke("import", "out.csv", "--mapping", "m.toml", "--group", "100909073")
    assert done.code == 0
    shown = invoke("call", "get_user_list", "doc.first_name:=true", "--group", "100909073", "--json").out
    (user,) = json.loads(shown)["parents"]
    assert user["values"] == {"first_name": "=Nina()"}
    assert user["user_info"]["clogin_id"] in people.users


def test_export_is_not_written_over(people: Emulator, here: Path) -> None:
    """Unless it is to be."""
    (here / "out.jsonl").write_text("mine")
    assert invoke("export", "out.jsonl").code == 2
    assert (here / "out.jsonl").read_text() == "mine"
    assert invoke("export", "out.jsonl", "--force").code == 0
    assert stat.S_IMODE((here / "out.jsonl").stat().st_mode) == 0o600
    lines = (here / "out.jsonl").read_text("utf-8").splitlines()
    assert [json.loads(line)["first_name"] for line in lines] == ["=Nina()", "Lisa"]


def test_export_of_some(people: Emulator, here: Path) -> None:
    """Some fields, some users, and their standing."""
    child = list(people.users)[1]
    assert invoke("call", "set_status", f"clogin_id={child}", "status_id=8103").code == 0
    for name, options, expected in (
        ("a.csv", (), ["'=Nina()"]),
        ("b.csv", ("--with-excluded",), ["'=Nina()", "Lisa"]),
        ("c.csv", ("--only-excluded",), ["Lisa"]),
        ("d.csv", ("--with-excluded", "--only-parents"), ["'=Nina()"]),
        ("e.csv", ("--with-excluded", "--only-children"), ["Lisa"]),
    ):
        assert (
            invoke("export", name, "--fields", "first_name, f_251473_6251473", "--meta", *options).code == 0
        )
        assert [row["first_name"] for row in _csv(here / name)] == expected
    assert list(_csv(here / "c.csv")[0]) == [
        *("clogin_id", "connected_to", "status_id", "status_name"),
        *("total_order", "total_paid", "total_balance", "total_forms", "completed_forms"),
        *("first_name", "f_251473_6251473"),
    ]
    done = invoke("export", "f.csv", "--fields", "status_id")
    assert (done.code, "--fields: status_id stands in the file anyway" in done.err) == (2, True)


def test_export_of_many(service: Emulator, here: Path) -> None:
    """All pages, in Parquet with whole numbers as such."""
    _many(service, here, 2070)
    done = invoke("export", "out.parquet", "--json", "--rate", "10000", "--concurrency", "4")
    assert json.loads(done.out) == {"users": 2070, "file": "out.parquet", "shifted": False}
    table = parquet.read_table(here / "out.parquet")
    assert table["clogin_id"].to_pylist() == list(service.users)
    assert str(table.schema.field("clogin_id").type) == "int64"
    assert set(table["first_name"].to_pylist()) == {f"Guest {number}" for number in range(2070)}


def test_export_that_fails_leaves_nothing(people: Emulator, here: Path) -> None:
    """No half of a file, and what was there stays."""
    (here / "out.csv").write_text("mine")
    people.script(Fault.rejected("not now"), action="get_user_list")
    assert invoke("export", "out.csv", "--force", "--fields", "first_name").code == 1
    assert (here / "out.csv").read_text() == "mine"
    assert not list(here.glob("*.part"))
    done = invoke("export", "out.txt")
    assert (done.code, "expected a file that ends in .csv, .jsonl, .parquet" in done.err) == (2, True)


def test_export_without_pyarrow(people: Emulator, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is told before the work."""
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    done = invoke("export", "out.parquet")
    assert (done.code, "pyarrow is missing to write it" in done.err) == (2, True)


def test_export_of_a_list_that_shifts(people: Emulator, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is written, and is not all well."""
    monkeypatch.setattr("usersapi_async.listing.UserStream._is_whole", lambda _: False)
    done = invoke("export", "out.csv")
    assert (done.code, "somebody may be missing" in done.out) == (1, True)


def test_cells() -> None:
    """Lists of text are joined; all else that is no text is JSON."""
    assert [as_text(value) for value in (None, "a", ["a", "b"], 3, {"a": [1]})] == [
        "",
        "a",
        "a; b",
        "3",
        '{"a": [1]}',
    ]


@given(
    values=st.lists(
        st.text(st.characters(blacklist_categories=["Cs"], blacklist_characters="\0")), max_size=4
    )
)
def test_what_is_exported_can_be_imported(
    tmp_path_factory: pytest.TempPathFactory, values: list[str]
) -> None:
    """Any text comes back, in each format; in CSV with its apostrophe."""
    directory = tmp_path_factory.mktemp("export")
    for ending in ("csv", "jsonl", "parquet"):
        path = directory / f"out.{ending}"
        with written(path, ["n", "v"], numbers=frozenset({"n"})) as rows:
            for number, value in enumerate(values):
                rows.write({"n": number, "v": value})
        if ending == "jsonl":
            found = [json.loads(line)["v"] for line in path.read_text("utf-8").split("\n")[:-1]]
        elif ending == "parquet":
            found = parquet.read_table(path)["v"].to_pylist()
        else:
            cells = [row["v"] for row in _csv(path)]
            assert not any(cell.startswith(("=", "+", "-", "@")) for cell in cells)
            found = list(map(natural, cells))
        assert found == values
