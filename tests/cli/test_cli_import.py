"""`usersapi import` as a whole, against a service on a real socket."""

from __future__ import annotations

import json
import signal
import stat
from typing import TYPE_CHECKING, Any

import openpyxl
import pyarrow as pa
import pytest
from pyarrow import parquet

from usersapi_async import read_results
from usersapi_async.cli.import_check import Check
from usersapi_async.emulator import Fault

from .support import LIMIT, USERSAPI, invoke, read_until, start

if TYPE_CHECKING:
    from pathlib import Path

    from usersapi_async.emulator import Emulator

_FAMILY = """id,parent,first_name,last_name,main_email
c1,p1,Lisa,Simone,
p1,,Nina,Simone,nina@example.org
c2,p2,Zoe,Brown,
p2,,Bob,Brown,not an address
p3,,José 😀,Núñez,jose@example.org
"""
_KEYS = ("--key", "id", "--parent", "parent")


@pytest.fixture
def family(here: Path) -> Path:
    """Two families and a single person, children first, with one fault."""
    (here / "people.csv").write_text(_FAMILY)
    return here / "people.csv"


def _many(path: Path, count: int) -> None:
    lines = [f"p{number},Guest {number},g{number}@example.org" for number in range(count)]
    path.write_text("\n".join(["id,first_name,main_email", *lines]))


def _names(service: Emulator) -> list[object]:
    return [user.doc.get("first_name") for user in service.users.values()]


def test_families_are_registered(service: Emulator, family: Path) -> None:
    """Parents before children, whatever their order; who has a fault is not sent; nobody is mailed."""
    done = invoke("import", "people.csv", *_KEYS)
    assert (done.code, done.err) == (1, "")
    assert _names(service) == ["Nina", "José 😀", "Lisa"]
    lisa, nina = (
        next(u for u in service.users.values() if u.doc["first_name"] == n) for n in ("Lisa", "Nina")
    )
    assert lisa.connected_to == nina.clogin_id
    assert service.mails_sent == 0
    assert not any(user.completed_forms for user in service.users.values())
    lines = {line.key: line for line in read_results("people.results.csv")}
    assert {key: line.status for key, line in lines.items()} == {
        "p1": "succeeded",
        "c1": "succeeded",
        "p3": "succeeded",
        "p2": "failed",
        "c2": "not_attempted",
    }
    assert lines["p2"].faults == ("not an email address @ line 5, column main_email",)
    assert lines["p2"].input == dict(
        zip(
            ("id", "parent", "first_name", "last_name", "main_email"),
            ("p2", "", "Bob", "Brown", "not an address"),
            strict=True,
        )
    )
    assert "people.csv: 5 rows, 1 with faults." in done.out
    assert "  line 5, column main_email: not an email address" in done.out
    assert "1 more can't be sent" in done.out
    assert "Mend the rows that failed in the input, and go on with: usersapi " in done.out
    for name in ("people.results.csv", "people.journal.key"):
        assert stat.S_IMODE((family.parent / name).stat().st_mode) == 0o600


def test_a_mended_file_goes_on(service: Emulator, family: Path) -> None:
    """Who was registered is not sent again, and results are not written over."""
    invoke("import", "people.csv", *_KEYS)
    assert invoke("import", "people.csv", *_KEYS).code == 2
    family.write_text(_FAMILY.replace("not an address", "bob@example.org"))
    done = invoke("import", "people.csv", *_KEYS, "--resume", "--json")
    assert done.code == 0
    facts = json.loads(done.out)
    assert (facts["succeeded"], facts["resumed"], facts["exit_code"]) == (5, 3, 0)
    assert facts["results"] == "people.results-2.csv"
    assert service.executed["create"] + service.executed["create_child"] == 5
    assert "people.csv: 5 rows, 0 with faults." in done.err
    assert invoke("import", "people.csv", *_KEYS, "--resume").out.count("known from an earlier run") == 1


def test_dry_run_sends_nothing(family: Path) -> None:
    """It needs neither credentials nor a server, and tells all faults, calls and time."""
    done = invoke("import", "people.csv", *_KEYS, "--dry-run", "--rate", "1")
    assert (done.code, done.err) == (1, "")
    assert "  line 5, column main_email: not an email address" in done.out
    assert "Nothing was sent. 3 can be sent; calls: 4\n  about 4 s at your --rate of 1 a second\n" in done.out
    assert "Mails are off, forms are not submitted." in done.out
    assert [path.name for path in family.parent.iterdir()] == ["people.csv"]


