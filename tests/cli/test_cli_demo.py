"""`usersapi demo` as a whole, in processes of its own."""

from __future__ import annotations

import csv
import os
import pty
import signal
import socket
import stat
from typing import TYPE_CHECKING

import attrs
import pytest
from typer.testing import CliRunner

from usersapi_async import ResultLine, read_results
from usersapi_async.cli import demo
from usersapi_async.cli.app import app

from .support import LIMIT, USERSAPI, Done, read_until, start, usersapi

if TYPE_CHECKING:
    from pathlib import Path


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@attrs.frozen
class _Demo:
    """A run of the demonstration with its files."""

    done: Done
    files: Path
    people: list[dict[str, str]]
    results: list[ResultLine]


@pytest.fixture(scope="module")
def sixty(tmp_path_factory: pytest.TempPathFactory) -> _Demo:
    """A run with sixty people that several tests look at."""
    here = tmp_path_factory.mktemp("demo")
    done = usersapi("demo", "--people", "60", cwd=here)
    files = here / "usersapi-demo"
    results = sorted(read_results(files / "results.csv"), key=lambda line: line.index or 0)
    return _Demo(done, files, _rows(files / "people.csv"), results)


def test_demo_imports_everybody_but_the_spoilt(sixty: _Demo) -> None:
    """The whole way: file, emulator, import, results, check, exit code."""
    assert (sixty.done.code, sixty.done.err) == (0, "")
    assert [line.key for line in sixty.results] == [row["key"] for row in sixty.people]
    ids = [line.clogin_id for line in sixty.results if line.status == "succeeded"]
    assert len(set(ids)) == len(ids) > 40
    last = sixty.done.out.splitlines()[-1]
    assert last.startswith(f"Checked: 60 rows = {len(ids)} succeeded + ")
    assert last.endswith(f"; the emulator counts {len(ids)} users.")


def test_there_is_nothing_but_text_when_piped(sixty: _Demo) -> None:
    """No colour, nothing that moves the cursor, and a line for each tenth."""
    assert "\x1b" not in sixty.done.out
    assert sixty.done.out.count(" of 60 done, ") == 10


def test_every_kind_of_mistake_is_reported(sixty: _Demo) -> None:
    """The four mistakes and the children that they drag along, with nothing of the people in the messages."""
    lost = [line for line in sixty.results if line.status != "succeeded"]
    assert {(line.error, line.message or line.reason) for line in lost} == {
        ("PayloadError", "not an email address @ $.doc.main_email"),
        ("PayloadError", "must have 6 characters or more @ $.doc.password"),
        (
            "ActionRejected",
            "create: the service refused it: main_email has a domain that is not found in DNS: ***",
        ),
        ("ActionRejected", "create_child: the service refused it: The username *** is already taken."),
        (None, "the row that it refers to failed"),
    }


def test_rows_that_did_not_succeed_keep_their_input(sixty: _Demo) -> None:
    """The file of results can be mended and given in again."""
    for person, line in zip(sixty.people, sixty.results, strict=True):
        assert line.input == (None if line.status == "succeeded" else person)


def test_the_files_are_their_owner_s_alone(sixty: _Demo) -> None:
    """They hold people's data."""
    assert {path.name: stat.S_IMODE(path.stat().st_mode) for path in sixty.files.iterdir()} == {
        "people.csv": 0o600,
        "results.csv": 0o600,
    }


def test_results_are_not_written_over(tmp_path: Path) -> None:
    """A second demonstration has a file of its own, also where the people were open to all before."""
    (tmp_path / "people.csv").write_text("somebody")
    for name in ("results.csv", "results-2.csv", "results-3.csv"):
        done = CliRunner().invoke(app, ["demo", "--people", "3", "--directory", str(tmp_path)])
        assert (done.exit_code, name in done.output) == (0, True)
        assert len(list(read_results(tmp_path / name))) == 3
    assert stat.S_IMODE((tmp_path / "people.csv").stat().st_mode) == 0o600


