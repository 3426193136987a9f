"""Makes a plan: reads both sides, and decides for each user of the source what is to be done."""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Iterator, Mapping
from typing import Self, TextIO

import attrs

from usersapi_async.errors import PayloadError
from usersapi_async.session import UsersSession

from .fields import APPLICATION_DATE, Moved, MovedValue, looks_escaped, unlike
from .operations import payload_of
from .plan import MigrationOptions, PathLike, Plan, PlanSummary, PlanWriter, Step, Work
from .reading import OnSeen, Roster, Seen, Walks, temporary_database

THERE = "is there already"
THERE_ALIKE = "is there already, with the same values"
THERE_ELSEWHERE = "is there already, in another family, which can't be changed"
_NO_VALUES = "the list shows none of their values"
_NO_PLACE = "the list does not tell whether it is somebody's child"
_PARENT_IS_CHILD = "the parent is a child there"
_PARENT_LEFT = "the parent can't be moved"
_PARENT_AWAY = "the parent is neither among those who move nor there"


async def plan_migration(
    users: UsersSession, path: PathLike, options: MigrationOptions, *, on_seen: OnSeen | None = None
) -> Plan:
    """Writes into a new file what is to be done, and sends nothing but reads.

    Raises `PlanError` when the file is there already or can't be written, else what the reads raise. Memory:
    some 100 bytes for each user of a list; all else lies in temporary files.
    """
    about = await about_session(users)
    with PlanWriter(path, options, **about, made_at=time.time()) as writer, Roster() as target:
        walks = Walks(users, on_seen)
        await walks.through(options.target, with_excluded=True, on_user=target.add)
        planner = _Planner(options, target, writer)
        with planner, tempfile.TemporaryFile("w+", encoding="ascii") as children:

            def on_user(user: Seen) -> None:
                if user.parent is None:
                    planner.place(user)
                else:
                    # It can be told what becomes of them once it is known of all parents.
                    children.write(json.dumps(attrs.asdict(user)) + "\n")

            await walks.through(options.source, with_excluded=options.with_excluded, on_user=on_user)
            for child in _read_back(children):
                planner.place(child)
        planner.summary.shifted = walks.shifted
        planner.summary.in_target = len(target)
        writer.finish(planner.summary)
    return Plan.read(path)


async def about_session(users: UsersSession) -> dict[str, str]:
    """What a plan is bound to, beside its groups."""
    identity = await users.identity()
    return {"base_url": str(identity["base URL"]), "account": str(identity["account"])}


def _read_back(file: TextIO) -> Iterator[Seen]:
    file.seek(0)
    return (Seen(**json.loads(line)) for line in file)


class _Planner:
    """Decides for one user after the other, parents first."""

    def __init__(self, options: MigrationOptions, target: Roster, writer: PlanWriter) -> None:
        self._options = options
        self._target = target
        self._writer = writer
        self._parents = temporary_database()
        self._parents.execute("CREATE TEMP TABLE parents (clogin_id INTEGER PRIMARY KEY, work TEXT)")
        self.summary = PlanSummary()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._parents.close()

    def place(self, user: Seen) -> None:
        """Adds the user's step to the plan."""
        moved = self._options.mapping.moved(user.values)
        self._count(moved)
        step = self._step(user, moved, self._target.get(user.clogin_id))
        self._writer.add(step)
        self.summary.add(step)
        if user.parent is None:
            self._parents.execute("INSERT OR REPLACE INTO parents VALUES (?, ?)", (user.clogin_id, step.work))

    def _count(self, moved: Moved) -> None:
        summary = self.summary
        summary.in_source += 1
        summary.places.update(moved.places)
        summary.filled.update(moved.places.keys())
        summary.left_out.update(f"{name}: {why}" for name, why in moved.left_out.items())
        summary.escaped += any(map(looks_escaped, moved.doc.values()))

    def _step(self, user: Seen, moved: Moved, there: Seen | None) -> Step:
        step = Step(
            work="create",
            clogin_id=user.clogin_id,
            parent=user.parent,
            doc=moved.doc,
            source=user.digest(),
            target=None if there is None else there.digest(),
        )
        if there is not None:
            return self._existing(step, user, there)
        if not user.is_placed:
            return _without(step, "leave", _NO_PLACE)
        if not user.values:
            return _without(step, "leave", _NO_VALUES)
        if user.parent is not None:
            why, step = self._under_parent(step, user.parent)
            if why is not None:
                return _without(step, "leave", why)
        return _checked(step, self._options)

    def _existing(self, step: Step, user: Seen, there: Seen) -> Step:
        if user.is_placed and there.is_placed and user.parent != there.parent:
            return _without(step, "skip", THERE_ELSEWHERE)
        if self._options.existing == "skip":
            return _without(step, "skip", THERE)
        changed = _changed(step.doc, there)
        if not changed:
            return _without(step, "skip", THERE_ALIKE)
        return _checked(attrs.evolve(step, work="update", doc=changed), self._options)

    def _under_parent(self, step: Step, parent: int) -> tuple[str | None, Step]:
        """Why somebody can't be created under that parent, or how they can."""
        there = self._target.get(parent)
        if there is not None:
            return (_PARENT_IS_CHILD if there.parent is not None else None), step
        known = self._parents.execute("SELECT work FROM parents WHERE clogin_id = ?", (parent,)).fetchone()
        if known == ("create",):
            return None, attrs.evolve(step, waits=True)
        return (_PARENT_AWAY if known is None else _PARENT_LEFT), step


def _changed(doc: Mapping[str, MovedValue], there: Seen) -> dict[str, MovedValue]:
    """What an update has to set."""
    return {name: doc[name] for name in unlike(doc, there.values) if name != APPLICATION_DATE}


def _without(step: Step, work: Work, why: str) -> Step:
    """A step that sends nothing."""
    return attrs.evolve(step, work=work, why=why, doc={})


def _checked(step: Step, options: MigrationOptions) -> Step:
    """The step, unless what it would send can't be right."""
    try:
        payload_of(step, options)
    except PayloadError as error:
        return _without(step, "leave", "; ".join(error.faults))
    return step
