"""Which rows wait for which, as pure state."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from usersapi_async import (
    Create,
    CreateChild,
    Failed,
    GetInfo,
    InDoubt,
    NotAttempted,
    Outcome,
    OutcomeUnknown,
    Payload,
    PayloadError,
    Ref,
    Succeeded,
    Update,
)
from usersapi_async.batch.rows import AfterFailure, Dependencies, Row, lost

if TYPE_CHECKING:
    from collections.abc import Coroutine


def at_once(work: Coroutine[object, object, None]) -> None:
    """Does what nothing has to be waited for, as long as all keys are in memory."""
    with pytest.raises(StopIteration):
        work.send(None)


class Table:
    """Rows in one `Dependencies`, driven as the engine does."""

    def __init__(self, after_failure: AfterFailure = "continue") -> None:
        self.dependencies = Dependencies(after_failure)
        self.count = 0
        self.ready: list[Row] = []
        self.ended: dict[int, Outcome] = {}

    def take(self, payload: Payload[Any], key: str | None = None) -> Row:
        row = Row(self.count, self.count if key is None else key, 0.0, payload)
        self.count += 1
        try:
            at_once(self.dependencies.register(row))
        except PayloadError as error:
            self.end(row, lost(row, error))
            return row
        at_once(self.dependencies.bind(row))
        self._sort(row, self.dependencies.admit(row))
        return row

    def _sort(self, row: Row, verdict: Any) -> None:
        if verdict == "ready":
            self.ready.append(row)
        elif verdict != "waiting":
            self.end(row, verdict)

    def end(self, row: Row, outcome: Outcome) -> None:
        self.ended[row.index] = outcome
        if row in self.ready:
            self.ready.remove(row)
        for waiting in self.dependencies.end(row, outcome):
            self._sort(waiting, self.dependencies.admit(waiting))

    def succeed(self, row: Row, clogin_id: int | None = None) -> None:
        self.end(
            row,
            Succeeded(index=row.index, key=row.key, payload=row.payload, clogin_id=clogin_id, response=None),
        )

    def fail(self, row: Row) -> None:
        self.end(row, Failed(index=row.index, key=row.key, payload=row.payload, error=PayloadError(["x"])))

    def doubt(self, row: Row) -> None:
        self.end(row, InDoubt(index=row.index, key=row.key, payload=row.payload, error=OutcomeUnknown("x")))

    def leave(self, row: Row) -> None:
        self.end(row, row.not_attempted("left"))

    def reason(self, row: Row) -> str:
        outcome = self.ended[row.index]
        if isinstance(outcome, NotAttempted):
            return outcome.reason
        assert isinstance(outcome, Failed)
        assert isinstance(outcome.error, PayloadError)
        return outcome.error.faults[0]


def update(user: Any) -> Update:
    return Update(clogin_id=user, doc={})


@pytest.fixture
def table() -> Table:
    return Table()


def test_rows_without_ties_are_ready_at_once(table: Table) -> None:
    """Nothing waits without a reason."""
    rows = [table.take(Create()), table.take(Create(), "a"), table.take(update(5))]
    assert table.ready == rows


def test_a_reference_is_resolved_when_its_row_ends(table: Table) -> None:
    """A child waits, and then has its parent's id."""
    parent = table.take(Create(), "p")
    child = table.take(CreateChild(connected_to=Ref("p")))
    assert table.ready == [parent]
    table.succeed(parent, 7)
    assert table.ready == [child]
    assert isinstance(child.payload, CreateChild)
    assert child.payload.connected_to == 7


def test_a_reference_to_a_row_that_has_ended(table: Table) -> None:
    """An id that is known needs no wait."""
    table.succeed(table.take(Create(), "p"), 7)
    child = table.take(CreateChild(connected_to=Ref("p")))
    assert table.ready == [child]


def test_two_references(table: Table) -> None:
    """A row may wait for two others, one after the other."""
    one, two = table.take(Create(), "one"), table.take(Create(), "two")
    both = table.take(Update(clogin_id=Ref("two"), connected_to=Ref("one"), doc={}))
    table.succeed(two, 2)
    assert both not in table.ready
    table.succeed(one, 1)
    assert table.ready == [both]
    assert isinstance(both.payload, Update)
    assert (both.payload.clogin_id, both.payload.connected_to) == (2, 1)


@pytest.mark.parametrize("key", ["unknown", "self"])
def test_a_reference_must_point_backwards(table: Table, key: str) -> None:
    """A key that no earlier row has makes only that row fail."""
    lost = table.take(CreateChild(connected_to=Ref(key)), "self")
    assert table.reason(lost) == "no earlier row has the key that it refers to @ $.connected_to"


def test_a_forward_reference_fails_for_good(table: Table) -> None:
    """A later row of that key does not heal it."""
    lost = table.take(update(Ref("later")))
    assert table.reason(lost) == "no earlier row has the key that it refers to @ $.clogin_id"
    assert table.take(Create(), "later") in table.ready


