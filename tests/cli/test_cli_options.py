"""What options' texts mean, and where credentials come from."""

from __future__ import annotations

import datetime as dt
import json
from typing import TYPE_CHECKING

import pytest
import typer

from usersapi_async import (
    AuthenticationError,
    ConfigurationError,
    OutcomeUnknown,
    PayloadError,
    RateLimit,
    UsersApiError,
)
from usersapi_async.cli.connection import access_from, can_answer
from usersapi_async.cli.estimate import duration, estimates
from usersapi_async.cli.failures import CommandError, exit_code_of
from usersapi_async.cli.options import checked_date_format, rate_of, seconds_until
from usersapi_async.cli.paths import beside, free

from .support import invoke

if TYPE_CHECKING:
    from pathlib import Path

    from usersapi_async.emulator import Emulator

_FILE = """
# from the emulator
export USERSAPI_ID=7
USERSAPI_USER='me@example.org'   # a comment
USERSAPI_TOKEN="to ken"
USERSAPI_GROUP=12
USERSAPI_BASE_URL=http://127.0.0.1:1/
"""


@pytest.fixture
def bare(here: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An environment without variables."""
    for name in ("ID", "USER", "TOKEN", "GROUP", "BASE_URL"):
        monkeypatch.delenv(f"USERSAPI_{name}", raising=False)
    return here


def test_rates() -> None:
    """A number a second, or in so many seconds."""
    assert rate_of(None) is None
    assert rate_of("10") == RateLimit(10, 1.0)
    assert rate_of("300/60") == RateLimit(300, 60.0)


@pytest.mark.parametrize("text", ["x", "0", "10/0", "10/x", "-1", "nan"])
def test_rates_that_can_t_be(text: str) -> None:
    """They are wrong usage."""
    with pytest.raises(typer.BadParameter, match="is not like 10 or 300/60"):
        rate_of(text)


def test_until() -> None:
    """The next time that the clock shows it."""
    evening = dt.datetime.fromisoformat("2026-01-31 22:00")
    assert seconds_until(None, evening) is None
    assert seconds_until("23:30", evening) == 5400
    assert seconds_until("06:00", evening) == 8 * 3600
    assert seconds_until("22:00", evening) == 24 * 3600
    with pytest.raises(typer.BadParameter, match="is not like 06:00"):
        seconds_until("six", evening)


def test_date_formats() -> None:
    """They have at least one part."""
    assert checked_date_format("%Y") == "%Y"
    assert checked_date_format(None) is None
    with pytest.raises(typer.BadParameter):
        checked_date_format("yyyy")


def test_exit_codes() -> None:
    """Each kind of error has its own."""
    errors = (CommandError("x"), ConfigurationError("x"), PayloadError(["x"]))
    assert [exit_code_of(error) for error in errors] == [2, 2, 2]
    assert exit_code_of(AuthenticationError("x")) == 3
    assert exit_code_of(OutcomeUnknown("x")) == 4
    assert exit_code_of(UsersApiError("x")) == exit_code_of(OSError()) == 1


def test_paths(tmp_path: Path) -> None:
    """Files beside the input, never over one that is there."""
    results = beside(tmp_path / "people.csv", ".results.csv")
    assert results.name == "people.results.csv"
    results.touch()
    assert free(results).name == "people.results-2.csv"


def test_estimates() -> None:
    """By the rate that is given, else by what reads took, else by two paces."""
    assert list(map(str, estimates(600, RateLimit(300, 60), 4, 0.1))) == [
        "about 2 min at your --rate of 5 a second"
    ]
    assert list(map(str, estimates(80, None, 4, 0.5))) == [
        "about 10 s with 4 at once, if each takes the 0.5 s of a read"
    ]
    assert [guess.seconds for guess in estimates(320, None, None, 0.5)] == [40, 5]
    assert [guess.seconds for guess in estimates(1000, None, None, None)] == [100, 10]
    assert [duration(seconds) for seconds in (0, 99, 100, 5999, 7260)] == [
        "1 s",
        "99 s",
        "2 min",
        "1 h 40 min",
        "2 h 1 min",
    ]


def test_a_file_of_credentials(bare: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It comes before the environment, and options before it; who else may read it is told."""
    file = bare / "access.env"
    file.write_text(_FILE)
    file.chmod(0o640)
    access = access_from(file, None, None)
    assert (access.credentials.api_id, access.credentials.api_user) == (7, "me@example.org")
    assert access.credentials.api_token == "to ken"
    assert (access.group_id, access.base_url) == (12, "http://127.0.0.1:1/")
    assert "others may read" in capsys.readouterr().err
    file.chmod(0o600)
    assert access_from(file, "https://example.org/", 5).group_id == 5
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"USERSAPI_ID='1\n", "line 1: a quote is not closed"),
        (b"\nUSERSAPI_SECRET=1\n", "line 2: expected NAME=value, of USERSAPI_BASE_URL"),
        (b"USERSAPI_ID=\n", "line 1: expected NAME=value"),
        (b"USERSAPI_ID= 1\n", "line 1: expected NAME=value"),
        (b"\xff", "not a text in UTF-8"),
        (b"USERSAPI_GROUP=abc\n", "USERSAPI_GROUP: expected the group's id"),
        (b"USERSAPI_ID=1\n", "which group"),
        (b"USERSAPI_GROUP=1\n", "missing in the environment: USERSAPI_ID, USERSAPI_USER, USERSAPI_TOKEN"),
    ],
)
def test_a_file_of_credentials_that_is_wrong(bare: Path, content: bytes, reason: str) -> None:
    """It is told by line, without what stands there."""
    file = bare / "access.env"
    file.touch(0o600)
    file.write_bytes(content)
    with pytest.raises((CommandError, ConfigurationError), match=reason):
        access_from(file, None, None)


def test_somebody_at_a_terminal_is_asked(bare: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """For what is missing alone; the token does not show."""
    monkeypatch.setenv("USERSAPI_ID", "7")
    assert not can_answer()
    monkeypatch.setattr("usersapi_async.cli.connection.can_answer", lambda: True)
    asked: list[tuple[str, bool]] = []

    def prompt(text: str, *, hide_input: bool, err: bool) -> str:
        asked.append((text, hide_input))
        return " answer "

    monkeypatch.setattr(typer, "prompt", prompt)
    access = access_from(None, None, 3)
    assert asked == [("API user (login email)", False), ("API token (not shown)", True)]
    assert access.credentials.api_token == "answer"
    assert access.base_url.startswith("https://")


def test_wrong_credentials_are_an_exit_code(service: Emulator, monkeypatch: pytest.MonkeyPatch) -> None:
    """3, with one line."""
    monkeypatch.setenv("USERSAPI_TOKEN", "wrong")
    done = invoke("call", "get_user_list")
    assert (done.code, done.out) == (3, "")
    assert done.err.startswith("usersapi: get_user_list: HTTP 401")
    assert "wrong" not in done.err.replace("missing or wrong", "")
    done = invoke("call", "get_user_list", "--json")
    facts = json.loads(done.out)
    assert (done.code, facts["error"], facts["exit_code"]) == (3, "AuthenticationError", 3)


@pytest.mark.parametrize("command", ["import", "run", "undo", "call", "fields", "export"])
def test_help_has_an_example_and_json(command: str) -> None:
    """As every command has."""
    done = invoke(command, "--help")
    assert done.code == 0
    assert f"Example: usersapi {command} " in done.out
    assert "--json" in done.out
    assert "--credentials" in done.out
    assert "--token" not in done.out
