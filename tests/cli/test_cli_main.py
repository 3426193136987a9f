"""The program itself: its entry, help, version and errors."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest
from typer.testing import CliRunner

import usersapi_async
from usersapi_async.cli import main
from usersapi_async.cli.app import app

from .support import python, usersapi

if TYPE_CHECKING:
    from pathlib import Path


def test_version_is_the_packages(tmp_path: Path) -> None:
    """`--version` prints one line and succeeds."""
    done = usersapi("--version", cwd=tmp_path)
    assert (done.code, done.out) == (0, f"usersapi-async {usersapi_async.__version__}\n")


def test_without_a_command_shows_help() -> None:
    """Called with nothing, it shows what there is."""
    shown = CliRunner().invoke(app, []).output
    assert "demo" in shown
    assert "emulator" in shown


@pytest.mark.parametrize("command", ["demo", "emulator"])
def test_help_of_each_command_has_an_example(command: str) -> None:
    """`--help` ends with a command that one can copy."""
    shown = CliRunner().invoke(app, [command, "--help"])
    assert shown.exit_code == 0
    assert f"Example: usersapi {command} --" in shown.output


@pytest.mark.parametrize("missing", ["typer", "rich"])
def test_without_the_extra_says_how_to_install_it(missing: str) -> None:
    """One line instead of a traceback when the command line's own dependencies are not there."""
    code = f"import sys; sys.modules[{missing!r}] = None; from usersapi_async.cli import main; main()"
    done = python("-c", code)
    assert done.code == 1
    assert done.err.count("\n") == 1
    assert 'pip install "usersapi-async[cli]"' in done.err


def test_another_missing_module_is_not_blamed_on_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    """A broken installation shows itself as what it is."""
    monkeypatch.setitem(sys.modules, "usersapi_async.cli.app", None)
    with pytest.raises(ModuleNotFoundError, match="app"):
        main()


def test_the_package_alone_imports_neither_typer_nor_rich() -> None:
    """`usersapi_async.cli` costs next to nothing until it runs."""
    code = "import sys, usersapi_async.cli; sys.exit(bool({'typer', 'rich', 'aiohttp'} & set(sys.modules)))"
    assert python("-c", code).code == 0


def test_an_error_is_one_line_on_stderr(tmp_path: Path) -> None:
    """What the operating system refuses is told without a traceback."""
    (tmp_path / "file").touch()
    done = usersapi("demo", "--directory", "file/below", cwd=tmp_path)
    assert done.code == 1
    assert done.err.startswith("usersapi: ")
    assert done.err.count("\n") == 1


def test_a_wrong_option_is_a_usage_error() -> None:
    """Exit code 2 is for the caller's mistakes."""
    assert CliRunner().invoke(app, ["demo", "--people", "0"]).exit_code == 2


def test_ctrl_c_before_the_batch_ends_with_130(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """An interruption at any time has its exit code, and no traceback."""

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("usersapi_async.cli.demo.make_sample", interrupt)
    ended = CliRunner().invoke(app, ["demo", "--directory", str(tmp_path)])
    assert ended.exit_code == 130
    assert ended.stderr == "usersapi: interrupted\n"
