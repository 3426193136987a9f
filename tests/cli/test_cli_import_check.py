"""The look through a whole table before anything is sent."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from usersapi_async import Create, CreateChild, Ref
from usersapi_async.cli.import_check import Check, Found
from usersapi_async.cli.mapping import Columns, FieldMapping
from usersapi_async.cli.people import PeopleBuilder, RowFaultsError
from usersapi_async.cli.tables import CellFault, TableRow

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_COLUMNS = ("id", "parent", "first_name", "last_name", "main_email", "username", "clogin_id", "connected_to")


@attrs.frozen
class _Table:
    """Rows in memory; the first stands in line 2."""

    content: Sequence[dict[str, Any]]
    columns: Sequence[str] = _COLUMNS

    def rows(self) -> Iterator[TableRow]:
        for line, cells in enumerate(self.content, start=2):
            yield TableRow(line, dict.fromkeys(_COLUMNS, "") | cells)


def _people(key: str | None = "id", parent: str | None = "parent", **constants: str) -> PeopleBuilder:
    ignore = () if key else ("id", "parent")
    mapping = FieldMapping(key=key, parent=parent, constants=constants, ignore=ignore)
    return PeopleBuilder(columns=Columns(mapping, _COLUMNS, allow_unknown=False))


def _look(*content: dict[str, Any]) -> tuple[Found, list[str]]:
    with Check(_Table(content), _people()) as check:
        return check.run(lambda _: None), list(map(str, check.faults()))


def _row(**cells: Any) -> TableRow:
    return TableRow(7, {"id": "k", **cells})


def test_payloads() -> None:
    """Mails and forms are off; empty cells are left out; blanks around a value are no part of it."""
    people = _people(your_instrument="none")
    assert people.payload(_row(first_name=" Nina ", last_name="", clogin_id="12")) == Create(
        doc={"your_instrument": "none", "first_name": "Nina"},
        clogin_id=12,
        submit_forms=False,
        disable_email_sending=True,
    )
    loud = attrs.evolve(people, send_emails=True, submit_forms=True)
    assert loud.payload(_row(parent=5)) == CreateChild(
        connected_to=Ref("5"),
        doc={"your_instrument": "none"},
        submit_forms=True,
        disable_email_sending=False,
    )
    assert people.payload(_row(connected_to=7)).connected_to == 7  # type: ignore[union-attr]  # it is a child's


@pytest.mark.parametrize(
    ("cells", "faults"),
    [
        ({"id": ""}, ["has no key @ line 7, column id"]),
        (
            {"id": "1.5e8"},
            ["an id in scientific notation, of which digits may be lost: format the column as text"],
        ),
        ({"clogin_id": "x"}, ["is no id: expected a whole number above 0 @ line 7, column clogin_id"]),
        ({"clogin_id": 0}, ["is no id"]),
        ({"clogin_id": "0"}, ["is no id"]),
        ({"clogin_id": ["1"]}, ["is no id"]),
        ({"clogin_id": "1E8"}, ["an id in scientific notation"]),
        ({"parent": "p", "connected_to": "3"}, ["has a connected_to too @ line 7, column parent"]),
        (
            {"main_email": "no", "username": "\ud800"},
            ["holds a", "not an email address @ line 7, column main"],
        ),
        ({"Shoe": "44"}, ["column 'Shoe': no known field"]),
    ],
)
def test_faults_of_a_row(cells: dict[str, Any], faults: list[str]) -> None:
    """All at once, each with its column."""
    with pytest.raises(RowFaultsError) as caught:
        _people().payload(_row(**cells))
    found = list(map(str, caught.value.faults))
    assert len(found) == len(faults)
    assert all(text.startswith(start) for text, start in zip(found, faults, strict=True))


def test_faults_that_were_read() -> None:
    """What is wrong with a cell already is not told twice."""
    read = CellFault(7, "id", "a"), CellFault(7, "clogin_id", "b")
    row = TableRow(7, {"id": "1E+9", "clogin_id": "#REF!"}, read)
    with pytest.raises(RowFaultsError) as caught:
        _people().payload(row)
    assert [fault.reason for fault in caught.value.faults] == ["a", "b"]
    with pytest.raises(RowFaultsError) as caught:
        _people().payload(TableRow(7, {}, (CellFault(7, None, "unreadable"),)))
    assert [fault.reason for fault in caught.value.faults] == ["unreadable"]


def test_a_fault_of_a_constant_has_no_column() -> None:
    """It says which field."""
    with pytest.raises(RowFaultsError) as caught:
        _people(password="short").payload(_row())
    assert str(caught.value.faults[0]) == "must have 6 characters or more @ $.doc.password @ line 7"


def test_without_a_key_a_row_is_its_line() -> None:
    """And has no parent."""
    people = _people(key=None, parent=None)
    assert (people.key_of(_row()), people.parent_of(_row())) == ("line 7", "")


def test_keys_that_are_alike() -> None:
    """All of them are faults, since nobody knows which one is meant; their children wait in vain."""
    found, faults = _look({"id": "a"}, {"id": " a "}, {"id": "b"}, {"id": "c", "parent": "a"})
    assert faults == [
        "the key is that of line 3 too @ line 2, column id",
        "the key is that of line 2 too @ line 3, column id",
    ]
    assert found == Found(rows=4, faulty=2, waiting=1, parents_first=True)
    assert found.to_send == 1


def test_people_who_are_alike() -> None:
    """By username, by email and name, by family and name; the first of them is good."""
    _, faults = _look(
        {"id": "1", "username": "Nina"},
        {"id": "2", "username": " nina "},
        {"id": "3", "main_email": "a@example.org", "first_name": "A"},
        {"id": "4", "main_email": "a@example.org", "first_name": "B"},
        {"id": "5", "main_email": "A@example.org", "first_name": "a"},
        {"id": "6", "parent": "1", "first_name": "A"},
        {"id": "7", "parent": "3", "first_name": "A"},
        {"id": "8", "parent": "1", "first_name": "A"},
    )
    assert faults == [
        "the same person as in line 2 @ line 3",
        "the same person as in line 4 @ line 6",
        "the same person as in line 7 @ line 9",
    ]


def test_parents_that_can_t_be() -> None:
    """Missing, circular, its own, and a child itself."""
    found, faults = _look(
        {"id": "a", "parent": "nobody"},
        {"id": "b", "parent": "c"},
        {"id": "c", "parent": "b"},
        {"id": "d", "parent": "d"},
        {"id": "e"},
        {"id": "f", "parent": "e"},
        {"id": "g", "parent": "f"},
        {"id": "h", "parent": "b"},
    )
    circle, child = "its parents go round in a circle", "its parent is a child itself, and a family has"
    assert [fault.partition(" parents and")[0].partition(" @")[0] for fault in faults] == [
        "no row has its parent's key",
        circle,
        circle,
        circle,
        child,
        circle,
    ]
    assert (found.faulty, found.waiting) == (6, 0)


def test_who_is_there_already() -> None:
    """By username, or by email and name; what a list shows need not be what may be sent."""
    table = _Table(
        [
            {"id": "1", "username": "nina"},
            {"id": "2", "main_email": "b@example.org", "first_name": "Bob"},
            {"id": "3", "main_email": "b@example.org", "first_name": "Zoe"},
        ]
    )
    with Check(table, _people()) as check:
        check.note_present(11, "NINA", None, {})
        check.note_present(12, "b", "b@example.org", {"first_name": "Bob", "last_name": ""})
        check.note_present(13, None, "no address", {"first_name": 3})
        found = check.run(lambda _: None)
        assert list(map(str, check.faults())) == [
            "is there already, as 11 @ line 2",
            "is there already, as 12 @ line 3",
        ]
        assert found.to_send == 1
        assert [fault.line for fault in check.faults_with_others(2)] == [2]
        assert check.faults_with_others(4) == []


def test_many_rows_are_told_now_and_then() -> None:
    """Somebody may be waiting."""
    told: list[int] = []
    rows = [{"id": str(number), "first_name": "A"} for number in range(2500)]
    with Check(_Table(rows), _people()) as check:
        assert check.run(told.append).rows == 2500
    assert told == [1000, 2000]


@given(
    families=st.lists(st.integers(0, 3), max_size=6),
    orphans=st.integers(0, 2),
    order=st.randoms(use_true_random=False),
)
def test_every_row_is_counted_once(families: list[int], orphans: int, order: random.Random) -> None:
    """In any order, rows are good, faulty or waiting, and whether parents come first is known."""
    rows = [{"id": f"p{number}"} for number in range(len(families))]
    rows += [
        {"id": f"c{number}.{child}", "parent": f"p{number}"}
        for number, children in enumerate(families)
        for child in range(children)
    ]
    rows += [{"id": f"o{number}", "parent": "nobody"} for number in range(orphans)]
    order.shuffle(rows)
    found, faults = _look(*rows)
    places = {row["id"]: place for place, row in enumerate(rows)}
    assert len(faults) == found.faulty == orphans
    assert (found.rows, found.waiting) == (len(rows), 0)
    assert found.parents_first is all(
        places[row["parent"]] < places[row["id"]] for row in rows if row.get("parent", "nobody") != "nobody"
    )
