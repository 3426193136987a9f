"""The face of a running emulator: what a test sets and looks at."""

from __future__ import annotations

import random
from collections import Counter, deque
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from .catalogue import FOREIGN_GROUP_ID, GROUP_ID, OTHER_GROUP_ID, PRODUCTS, STATUSES, Product, Status
from .faults import Fault

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .faults import Faults
    from .state import AccessData, Organisation, User

_KEPT_REQUESTS: Final = 1000


@dataclass(frozen=True, slots=True)
class ReceivedRequest:
    """A request as it arrived: `headers` ignore case; `body` is None if it was no JSON object, and
    `action` is "unknown" if it names none that the service has."""

    action: str
    headers: Mapping[str, str]
    body: dict[str, object] | None


class Emulator:
    """A running emulator.

    `executed` counts by action how often its work was done, whether or not the answer got through;
    `received` counts the requests that arrived. `requests` keeps the latest thousand. `connections` is
    the number of TCP connections accepted so far. `faults` may be set at any time.

    Another thread may read all of this and call `script`: each read is of one object that the server
    replaces or extends in one step. To iterate over `users` while requests arrive, copy it first.
    """

    def __init__(self, organisation: Organisation, *, seed: int, faults: Faults | None) -> None:
        self.base_url = ""
        self.faults = faults
        self.executed: Counter[str] = Counter()
        self.received: Counter[str] = Counter()
        self.requests: deque[ReceivedRequest] = deque(maxlen=_KEPT_REQUESTS)
        self.connections = 0
        self._organisation = organisation
        self._random = random.Random(seed)
        self._scripts: dict[str | None, deque[Fault | None]] = {}

    @property
    def credentials(self) -> AccessData:
        """What the emulator accepts: a fresh dict of `api_id`, `api_user` and `api_token`."""
        return self._organisation.credentials.copy()

    @property
    def group_id(self) -> int:
        return GROUP_ID

    @property
    def other_group_id(self) -> int:
        """A second group of the same organisation, to move people to."""
        return OTHER_GROUP_ID

    @property
    def foreign_group_id(self) -> int:
        """A group of another organisation; a call on it is answered with 403."""
        return FOREIGN_GROUP_ID

    @property
    def users(self) -> Mapping[int, User]:
        """Everybody in the organisation by clogin_id, each as first registered; see `users_in`."""
        return MappingProxyType(self._organisation.people)

    def users_in(self, group_id: int) -> Mapping[int, User]:
        """The registrations of one group, by clogin_id."""
        return MappingProxyType(self._organisation.groups[group_id].users)

    @property
    def products(self) -> Mapping[int, Product]:
        return MappingProxyType(PRODUCTS)

    @property
    def statuses(self) -> Mapping[int, Status]:
        return MappingProxyType(STATUSES)

    @property
    def mails_sent(self) -> int:
        """How many automatic mails would have gone out."""
        return self._organisation.mails_sent

    @property
    def dead_domains(self) -> set[str]:
        """The email domains that DNS does not know, each with all below it; add to them at will."""
        return self._organisation.dead_domains

    def use_token(self, token: str) -> int | None:
        """Logs in with a token of `login`, as a browser would: its clogin_id, or None if it is spent."""
        return self._organisation.use_token(token)

    def script(self, *faults: Fault | None, action: str | None = None) -> None:
        """Has the next requests, or those of one action, meet these faults one by one; None is no fault.

        They come before any that `faults` draws, and those of an action before those of any action. Raises
        `TypeError` for what is no fault.
        """
        for fault in faults:
            if fault is not None and not isinstance(fault, Fault):
                raise TypeError(f"expected a Fault, such as Fault.drop_after(), got {type(fault).__name__}")
        self._scripts.setdefault(action, deque()).extend(faults)

    def next_fault(self, action: str) -> Fault | None:
        for key in (action, None):
            script = self._scripts.get(key)
            if script:
                return script.popleft()
        return None if self.faults is None else self.faults.draw(self._random)

    def summary(self) -> dict[str, object]:
        """The counts that `/_emulator/state` shows; a person counts once in each group."""
        groups = self._organisation.groups.values()
        users = sum(len(group.users) for group in groups)
        children = sum(group.child_count for group in groups)
        return {
            "users": users,
            "parents": users - children,
            "children": children,
            "executed": dict(self.executed),
            "received": dict(self.received),
            "mails_sent": self.mails_sent,
            "connections": self.connections,
        }
