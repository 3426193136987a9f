"""`usersapi emulator`, and the process that other commands start it in."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from typer.testing import CliRunner

from usersapi_async import Credentials, RateLimited, RetryPolicy, UsersSession
from usersapi_async.cli.app import app
from usersapi_async.cli.emulator_process import EmulatorProcessError, emulator_process

from .support import LIMIT, USERSAPI, read_until, start, usersapi

if TYPE_CHECKING:
    from pathlib import Path

_PLACE = {
    "base_url": "http://127.0.0.1:1/",
    "state_url": "http://127.0.0.1:1/state",
    "group_id": 1,
    "other_group_id": 2,
    "credentials": {"api_id": 1, "api_user": "a", "api_token": "b"},
}


async def test_what_it_prints_can_be_used(tmp_path: Path) -> None:
    """The variables that it prints open a session; Ctrl-C is its regular end."""
    with start(*USERSAPI, "emulator", "--latency", "0.001", cwd=tmp_path) as process:
        lines = read_until(process, "USERSAPI_BASE_URL")
        exports = dict(line.split()[1].split("=", 1) for line in lines if line.startswith("export "))
        group = next(int(line.split()[-1]) for line in lines if line.startswith("Group id"))
        session = UsersSession(
            Credentials.from_env(exports), group_id=group, base_url=exports["USERSAPI_BASE_URL"]
        )
        async with session as users:
            await users.check()
            other = next(int(line.split()[-1]) for line in lines if line.startswith("Another group"))
            await users.check(group_id=other)
        process.send_signal(signal.SIGINT)
        _, complaints = process.communicate(timeout=LIMIT)
    assert (process.returncode, complaints) == (0, "")


def test_json_is_one_line_and_the_end_of_input_its_end(tmp_path: Path) -> None:
    """A program reads one line, and ends the emulator by closing its input."""
    with start(
        *USERSAPI, "emulator", "--json", "--until-eof", cwd=tmp_path, stdin=subprocess.PIPE
    ) as process:
        out, complaints = process.communicate("what it is told does not matter", timeout=LIMIT)
    assert (process.returncode, complaints) == (0, "")
    assert out.count("\n") == 1
    place = json.loads(out)
    assert set(place) == set(_PLACE)
    assert set(place["credentials"]) == {"api_id", "api_user", "api_token"}


def test_an_address_of_version_6_stands_in_brackets(tmp_path: Path) -> None:
    """The base URL is one, whatever the address looks like."""
    try:
        with socket.socket(socket.AF_INET6) as tried:
            tried.bind(("::1", 0))
    except OSError:
        pytest.skip("this machine has no IPv6")
    done = usersapi("emulator", "--json", "--until-eof", "--host", "::1", cwd=tmp_path)
    assert json.loads(done.out)["base_url"].startswith("http://[::1]:")


def test_a_port_in_use_is_one_line(tmp_path: Path) -> None:
    """An error of the operating system needs no traceback."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        done = usersapi("emulator", "--port", str(taken.getsockname()[1]), cwd=tmp_path)
    assert done.code == 1
    assert done.err.startswith("usersapi: ")
    assert done.err.count("\n") == 1


def test_a_capacity_that_can_not_be_is_a_usage_error() -> None:
    """A queue is one for workers."""
    refused = CliRunner().invoke(app, ["emulator", "--queue", "3"])
    assert refused.exit_code == 2
    assert "needs workers" in refused.output


async def test_it_can_be_told_what_it_can_do(tmp_path: Path) -> None:
    """What is above the rate is refused."""
    with emulator_process(["--rate=0.001", "--burst=1", "--workers=2", "--queue=1"]) as place:
        session = UsersSession(place.credentials, group_id=place.group_id, base_url=place.base_url)
        async with session.with_options(retry=RetryPolicy(attempts=1)) as users:
            await users.create()
            with pytest.raises(RateLimited):
                await users.create()


@pytest.mark.parametrize("fault", ["nonsense=0.1", "drop_after=often", "drop_after=2", "retry_after=1"])
def test_a_fault_that_can_not_be_is_a_usage_error(fault: str) -> None:
    """The share of a fault is checked before anything starts."""
    refused = CliRunner().invoke(app, ["emulator", "--fault", fault])
    assert refused.exit_code == 2
    assert "--fault" in refused.output


def test_a_program_that_says_nothing_did_not_start() -> None:
    """A child that ends at once is an error, not a hang."""
    with (
        pytest.raises(EmulatorProcessError, match="did not start"),
        emulator_process(program=(sys.executable, "-c", "")),
    ):
        pass


def test_a_program_that_does_not_end_is_killed() -> None:
    """Nothing is left behind even if the child does not mind its input."""
    program = f"import time; print({json.dumps(_PLACE)!r}, flush=True); time.sleep(600)"
    with emulator_process(program=(sys.executable, "-c", program), patience=0) as place:
        assert place.credentials.api_id == 1
