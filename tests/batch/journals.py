"""What the tests of the journal share."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from usersapi_async import (
    BatchRunner,
    Create,
    CreateChild,
    Journal,
    Outcome,
    Ref,
    UsersSession,
)
from usersapi_async.batch.journal import canonical

if TYPE_CHECKING:
    from collections.abc import Iterable


MARKER = "import_ref"


def person(number: int, **doc: str) -> tuple[str, Create]:
    """A row."""
    return f"row {number}", Create(doc={"first_name": f"N{number}", **doc})


def people(count: int) -> list[tuple[str, Create]]:
    """So many rows."""
    return [person(number) for number in range(count)]


def family() -> list[tuple[str, Any]]:
    """A parent who can be told by an email, and a child who can't."""
    return [
        person(1, main_email="n@example.org"),
        ("child", CreateChild(connected_to=Ref("row 1"), doc={})),
    ]


def by_key(outcomes: Iterable[Outcome]) -> dict[object, Outcome]:
    """Each outcome by its key."""
    return {outcome.key: outcome for outcome in outcomes}


async def only(runner: BatchRunner, *rows: Any, journal: Any) -> Any:
    """The one outcome of a run with one row."""
    (outcome,) = (await runner.run(rows, journal=journal)).outcomes
    return outcome


async def declared(users: UsersSession, path: Path, rows: Iterable[tuple[str, Any]]) -> None:
    """Leaves a journal as a process leaves it that is killed while it sends these."""
    journal = Journal(path)
    await journal.open(await users.identity())
    for key, payload in rows:
        await journal.declare(
            journal.digest("key", key), journal.digest("payload", canonical(payload)), None, sent_at=1e9
        )
    await journal.close()
