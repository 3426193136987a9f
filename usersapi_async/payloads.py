"""What goes out: one frozen attrs class an action, checked in full when it is built.

Field names and rules come from the platform's documentation of the users endpoint. A fault is found before
anything is sent, every one at once, in `PayloadError.faults`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Literal, TypeAlias

import attrs

from . import _checks as check
from .errors import PayloadError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

Id: TypeAlias = "int | Ref"
DocValue: TypeAlias = "str | int | float | bool | None | Sequence[str] | Mapping[str, Any]"
Doc: TypeAlias = "Mapping[str, DocValue]"


@attrs.frozen
class Ref:
    """Stands for the ``clogin_id`` that the operation with ``key`` creates earlier in the same batch."""

    key: str


def _field(rule: check.Rule, *, default: Any = attrs.NOTHING, shown: bool = True, wire: str = "") -> Any:
    """An attribute with its rule. Mappings are copied deeply, stay out of ``repr`` and out of the hash."""
    return attrs.field(
        default=default,
        repr=shown,
        hash=None if shown else False,
        converter=None if shown else check.frozen_copy,
        metadata={"rule": rule, "wire": wire},
    )


def _faults(instance: Any) -> list[str]:
    found: list[str] = []
    for field in attrs.fields(type(instance)):
        rule = field.metadata.get("rule")
        if rule is not None:
            found.extend(rule(getattr(instance, field.name), f"$.{field.metadata['wire'] or field.name}"))
    return found


class _Checked:
    """Collects every fault after construction; attrs' own validators would stop at the first."""

    __slots__ = ()

    def __attrs_post_init__(self) -> None:
        faults = _faults(self)
        if faults:
            raise PayloadError(faults)


@attrs.frozen(kw_only=True)
class Payload(_Checked):
    """What every action can carry.

    ``group_id`` falls back to the session's. ``submit_forms`` and ``disable_email_sending`` are left out
    when None; the server's defaults are true and false. ``extra`` is the way out for arguments that the
    documentation does not name: it is merged into the top level of the request and may override anything
    but ``action``.
    """

    action: ClassVar[str]

    group_id: int | None = _field(check.optional(check.identifier), default=None)
    submit_forms: bool | None = _field(check.optional(check.boolean), default=None)
    disable_email_sending: bool | None = _field(check.optional(check.boolean), default=None)
    extra: Mapping[str, Any] = _field(check.extra, default=attrs.Factory(dict), shown=False)


@attrs.frozen(kw_only=True)
class Create(Payload):
    """Registers a parent or an individual. ``clogin_id`` connects a person known from another project."""

    action: ClassVar[str] = "create"
    clogin_id: Id | Literal[False] | None = _field(
        check.optional(check.either_id_or_false(Ref)), default=None
    )
    doc: Doc = _field(check.doc, default=attrs.Factory(dict), shown=False)


@attrs.frozen(kw_only=True)
class CreateChild(Payload):
    """Registers a child of the parent whose ``clogin_id`` is ``connected_to``."""

    action: ClassVar[str] = "create_child"
    connected_to: Id = _field(check.reference(Ref))
    clogin_id: Id | Literal[False] | None = _field(
        check.optional(check.either_id_or_false(Ref)), default=None
    )
    doc: Doc = _field(check.doc, default=attrs.Factory(dict), shown=False)


@attrs.frozen(kw_only=True)
class Login(Payload):
    """Asks for one login into the front end of the project; the token expires once it is used."""

    action: ClassVar[str] = "login"
    clogin_id: Id = _field(check.reference(Ref))


@attrs.frozen(kw_only=True)
class Update(Payload):
    """Sets fields of a user. Fields that begin with ``_`` belong to the system and can't be set."""

    action: ClassVar[str] = "update"
    clogin_id: Id = _field(check.reference(Ref))
    doc: Doc = _field(check.update_doc, shown=False)
    connected_to: Id | None = _field(check.optional(check.reference(Ref)), default=None)


@attrs.frozen(kw_only=True)
class Product(_Checked):
    """One line of an order. A private product has no ``p_id`` and is named by ``name``.

    ``recurring_start_date`` is written mm-dd-yyyy unless ``date_structure`` names another format.
    """

    p_id: int | None = _field(check.optional(check.identifier), default=None)
    name: str | None = _field(check.optional(check.text), default=None)
    q: int = _field(check.quantity, default=1)
    product_remark: str | None = _field(check.optional(check.string), default=None)
    recurring_start_date: str | None = _field(check.optional(check.text), default=None)
    date_structure: str | None = _field(check.optional(check.text), default=None)
    extra: Mapping[str, Any] = _field(check.extra, default=attrs.Factory(dict), shown=False)

    def __attrs_post_init__(self) -> None:
        faults = _faults(self)
        if self.p_id is None and self.name is None:
            faults.append("required: p_id, or name for a private product @ $.p_id")
        if faults:
            raise PayloadError(faults)


