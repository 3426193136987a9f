"""Both sides as they are now, held against a plan: a temporary database that takes little memory."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Self

from .fields import unlike
from .plan import Plan
from .reading import Seen, temporary_database

SOURCE_CHANGED = "changed in the source since the plan was made"
SOURCE_GONE = "gone from the source since the plan was made"
TARGET_CHANGED = "changed in the target since the plan was made"
TARGET_CAME = "came to the target since the plan was made"
TARGET_GONE = "gone from the target since the plan was made"
PARENT_GONE = "the parent is gone from the target since the plan was made"
NEW = "new in the source since the plan was made"
DONE = "is as planned already"
DESPITE = frozenset({SOURCE_CHANGED, SOURCE_GONE, TARGET_CHANGED})
"""What one may go on in spite of: the service would refuse the others."""
_SCHEMA = """
CREATE TEMP TABLE steps (
  clogin_id INTEGER PRIMARY KEY, work TEXT, parent INTEGER, waits INTEGER, source TEXT, target TEXT,
  place INTEGER, in_source INTEGER DEFAULT 0, in_target INTEGER DEFAULT 0, verdict TEXT
);
CREATE TEMP TABLE newcomers (clogin_id INTEGER PRIMARY KEY);
"""
_JUDGE = (
    (TARGET_GONE, "work IN ('update', 'skip') AND NOT in_target"),
    (
        PARENT_GONE,
        """work = 'create' AND NOT in_target AND NOT waits AND parent IN
        (SELECT clogin_id FROM steps WHERE NOT in_target)""",
    ),
    (SOURCE_GONE, "verdict IS NULL AND work IN ('create', 'update') AND NOT in_source"),
)


class Sides:
    """What became of those in a plan: for each a verdict, or None if they are as they were.

    Use it with ``with``. First all users of the target are looked at, then all of the source, then `judge`
    finds those who were not seen.
    """

    def __init__(self, plan: Plan) -> None:
        self._step_at = plan.steps_at()
        self._plan = plan

    def __enter__(self) -> Self:
        self._connection = temporary_database()
        self._connection.executescript(_SCHEMA)
        self._connection.executemany(
            "INSERT INTO steps (clogin_id, work, parent, waits, source, target, place)"
            " VALUES (?, ?, ?, ?, ?, ?, ?)",
            (
                (step.clogin_id, step.work, step.parent, step.waits, step.source, step.target, place)
                for place, step in self._plan.placed_steps()
            ),
        )
        # Those whose children move, and who don't.
        self._connection.execute(
            "INSERT OR IGNORE INTO steps (clogin_id, work)"
            " SELECT DISTINCT parent, 'parent' FROM steps WHERE parent IS NOT NULL"
        )
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()

    def look_at_target(self, user: Seen) -> None:
        """Compares a user of the target with the plan."""
        found = self._found(user)
        if found is None:
            return
        work, _, target, place = found
        verdict = None
        if work == "create" or (work == "update" and user.digest() != target):
            step = self._step_at(place)
            is_done = step.parent == user.parent and not any(unlike(step.doc, user.values))
            verdict = DONE if is_done else TARGET_CAME if work == "create" else TARGET_CHANGED
        self._connection.execute(
            "UPDATE steps SET in_target = 1, verdict = ? WHERE clogin_id = ?", (verdict, user.clogin_id)
        )

    def look_at_source(self, user: Seen) -> None:
        """Compares a user of the source with the plan."""
        found = self._found(user)
        if found is None or found[0] == "parent":
            self._connection.execute("INSERT INTO newcomers VALUES (?)", (user.clogin_id,))
            return
        verdict = SOURCE_CHANGED if found[0] in ("create", "update") and user.digest() != found[1] else None
        # What is in the target weighs more.
        self._connection.execute(
            "UPDATE steps SET in_source = 1, verdict = coalesce(verdict, ?) WHERE clogin_id = ?",
            (verdict, user.clogin_id),
        )

    def judge(self) -> None:
        """Finds those who were not seen."""
        for verdict, condition in _JUDGE:
            self._connection.execute(f"UPDATE steps SET verdict = ? WHERE {condition}", (verdict,))  # noqa: S608 (constants)

    def doubtful(self) -> Iterator[tuple[int, str]]:
        """Ids and keys of those who may look otherwise because an earlier run of the plan was at work."""
        found = self._connection.execute(
            "SELECT clogin_id, place FROM steps WHERE verdict IS NOT NULL AND work IN ('create', 'update')"
        )
        return ((clogin_id, self._step_at(place).key) for clogin_id, place in found.fetchall())

    def clear(self, ids: Iterable[int]) -> None:
        """Notes that an earlier run was at work on these: its journal knows what is to be done."""
        self._connection.executemany(
            "UPDATE steps SET verdict = NULL WHERE clogin_id = ?", ((clogin_id,) for clogin_id in ids)
        )

    def verdict_on(self, clogin_id: int) -> str | None:
        """What became of somebody in the plan."""
        (verdict,) = self._connection.execute(
            "SELECT verdict FROM steps WHERE clogin_id = ?", (clogin_id,)
        ).fetchone()
        return None if verdict is None else str(verdict)

    def verdicts(self) -> Iterator[tuple[str, int]]:
        """Each with how many there are of it, those who are new among them."""
        yield from self._connection.execute(
            "SELECT verdict, count(*) FROM steps WHERE verdict IS NOT NULL GROUP BY verdict"
        )
        yield from self._connection.execute("SELECT ?, count(*) FROM newcomers HAVING count(*) > 0", (NEW,))

    def not_as_planned(self) -> Iterator[tuple[int, str]]:
        """Who is not as they were when the plan was made, and those who are new."""
        return self._connection.execute(
            "SELECT clogin_id, verdict FROM steps WHERE verdict IS NOT NULL AND verdict <> ?"
            " UNION ALL SELECT clogin_id, ? FROM newcomers",
            (DONE, NEW),
        )

    def _found(self, user: Seen) -> tuple[Any, ...] | None:
        row: tuple[Any, ...] | None = self._connection.execute(
            "SELECT work, source, target, place FROM steps WHERE clogin_id = ?", (user.clogin_id,)
        ).fetchone()
        return row
