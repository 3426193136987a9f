"""What comes back: one frozen attrs class an action.

Field names come from the platform's documentation of the users endpoint. The server is loose with types, so
every value is read if its meaning is sure (``"2"``, ``2`` and ``2.0`` are the int 2; ``"1,234.00"`` is a
``Decimal``). One whose meaning is not sure becomes None with a note in ``problems``, as ``reason @ $.path``;
notes name types, never values. Keys that the documentation does not name are kept in ``extra``.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal
from typing import Any

import attrs

from . import assumptions


def under(*names: str, required: bool = False, strict: bool = False) -> dict[str, Any]:
    """The metadata of a field: the names under which it may arrive, whether the record needs it
    (``required``), and whether what is there must be readable (``strict``)."""
    return {"names": names, "required": required, "strict": strict or required}


def private() -> Any:
    """A field that may hold a person's data."""
    return attrs.field(default=None, repr=False)


@attrs.frozen(kw_only=True)
class Record:
    """What every part of an answer has."""

    extra: Mapping[str, Any] = attrs.field(factory=dict, repr=False, hash=False)
    problems: tuple[str, ...] = ()


@attrs.frozen(kw_only=True)
class MetaInfo(Record):
    """A user's standing. Form counts are ints, money is `Decimal` in the project's currency."""

    u_name: str | None = private()
    total_forms: int | None = None
    completed_forms: int | None = None
    total_user_forms: int | None = None
    total_completed_user_forms: int | None = None
    total_user_mandatory_forms: int | None = None
    total_completed_user_mandatory_forms: int | None = None
    total_order: Decimal | None = None
    total_paid: Decimal | None = None
    total_balance: Decimal | None = None
    status_id: int | None = None
    status_name: str | None = None


@attrs.frozen(kw_only=True)
class UserInfo(Record):
    """Whose answer it is."""

    clogin_id: int = attrs.field(metadata=under("clogin_id", required=True))
    group_id: int | None = None
    connected_to: int | None = None

    @property
    def is_child(self) -> bool:
        """True when the user hangs on a parent's account rather than on its own."""
        return self.connected_to not in (None, 0, self.clogin_id)


@attrs.frozen(kw_only=True)
class Response(Record):
    """What every action gets back. ``msg`` is the service's own text and may name people."""

    msg: str | None = private()
    msg_type: str | None = None
    meta_info: MetaInfo = MetaInfo()
    user_info: UserInfo | None = None


@attrs.frozen(kw_only=True)
class CreateResponse(Response):
    """A person was registered; ``clogin_id`` is theirs."""

    user_info: UserInfo = attrs.field(metadata=under("user_info", required=True))
    system_action: tuple[Any, ...] = attrs.field(default=(), repr=False, hash=False)

    @property
    def clogin_id(self) -> int:
        """The id of the new registration."""
        return self.user_info.clogin_id


@attrs.frozen(kw_only=True)
class CreateChildResponse(CreateResponse):
    """A child was registered under its parent."""


@attrs.frozen(kw_only=True)
class LoginResponse(Response):
    """``user_token`` opens one login into the front end of the project, once."""

    user_token: str = attrs.field(repr=False, metadata=under("user_token", required=True))
    system_action: tuple[Any, ...] = attrs.field(default=(), repr=False, hash=False)


@attrs.frozen(kw_only=True)
class UpdateResponse(Response):
    """Fields were set."""


@attrs.frozen(kw_only=True)
class CartEntry(Record):
    """One line of a user's cart."""

    cart_id: int | None = None
    p_id: int | None = None
    name: str | None = None
    q: int | None = None


@attrs.frozen(kw_only=True)
class AddProductResponse(Response):
    """``cart`` holds the entries that the service named."""

    cart: tuple[CartEntry, ...] = attrs.field(default=(), metadata=under(*assumptions.CART_LISTS))


@attrs.frozen(kw_only=True)
class AddEmailResponse(Response):
    """Mails were recorded."""


@attrs.frozen(kw_only=True)
class GetInfoResponse(Response):
    """One user. ``values`` maps what was asked for to what the service holds.

    ``field_index`` and ``error`` (the incomplete fields) come with ``all_fields``; ``parent`` and
    ``children`` with ``family``. ``children`` are `MetaInfo` too, their ids in ``extra`` where sent.
    """

    values: Mapping[str, Any] = attrs.field(
        factory=dict, repr=False, hash=False, metadata=under(*assumptions.VALUES)
    )
    field_index: Any = attrs.field(default=None, repr=False, hash=False)
    error: Any = attrs.field(default=None, repr=False, hash=False)
    parent: MetaInfo | None = None
    children: tuple[MetaInfo, ...] = ()


@attrs.frozen(kw_only=True)
class SetStatusResponse(Response):
    """Whose status was set, and how many that were."""

    users: tuple[int, ...] = ()
    effected_users: int | None = None


@attrs.frozen(kw_only=True)
class ListedUser(Record):
    """One user of a list. ``values`` is there when fields were asked for, ``children`` with families."""

    user_info: UserInfo = attrs.field(metadata=under("user_info", required=True))
    meta_info: MetaInfo = MetaInfo()
    values: Mapping[str, Any] = attrs.field(
        factory=dict, repr=False, hash=False, metadata=under(*assumptions.VALUES)
    )
    children: tuple[ListedUser, ...] = attrs.field(
        default=(), metadata=under(*assumptions.CHILD_LISTS, strict=True)
    )

    @property
    def clogin_id(self) -> int:
        """The user's id."""
        return self.user_info.clogin_id


@attrs.frozen(kw_only=True)
class UserListResponse(Response):
    """One page. The service sends parents and children in lists of their own, or one list of users."""

    users: tuple[ListedUser, ...] = attrs.field(
        default=(), metadata=under(*assumptions.USER_LISTS, strict=True)
    )
    parents: tuple[ListedUser, ...] = attrs.field(
        default=(), metadata=under(*assumptions.PARENT_LISTS, strict=True)
    )
    children: tuple[ListedUser, ...] = attrs.field(
        default=(), metadata=under(*assumptions.CHILD_LISTS, strict=True)
    )
    total_users: int | None = None
    records_per_page: int | None = None

    @property
    def everyone(self) -> tuple[ListedUser, ...]:
        """The users of all three lists, those not counted apart who stand among a parent's ``children``."""
        return self.users + self.parents + self.children


def flattened(users: Iterable[ListedUser]) -> Iterator[ListedUser]:
    """The users and, after each, the children that stand under them, who are told whose they are."""
    waiting = deque(users)
    while waiting:
        user = waiting.popleft()
        yield user
        waiting.extendleft(_as_child_of(user, child) for child in reversed(user.children))


def _as_child_of(parent: ListedUser, child: ListedUser) -> ListedUser:
    info = child.user_info
    if info.connected_to:
        return child
    return attrs.evolve(child, user_info=attrs.evolve(info, connected_to=parent.clogin_id))
