"""Calls whose fate is open, and sessions that see the list differently."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any, TypeAlias

import pytest

from usersapi_async import Create, GetUserList, OutcomeUnknown, Payload, UsersSession
from usersapi_async.emulator import Fault

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Container

    from usersapi_async.emulator import Emulator

Doubts: TypeAlias = dict[str | int, OutcomeUnknown]


async def in_doubt(emulator: Emulator, users: UsersSession, *payloads: Payload[Any], done: bool) -> Doubts:
    """Sends each payload so that its answer is lost, after the work or before it."""
    doubts: Doubts = {}
    for number, payload in enumerate(payloads):
        emulator.script(Fault.drop_after() if done else Fault.drop_before(), action=payload.action)
        with pytest.raises(OutcomeUnknown) as caught:
            await users.send(payload)
        doubts[f"{'done' if done else 'lost'} {number}"] = caught.value
    return doubts


def person(name: str, **doc: str) -> Create:
    """A create with these fields."""
    return Create(doc={"first_name": name, **doc})


class Listing:
    """A session whose pages, or other answers, pass through a function on their way."""

    def __init__(
        self,
        users: UsersSession,
        change: Callable[[Any], Any | Awaitable[Any]],
        kind: type[Payload[Any]] = GetUserList,
    ) -> None:
        class Changing(UsersSession):
            async def send(self, payload: Payload[Any]) -> Any:
                answer = await super().send(payload)
                if not isinstance(payload, kind):
                    return answer
                changed = change(answer)
                return await changed if inspect.isawaitable(changed) else changed

        self.users = users.with_options()
        self.users.__class__ = Changing


def forgetful(users: UsersSession) -> UsersSession:
    """The same session, as one that was given no id."""

    class Forgetful(UsersSession):
        @property
        def given_ids(self) -> Container[int]:
            return ()

    view = users.with_options()
    view.__class__ = Forgetful
    return view
