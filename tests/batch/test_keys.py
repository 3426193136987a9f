"""What is known of each key, in memory and on disk."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from usersapi_async import JournalError
from usersapi_async.batch._spilled import Spilled
from usersapi_async.batch.keys import Keys

if TYPE_CHECKING:
    from collections.abc import Sequence

REASONS = ("the row failed", "the row is in doubt")


class Asked(Spilled):
    """Counts how often it was asked."""

    def __init__(self) -> None:
        super().__init__()
        self.count = 0

    def find(self, key: str) -> int | None:
        self.count += 1
        return super().find(key)


@pytest.fixture
def spilled(monkeypatch: pytest.MonkeyPatch) -> Asked:
    """What the next `Keys` of the test have on disk."""
    asked = Asked()
    monkeypatch.setattr("usersapi_async.batch.keys.Spilled", lambda: asked)
    return asked


async def ended(keys: Keys[object], numbers: range) -> None:
    """Rows with ids that come one after the other, and end at once."""
    for number in numbers:
        assert await keys.find([f"row {number}"]) == {}
        keys.begin(f"row {number}", keys)
        keys.end(f"row {number}", number + 1)


@pytest.mark.parametrize("window", [None, 10_000])
async def test_a_window_that_is_not_full(window: int | None) -> None:
    """Nothing goes to disk, and no thread is begun."""
    before = set(threading.enumerate())
    keys = Keys[object](window)
    await ended(keys, range(5000))
    assert await keys.find(["row 0", "row 4999", "nobody"]) == {"row 0": 1, "row 4999": 5000}
    assert set(threading.enumerate()) <= before
    keys.close()


async def test_memory_is_bounded() -> None:
    """Beyond the window there is a portion at most; those that have not ended stay."""
    keys = Keys[object](100)
    keys.begin("open", keys)
    for number in range(5000):
        await ended(keys, range(number, number + 1))
        assert len(keys._ended) <= 200
    assert await keys.find(["open", "row 0"]) == {"open": keys, "row 0": 1}
    keys.close()


async def test_the_disk_is_hardly_asked(spilled: Asked) -> None:
    """Not for a key that is new, and for neighbours together."""
    keys = Keys[object](1000)
    await ended(keys, range(20_000))
    assert spilled.count < 200
    spilled.count = 0
    for number in range(20_000):
        assert await keys.find([f"row {number}"]) == {f"row {number}": number + 1}
    assert 15 <= spilled.count <= 20
    keys.close()


async def test_a_key_that_only_seems_to_be_there(spilled: Asked, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is looked for, and not found."""
    monkeypatch.setattr(spilled, "may_hold", lambda _: True)
    keys = Keys[object](1)
    await ended(keys, range(9))
    assert spilled.count
    keys.close()


operations = st.lists(
    st.tuples(st.integers(0, 20), st.one_of(st.integers(1, 10**18 - 1), st.sampled_from(REASONS))),
    max_size=60,
)


@given(st.integers(1, 4), operations)
def test_like_a_dict(window: int, operations: list[tuple[int, int | str]]) -> None:
    """Whatever comes, what is found is what there is; each key has a row, and then an end."""

    async def play() -> None:
        keys = Keys[object](window)
        known: dict[str, Any] = {}
        for number, created in operations:
            key = f"row {number}"
            others = [f"row {number * 7 % 20}", f"row {number * 3 % 20}"]
            found = await keys.find([key, *others])
            assert found == {one: known[one] for one in (key, *others) if one in known}
            if key not in known:
                known[key] = object()
                keys.begin(key, known[key])
            elif not isinstance(known[key], (int, str)):
                known[key] = created
                keys.end(key, created)
        keys.close()

    asyncio.run(play())


class SmallDisk(Spilled):
    """A disk that is soon full."""

    def add(self, entries: Sequence[tuple[str, int]]) -> None:
        super().add(entries)
        assert self._connection is not None
        self._connection.execute("PRAGMA temp.max_page_count = 20")


async def test_a_full_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is an error that shows nothing of the keys."""
    monkeypatch.setattr("usersapi_async.batch.keys.Spilled", SmallDisk)
    keys = Keys[object](100)
    with pytest.raises(JournalError) as caught:
        await ended(keys, range(10_000))
    assert str(caught.value) == "the temporary file of the batch's keys: database or disk is full"
    assert caught.value.__context__ is None
    keys.close()
