"""What a batch has come to, by now or in the end."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TypeAlias

import attrs

from usersapi_async.errors import OutcomeUnknown, UsersApiError
from usersapi_async.responses import MetaInfo

from .outcomes import Failed, InDoubt, Key, Outcome, Succeeded

Keep: TypeAlias = Callable[[Outcome], bool]
Record: TypeAlias = Callable[[Outcome], bool]


@attrs.frozen(kw_only=True)
class Progress:
    """The counts of a batch at one moment; ``elapsed`` in seconds since it began."""

    taken: int
    succeeded: int
    failed: int
    in_doubt: int
    not_attempted: int
    elapsed: float

    @property
    def done(self) -> int:
        """Rows that have ended, in whichever way."""
        return self.succeeded + self.failed + self.in_doubt + self.not_attempted

    @property
    def rate(self) -> float:
        """Rows ended per second, over the whole batch."""
        return self.done / self.elapsed if self.elapsed > 0 else 0.0


@attrs.define(eq=False)
class BatchReport:
    """Every row taken is counted once: ``taken == succeeded + failed + in_doubt + not_attempted``, and the
    rows still on their way while the batch runs.

    ``outcomes`` holds those that were kept, in the order of their ending, or of the input if the runner is
    ``ordered``. ``exhausted`` tells that the input was read to its end; else ``next_index`` is the first row
    that was not taken, and ``stopped_by`` says what stopped the batch.
    """

    taken: int = 0
    succeeded: int = 0
    failed: int = 0
    in_doubt: int = 0
    not_attempted: int = 0
    elapsed: float = 0.0
    exhausted: bool = False
    stopped_by: str | None = None
    outcomes: list[Outcome] = attrs.field(factory=list, repr=False)
    _record: Record | None = attrs.field(default=None, init=False, repr=False)

    def record_by(self, record: Record | None) -> None:
        """Has each outcome written down by this function when it is counted; those of which it says that it
        could not are kept."""
        self._record = record

    def add(self, outcome: Outcome, *, keep: bool) -> None:
        """Counts one outcome, and keeps it if asked."""
        is_recorded = self._record is None or self._record(outcome)
        if isinstance(outcome, Succeeded):
            self.succeeded += 1
        elif isinstance(outcome, Failed):
            self.failed += 1
        elif isinstance(outcome, InDoubt):
            self.in_doubt += 1
        else:
            self.not_attempted += 1
        if keep or not is_recorded:
            self.outcomes.append(outcome)

    def keep(self, outcomes: Iterable[Outcome]) -> None:
        """Holds these too, which were counted before."""
        held = {id(outcome) for outcome in self.outcomes}
        self.outcomes += [outcome for outcome in outcomes if id(outcome) not in held]

    @property
    def next_index(self) -> int:
        """The index of the first row that was not taken: where to go on.

        Rows before it that are `NotAttempted` were taken and left out; they are to be run again too.
        """
        return self.taken

    @property
    def throughput(self) -> float:
        """Rows ended per second."""
        return self.progress().rate

    def progress(self) -> Progress:
        """The counts as they are now."""
        return Progress(
            taken=self.taken,
            succeeded=self.succeeded,
            failed=self.failed,
            in_doubt=self.in_doubt,
            not_attempted=self.not_attempted,
            elapsed=self.elapsed,
        )

    @property
    def meta_info(self) -> Mapping[Key, MetaInfo]:
        """The `MetaInfo` of each kept success, by key."""
        return {
            outcome.key: outcome.response.meta_info
            for outcome in self.outcomes
            if isinstance(outcome, Succeeded) and outcome.response
        }

    @property
    def errors(self) -> Mapping[Key, UsersApiError]:
        """The error of each kept failure and doubt, by key."""
        return {outcome.key: outcome.error for outcome in self._lost()}

    @property
    def doubts(self) -> Mapping[Key, OutcomeUnknown]:
        """The `OutcomeUnknown` of each kept doubt, by key: what `reconcile` takes."""
        return {outcome.key: outcome.error for outcome in self.outcomes if isinstance(outcome, InDoubt)}

    def raise_for_errors(self) -> None:
        """Raises an `ExceptionGroup` of ``errors``, unless there are none and no row was left out."""
        errors: list[Exception] = [outcome.error for outcome in self._lost()]
        lost = self.failed + self.in_doubt + self.not_attempted
        if not lost:
            return
        left_out = lost - len(errors)
        if left_out:
            # Not kept, or never attempted: an empty or smaller group would hide them.
            errors.append(UsersApiError(f"{left_out} more rows were not carried out or not attempted"))
        raise ExceptionGroup(f"{lost} of {self.taken} operations did not succeed", errors)

    def _lost(self) -> list[Failed | InDoubt]:
        return [outcome for outcome in self.outcomes if isinstance(outcome, (Failed, InDoubt))]
