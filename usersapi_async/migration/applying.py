"""Carries a plan out: reads both sides again, and leaves alone who is not as the plan knows them."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import attrs

from usersapi_async.batch.journal import JournalSource
from usersapi_async.batch.ledger import noted_in
from usersapi_async.errors import PayloadError
from usersapi_async.payloads import Create, CreateChild, Update
from usersapi_async.session import UsersSession

from .operations import payload_of
from .plan import Plan, PlanError, Step
from .planning import about_session
from .reading import OnSeen, Walks
from .sides import DESPITE, DONE, Sides


@asynccontextmanager
async def applying(
    users: UsersSession,
    plan: Plan,
    *,
    journal: JournalSource | None = None,
    despite_changes: bool = False,
    on_seen: OnSeen | None = None,
) -> AsyncIterator[Application]:
    """Reads both sides again, and gives what is to be run: ``async with applying(users, plan) as work: await
    BatchRunner(users).run(work.rows(), build=work.build)``.

    With the `journal` of earlier runs of that plan, what they did is known to be its own. Who changed, came
    or went otherwise is not touched: their row fails, and says so. ``despite_changes`` carries out what was
    planned for those who changed, or are gone from the source.

    Raises `PlanError` when the plan was made with another account or for another service, `JournalError`,
    and what the reads raise.
    """
    about = await about_session(users)
    for name, value in about.items():
        if value != getattr(plan, name):
            raise PlanError(f"plan {plan.path.name}: it was made for another {name.replace('_', ' ')}")
    options = plan.options
    with Sides(plan) as sides:
        walks = Walks(users, on_seen)
        await walks.through(options.target, with_excluded=True, on_user=sides.look_at_target)
        await walks.through(options.source, with_excluded=options.with_excluded, on_user=sides.look_at_source)
        sides.judge()
        if journal is not None and not _is_to_be_made(journal):
            await noted_in(journal, users, sides.doubtful(), sides.clear)
        yield Application(plan, sides, despite_changes=despite_changes, shifted=walks.shifted)


def _is_to_be_made(journal: JournalSource) -> bool:
    return isinstance(journal, (str, os.PathLike)) and not Path(journal).exists()


@attrs.frozen(kw_only=True)
class Change:
    """Somebody who is not as they were when the plan was made."""

    clogin_id: int
    reason: str


class Application:
    """What is left to be done of a plan.

    ``changes`` counts who changed, came or went, by how; ``total`` the rows, ``already`` those who are as
    planned though no run that is known made them so. ``shifted`` tells that a list changed while it was read.
    """

    def __init__(self, plan: Plan, sides: Sides, *, despite_changes: bool, shifted: bool) -> None:
        self._plan = plan
        self._sides = sides
        self._despite = DESPITE if despite_changes else frozenset[str]()
        counted = dict(sides.verdicts())
        works = plan.summary.works
        self.already = counted.pop(DONE, 0)
        self.changes: Mapping[str, int] = counted
        self.total = plan.summary.to_send + works["leave"] - self.already
        self.shifted = shifted

    def rows(self) -> Iterator[tuple[str, Step]]:
        """What is to be sent, and what the plan can't move, as pairs of key and step, parents first."""
        return (
            (step.key, step)
            for step in self._plan.steps()
            if step.work != "skip" and self._sides.verdict_on(step.clogin_id) != DONE
        )

    def build(self, step: Step) -> Create | CreateChild | Update:
        """The payload of a row. Raises `PayloadError` for one that is not to be touched."""
        verdict = self._sides.verdict_on(step.clogin_id)
        if step.work == "leave":
            raise PayloadError(
                fault if " @ " in fault else f"{fault} @ $.clogin_id"
                for fault in (step.why or "").split("; ")
            )
        if verdict is not None and verdict not in self._despite:
            raise PayloadError([f"{verdict} @ $.clogin_id"])
        if step.waits and step.parent is not None and self._sides.verdict_on(step.parent) == DONE:
            # No row creates the parent.
            step = attrs.evolve(step, waits=False)
        return payload_of(step, self._plan.options)

    def changed(self) -> Iterator[Change]:
        """Who is not as they were, and those who are new."""
        return (
            Change(clogin_id=clogin_id, reason=reason) for clogin_id, reason in self._sides.not_as_planned()
        )
