"""Keys on disk, without an event loop."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from usersapi_async.batch._spilled import Filter, Spilled

if TYPE_CHECKING:
    from collections.abc import Iterator

FIRST = 1024
MANY = 12 * FIRST
"""Keys that fill three layers of the filter and some of a fourth."""


@pytest.fixture
def spilled() -> Iterator[Spilled]:
    made = Spilled()
    yield made
    made.close()


def keys(count: int, tag: str = "row") -> list[str]:
    return [f"{tag} {number}" for number in range(count)]


def numbered(keys: list[str]) -> list[tuple[str, int]]:
    return [(key, number) for number, key in enumerate(keys, 1)]


def test_the_filter_forgets_no_key() -> None:
    """Also when it has grown, and of others it is hardly ever wrong."""
    known = Filter(FIRST)
    assert "row 0" not in known
    for key in keys(MANY):
        known.add(key)
    assert all(key in known for key in keys(MANY))
    wrong = sum(key in known for key in keys(MANY, "another"))
    assert wrong < MANY / 50


def test_the_filter_is_two_bytes_a_key() -> None:
    """The layer that is not full yet comes on top of that."""
    known = Filter(FIRST)
    for key in keys(7 * FIRST):
        known.add(key)
    assert [len(layer) for layer in known._layers] == [2 * FIRST, 4 * FIRST, 8 * FIRST]


def test_what_was_added_is_found(spilled: Spilled) -> None:
    """Whatever the number; another key is not."""
    entries = [("a", 1), ("b", 10**18 - 1), ("c", -1), ("nina@example.org", 102670540), ("\udc80", 7)]
    spilled.add(entries[:2])
    spilled.add(entries[2:])
    for key, number in entries:
        assert spilled.may_hold(key)
        assert spilled.find(key) == number
    assert spilled.find("d") is None


def test_neighbours_are_read_together(spilled: Spilled) -> None:
    """Who was found brings those that were added with it, until another portion is read."""
    spilled.add(numbered(keys(1200)))
    spilled.add(numbered(keys(3, "later")))
    assert spilled.nearby("row 7") is None
    assert spilled.find("row 700") == 701
    assert [spilled.nearby(key) for key in keys(1200)] == list(range(1, 1201))
    assert spilled.nearby("later 0") is None
    assert spilled.find("later 0") == 1
    assert spilled.nearby("row 7") is None


@pytest.mark.parametrize("there", [True, False])
def test_a_match_between_two_entries_is_none(spilled: Spilled, there: bool) -> None:
    """Only where an entry begins can a key stand."""
    spilled.add([("a", 5)])
    assert spilled.find("a") == 5
    entry = spilled._block
    spilled._block = b"x" * 12 + entry + b"x" * 12 + (entry if there else b"")
    assert spilled.nearby("a") == (5 if there else None)


def test_no_key_stands_there() -> None:
    """Neither in the clear nor as a hash that somebody else could make, or another run."""
    stored = []
    for _ in range(2):
        spilled = Spilled()
        spilled.add([("nina@example.org", 5)])
        assert spilled._connection is not None
        stored.append(spilled._connection.serialize(name="temp"))
        spilled.close()
    assert b"nina" not in stored[0] + stored[1]
    assert stored[0] != stored[1]


def open_files() -> set[str]:
    """What this process has open."""
    found = set()
    for descriptor in Path("/proc/self/fd").iterdir():
        try:
            found.add(str(descriptor.readlink()))
        except FileNotFoundError:
            # The one by which the directory was read.
            continue
    return found


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="the system does not tell of open files")
def test_it_is_on_disk_and_leaves_nothing() -> None:
    """The file has no name any more while it is used, so that it goes with the process at the latest."""
    before = open_files()
    spilled = Spilled()
    spilled.close()
    spilled = Spilled()
    spilled.add(numbered(keys(100_000)))
    (file,) = open_files() - before
    assert file.endswith(" (deleted)")
    spilled.close()
    assert file not in open_files()
