"""Reading rows from whatever the caller has."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from usersapi_async import ConfigurationError, Create, PayloadError, SourceError
from usersapi_async.batch.source import Item, Source

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator


async def all_of(items: Any) -> list[Any]:
    source = Source(items)
    found = []
    while (item := await source.read()) is not None:
        found.append(item.row)
    assert await source.read() is None
    return found


async def numbers() -> AsyncIterator[int]:
    for number in range(3):
        await asyncio.sleep(0)
        yield number


class Bare:
    """An async iterator that is no iterable, behind an iterable that is no iterator."""

    def __init__(self) -> None:
        self._left = iter([0, 1, 2])

    async def __anext__(self) -> int:
        try:
            return next(self._left)
        except StopIteration:
            raise StopAsyncIteration from None


class OfBare:
    def __aiter__(self) -> Bare:
        return Bare()


@pytest.mark.parametrize(
    "items", [[0, 1, 2], (0, 1, 2), {0: "a", 1: "b", 2: "c"}.keys(), range(3), iter(range(3))]
)
async def test_iterables(items: Any) -> None:
    """Any iterable will do."""
    assert await all_of(items) == [0, 1, 2]


async def test_async_iterables() -> None:
    """So will an async one, with no more than the language asks of it."""
    assert await all_of(numbers()) == [0, 1, 2]
    assert await all_of(OfBare()) == [0, 1, 2]
    assert await all_of([]) == []


@pytest.mark.parametrize("items", [None, 5, "rows", b"rows", Create(), numbers])
def test_what_is_no_iterable_of_rows(items: Any) -> None:
    """Text, a single payload or a function instead of what it returns: the argument is named."""
    with pytest.raises(ConfigurationError, match=r"^items: expected an iterable of rows, got "):
        Source(items)


class NotEven:
    def __iter__(self) -> Iterator[Any]:
        raise KeyError("secret")

    def __aiter__(self) -> AsyncIterator[Any]:
        raise KeyError("secret")


def broken() -> Iterator[int]:
    yield 1
    raise KeyError("secret")


async def broken_async() -> AsyncIterator[int]:
    yield 1
    raise KeyError("secret")


@pytest.mark.parametrize("items", [NotEven, broken, broken_async])
async def test_what_an_iterable_raises(items: Any) -> None:
    """It becomes a `SourceError` that names its kind and has it as its cause."""
    with pytest.raises(SourceError, match=r"^the iterable of rows raised KeyError$") as caught:
        await all_of(items())
    assert isinstance(caught.value.__cause__, KeyError)


async def test_a_cancellation_that_the_iterable_lets_out() -> None:
    """The end of a task of the iterable's own is an error of the iterable, not a cancellation of ours."""
    own = asyncio.ensure_future(asyncio.sleep(9))
    own.cancel()

    async def rows() -> AsyncIterator[int]:
        await own
        yield 1

    with pytest.raises(SourceError, match="CancelledError"):
        await Source(rows()).read()


async def test_a_cancellation_of_the_reader() -> None:
    """It stays one."""
    blocked = asyncio.Event()

    async def rows() -> AsyncIterator[int]:
        await blocked.wait()
        yield 1

    reading = asyncio.ensure_future(Source(rows()).read())
    await asyncio.sleep(0)
    reading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reading


def test_keys() -> None:
    """A pair has its key in front; any other row is known by its index."""
    rows: list[tuple[Any, str | int, Any]] = [
        (("k", 5), "k", 5),
        ("raw", 3, "raw"),
        ((1, 2, 3), 3, (1, 2, 3)),
        (["k", 5], 3, ["k", 5]),
    ]
    for raw, key, rest in rows:
        assert (Item(raw).key_or(3), Item(raw).row) == (key, rest)
        assert str(raw) not in repr(Item(raw))


@pytest.mark.parametrize(
    ("key", "kind"), [(7, "int"), (None, "NoneType"), ("", "an empty one"), (b"k", "bytes")]
)
def test_keys_that_are_none(key: Any, kind: str) -> None:
    """A key must be a str with something in it; the row is then known by its index."""
    item = Item((key, Create()))
    assert item.key_or(3) == 3
    with pytest.raises(PayloadError) as caught:
        item.payload(lambda row: row)
    assert caught.value.faults == (f"expected a str that is not empty, got {kind} @ key",)


def test_built() -> None:
    """`build` makes payloads of raw rows, and leaves payloads alone."""
    payload = Create()
    assert Item(payload).payload(None) is payload
    assert Item(payload).payload(lambda row: Create(doc=row)) is payload
    assert Item({"a": "b"}).payload(lambda row: Create(doc=row)) == Create(doc={"a": "b"})


@pytest.mark.parametrize(
    ("build", "fault"),
    [
        (None, "expected a payload or a (key, payload) pair, got dict @ $"),
        (lambda _: None, "expected a payload from build, got NoneType @ $"),
        (lambda _: asyncio.sleep(0), "expected a payload from build, got coroutine @ $"),
        (lambda row: row["secret"], "build raised KeyError in <lambda>, line 165 @ $"),
        (lambda _: Create(group_id=0), "must be at least 1 @ $.group_id"),
    ],
)
def test_what_can_not_be_built(build: Any, fault: str) -> None:
    """Whatever is wrong with a row is a `PayloadError`, without its values."""
    with pytest.raises(PayloadError) as caught:
        Item({"a": "b"}).payload(build)
    assert caught.value.faults == (fault,)
