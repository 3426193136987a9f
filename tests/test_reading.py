"""Single values of an answer are read if their meaning is sure."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from usersapi_async import _lenient
from usersapi_async._lenient import Unreadable

INTS: list[tuple[Any, int | None]] = [
    (2, 2),
    ("2", 2),
    (2.0, 2),
    ("2.0", 2),
    ("2.000000", 2),
    (" 7 ", 7),
    ("-5", -5),
    ("+5", 5),
    ("007", 7),
    ("1,234", 1234),
    ("1,234,567.00", 1234567),
    ("-1,000", -1000),
    (None, None),
    ("", None),
    (10**18 - 1, 10**18 - 1),
    ("999999999999999999", 10**18 - 1),
]
NOT_INTS: list[Any] = [
    True,
    False,
    2.5,
    "2.5",
    "two",
    "1,23",
    "12,34,567",
    "1 234",
    "0x10",
    "1e3",
    "2.0000000",
    10**18,
    float(10**18),
    float("nan"),
    float("inf"),
    "1" * 19,
    "1,111,111,111,111,111,111",
    [],
    {},
    "2\n3",
    "--2",
    ".0",
]
AMOUNTS: list[tuple[Any, Decimal | None]] = [
    ("0.00", Decimal("0.00")),
    ("1,234.00", Decimal("1234.00")),
    ("1,234,567.5", Decimal("1234567.5")),
    ("-12.50", Decimal("-12.50")),
    (" 3.20 ", Decimal("3.20")),
    (12, Decimal(12)),
    (12.5, Decimal("12.5")),
    (0.1, Decimal("0.1")),
    ("12", Decimal(12)),
    (None, None),
    ("", None),
]
NOT_AMOUNTS: list[Any] = [
    True,
    "1.234,00",
    "12,50",
    "$5",
    "5 EUR",
    "1e5",
    "NaN",
    "Infinity",
    float("nan"),
    float("inf"),
    float(10**18),
    10**18,
    "1.0000001",
    [],
    {},
]
BOOLS: list[tuple[Any, bool | None]] = [
    (True, True),
    (False, False),
    ("true", True),
    ("TRUE", True),
    (" False ", False),
    ("1", True),
    (1, True),
    ("0", False),
    (0, False),
    ("", False),
    (None, None),
]
NOT_BOOLS: list[Any] = ["yes", "no", 2, -1, 1.0, "null", [], {}, "success"]
STRINGS: list[tuple[Any, str | None]] = [("a", "a"), ("", ""), (5, "5"), (2.5, "2.5"), (None, None)]
NOT_STRINGS: list[Any] = [True, [], {}, ["a"]]
MAPS: list[tuple[Any, dict[str, Any]]] = [
    ({"a": 1}, {"a": 1}),
    ({}, {}),
    ([], {}),
    ("", {}),
    (None, {}),
]
NOT_MAPS: list[Any] = [["a"], "a", 0, False, 5]
LISTS: list[tuple[Any, list[Any]]] = [
    ([1], [1]),
    ([], []),
    ({}, []),
    (None, []),
    ("", []),
    (False, []),
    ({"0": "a", "2": "b"}, ["a", "b"]),
]
NOT_LISTS: list[Any] = [{"a": 1}, {"0": 1, "a": 2}, "a", 0, 5, True]

READERS: dict[str, tuple[Callable[[Any], Any], list[tuple[Any, Any]], list[Any], str]] = {
    "int": (_lenient.read_int, INTS, NOT_INTS, "a whole number"),
    "money": (_lenient.read_money, AMOUNTS, NOT_AMOUNTS, "an amount"),
    "bool": (_lenient.read_bool, BOOLS, NOT_BOOLS, "a truth value"),
    "str": (_lenient.read_str, STRINGS, NOT_STRINGS, "a string"),
    "map": (_lenient.read_map, MAPS, NOT_MAPS, "an object"),
    "list": (_lenient.read_list, LISTS, NOT_LISTS, "a list"),
}
SURE = [(name, value, found) for name, (_, sure, _, _) in READERS.items() for value, found in sure]
UNSURE = [(name, value) for name, (_, _, unsure, _) in READERS.items() for value in unsure]


@pytest.mark.parametrize(("name", "value", "found"), SURE)
def test_sure(name: str, value: Any, found: Any) -> None:
    """These mean one thing only."""
    read = READERS[name][0](value)
    assert read == found
    assert type(read) is type(found)


@pytest.mark.parametrize(("name", "value"), UNSURE)
def test_unsure(name: str, value: Any) -> None:
    """These do not, and the note names the type and not the value."""
    read, _, _, expected = READERS[name]
    with pytest.raises(Unreadable) as caught:
        read(value)
    assert str(caught.value) == f"expected {expected}, got {type(value).__name__}"
    assert caught.value.path == ""


@given(st.integers(min_value=-(10**18) + 1, max_value=10**18 - 1))
def test_any_int_in_any_spelling(number: int) -> None:
    """An int is the same as a number, a string, with thousands marked, and with zeros for decimals."""
    for spelled in (number, str(number), f"{number:,}", f"{number}.00", f" {number} "):
        assert _lenient.read_int(spelled) == number


@given(st.decimals(min_value=-(10**12), max_value=10**12, places=2))
def test_any_amount_in_any_spelling(amount: Decimal) -> None:
    """Money keeps its digits, with thousands marked or not."""
    for spelled in (f"{amount:.2f}", f"{amount:,.2f}"):
        assert str(_lenient.read_money(spelled)) == str(Decimal(f"{amount:.2f}"))


@given(st.one_of(st.text(), st.integers(), st.floats(), st.booleans(), st.none()))
def test_nothing_else_is_raised(value: Any) -> None:
    """Whatever comes, it is read or it is `Unreadable`, with no value in its text."""
    for read, _, _, expected in READERS.values():
        try:
            read(value)
        except Unreadable as odd:
            text = str(odd)
        else:
            continue
        assert text == f"expected {expected}, got {type(value).__name__}"


def test_paths_grow_upwards() -> None:
    """Each level puts its own step before the path."""
    odd = Unreadable("odd", ".c").below("[1]").below(".a")
    assert (odd.reason, odd.path) == ("odd", ".a[1].c")
