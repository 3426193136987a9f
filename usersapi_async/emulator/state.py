"""The organisation's people, groups and families: pure state, no I/O and no rules about requests."""

from __future__ import annotations

import random
import uuid
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, TypedDict

from .catalogue import GROUP_ID, OTHER_GROUP_ID, STATUSES

if TYPE_CHECKING:
    from collections.abc import Iterable
    from decimal import Decimal

FieldValue = str | int | list[str]


class AccessData(TypedDict):
    api_id: int
    api_user: str
    api_token: str


@dataclass(slots=True)
class Account:
    """One person in the whole organisation; shared by that person's registrations."""

    clogin_id: int
    username: str
    password: str | None


@dataclass(frozen=True, slots=True)
class CartEntry:
    """`p_id` is None for a private product; `extra` holds the keys that the service only keeps."""

    cart_id: int
    p_id: int | None
    name: str
    quantity: int
    price: Decimal
    remark: str
    extra: dict[str, object]

    @property
    def total(self) -> Decimal:
        return self.price * self.quantity


@dataclass(frozen=True, slots=True)
class RecordedEmail:
    sender: str
    to: str
    subject: str
    body: str
    cc: str
    bcc: str
    admin_id: int | None


@dataclass(slots=True)
class User:
    """A person's registration in one group. `logins` holds the login tokens that were handed out."""

    account: Account
    group_id: int
    connected_to: int
    doc: dict[str, FieldValue]
    status_id: int = 0
    emails: list[RecordedEmail] = field(default_factory=list)
    cart: list[CartEntry] = field(default_factory=list)
    logins: list[str] = field(default_factory=list)
    completed_forms: set[int] = field(default_factory=set)

    @property
    def clogin_id(self) -> int:
        return self.account.clogin_id

    @property
    def username(self) -> str:
        return self.account.username

    @property
    def is_child(self) -> bool:
        return self.connected_to != self.account.clogin_id

    @property
    def is_excluded(self) -> bool:
        return self.status_id != 0 and STATUSES[self.status_id].excludes


Kind = Literal["all", "parents", "children"]
Exclusion = Literal["hidden", "shown", "only"]


class Group:
    """One project. Users are kept in the order of their registration."""

    def __init__(self, group_id: int) -> None:
        self.group_id = group_id
        self.users: dict[int, User] = {}
        self.child_count = 0
        self._children: dict[int, list[User]] = {}
        self._selections: dict[tuple[Kind, Exclusion], list[User]] = {}

    def add(self, user: User) -> None:
        self.users[user.clogin_id] = user
        if user.is_child:
            self.child_count += 1
            self._children.setdefault(user.connected_to, []).append(user)
        self._selections.clear()

    def set_status(self, user: User, status_id: int) -> None:
        user.status_id = status_id
        self._selections.clear()

    def children_of(self, user: User) -> list[User]:
        return self._children.get(user.clogin_id, [])

    def select(self, kind: Kind, exclusion: Exclusion) -> list[User]:
        """The users that a list is cut from; kept until somebody is added or changes status, since
        walking all pages would otherwise filter all users once a page."""
        key = (kind, exclusion)
        if key not in self._selections:
            wanted = self.users.values() if kind == "all" else self._of_kind(kind == "children")
            self._selections[key] = [user for user in wanted if admits(exclusion, user)]
        return self._selections[key]

    def _of_kind(self, child: bool) -> Iterable[User]:
        return (user for user in self.users.values() if user.is_child is child)


def admits(exclusion: Exclusion, user: User) -> bool:
    """Whether a list that treats excluded users in this way shows this user."""
    return exclusion == "shown" or user.is_excluded is (exclusion == "only")


class Organisation:
    """Everything that the service knows. All ids and secrets follow from the seed."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)
        self.credentials: AccessData = {
            "api_id": self._random.randrange(100_000, 1_000_000),
            "api_user": "admin@example.org",
            "api_token": str(uuid.UUID(int=self._random.getrandbits(128), version=4)),
        }
        self.groups = {group_id: Group(group_id) for group_id in (GROUP_ID, OTHER_GROUP_ID)}
        self.people: dict[int, User] = {}
        self.dead_domains = {"invalid"}
        self.mails_sent = 0
        self._owners: dict[str, int] = {}
        self._tokens: dict[str, int] = {}
        self._last_clogin_id = 102_670_000 + self._random.randrange(1000)
        self._last_cart_id = 5_400_000 + self._random.randrange(1000)

    def owner_of(self, username: str) -> int | None:
        """The clogin_id of whoever has this username; usernames don't differ by case alone."""
        return self._owners.get(username.casefold())

    def open_account(self, username: str | None, password: str | None) -> Account:
        self._last_clogin_id += self._random.randint(1, 7)
        clogin_id = self._last_clogin_id
        if username is None:
            username = f"user{clogin_id}"
            while self.owner_of(username) is not None:
                username += "_"
        self._owners[username.casefold()] = clogin_id
        return Account(clogin_id, username, password)

    def rename(self, account: Account, username: str) -> None:
        del self._owners[account.username.casefold()]
        self._owners[username.casefold()] = account.clogin_id
        account.username = username

    def register(self, group: Group, user: User) -> None:
        group.add(user)
        self.people.setdefault(user.clogin_id, user)

    def next_cart_id(self) -> int:
        self._last_cart_id += self._random.randint(1, 7)
        return self._last_cart_id

    def hand_out_token(self, user: User) -> str:
        token = f"{self._random.getrandbits(128):032x}"
        self._tokens[token] = user.clogin_id
        user.logins.append(token)
        return token

    def use_token(self, token: str) -> int | None:
        """The clogin_id that the token logs in, once; then the token is spent and gives None."""
        return self._tokens.pop(token, None)
