"""What goes out: one frozen attrs class an action, checked in full when it is built.

Field names and rules come from the platform's documentation of the users endpoint. A fault is found before
anything is sent, every one at once, in `PayloadError.faults`.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Generic, Literal, TypeAlias, TypeVar

import attrs

from . import _checks as check
from . import responses
from ._arguments import shielded
from .errors import PayloadError

ResponseT_co = TypeVar("ResponseT_co", bound=responses.Response, covariant=True)
DocValue: TypeAlias = str | int | float | bool | Sequence[str] | Mapping[str, Any] | None
Doc: TypeAlias = Mapping[str, DocValue]


@attrs.frozen
class Ref:
    """Stands for the ``clogin_id`` that the operation with ``key`` creates earlier in the same batch."""

    key: str = attrs.field(repr=False)


Id: TypeAlias = int | Ref


REFERENCES = ("clogin_id", "connected_to")
"""The fields that may hold a `Ref`."""


def _by(rule: check.Rule, *, wire: str = "", hidden: bool = False) -> dict[str, Any]:
    """The metadata of a field: its rule, its place in the request, whether it may hold people's data."""
    return {"rule": rule, "wire": wire, "hidden": hidden}


def _guarded(_cls: type, fields: list[attrs.Attribute[Any]]) -> list[attrs.Attribute[Any]]:
    """Copies every container deeply, and keeps people's data out of ``repr`` and the hash.

    Done here and not at each field, since a converter at the field would hide its type from editors.
    """
    return [
        field.evolve(
            converter=check.frozen_copy,
            repr=not field.metadata["hidden"],
            hash=not field.metadata["hidden"],
        )
        if "rule" in field.metadata
        else field
        for field in fields
    ]


@functools.cache
def _rules(kind: type) -> list[tuple[str, check.Rule, str]]:
    return [
        (field.name, field.metadata["rule"], f"$.{field.metadata['wire'] or field.name}")
        for field in attrs.fields(kind)
    ]


def _faults(instance: Any) -> list[str]:
    found: list[str] = []
    kind: Any = type(instance)
    for name, rule, path in _rules(kind):
        found += rule(getattr(instance, name), path)
    return found


class Checked:
    """Collects every fault after construction; attrs' own validators would stop at the first."""

    __slots__ = ()

    def __attrs_post_init__(self) -> None:
        faults = _faults(self)
        if faults:
            raise PayloadError(faults)


@shielded
@attrs.frozen(kw_only=True, field_transformer=_guarded)
class Payload(Checked, Generic[ResponseT_co]):
    """What every action can carry; the type argument is the response that it gets.

    ``group_id`` falls back to the session's. ``submit_forms`` and ``disable_email_sending`` are left out
    when None; the server's defaults are true and false. ``extra`` is the way out for arguments that the
    documentation does not name: it is merged into the top level of the request (its ``doc``, into the
    ``doc``) and may override anything but ``action``.
    """

    action: ClassVar[str]
    response: ClassVar[type[responses.Response]] = responses.Response
    sends_doc: ClassVar[bool] = True

    group_id: int | None = attrs.field(default=None, metadata=_by(check.optional(check.identifier)))
    submit_forms: bool | None = attrs.field(default=None, metadata=_by(check.optional(check.boolean)))
    disable_email_sending: bool | None = attrs.field(
        default=None, metadata=_by(check.optional(check.boolean))
    )
    extra: Mapping[str, Any] = attrs.field(factory=dict, metadata=_by(check.extra, hidden=True))


@shielded
@attrs.frozen(kw_only=True, field_transformer=_guarded)
class Create(Payload[responses.CreateResponse]):
    """Registers a parent or an individual. ``clogin_id`` connects a person known from another project."""

    action: ClassVar[str] = "create"
    response: ClassVar[type[responses.Response]] = responses.CreateResponse
    clogin_id: Id | Literal[False] | None = attrs.field(
        default=None, metadata=_by(check.optional(check.either_id_or_false(Ref)))
    )
    doc: Doc = attrs.field(factory=dict, metadata=_by(check.doc, hidden=True))


