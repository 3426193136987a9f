"""Which values of a user go into which field of the other project. No I/O."""

from __future__ import annotations

import html
import re
import unicodedata
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeAlias

import attrs

from usersapi_async.assumptions import LOGIN_COMES_WITH_ID, NOT_FIELDS
from usersapi_async.errors import ConfigurationError

MovedValue: TypeAlias = str | int | list[str]

PASSWORD, USERNAME, APPLICATION_DATE = "password", "username", "_application_date"
_FIELD_ID = re.compile(r"f_\d+_\d+")


@attrs.frozen(kw_only=True)
class Moved:
    """What of a user's values goes where: ``doc`` maps the target's fields to values, ``places`` each field
    that has a value to where it goes (None: nowhere), ``left_out`` those that should go and can't to why."""

    doc: Mapping[str, MovedValue] = attrs.field(repr=False)
    places: Mapping[str, str | None]
    left_out: Mapping[str, str]


@attrs.frozen(kw_only=True)
class FieldMap:
    """Which field of the source goes into which of the target.

    ``fields`` maps the source's names to the target's, ``constants`` a field of the target to the value that
    everybody gets there, and ``ignore`` names fields of the source that go nowhere. All others go under their
    own name, but for those that mean nothing elsewhere: ids of forms' fields such as ``f_251473_6251473``,
    fields of the system but for ``_application_date``, the password, and the username, which comes with the
    ``clogin_id``. Raises `ConfigurationError` for what can't be right.
    """

    fields: Mapping[str, str] = attrs.field(factory=dict)
    ignore: Sequence[str] = ()
    constants: Mapping[str, MovedValue] = attrs.field(factory=dict, repr=False)

    def __attrs_post_init__(self) -> None:
        places = [*self.fields.values(), *self.constants]
        wrong = [
            f"{place} can't be set"
            for place in dict.fromkeys(places)
            if place == PASSWORD or (place.startswith("_") and place != APPLICATION_DATE)
        ]
        wrong += [f"two things go into {place}" for place, count in Counter(places).items() if count > 1]
        wrong += [f"{name} is both mapped and ignored" for name in self.fields if name in self.ignore]
        wrong += [f"{name} can't be moved" for name in self.fields if name == PASSWORD]
        wrong += [
            f"{place}: expected a text, a whole number or a list of texts"
            for place, value in self.constants.items()
            if _fault_of(value) is not None
        ]
        if wrong:
            raise ConfigurationError(f"mapping: {'; '.join(wrong)}")

    def moved(self, values: Mapping[str, Any]) -> Moved:
        """What of `values`, as the service shows a user's, goes where. What is empty goes nowhere."""
        doc: dict[str, MovedValue] = dict(self.constants)
        places: dict[str, str | None] = {}
        left_out: dict[str, str] = {}
        mapped = {*self.fields.values(), *self.constants}
        for name, value in values.items():
            if name in NOT_FIELDS or is_empty(value):
                continue
            places[name] = place = self._place(name)
            if place is None:
                continue
            fault = _fault_of(value)
            if name not in self.fields and place in mapped:
                fault = "something else goes into that field"
            if fault is None:
                doc[place] = list(value) if isinstance(value, (list, tuple)) else value
            else:
                left_out[name] = fault
        return Moved(doc=doc, places=places, left_out=left_out)

    def _place(self, name: str) -> str | None:
        if name in self.fields:
            return self.fields[name]
        nowhere = (
            name in self.ignore
            or name == PASSWORD
            or (name == USERNAME and LOGIN_COMES_WITH_ID)
            or (name.startswith("_") and name != APPLICATION_DATE)
            or _FIELD_ID.fullmatch(name) is not None
        )
        return None if nowhere else name


def is_empty(value: Any) -> bool:
    """Whether a field holds nothing: an empty map may be shown as an empty list."""
    return value is None or value in ([], {}, ()) or (isinstance(value, str) and not value.strip())


def _fault_of(value: Any) -> str | None:
    """Why a value can't be sent; the service takes texts, whole numbers and lists of texts."""
    if isinstance(value, bool):
        return "a truth value"
    if isinstance(value, (str, int)):
        return None
    if isinstance(value, (list, tuple)):
        return None if all(isinstance(one, str) for one in value) else "a list of other things than texts"
    return "a fraction" if isinstance(value, float) else "an object"


def looks_escaped(value: MovedValue) -> bool:
    """Whether a text holds HTML's escapes, which another project would show as they are."""
    texts = value if isinstance(value, list) else [value]
    return any(isinstance(text, str) and "&" in text and html.unescape(text) != text for text in texts)


def unlike(doc: Mapping[str, MovedValue], values: Mapping[str, Any]) -> Iterator[str]:
    """The fields of `doc` that `values` show otherwise; white space, HTML's escapes and Unicode's forms make
    no difference, nor does it whether a number is shown as a text."""
    return (name for name, value in doc.items() if _texts(value) != _texts(values.get(name)))


def _texts(value: Any) -> list[str]:
    parts = value if isinstance(value, (list, tuple)) else [value]
    return [_text(part) for part in parts if not is_empty(part)]


def _text(value: Any) -> str:
    text = str(value)
    if "&" in text:
        text = html.unescape(text)
    return " ".join((text if text.isascii() else unicodedata.normalize("NFC", text)).split())
