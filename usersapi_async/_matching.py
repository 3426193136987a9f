"""Whether a listed user is the person that a create was for. No I/O.

Servers of this kind store names and addresses as they please: escaped for HTML, in another Unicode form, with
other blanks, in another case. A comparison that is too literal would call somebody absent who is there, and a
second create would follow. So both sides are folded, and what only may be the same is kept apart.
"""

from __future__ import annotations

import html
import unicodedata
from collections.abc import Iterable, Iterator, Mapping

import attrs

from .payloads import AnyPayload, Create, CreateChild
from .responses import ListedUser

_KEYS = ("username", "main_email")
_NAMES = ("first_name", "last_name")
FIELDS = (*_KEYS, *_NAMES)
"""What the list must show of each user."""


def folded(value: object) -> str:
    """A value as it is compared; "" for one that can't be anybody's."""
    if isinstance(value, bool) or not isinstance(value, (str, int)):
        return ""
    return " ".join(unicodedata.normalize("NFKC", html.unescape(str(value))).casefold().split())


@attrs.frozen
class Listed:
    """One user of a list; ``parent`` is None where the list doesn't tell, and 0 for somebody without one."""

    clogin_id: int
    parent: int | None
    values: Mapping[str, str] = attrs.field(repr=False)


def listed(users: Iterable[ListedUser], under: int | None = None) -> Iterator[Listed]:
    """All users, those nested under their parents too."""
    for user in users:
        parent = user.user_info.connected_to or under
        if parent == user.clogin_id:
            parent = 0
        values = {name: text for name, value in user.values.items() if (text := folded(value))}
        yield Listed(user.clogin_id, parent, values)
        yield from listed(user.children, user.clogin_id)


def trait(user: Listed, field: str) -> str:
    """What the list shows of this user in the field of a `Sought`."""
    if field == "clogin_id":
        return str(user.clogin_id)
    return _name(user.values) if field == "name" else user.values.get(field, "")


@attrs.frozen
class Sought:
    """How one person is recognised: this value in that field, which may be ``clogin_id`` and ``name`` too.

    ``exact`` is a value of that person's alone, such as an id or a marker. Else ``name`` must agree as well,
    and so must ``parent``: None for an individual, who is nobody's child.
    """

    field: str
    value: str = attrs.field(repr=False)
    exact: bool = False
    parent: int | None = None
    name: str = attrs.field(default="", repr=False)

    def match(self, user: Listed) -> bool | None:
        """Whether `user`, who has this value in that field, is this person; None if that can't be told."""
        if self.exact:
            return True
        if user.parent != (self.parent or 0) and user.parent is not None:
            return False
        names = _name(user.values)
        sure = user.parent is not None or self.parent is None
        return True if sure and (not self.name or not names or self.name == names) else None


def recognised(payload: AnyPayload, marker_field: str | None) -> Sought | None:
    """What to look for, the surest first; None when nothing tells this person from others."""
    if not isinstance(payload, (Create, CreateChild)):
        return None
    if isinstance(payload.clogin_id, int) and payload.clogin_id:
        return Sought("clogin_id", str(payload.clogin_id), exact=True)
    parent = payload.connected_to if isinstance(payload, CreateChild) else None
    if isinstance(marker_field, str) and (marker := folded(payload.doc.get(marker_field))):
        return Sought(marker_field, marker, exact=True)
    if parent is not None and not isinstance(parent, int):
        return None
    name = _name({field: folded(payload.doc.get(field)) for field in _NAMES})
    for field in _KEYS:
        if value := folded(payload.doc.get(field)):
            return Sought(field, value, parent=parent, name=name)
    return Sought("name", name, parent=parent) if name and parent is not None else None


def _name(values: Mapping[str, str]) -> str:
    return " ".join(filter(None, (values.get(field) for field in _NAMES)))
