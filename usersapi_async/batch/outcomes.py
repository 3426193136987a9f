"""How an operation of a batch ended: exactly one of four ways."""

from __future__ import annotations

from typing import TypeAlias

import attrs

from usersapi_async.errors import OutcomeUnknown, UsersApiError
from usersapi_async.payloads import AnyPayload
from usersapi_async.responses import Response

Key: TypeAlias = str | int
"""The caller's key, or the row's index where none was given."""


@attrs.frozen(kw_only=True)
class Ended:
    """What every outcome says.

    ``index`` counts the rows of the input from 0. ``key`` may be a person's email, so it is kept out of
    ``repr``. ``payload`` is None when none could be built. ``attempts`` counts requests, ``elapsed`` is in
    seconds from the row's taking to its end.
    """

    index: int
    key: Key = attrs.field(repr=False)
    payload: AnyPayload | None = attrs.field(repr=False)
    attempts: int = 0
    elapsed: float = 0.0


@attrs.frozen(kw_only=True)
class Succeeded(Ended):
    """It was carried out. ``clogin_id`` is the user's: the new one's after a create."""

    clogin_id: int | None
    response: Response | None
    resumed: bool = False


@attrs.frozen(kw_only=True)
class Failed(Ended):
    """It was not carried out, or its effect does not matter (a read); ``error`` says why."""

    error: UsersApiError


@attrs.frozen(kw_only=True)
class InDoubt(Ended):
    """It was sent, and may or may not have been carried out: look before you send it again."""

    error: OutcomeUnknown


@attrs.frozen(kw_only=True)
class NotAttempted(Ended):
    """Nothing of it was ever sent; ``reason`` says why."""

    reason: str


Outcome: TypeAlias = Succeeded | Failed | InDoubt | NotAttempted
