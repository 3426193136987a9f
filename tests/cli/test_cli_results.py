"""The file of results."""

from __future__ import annotations

import csv
import stat
from typing import TYPE_CHECKING

import pytest

from usersapi_async.cli.results import COLUMNS, neutral, results_file

from .support import failed, in_doubt, not_attempted, succeeded

if TYPE_CHECKING:
    from pathlib import Path


def _written(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_one_line_a_row(tmp_path: Path) -> None:
    """Each outcome with what is known of it; the input of those that did not succeed."""
    path = tmp_path / "results.csv"
    with results_file(path, ["key", "name"]) as results:
        for outcome in (succeeded(0), failed(1), in_doubt(2), not_attempted(3)):
            results.write(outcome, {"key": str(outcome.key), "name": "Nina"})
    assert _written(path) == [
        dict(zip((*COLUMNS, "name"), line, strict=True))
        for line in (
            ("k0", "succeeded", "1000", "", "", "1", ""),
            ("k1", "failed", "", "UsersApiError", "no", "2", "Nina"),
            ("k2", "in doubt", "", "OutcomeUnknown", "who knows", "1", "Nina"),
            ("k3", "not attempted", "", "", "left out", "0", "Nina"),
        )
    ]


def test_results_of_an_earlier_run_are_replaced(tmp_path: Path) -> None:
    """A mended file can be given in as it is: its old results give way, a known id stays."""
    path = tmp_path / "results.csv"
    with results_file(path, [*COLUMNS, "name"]) as results:
        results.write(failed(1), {"key": "k1", "clogin_id": "77", "message": "old", "name": "Nina"})
    assert _written(path) == [
        {
            "key": "k1",
            "outcome": "failed",
            "clogin_id": "77",
            "error": "UsersApiError",
            "message": "no",
            "attempts": "2",
            "name": "Nina",
        }
    ]


@pytest.mark.parametrize("first", ["=", "+", "-", "@", "\t", "\r"])
def test_formulas_are_neutralised(tmp_path: Path, first: str) -> None:
    """A spreadsheet must not run what somebody entered as a name, nor what a server said."""
    path = tmp_path / "results.csv"
    with results_file(path, ["name"]) as results:
        results.write(failed(1, f"{first}1+1"), {"name": f"{first}cmd"})
    (line,) = _written(path)
    assert (line["message"], line["name"]) == (f"'{first}1+1", f"'{first}cmd")
    assert neutral("a=b") == "a=b"


def test_the_file_is_private(tmp_path: Path) -> None:
    """People's data are for the one who ran it."""
    with results_file(tmp_path / "results.csv", []):
        pass
    assert stat.S_IMODE((tmp_path / "results.csv").stat().st_mode) == 0o600
