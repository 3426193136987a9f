"""The README: each Python block runs as it stands, and what is derived from the code agrees with it."""

from __future__ import annotations

import asyncio
import io
import json
import re
import shlex
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import uvicorn
from aiohttp import test_utils
from sybil import Example, Sybil
from sybil.parsers.markdown import PythonCodeBlockParser
from typer.testing import CliRunner

from benchmarks.pace import render
from usersapi_async import Credentials, UserRegistered, UsersSession
from usersapi_async.cli.app import app
from usersapi_async.emulator import Emulator, Fault
from usersapi_async.retry import render_table

README = Path(__file__).parent.parent / "README.md"
DOCUMENT = Sybil(parsers=[PythonCodeBlockParser()]).parse(README)
BLOCKS = list(DOCUMENT.examples())


def _program(block: Example) -> dict[str, Any]:
    """Runs a block as a program of its own and gives its names."""
    namespace: dict[str, Any] = {"__name__": "readme"}
    exec(compile(block.parsed, f"README.md:{block.line}", "exec", dont_inherit=True), namespace)  # noqa: S102
    return namespace


def _block_with(text: str) -> Example:
    return next(block for block in BLOCKS if text in block.parsed)


@pytest.fixture
def environment(usersapi_emulator: Emulator, monkeypatch: pytest.MonkeyPatch) -> Emulator:
    """The emulator, with the environment that the README's programs read."""
    credentials = usersapi_emulator.credentials
    monkeypatch.setenv("USERSAPI_ID", str(credentials["api_id"]))
    monkeypatch.setenv("USERSAPI_USER", credentials["api_user"])
    monkeypatch.setenv("USERSAPI_TOKEN", credentials["api_token"])
    monkeypatch.setenv("USERSAPI_GROUP", str(usersapi_emulator.group_id))
    monkeypatch.setenv("USERSAPI_BASE_URL", usersapi_emulator.base_url)
    monkeypatch.setenv("WEBHOOK_SECRET", "7fQ")
    return usersapi_emulator


@pytest.mark.parametrize("block", BLOCKS, ids=lambda block: f"line {block.line}")
def test_block_runs(block: Example, environment: Emulator) -> None:
    """Every block is a whole program."""
    names = _program(block)
    for name, value in names.items():
        if name.startswith("test_"):
            value(environment)


def test_bulk_job_prints_what_its_comments_say(
    environment: Emulator, capsys: pytest.CaptureFixture[str]
) -> None:
    """The bulk job's comments are its output."""
    _program(_block_with("max_errors=0.5"))
    counts, balance, error = capsys.readouterr().out.splitlines()
    assert (counts, balance) == ("2 1 0 1", "0.00")
    assert error == "not an email address @ $.doc.main_email"


def test_a_mended_file_prints_what_its_comments_say(
    environment: Emulator, capsys: pytest.CaptureFixture[str]
) -> None:
    """What is fed again is what had not succeeded, as it was."""
    _program(_block_with("read_remainder(first)"))
    assert capsys.readouterr().out.splitlines() == [
        "2 1 1",
        "['p2', 'c2']",
        "2",
        "['Nina', 'Lisa', '=Bob', 'Zoe']",
    ]


def _fenced(language: str, text: str) -> str:
    """The first block in that language that has `text`."""
    blocks: list[str] = re.findall(
        rf"^```{language}\n(.*?)^```$", README.read_text("utf-8"), re.DOTALL | re.MULTILINE
    )
    return next(block for block in blocks if text in block)


def test_commands_run_as_they_stand(
    environment: Emulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each command of the section on the command line is all well, on the file that is shown there."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "people.csv").write_text(_fenced("csv", "parent_id"))
    for line in _fenced("console", "usersapi import").splitlines():
        prompt, program, *arguments = shlex.split(line)
        assert (prompt, program) == ("$", "usersapi")
        done = CliRunner().invoke(app, arguments)
        assert done.exit_code == 0, done.output
    assert [user.is_excluded for user in environment.users.values()] == [True] * 3
    assert "Lisa" in (tmp_path / "users.csv").read_text("utf-8")


def test_a_migration_runs_as_it_stands(
    environment: Emulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A plan, a canary, the rest and a comparison: all well, and everybody is there."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "people.csv").write_text(_fenced("csv", "parent_id"))
    commands = ["$ usersapi import people.csv --key id --parent parent_id"]
    for line in commands + _fenced("console", "usersapi migrate").splitlines():
        done = CliRunner().invoke(app, shlex.split(line)[2:])
        assert done.exit_code == 0, done.output
    assert len(environment.users_in(environment.other_group_id)) == 3


def test_a_mapping_as_it_is_shown(
    environment: Emulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is one that an import takes."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mapping.toml").write_text(_fenced("toml", "[constants]"))
    (tmp_path / "people.csv").write_text("No.;Family;Notes;First name;Instrument\n1;;x;Nina;Piano\n")
    done = CliRunner().invoke(app, ["import", "people.csv", "--mapping", "mapping.toml"])
    assert done.exit_code == 0, done.output
    (user,) = environment.users.values()
    assert user.doc == {"first_name": "Nina", "your_instrument": "Piano", "phone": "none"}


@contextmanager
def _served(app: Any) -> Iterator[str]:
    """The app under a real uvicorn, in a thread of its own."""
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="warning"))
    started = threading.Event()

    class Announcing(uvicorn.Server):
        async def startup(self, sockets: Any = None) -> None:
            await super().startup(sockets)
            started.set()

    server = Announcing(server.config)
    thread = threading.Thread(target=lambda: asyncio.run(server.serve()))
    thread.start()
    try:
        assert started.wait(10)
        port = server.servers[0].sockets[0].getsockname()[1]
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        thread.join(10)
        assert not thread.is_alive()