def test_a_duplicate_key(table: Table) -> None:
    """The second row of a key fails, and references go on meaning the first."""
    first = table.take(Create(), "a")
    second = table.take(Create(), "a")
    assert table.reason(second) == "an earlier row has the same key @ key"
    child = table.take(CreateChild(connected_to=Ref("a")))
    table.succeed(first, 3)
    assert table.ready == [child]


@pytest.mark.parametrize(
    ("end", "reason"),
    [
        (Table.fail, "the row that it refers to failed"),
        (Table.doubt, "the row that it refers to is in doubt"),
        (Table.leave, "the row that it refers to was not attempted"),
        (Table.succeed, "the row that it refers to creates nobody"),
    ],
)
@pytest.mark.parametrize("late", [False, True])
def test_children_of_a_lost_parent(table: Table, end: Any, reason: str, late: bool) -> None:
    """Children are not attempted, with the reason, whether they came before the parent's end or after."""
    parent = table.take(Create(), "p")
    if late:
        end(table, parent)
    child = table.take(CreateChild(connected_to=Ref("p")), "c")
    grandchild = table.take(update(Ref("c")))
    if not late:
        end(table, parent)
    assert table.reason(child) == reason
    assert table.reason(grandchild) == "the row that it refers to was not attempted"


def test_an_update_creates_nobody(table: Table) -> None:
    """The id of somebody who was only changed is no new one."""
    changed = table.take(update(5), "u")
    child = table.take(CreateChild(connected_to=Ref("u")))
    table.succeed(changed, 5)
    assert table.reason(child) == "the row that it refers to creates nobody"


def test_a_long_chain(table: Table) -> None:
    """A thousand rows, each referring to the one before, are admitted one by one."""
    first = row = table.take(Create(), "0")
    rows = [table.take(Create(clogin_id=Ref(str(number - 1))), str(number)) for number in range(1, 1000)]
    table.succeed(first, 1)
    for number, row in enumerate(rows, 2):
        assert table.ready == [row]
        table.succeed(row, number)
    assert len(table.ended) == 1000


def test_writes_to_one_user_go_one_by_one(table: Table) -> None:
    """In the order of the input, and alone; other users' writes do not wait."""
    rows = [table.take(update(5)) for _ in range(3)]
    other = table.take(update(6))
    for row in rows:
        assert table.ready == [*([other] if row is rows[0] else []), row][::-1]
        if row is rows[0]:
            table.succeed(other)
        table.succeed(row)
    assert table.take(update(5)) in table.ready


def test_a_late_id_keeps_its_place(table: Table) -> None:
    """Of two writes to one user the one that stood first goes first, also when its id came later."""
    known = table.take(Create(clogin_id=5), "k")
    early = table.take(update(Ref("k")))
    late = table.take(update(5))
    table.succeed(known, 5)
    assert table.ready == [early]
    table.succeed(early)
    assert table.ready == [late]


def test_a_late_id_of_a_late_id_keeps_its_place(table: Table) -> None:
    """The same over two references."""
    first = table.take(Create(), "a")
    second = table.take(Create(clogin_id=Ref("a")), "b")
    early, late = table.take(update(Ref("b"))), table.take(update(Ref("a")))
    table.succeed(first, 5)
    table.succeed(second, 5)
    assert table.ready == [early]
    table.succeed(early)
    assert table.ready == [late]


def test_a_waiting_write_may_end_first(table: Table) -> None:
    """One that was left out while it waited is not let go afterwards."""
    first, second, third = (table.take(update(5)) for _ in range(3))
    table.leave(second)
    table.succeed(first)
    assert table.ready == [third]


def test_reads_do_not_wait(table: Table) -> None:
    """Only writes to a user have an order."""
    write, read = table.take(update(5)), table.take(GetInfo(clogin_id=5))
    assert table.ready == [write, read]


def test_a_doubt_blocks_the_user(table: Table) -> None:
    """Writes after one in doubt are not attempted; other users' and reads are."""
    first, second = table.take(update(5)), table.take(update(5))
    table.doubt(first)
    third = table.take(update(5))
    for row in (second, third):
        assert table.reason(row) == "an earlier write to this user is in doubt"
    assert len(table.ready) == 0
    table.take(update(6))
    table.take(GetInfo(clogin_id=5))
    assert len(table.ready) == 2


def test_a_failure_blocks_nobody(table: Table) -> None:
    """By default the next write goes on."""
    first, second = table.take(update(5)), table.take(update(5))
    table.fail(first)
    assert table.ready == [second]


def test_a_failure_blocks_if_asked() -> None:
    """With "skip" the user's next writes are left out."""
    table = Table("skip")
    first, second = table.take(update(5)), table.take(update(5))
    table.fail(first)
    assert table.reason(second) == "an earlier write to this user failed"
    assert table.reason(table.take(update(5))) == "an earlier write to this user failed"


def test_many_rows_leave_nothing_behind(table: Table) -> None:
    """What waited for a user is forgotten with the last write."""
    for _ in range(3):
        for row in [table.take(update(user)) for user in (1, 2, 2)]:
            table.succeed(row)
    left, new = vars(table.dependencies), vars(Dependencies("continue"))
    assert vars(left.pop("_keys")) == vars(new.pop("_keys"))
    assert left == new