@shielded
@attrs.frozen(kw_only=True, field_transformer=_guarded)
class CreateChild(Payload[responses.CreateChildResponse]):
    """Registers a child of the parent whose ``clogin_id`` is ``connected_to``."""

    action: ClassVar[str] = "create_child"
    response: ClassVar[type[responses.Response]] = responses.CreateChildResponse
    connected_to: Id = attrs.field(metadata=_by(check.reference(Ref)))
    clogin_id: Id | Literal[False] | None = attrs.field(
        default=None, metadata=_by(check.optional(check.either_id_or_false(Ref)))
    )
    doc: Doc = attrs.field(factory=dict, metadata=_by(check.doc, hidden=True))


@shielded
@attrs.frozen(kw_only=True, field_transformer=_guarded)
class Login(Payload[responses.LoginResponse]):
    """Asks for one login into the front end of the project; the token expires once it is used."""

    action: ClassVar[str] = "login"
    response: ClassVar[type[responses.Response]] = responses.LoginResponse
    clogin_id: Id = attrs.field(metadata=_by(check.reference(Ref)))


@shielded
@attrs.frozen(kw_only=True, field_transformer=_guarded)
class Update(Payload[responses.UpdateResponse]):
    """Sets fields of a user. Fields that begin with ``_`` belong to the system and can't be set."""

    action: ClassVar[str] = "update"
    response: ClassVar[type[responses.Response]] = responses.UpdateResponse
    clogin_id: Id = attrs.field(metadata=_by(check.reference(Ref)))
    doc: Doc = attrs.field(metadata=_by(check.update_doc, hidden=True))
    connected_to: Id | None = attrs.field(default=None, metadata=_by(check.optional(check.reference(Ref))))


@shielded
@attrs.frozen(kw_only=True, field_transformer=_guarded)
class Product(Checked):
    """One line of an order. A private product has no ``p_id`` and is named by ``name``.

    ``recurring_start_date`` is written mm-dd-yyyy unless ``date_structure`` names another format.
    """

    p_id: int | None = attrs.field(default=None, metadata=_by(check.optional(check.identifier)))
    name: str | None = attrs.field(default=None, metadata=_by(check.optional(check.text), hidden=True))
    q: int = attrs.field(default=1, metadata=_by(check.quantity))
    product_remark: str | None = attrs.field(
        default=None, metadata=_by(check.optional(check.string), hidden=True)
    )
    recurring_start_date: str | None = attrs.field(default=None, metadata=_by(check.optional(check.text)))
    date_structure: str | None = attrs.field(default=None, metadata=_by(check.optional(check.text)))
    extra: Mapping[str, Any] = attrs.field(factory=dict, metadata=_by(check.extra, hidden=True))

    def __attrs_post_init__(self) -> None:
        faults = _faults(self)
        if self.p_id is None and self.name is None:
            faults.append("required: p_id, or name for a private product @ $.p_id")
        if self.date_structure is None and isinstance(self.recurring_start_date, str):
            faults.extend(check.date(self.recurring_start_date, "$.recurring_start_date"))
        if faults:
            raise PayloadError(faults)


@shielded
@attrs.frozen(kw_only=True, field_transformer=_guarded)
class AddProduct(Payload[responses.AddProductResponse]):
    """Puts products into a user's cart."""

    action: ClassVar[str] = "add_product"
    response: ClassVar[type[responses.Response]] = responses.AddProductResponse
    sends_doc: ClassVar[bool] = False
    clogin_id: Id = attrs.field(metadata=_by(check.reference(Ref)))
    products: Sequence[Product] = attrs.field(
        metadata=_by(check.parts(Product), wire="product_list", hidden=True)
    )


@shielded
@attrs.frozen(kw_only=True, field_transformer=_guarded)
class Email(Checked):
    """A mail to record in a user's history; nothing is sent. Addresses may be several, joined by commas."""

    sender: str = attrs.field(metadata=_by(check.addresses, wire="from", hidden=True))
    to: str = attrs.field(metadata=_by(check.addresses, hidden=True))
    subject: str = attrs.field(metadata=_by(check.text, hidden=True))
    body: str = attrs.field(metadata=_by(check.text, hidden=True))
    cc: str | None = attrs.field(default=None, metadata=_by(check.optional(check.addresses), hidden=True))
    bcc: str | None = attrs.field(default=None, metadata=_by(check.optional(check.addresses), hidden=True))
    admin_id: int | None = attrs.field(default=None, metadata=_by(check.optional(check.identifier)))