async def test_web_app_under_uvicorn(environment: Emulator) -> None:
    """The FastAPI example serves many people over one session, and turns each error into its status."""
    app = _program(_block_with("FastAPI(lifespan=lifespan)"))["app"]
    with _served(app) as url:
        async with aiohttp.ClientSession(url) as client:

            async def register(email: str) -> tuple[int, Any]:
                async with client.post("/people", json={"first_name": "Nina", "email": email}) as answer:
                    return answer.status, await answer.json()

            answers = await asyncio.gather(*(register(f"nina{n}@example.org") for n in range(50)))
            assert {status for status, _ in answers} == {201}
            assert {body["id"] for _, body in answers} == set(environment.users)

            assert (await register("no address"))[0] == 422
            environment.script(Fault.rejected("no such form"), Fault.drop_after(), Fault.status(400))
            assert [(await register("a@example.org"))[0] for _ in range(3)] == [409, 504, 503]
    assert environment.executed["create"] == 51


def test_pace_table_is_what_was_measured() -> None:
    """The table of the README is rendered from the results beside the benchmark."""
    measured = json.loads((README.parent / "benchmarks" / "pace.json").read_text("utf-8"))
    begin, end = "<!-- begin pace table -->\n", "\n<!-- end pace table -->"
    found = README.read_text("utf-8").partition(begin)[2].partition(end)[0]
    assert found == render(measured["servers"])
    assert [measured["seeds"][name] for name in ("ours", "fixed 4")] == [20, 3]


def _event(clogin_id: int) -> dict[str, Any]:
    return {
        "user_info": {"clogin_id": str(clogin_id)},
        "meta_info": {"total_balance": "0.01"},
        "form_info": {"form_id": "251473"},
        "doc": {},
    }


async def test_webhooks_in_fastapi(environment: Emulator) -> None:
    """The example believes the service and not the event, and refuses what it can't read or is too long."""
    clogin_id = await _registered(environment)
    app = _program(_block_with('event="form_submitted"'))["app"]
    with _served(app) as url:
        async with aiohttp.ClientSession(url) as client:

            async def post(path: str, **body: Any) -> int:
                async with client.post(f"/webhooks/{path}/form-submitted", **body) as answer:
                    return answer.status

            assert await post("7fQ", json=_event(clogin_id)) == 204
            assert app.state.balances == {clogin_id: Decimal(0)}
            assert await post("7fQ", data={"user_info[clogin_id]": str(clogin_id)}) == 204
            assert await post("7fq", json=_event(clogin_id)) == 404
            assert await post("7f\u00e9", json=_event(clogin_id)) == 404
            assert await post("7fQ", json={}) == 422
            assert await post("7fQ", json=_event(5)) == 422
            assert await post("7fQ", data=io.BytesIO(b" " * (1024 * 1024 + 1))) == 413


async def _registered(environment: Emulator) -> int:
    credentials = Credentials(**environment.credentials)
    async with UsersSession(
        credentials, group_id=environment.group_id, base_url=environment.base_url
    ) as users:
        return (await users.create({"first_name": "Nina"})).clogin_id


async def test_webhooks_in_aiohttp(environment: Emulator) -> None:
    """The example queues events, and says so when there are too many."""
    names = _program(_block_with('event="user_registered"'))
    app = names["app"]
    async with test_utils.TestClient(test_utils.TestServer(app)) as client:

        async def post(path: str, **body: Any) -> int:
            async with client.post(f"/webhooks/{path}/user-registered", **body) as answer:
                return answer.status

        assert await post("7fQ", json=_event(7)) == 204
        event = app[names["EVENTS"]].get_nowait()
        assert isinstance(event, UserRegistered)
        assert event.user_info.clogin_id == 7
        assert await post("7fq", json=_event(7)) == 404
        assert await post("7fQ", data=b"hello") == 422
        assert await post("7fQ", data=io.BytesIO(b" " * (1024 * 1024 + 1))) == 413
        for _ in range(1000):
            app[names["EVENTS"]].put_nowait(event)
        assert await post("7fQ", json=_event(7)) == 503


def test_delivery_table_is_the_code_s() -> None:
    """The table of the README is rendered from the table that decides."""
    found = re.search(
        r"<!-- begin delivery table -->\n(.*)\n<!-- end delivery table -->", README.read_text(), re.DOTALL
    )
    assert found is not None
    assert found[1].strip() == render_table()
