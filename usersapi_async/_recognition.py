"""By what a person is recognised in a list, whatever the server did to their values."""

from __future__ import annotations

import html
import unicodedata
from collections.abc import Iterator, Mapping

import attrs

from . import wire
from .errors import OutcomeUnknown, PayloadError
from .payloads import Create, CreateChild, Ref

_MOST_ESCAPES = 4
_FEWEST = 8
"""Characters of a text below which its beginning may be anybody's."""
_NAME = ("first_name", "last_name")


def plain(value: object) -> str:
    """`value` as it is compared: entities, Unicode forms, white space and letters' case made alike.

    An int is its digits; what is neither text nor an int is "", as is nothing.
    """
    if isinstance(value, bool) or not isinstance(value, (str, int)):
        return ""
    text = str(value)
    if text.isascii() and "&" not in text:
        # Nearly all values, and three times as fast.
        return " ".join(text.split()).casefold()
    # More than once, so that a text that looks escaped itself ("a&param", "&amp;") is the same as its escape.
    for _ in range(_MOST_ESCAPES):
        text = html.unescape(text)
    return " ".join(unicodedata.normalize("NFKC", text).split()).casefold()


def natural_key(payload: object) -> str | None:
    """One text for creates of one person, whatever key a caller gives them; None when nothing tells them from
    others: a name alone does only within a family."""
    if not isinstance(payload, (Create, CreateChild)):
        return None
    if isinstance(payload.clogin_id, int) and payload.clogin_id:
        return f"id {payload.clogin_id}"
    values = payload.doc
    if username := plain(values.get("username")):
        return f"username {username}"
    parent = payload.connected_to if isinstance(payload, CreateChild) else None
    name = " ".join(plain(values.get(field)) for field in _NAME).strip()
    if parent is not None:
        where = f"key {parent.key}" if isinstance(parent, Ref) else f"id {parent}"
        return f"child {name} of {where}" if name else None
    email = plain(values.get("main_email"))
    return f"email {email} {name}" if email else None


@attrs.frozen
class Sign:
    """A value in one field, or in several that are read as one text. `repr` shows nothing of it."""

    fields: tuple[str, ...] = attrs.field(repr=False)
    text: str = attrs.field(repr=False)

    @classmethod
    def read(cls, fields: tuple[str, ...], values: Mapping[str, object]) -> Sign | None:
        """The sign that `values` show in these fields; None when they show nothing."""
        text = " ".join(filter(None, (plain(values.get(field)) for field in fields)))
        return cls(fields, text) if text else None

    def cut(self) -> Iterator[Sign]:
        """The beginnings of the text that are long enough to tell it from others."""
        for length in range(_FEWEST, len(self.text)):
            yield Sign(self.fields, self.text[:length])


def kinds_of_signs(marker_field: str | None) -> tuple[tuple[str, ...], ...]:
    """The fields of each sign that a create may leave, the surest first."""
    marker = () if marker_field is None else ((marker_field,),)
    return (*marker, ("username",), ("main_email",), _NAME)


@attrs.frozen(eq=False, kw_only=True)
class Sought:
    """The person whom one create in doubt is about.

    They are recognised by their ``clogin_id`` if it was known before, else by ``sign``, of which ``sent``
    are the fields with a value. A sign that is ``exact`` belongs to nobody else. ``others`` are the signs
    that they may show as well, or instead if the server cut an exact one. A child has a ``parent``.
    """

    key: str | int = attrs.field(repr=False)
    clogin_id: int | None
    parent: int | None
    sign: Sign | None
    sent: frozenset[str] = attrs.field(repr=False)
    exact: bool
    others: tuple[Sign, ...] = attrs.field(default=(), repr=False)

    @classmethod
    def of(cls, key: str | int, doubt: OutcomeUnknown, marker_field: str | None) -> Sought | None:
        """Whom `doubt` is about; None when nothing tells them from others, or when it is no create."""
        if not isinstance(doubt.payload, (Create, CreateChild)):
            return None
        try:
            # What was really sent, ``extra`` included; the group plays no part here.
            request = wire.content(doubt.payload, 0)
        except PayloadError:
            return None
        parent = wire.sent_id(request, "connected_to") or None
        clogin_id = wire.sent_id(request, "clogin_id") or None
        if isinstance(doubt.payload, CreateChild) is (parent is None):
            return None
        doc = request["doc"]
        values = doc if isinstance(doc, Mapping) else {}
        read = (Sign.read(fields, values) for fields in kinds_of_signs(marker_field))
        signs = [sign for sign in read if sign is not None]
        sign = signs[0] if signs else None
        if clogin_id is None and (sign is None or (sign.fields == _NAME and parent is None)):
            return None
        fields = () if sign is None else sign.fields
        exact = sign is not None and fields == (marker_field,)
        return cls(
            key=key,
            clogin_id=clogin_id,
            parent=parent,
            sign=sign,
            sent=frozenset(field for field in fields if plain(values.get(field))),
            exact=exact,
            others=tuple(signs[0].cut() if exact else signs[1:]),
        )

    def belongs_there(self, clogin_id: int, connected_to: int | None) -> bool | None:
        """Whether a listed user has this person's place in a family; None where the list does not tell."""
        if self.parent is None:
            return connected_to in (None, clogin_id)
        if clogin_id == self.parent:
            return False
        return None if connected_to is None else connected_to == self.parent