def test_a_report_is_a_page(tmp_path: Path) -> None:
    """It counts what the files do, names rows as they do, shows no address, and is not written over."""
    page = tmp_path / "pages" / "run.html"
    for name in ("run.html", "run-2.html"):
        arguments = ["demo", "--people", "60", "--directory", str(tmp_path), "--report", str(page)]
        done = CliRunner().invoke(app, arguments)
        assert (done.exit_code, f"Report, to open in a browser: {page.with_name(name)}" in done.output) == (
            0,
            True,
        )
        html = page.with_name(name).read_text("utf-8")
        lines = list(read_results(tmp_path / "results.csv"))
        lost = [line for line in lines if line.status != "succeeded"]
        assert f"{60 - len(lost)} of 60 rows succeeded" in html
        assert "not an email address @ $.doc.main_email" in html
        assert "Throughput over" in html
        assert sum(f"({line.key})" in html for line in lost) >= 4
        assert "@example" not in html
    assert len(list(page.parent.iterdir())) == 2


def test_with_faults_the_check_leaves_room_for_doubts(tmp_path: Path) -> None:
    """Dropped connections leave rows in doubt, some of which the emulator did carry out."""
    done = usersapi("demo", "--people", "400", "--seed", "3", "--faults", cwd=tmp_path)
    assert (done.code, done.err) == (0, "")
    assert " in doubt here." in done.out.splitlines()[-1]


def test_on_a_terminal_there_is_a_bar(tmp_path: Path) -> None:
    """The bar moves in place, and goes to the end."""
    leader, follower = pty.openpty()
    with start(
        *USERSAPI, "demo", "--people", "60", cwd=tmp_path, output=follower, TERM="xterm", COLUMNS="80"
    ) as process:
        os.close(follower)
        shown = b""
        # Reading fails once the other side is closed.
        try:
            while part := os.read(leader, 65536):
                shown += part
        except OSError:
            pass
        finally:
            os.close(leader)
    assert process.returncode == 0
    assert b"60/60" in shown
    assert b"\x1b[?25l" in shown


def test_first_ctrl_c_lets_rows_end_and_reports(tmp_path: Path) -> None:
    """Rows under way end, no further is taken, and every row taken is accounted for."""
    with start(*USERSAPI, "demo", "--people", "5000", cwd=tmp_path) as process:
        read_until(process, " of 5,000 done")
        process.send_signal(signal.SIGINT)
        shown, complaints = process.communicate(timeout=LIMIT)
    assert (process.returncode, complaints) == (130, "")
    assert "Stopping: " in shown
    assert " in doubt here" not in shown
    last = shown.splitlines()[-1]
    assert last.startswith("Checked: ")
    assert " of 5,000 rows = " in last


def test_killing_it_leaves_no_emulator_behind(tmp_path: Path) -> None:
    """The emulator ends when its parent is gone, whatever became of it."""
    with start(*USERSAPI, "demo", "--people", "5000", cwd=tmp_path) as process:
        lines = read_until(process, " of 5,000 done")
        process.kill()
        # The emulator has the same stderr: it comes to its end only when both are gone.
        process.communicate(timeout=LIMIT)
    address = next(line for line in lines if "http://" in line).partition("http://")[2].partition("/")[0]
    host, _, port = address.partition(":")
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((host, int(port)), timeout=LIMIT)


def test_a_count_that_is_not_the_successes_fails(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Exit code 1 when the emulator disagrees."""

    async def miscount(_: str) -> int:
        return 7

    monkeypatch.setattr(demo, "count_users", miscount)
    done = CliRunner().invoke(app, ["demo", "--people", "10", "--directory", str(tmp_path)])
    assert done.exit_code == 1
    assert "CHECK FAILED (the emulator's count" in done.output


async def test_an_emulator_that_is_gone_counts_nobody() -> None:
    """Its silence is told apart from a count of none."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        assert await demo.count_users(f"http://127.0.0.1:{held.getsockname()[1]}/") is None