def test_dry_run_for_programs(family: Path) -> None:
    """All faults, in JSON alone."""
    done = invoke("import", "people.csv", *_KEYS, "-n", "--json", "--send-emails", "--submit-forms")
    facts = json.loads(done.out)
    assert (done.code, facts["exit_code"], done.err) == (1, 1, "")
    assert facts["faults"] == [{"line": 5, "column": "main_email", "reason": "not an email address"}]
    assert (facts["rows"], facts["faulty"], facts["waiting"], facts["to_send"], facts["calls"]) == (
        5,
        1,
        1,
        3,
        4,
    )
    family.write_text(_FAMILY.replace("not an address", ""))
    assert invoke("import", "people.csv", *_KEYS, "-n").code == 0


def test_only_so_many_faults_are_printed(here: Path) -> None:
    """Unless all are wanted."""
    (here / "people.csv").write_text("main_email\n" + "no\n" * 60)
    shown = invoke("import", "people.csv", "-n").out
    assert shown.count("not an email address") == 50
    assert "and more; --show 0 prints all" in shown
    assert invoke("import", "people.csv", "-n", "--show", "0").out.count("not an email address") == 60


def test_who_is_there_already(service: Emulator, family: Path) -> None:
    """They are found by the list, and are faults."""
    invoke("import", "people.csv", *_KEYS)
    done = invoke("import", "people.csv", *_KEYS, "-n", "--existing")
    nina = next(user.clogin_id for user in service.users.values() if user.doc["first_name"] == "Nina")
    assert f"  line 3: is there already, as {nina}\n" in done.out
    assert "3 users are there already." in done.out
    assert "s of a read" in done.out
    done = invoke(
        "import", "people.csv", *_KEYS, "--existing", "--journal", "second.journal", "--concurrency", "2"
    )
    assert done.code == 1
    assert _names(service) == ["Nina", "José 😀", "Lisa"]
    assert invoke("import", "people.csv", *_KEYS, "--existing", "--resume").code == 2


