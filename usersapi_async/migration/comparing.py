"""Compares both sides after a migration."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Literal, TypeAlias

import attrs

from usersapi_async.session import UsersSession

from .fields import APPLICATION_DATE, USERNAME, is_empty, unlike
from .plan import MigrationOptions
from .reading import OnSeen, Roster, Seen, Walks

Difference: TypeAlias = Literal["missing", "other family", "other values"]


@attrs.frozen(kw_only=True)
class Unlike:
    """Somebody whom the target does not show as the source does; ``fields`` are those of the target with
    other values than the source's."""

    clogin_id: int
    difference: Difference
    fields: tuple[str, ...] = ()


@attrs.define(kw_only=True)
class Comparison:
    """What both sides have in common.

    Of ``compared`` users of the source, ``alike`` are in the target with their family and all values that
    the mapping moves; ``differences`` counts the others, ``fields`` those whose value in a field is
    another. ``left_out`` counts fields with values that no request can carry, with why. ``shifted`` tells
    that a list changed while it was read.
    """

    compared: int = 0
    alike: int = 0
    in_target: int = 0
    differences: Counter[str] = attrs.field(factory=Counter)
    fields: Counter[str] = attrs.field(factory=Counter)
    left_out: Counter[str] = attrs.field(factory=Counter)
    shifted: bool = False


async def compare_groups(
    users: UsersSession,
    options: MigrationOptions,
    *,
    on_unlike: Callable[[Unlike], object] | None = None,
    on_seen: OnSeen | None = None,
) -> Comparison:
    """Reads both groups and holds each user of the source against the target; sends nothing but reads.

    What is empty in the source is not compared, nor what the mapping does not move, but for the username.
    `on_unlike` is told of each one who differs. White space, HTML's escapes and Unicode's forms make no
    difference. Raises what the reads raise.
    """
    found = Comparison()
    with Roster() as target:

        def on_user(user: Seen) -> None:
            moved = options.mapping.moved(user.values)
            found.left_out.update(f"{name}: {why}" for name, why in moved.left_out.items())
            found.compared += 1
            difference = _compared(user, dict(moved.doc), target.get(user.clogin_id))
            if difference is None:
                found.alike += 1
                return
            found.differences[difference.difference] += 1
            found.fields.update(difference.fields)
            if on_unlike is not None:
                on_unlike(difference)

        walks = Walks(users, on_seen)
        await walks.through(options.target, with_excluded=True, on_user=target.add)
        await walks.through(options.source, with_excluded=options.with_excluded, on_user=on_user)
        found.in_target = len(target)
    found.shifted = walks.shifted
    return found


def _compared(user: Seen, doc: dict[str, str | int | list[str]], there: Seen | None) -> Unlike | None:
    if there is None:
        return Unlike(clogin_id=user.clogin_id, difference="missing")
    if user.is_placed and there.is_placed and user.parent != there.parent:
        return Unlike(clogin_id=user.clogin_id, difference="other family")
    name = user.values.get(USERNAME)
    if USERNAME not in doc and isinstance(name, str) and not is_empty(there.values.get(USERNAME)):
        doc[USERNAME] = name
    if APPLICATION_DATE not in there.values:
        # Not every list shows it.
        doc.pop(APPLICATION_DATE, None)
    fields = tuple(unlike(doc, there.values))
    if not fields:
        return None
    return Unlike(clogin_id=user.clogin_id, difference="other values", fields=fields)
