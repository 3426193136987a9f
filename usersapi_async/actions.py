"""The action coroutines: each builds one payload, checked in full, and sends it."""

from __future__ import annotations

import abc
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING, Literal, TypeVar

from . import payloads, responses
from ._checks import hidden, text
from ._recognition import Sign
from .errors import PayloadError
from .listing import UserStream, walk

if TYPE_CHECKING:
    from .payloads import Doc, Option

ResponseT = TypeVar("ResponseT", bound=responses.Response)


class Actions(abc.ABC):
    """The nine actions of the users endpoint, and what is built on them.

    Each raises `PayloadError` before anything is sent when an argument can't be right, and else what `send`
    raises. ``group_id`` falls back to the session's. ``submit_forms=False`` keeps the user's forms from being
    submitted, so that no trigger fires (the service's default is true); ``disable_email_sending=True`` keeps
    automatic mails from going out (default false).
    """

    @abc.abstractmethod
    async def send(self, payload: payloads.Payload[ResponseT]) -> ResponseT:
        """Sends one payload and returns its typed response."""

    async def create(
        self,
        doc: Doc | None = None,
        *,
        clogin_id: int | Literal[False] | None = None,
        group_id: int | None = None,
        submit_forms: bool | None = None,
        disable_email_sending: bool | None = None,
    ) -> responses.CreateResponse:
        """Registers a parent or an individual.

        ``doc`` maps a field (``first_name``, ``main_email``, the id or mapped name of a form's field, …) to
        its value. A blank ``username`` becomes ``main_email`` or, if that is taken, another. ``clogin_id``
        connects a person that the organisation knows from another project. Never sent twice: see
        `OutcomeUnknown`.
        """
        doc = hidden({} if doc is None else doc)
        payload = payloads.Create(
            doc=doc,
            clogin_id=clogin_id,
            group_id=group_id,
            submit_forms=submit_forms,
            disable_email_sending=disable_email_sending,
        )
        return await self.send(payload)

    async def create_child(
        self,
        connected_to: int,
        doc: Doc | None = None,
        *,
        clogin_id: int | Literal[False] | None = None,
        group_id: int | None = None,
        submit_forms: bool | None = None,
        disable_email_sending: bool | None = None,
    ) -> responses.CreateChildResponse:
        """Registers a child of the parent whose ``clogin_id`` is ``connected_to``; else as `create`."""
        connected_to, doc = hidden(connected_to), hidden({} if doc is None else doc)
        payload = payloads.CreateChild(
            connected_to=connected_to,
            doc=doc,
            clogin_id=clogin_id,
            group_id=group_id,
            submit_forms=submit_forms,
            disable_email_sending=disable_email_sending,
        )
        return await self.send(payload)

    async def login(
        self,
        clogin_id: int,
        *,
        group_id: int | None = None,
        submit_forms: bool | None = None,
        disable_email_sending: bool | None = None,
    ) -> responses.LoginResponse:
        """Asks for a ``user_token``: one login into the front end of the project, spent once used."""
        clogin_id = hidden(clogin_id)
        payload = payloads.Login(
            clogin_id=clogin_id,
            group_id=group_id,
            submit_forms=submit_forms,
            disable_email_sending=disable_email_sending,
        )
        return await self.send(payload)

    async def update(
        self,
        clogin_id: int,
        doc: Doc,
        *,
        connected_to: int | None = None,
        group_id: int | None = None,
        submit_forms: bool | None = None,
        disable_email_sending: bool | None = None,
    ) -> responses.UpdateResponse:
        """Sets fields of a user; those that begin with ``_`` belong to the system and can't be set.

        ``connected_to`` is the parent's id, for a child.
        """
        doc = hidden(doc)
        clogin_id = hidden(clogin_id)
        payload = payloads.Update(
            clogin_id=clogin_id,
            doc=doc,
            connected_to=connected_to,
            group_id=group_id,
            submit_forms=submit_forms,
            disable_email_sending=disable_email_sending,
        )
        return await self.send(payload)

    async def add_product(
        self,
        clogin_id: int,
        products: payloads.Product | Sequence[payloads.Product],
        *,
        group_id: int | None = None,
        submit_forms: bool | None = None,
        disable_email_sending: bool | None = None,
    ) -> responses.AddProductResponse:
        """Puts products into a user's cart. Never sent twice: see `OutcomeUnknown`."""
        products = hidden([products] if isinstance(products, payloads.Product) else products)
        clogin_id = hidden(clogin_id)
        payload = payloads.AddProduct(
            clogin_id=clogin_id,
            products=products,
            group_id=group_id,
            submit_forms=submit_forms,
            disable_email_sending=disable_email_sending,
        )
        return await self.send(payload)

    async def add_email(
        self,
        clogin_id: int,
        emails: payloads.Email | Sequence[payloads.Email],
        *,
        group_id: int | None = None,
        submit_forms: bool | None = None,
        disable_email_sending: bool | None = None,
    ) -> responses.AddEmailResponse:
        """Records mails in a user's history; sends nothing. Never sent twice: see `OutcomeUnknown`."""
        emails = hidden([emails] if isinstance(emails, payloads.Email) else emails)
        clogin_id = hidden(clogin_id)
        payload = payloads.AddEmail(
            clogin_id=clogin_id,
            emails=emails,
            group_id=group_id,
            submit_forms=submit_forms,
            disable_email_sending=disable_email_sending,
        )
        return await self.send(payload)

    async def get_info(
        self,
        clogin_id: int,
        fields: Sequence[str] = (),
        *,
        all_fields: Option | None = None,
        family: Option | None = None,
        user_products: Option | None = None,
        user_forms: Option | None = None,
        user_cart: Option | None = None,
        user_payments: Option | None = None,
        utm: Option | None = None,
        group_id: int | None = None,
        submit_forms: bool | None = None,
        disable_email_sending: bool | None = None,
    ) -> responses.GetInfoResponse:
        """Reads one user: the named ``fields``, and what the options ask for.

        An option is True, or an object of the service's own settings for it.
        """
        clogin_id = hidden(clogin_id)
        payload = payloads.GetInfo(
            clogin_id=clogin_id,
            fields=fields,
            all_fields=all_fields,
            family=family,
            user_products=user_products,
            user_forms=user_forms,
            user_cart=user_cart,
            user_payments=user_payments,
            utm=utm,
            group_id=group_id,
            submit_forms=submit_forms,
            disable_email_sending=disable_email_sending,
        )
        return await self.send(payload)

    async def set_status(
        self,
        clogin_id: int,
        status_id: int,
        *,
        group_id: int | None = None,
        submit_forms: bool | None = None,
        disable_email_sending: bool | None = None,
    ) -> responses.SetStatusResponse:
        """Gives a user a status; 0 takes it away.

        A status that excludes is the documented way to take a user out: there is no delete.
        """
        clogin_id = hidden(clogin_id)
        payload = payloads.SetStatus(
            clogin_id=clogin_id,
            status_id=status_id,
            group_id=group_id,
            submit_forms=submit_forms,
            disable_email_sending=disable_email_sending,
        )
        return await self.send(payload)

    async def get_user_list(
        self,
        fields: Sequence[str] = (),
        *,
        all_fields: Option | None = None,
        family: Option | None = None,
        user_products: Option | None = None,
        user_forms: Option | None = None,
        user_cart: Option | None = None,
        user_payments: Option | None = None,
        utm: Option | None = None,
        with_excluded: bool | None = None,
        only_excluded: bool | None = None,
        only_parents: bool | None = None,
        only_children: bool | None = None,
        return_families: bool | None = None,
        starting_position: int | None = None,
        group_id: int | None = None,
    ) -> responses.UserListResponse:
        """Reads one page of at most 50 users, the first at ``starting_position`` (0 is the beginning).

        Users whose status excludes them are left out unless ``with_excluded`` or ``only_excluded`` asks for
        them. ``return_families`` nests children under their parent. The fields and options of `get_info` add
        ``values`` to each user.
        """
        payload = payloads.GetUserList(
            fields=fields,
            all_fields=all_fields,
            family=family,
            user_products=user_products,
            user_forms=user_forms,
            user_cart=user_cart,
            user_payments=user_payments,
            utm=utm,
            with_excluded=with_excluded,
            only_excluded=only_excluded,
            only_parents=only_parents,
            only_children=only_children,
            return_families=return_families,
            starting_position=starting_position,
            group_id=group_id,
        )
        return await self.send(payload)

    def iter_users(
        self,
        fields: Sequence[str] = (),
        *,
        all_fields: Option | None = None,
        family: Option | None = None,
        user_products: Option | None = None,
        user_forms: Option | None = None,
        user_cart: Option | None = None,
        user_payments: Option | None = None,
        utm: Option | None = None,
        with_excluded: bool | None = None,
        only_excluded: bool | None = None,
        only_parents: bool | None = None,
        only_children: bool | None = None,
        return_families: bool | None = None,
        starting_position: int = 0,
        prefetch: int = 2,
        group_id: int | None = None,
    ) -> AbstractAsyncContextManager[UserStream]:
        """Walks all pages: ``async with users.iter_users() as stream: async for user in stream: …``

        ``prefetch`` pages at most are requested ahead. An error that ends the walk carries in ``position``
        the ``starting_position`` from which to go on. The rest is as for `get_user_list`.
        """
        first = payloads.GetUserList(
            fields=fields,
            all_fields=all_fields,
            family=family,
            user_products=user_products,
            user_forms=user_forms,
            user_cart=user_cart,
            user_payments=user_payments,
            utm=utm,
            with_excluded=with_excluded,
            only_excluded=only_excluded,
            only_parents=only_parents,
            only_children=only_children,
            return_families=return_families,
            starting_position=starting_position,
            group_id=group_id,
        )
        return walk(self.send, first, prefetch)

    async def check(self, *, group_id: int | None = None) -> responses.UserListResponse:
        """Asks for the list's first page, to find out whether credentials and group are good.

        Raises what is wrong: `AuthenticationError` for the credentials, `RequestRejected` or
        `ActionRejected` for the group, a `TransportError` when the service can't be reached.
        """
        return await self.get_user_list(group_id=group_id)

    async def find_user(
        self, *, username: str | None = None, main_email: str | None = None, group_id: int | None = None
    ) -> tuple[responses.ListedUser, ...]:
        """Looks through all users, the excluded too, for those with this username or main email.

        Case, blanks, HTML escapes and Unicode forms are ignored. Nobody is ``()``; an email may be several
        people's. The walk is one request for every page. That nobody was found proves little while a create
        may still be under way, or when the list shifted: `reconcile` is for that.
        """
        sought = _Sought(username=username, main_email=main_email)
        username, main_email = None, None
        if sought.faults:
            raise PayloadError(sought.faults)
        async with self.iter_users(sought.fields, with_excluded=True, group_id=group_id) as stream:
            return tuple([user async for user in stream if sought.is_shown_by(user)])


class _Sought:
    """Who is looked for; shows nothing of it in a traceback with local variables."""

    def __init__(self, **values: str | None) -> None:
        given = {field: value for field, value in values.items() if value is not None}
        self.faults = [fault for field, value in given.items() for fault in text(value, f"$.{field}")]
        if not given:
            self.faults.append("required: username or main_email @ $")
        self._signs = [Sign.read((field,), given) for field in given]
        self.fields = list(given)

    def is_shown_by(self, user: responses.ListedUser) -> bool:
        """Whether one of the fields is the same."""
        return any(sign is not None and Sign.read(sign.fields, user.values) == sign for sign in self._signs)