def test_a_list_that_shifts_is_told(service: Emulator, family: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody may have been missed in it."""
    monkeypatch.setattr("usersapi_async.listing.UserStream._is_whole", lambda _: False)
    assert "may have been missed" in invoke("import", "people.csv", *_KEYS, "-n", "--existing").out


@pytest.mark.parametrize("ending", ["jsonl", "xlsx", "parquet", "tsv"])
def test_every_format(service: Emulator, here: Path, ending: str) -> None:
    """The same people from any kind of file."""
    path = here / f"people.{ending}"
    rows: list[dict[str, Any]] = [
        {"id": 1, "first_name": "José 😀", "main_email": "jose@example.org", "f_251473_6251475": "0123"},
        {"id": 2, "first_name": "Ann", "main_email": None, "f_251473_6251475": None},
    ]
    if ending == "jsonl":
        path.write_text("\n".join(map(json.dumps, rows)))
    elif ending == "xlsx":
        book = openpyxl.Workbook()
        for values in (list(rows[0]), *(list(row.values()) for row in rows)):
            book.active.append(values)
        book.save(path)
    elif ending == "parquet":
        parquet.write_table(pa.Table.from_pylist(rows), path)
    else:
        table = [list(rows[0]), *([("" if v is None else v) for v in row.values()] for row in rows)]
        path.write_text("\n".join("\t".join(map(str, values)) for values in table))
    assert invoke("import", path.name, "--key", "id").code == 0
    assert [(user.doc["first_name"], user.doc.get("phone")) for user in service.users.values()] == [
        ("José 😀", "0123"),
        ("Ann", None),
    ]
    assert {line.key for line in read_results("people.results.csv")} == {"1", "2"}


def test_a_mapping(service: Emulator, here: Path) -> None:
    """Columns of any name, constants, and columns that go nowhere; mails and forms if they are wanted."""
    (here / "people.csv").write_text("No;Vorname;Instrument;Notiz\n1;Nina;Piano;x\n")
    (here / "m.toml").write_text(
        'key = "No"\nignore = ["Notiz"]\n[fields]\nVorname = "first_name"\nInstrument = "f_251473_6251473"\n'
        '[constants]\nphone = "0123"\nmain_email = "nina@example.org"\n'
    )
    arguments = ("import", "people.csv", "--mapping", "m.toml")
    assert invoke(*arguments, "--send-emails", "--submit-forms").code == 0
    (user,) = service.users.values()
    assert user.doc == {
        "first_name": "Nina",
        "your_instrument": "Piano",
        "phone": "0123",
        "main_email": "nina@example.org",
    }
    assert user.completed_forms
    assert service.mails_sent == 1


@pytest.mark.parametrize(
    ("content", "arguments", "reason"),
    [
        ("First Name\nNina\n", (), "people.csv: column 'First Name' (is it first_name?): no known field"),
        ("first_name\nNina\n", ("--key", "id"), "there is no column 'id'"),
        ("first_name,p\nNina,\n", ("--parent", "p"), "so give --key too"),
        ("first_name\n", (), "people.csv: there is no row in it"),
        ("result_status,first_name\n,a\n", (), "people.csv is a file of results: mend the file that"),
        ("first_name,first_name\n", (), "'first_name' stands in columns 1 and 2"),
        ("first_name\nJosé\n", ("--encoding", "ascii"), "people.csv: line 2 is not in ASCII"),
        ("first_name\nNina\n", ("--resume",), "--resume: there is no journal people.journal"),
        ("first_name\nNina\n", ("--until", "six"), "is not like 06:00"),
        ("first_name\nNina\n", ("--rate", "fast"), "is not like 10 or 300/60"),
        ("first_name\nNina\n", ("--date-format", "iso"), "is not like %m-%d-%Y"),
        ("first_name\nNina\n", ("--delimiter", "tab"), "no known field"),
    ],
)
def test_what_is_wrong_from_the_start(
    service: Emulator, here: Path, content: str, arguments: tuple[str, ...], reason: str
) -> None:
    """Exit code 2, nothing is sent, and no file is left."""
    (here / "people.csv").write_text(content if "tab" not in arguments else "a\tb,c\n1\t2\n")
    done = invoke("import", "people.csv", *arguments)
    assert done.code == 2
    assert reason in " ".join(done.err.replace("│", " ").split())
    assert service.received.total() == 0
    assert [path.name for path in here.iterdir()] == ["people.csv"]


def test_a_group_that_is_not_good(service: Emulator, family: Path) -> None:
    """The preflight says it before anything is written."""
    done = invoke("import", "people.csv", *_KEYS, "--group", "5")
    assert done.code == 1
    assert done.err.startswith("usersapi: get_user_list: ")
    assert [path.name for path in family.parent.iterdir()] == ["people.csv"]


def test_credentials_that_are_refused_meanwhile(service: Emulator, here: Path) -> None:
    """They stop the batch, with their exit code."""
    _many(here / "people.csv", 3)
    service.script(None, *[Fault.status(401)] * 3)
    done = invoke("import", "people.csv", "--key", "id", "--concurrency", "1", "--json")
    assert (done.code, json.loads(done.out)["exit_code"]) == (3, 3)


def test_a_canary_and_the_rest(service: Emulator, here: Path) -> None:
    """--limit takes so many rows and is all well; the rest goes on."""
    _many(here / "people.csv", 30)
    done = invoke("import", "people.csv", "--key", "id", "--limit", "20")
    assert done.code == 0
    assert len(service.users) == 20
    assert "Go on with: usersapi " in done.out
    assert invoke("import", "people.csv", "--key", "id", "--resume").code == 0
    assert len(service.users) == 30
    assert set(_names(service)) == {f"Guest {number}" for number in range(30)}


def test_a_deadline(service: Emulator, here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After it no row is begun, which is not all well."""
    _many(here / "people.csv", 30)
    monkeypatch.setattr("usersapi_async.cli.options.seconds_until", lambda *_: 1e-9)
    done = invoke("import", "people.csv", "--key", "id", "--until", "06:00")
    assert done.code == 1
    assert len(service.users) < 30


def test_doubts_are_looked_up(service: Emulator, here: Path) -> None:
    """Exit code 4, and the next run with --reconcile finds out."""
    _many(here / "people.csv", 3)
    options = ("import", "people.csv", "--key", "id", "--marker-field", "f_251473_6251475")
    service.script(Fault.drop_after(), action="create")
    done = invoke(*options)
    assert done.code == 4
    assert "look them up with: usersapi " in done.out
    assert "--resume --reconcile" in done.out.replace("\n", " ")
    assert len(service.users) == 3
    done = invoke(*options, "--resume", "--reconcile", "--json")
    facts = json.loads(done.out)
    assert (done.code, facts["succeeded"], facts["resumed"]) == (0, 3, 3)
    assert service.executed["create"] == 3


def test_too_many_errors_stop_it(service: Emulator, here: Path) -> None:
    """As many as were said."""
    (here / "people.csv").write_text("id,main_email\n" + "".join(f"{n},no\n" for n in range(100)))
    done = invoke("import", "people.csv", "--key", "id", "--max-errors", "5", "--json")
    facts = json.loads(done.out)
    assert done.code == 1
    assert (facts["exhausted"], facts["stopped_by"]) == (False, "5 rows failed or are in doubt (max_errors)")
    assert facts["complaints"] == [
        {
            "outcome": "failed",
            "error": "PayloadError",
            "message": "not an email address @ column main_email",
            "rows": facts["failed"],
        }
    ]


def test_a_file_that_changes_is_not_read_on(
    service: Emulator, family: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was checked is what is sent, or it stops."""
    run = Check.run

    def change_after(check: Any, on_row: Any) -> Any:
        found = run(check, on_row)
        family.write_text(_FAMILY + "p9,,New,N,new@example.org\n")
        return found

    monkeypatch.setattr(Check, "run", change_after)
    done = invoke("import", "people.csv", *_KEYS)
    assert done.code == 1
    assert done.err == "usersapi: people.csv: the file was changed while it was read\n"


def test_the_first_ctrl_c_lets_rows_end(service: Emulator, here: Path) -> None:
    """Exit code 130, every row taken is in the results, and the journal goes on."""
    _many(here / "people.csv", 3000)
    with start(*USERSAPI, "import", "people.csv", "--key", "id", cwd=here) as process:
        read_until(process, " of 3,000 done")
        process.send_signal(signal.SIGINT)
        shown, complaints = process.communicate(timeout=LIMIT)
    assert (process.returncode, complaints) == (130, "")
    assert "Stopping: " in shown
    lines = list(read_results(here / "people.results.csv"))
    assert len([line for line in lines if line.status == "succeeded"]) == len(service.users) < 3000
    assert {line.status for line in lines} <= {"succeeded", "not_attempted"}
    assert "Go on with: usersapi import people.csv --key id --resume" in shown


def test_rows_without_keys_are_their_lines(service: Emulator, here: Path) -> None:
    """Which is told, since lines can move."""
    (here / "people.csv").write_text("first_name\nNina\n")
    assert "let none move before --resume" in invoke("import", "people.csv").out
    assert [line.key for line in read_results("people.results.csv")] == ["line 2"]


def test_piped_output_has_no_colour(service: Emulator, family: Path) -> None:
    """Nor anything else but text."""
    assert "\x1b" not in invoke("import", "people.csv", *_KEYS).out


def test_nothing_of_people_is_in_the_journal(service: Emulator, family: Path) -> None:
    """Nor the token anywhere."""
    invoke("import", "people.csv", *_KEYS)
    journal = (family.parent / "people.journal").read_bytes()
    assert b"nina" not in journal.lower()
    token = service.credentials["api_token"].encode()
    assert not any(token in path.read_bytes() for path in family.parent.iterdir())


def test_a_hundred_thousand_rows_are_told_while_they_are_checked(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Piped, a line now and then."""
    monkeypatch.setattr("usersapi_async.cli.progress._MANY", 1000)
    _many(here / "people.csv", 2500)
    shown = invoke("import", "people.csv", "--key", "id", "-n").out
    assert [line for line in shown.splitlines() if line.startswith("Checking")] == [
        "Checking people.csv: 1,000",
        "Checking people.csv: 2,000",
    ]


@pytest.mark.parametrize(
    "given", [("--limit", "3"), ("--limit=3", "--existing"), ("--until", "06:00", "--reconcile")]
)
def test_how_to_go_on(
    service: Emulator, here: Path, monkeypatch: pytest.MonkeyPatch, given: tuple[str, ...]
) -> None:
    """By the same command, without what was for once."""
    monkeypatch.setattr("sys.argv", ["usersapi", "import", "my people.csv", "--key", "id", *given])
    _many(here / "my people.csv", 5)
    shown = invoke("import", "my people.csv", "--key", "id", "--limit", "3").out
    assert "Go on with: usersapi import 'my people.csv' --key id --resume\n" in shown