@attrs.frozen(kw_only=True)
class AddProduct(Payload):
    """Puts products into a user's cart."""

    action: ClassVar[str] = "add_product"
    clogin_id: Id = _field(check.reference(Ref))
    products: Sequence[Product] = _field(check.parts(Product), shown=False, wire="product_list")


@attrs.frozen(kw_only=True)
class Email(_Checked):
    """A mail to record in a user's history; nothing is sent. Addresses may be several, joined by commas."""

    sender: str = _field(check.addresses, shown=False, wire="from")
    to: str = _field(check.addresses, shown=False)
    subject: str = _field(check.text, shown=False)
    body: str = _field(check.text, shown=False)
    cc: str | None = _field(check.optional(check.addresses), default=None, shown=False)
    bcc: str | None = _field(check.optional(check.addresses), default=None, shown=False)
    admin_id: int | None = _field(check.optional(check.identifier), default=None)


@attrs.frozen(kw_only=True)
class AddEmail(Payload):
    """Records mails in a user's history."""

    action: ClassVar[str] = "add_email"
    clogin_id: Id = _field(check.reference(Ref))
    emails: Sequence[Email] = _field(check.parts(Email), shown=False, wire="doc.email_list")


Option: TypeAlias = "bool | Mapping[str, Any]"


@attrs.frozen(kw_only=True)
class _Selection(Payload):
    """What to read of a user; each option is True, or an object of the service's own settings."""

    fields: Sequence[str] = _field(check.names, default=(), wire="doc")
    all_fields: Option | None = _field(check.optional(check.option), default=None, wire="doc._allfields")
    family: Option | None = _field(check.optional(check.option), default=None, wire="doc._family")
    user_products: Option | None = _field(
        check.optional(check.option), default=None, wire="doc._userproducts"
    )
    user_forms: Option | None = _field(check.optional(check.option), default=None, wire="doc._userforms")
    user_cart: Option | None = _field(check.optional(check.option), default=None, wire="doc._usercart")
    user_payments: Option | None = _field(
        check.optional(check.option), default=None, wire="doc._userpayments"
    )
    utm: Option | None = _field(check.optional(check.option), default=None, wire="doc._utm")


@attrs.frozen(kw_only=True)
class GetInfo(_Selection):
    """Reads one user. Asked for nothing, the service sends metadata alone or all fields."""

    action: ClassVar[str] = "get_info"
    clogin_id: Id = _field(check.reference(Ref))


@attrs.frozen(kw_only=True)
class SetStatus(Payload):
    """Gives a user a status; 0 takes it away."""

    action: ClassVar[str] = "set_status"
    clogin_id: Id = _field(check.reference(Ref))
    status_id: int = _field(check.identifier_or_zero)


@attrs.frozen(kw_only=True)
class GetUserList(_Selection):
    """Reads one page of at most 50 users, from ``starting_position`` on (the first is 0)."""

    action: ClassVar[str] = "get_user_list"
    with_excluded: bool | None = _field(check.optional(check.boolean), default=None, wire="doc.with_excluded")
    only_excluded: bool | None = _field(check.optional(check.boolean), default=None, wire="doc.only_excluded")
    only_parents: bool | None = _field(check.optional(check.boolean), default=None, wire="doc.only_parents")
    only_children: bool | None = _field(check.optional(check.boolean), default=None, wire="doc.only_children")
    return_families: bool | None = _field(
        check.optional(check.boolean), default=None, wire="doc.return_families"
    )
    starting_position: int | None = _field(
        check.optional(check.count), default=None, wire="doc.starting_position"
    )


@attrs.frozen(kw_only=True)
class Custom(Payload):
    """An action that the documentation does not name; its arguments go into ``extra``.

    It counts as one that must not be repeated unless ``repeatable`` says that a second run changes nothing.
    """

    action: str = _field(check.text)  # type: ignore[misc]
    repeatable: bool = _field(check.boolean, default=False)


AnyPayload: TypeAlias = (
    Create | CreateChild | Login | Update | AddProduct | AddEmail | GetInfo | SetStatus | GetUserList | Custom
)