@shielded
@attrs.frozen(kw_only=True, field_transformer=_guarded)
class AddEmail(Payload[responses.AddEmailResponse]):
    """Records mails in a user's history."""

    action: ClassVar[str] = "add_email"
    response: ClassVar[type[responses.Response]] = responses.AddEmailResponse
    clogin_id: Id = attrs.field(metadata=_by(check.reference(Ref)))
    emails: Sequence[Email] = attrs.field(
        metadata=_by(check.parts(Email), wire="doc.email_list", hidden=True)
    )


Option: TypeAlias = bool | Mapping[str, Any]


@shielded
@attrs.frozen(kw_only=True, field_transformer=_guarded)
class _Selection(Payload[ResponseT_co]):
    """What to read of a user; each option is True, or an object of the service's own settings."""

    fields: Sequence[str] = attrs.field(default=(), metadata=_by(check.names, wire="doc"))
    all_fields: Option | None = attrs.field(
        default=None, metadata=_by(check.optional(check.option), wire="doc._allfields", hidden=True)
    )
    family: Option | None = attrs.field(
        default=None, metadata=_by(check.optional(check.option), wire="doc._family", hidden=True)
    )
    user_products: Option | None = attrs.field(
        default=None, metadata=_by(check.optional(check.option), wire="doc._userproducts", hidden=True)
    )
    user_forms: Option | None = attrs.field(
        default=None, metadata=_by(check.optional(check.option), wire="doc._userforms", hidden=True)
    )
    user_cart: Option | None = attrs.field(
        default=None, metadata=_by(check.optional(check.option), wire="doc._usercart", hidden=True)
    )
    user_payments: Option | None = attrs.field(
        default=None, metadata=_by(check.optional(check.option), wire="doc._userpayments", hidden=True)
    )
    utm: Option | None = attrs.field(
        default=None, metadata=_by(check.optional(check.option), wire="doc._utm", hidden=True)
    )


@shielded
@attrs.frozen(kw_only=True, field_transformer=_guarded)
class GetInfo(_Selection[responses.GetInfoResponse]):
    """Reads one user. Asked for nothing, the service sends metadata alone or all fields."""

    action: ClassVar[str] = "get_info"
    response: ClassVar[type[responses.Response]] = responses.GetInfoResponse
    clogin_id: Id = attrs.field(metadata=_by(check.reference(Ref)))


@shielded
@attrs.frozen(kw_only=True, field_transformer=_guarded)
class SetStatus(Payload[responses.SetStatusResponse]):
    """Gives a user a status; 0 takes it away."""

    action: ClassVar[str] = "set_status"
    response: ClassVar[type[responses.Response]] = responses.SetStatusResponse
    clogin_id: Id = attrs.field(metadata=_by(check.reference(Ref)))
    status_id: int = attrs.field(metadata=_by(check.identifier_or_zero))


@shielded
@attrs.frozen(kw_only=True, field_transformer=_guarded)
class GetUserList(_Selection[responses.UserListResponse]):
    """Reads one page of at most 50 users, from ``starting_position`` on (the first is 0)."""

    action: ClassVar[str] = "get_user_list"
    response: ClassVar[type[responses.Response]] = responses.UserListResponse
    with_excluded: bool | None = attrs.field(
        default=None, metadata=_by(check.optional(check.boolean), wire="doc.with_excluded")
    )
    only_excluded: bool | None = attrs.field(
        default=None, metadata=_by(check.optional(check.boolean), wire="doc.only_excluded")
    )
    only_parents: bool | None = attrs.field(
        default=None, metadata=_by(check.optional(check.boolean), wire="doc.only_parents")
    )
    only_children: bool | None = attrs.field(
        default=None, metadata=_by(check.optional(check.boolean), wire="doc.only_children")
    )
    return_families: bool | None = attrs.field(
        default=None, metadata=_by(check.optional(check.boolean), wire="doc.return_families")
    )
    starting_position: int | None = attrs.field(
        default=None, metadata=_by(check.optional(check.count), wire="doc.starting_position")
    )


@shielded
@attrs.frozen(kw_only=True, field_transformer=_guarded)
class Custom(Payload[responses.Response]):
    """An action that the documentation does not name; its arguments go into ``extra``.

    It counts as one that must not be repeated unless ``repeatable`` says that a second run changes nothing.
    """

    # The one payload whose action is told and not known.
    action: str = attrs.field(metadata=_by(check.text))  # type: ignore[misc]
    sends_doc: ClassVar[bool] = False
    repeatable: bool = attrs.field(default=False, metadata=_by(check.boolean))


AnyPayload: TypeAlias = Payload[Any]
