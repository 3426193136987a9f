"""The made-up people."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from usersapi_async import CreateChild, PayloadError, Ref
from usersapi_async.cli.rows import person_of, rows_of
from usersapi_async.cli.sample import COLUMNS, make_sample, write_people

if TYPE_CHECKING:
    from pathlib import Path


def test_the_same_seed_makes_the_same_people() -> None:
    """A run can be repeated; another seed makes others."""
    assert make_sample(200, 1).people == make_sample(200, 1).people
    assert make_sample(200, 1).people != make_sample(200, 2).people


@pytest.mark.parametrize("people", [1, 2, 19, 20, 2000])
def test_there_are_as_many_people_as_asked_for_each_parent_first(people: int) -> None:
    """Families are cut to fit, keys are unique, and children follow their parent."""
    sample = make_sample(people, 0)
    seen: set[str] = set()
    for person in sample.people:
        assert person["key"] not in seen
        assert not person["parent_key"] or person["parent_key"] in seen
        seen.add(person["key"])
    assert len(seen) == people
    assert sum(not person["parent_key"] for person in sample.people) == sample.families


@pytest.mark.parametrize(("people", "fewest", "most"), [(19, 0, 0), (60, 4, 20), (2000, 24, 80)])
def test_only_some_are_spoilt(people: int, fewest: int, most: int) -> None:
    """A few rows in larger samples, none in the smallest."""
    assert fewest <= len(make_sample(people, 0).spoilt) <= most


def test_names_are_varied() -> None:
    """Nobody would take them for a counter."""
    names = {(person["first_name"], person["last_name"]) for person in make_sample(2000, 0).people}
    assert len(names) > 1000


def test_rows_come_back_from_the_file_as_payloads(tmp_path: Path) -> None:
    """A child refers to its parent's key, and empty cells are not sent."""
    sample = make_sample(100, 0)
    write_people(tmp_path / "people.csv", sample)
    for person, (key, row) in zip(sample.people, rows_of(tmp_path / "people.csv"), strict=True):
        assert row == person
        assert key == row["key"]
        try:
            payload = person_of(row)
        except PayloadError:
            assert key in sample.spoilt
            continue
        assert (payload.submit_forms, payload.disable_email_sending) == (False, True)
        assert all(payload.doc.values())
        assert set(payload.doc) < set(COLUMNS) - {"key", "parent_key"}
        if isinstance(payload, CreateChild):
            assert payload.connected_to == Ref(row["parent_key"])
