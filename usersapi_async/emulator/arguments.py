"""Reads the arguments of a request as PHP would: numeric strings are numbers, [] is an empty map."""

from __future__ import annotations

import re
from datetime import datetime
from typing import TYPE_CHECKING, Final, TypeGuard

from .catalogue import NAME_OF_FIELD_ID

if TYPE_CHECKING:
    from collections.abc import Mapping
    from collections.abc import Set as AbstractSet

    from .state import FieldValue

JsonObject = dict[str, object]

_LABEL: Final = r"[^\W_](?:[\w-]{0,61}[^\W_])?"
_EMAIL: Final = re.compile(rf"[^@\s,;<>\"]{{1,64}}@(?P<domain>(?:{_LABEL}\.)+{_LABEL})")
_FLAGS: Final = {"1": True, "true": True, "0": False, "false": False, "": False}
_LONGEST_NUMBER: Final = 18
_SHORTEST_PASSWORD: Final = 6


class RefusalError(Exception):
    """The service says no, and has done nothing. `status` is the HTTP status of the answer."""

    def __init__(self, msg: str, *, status: int = 200) -> None:
        super().__init__(msg)
        self.msg = msg
        self.status = status


def read_integer(source: Mapping[str, object], key: str) -> int | None:
    """An integer of zero or more, or None if the key is absent, blank, null or false."""
    value = source.get(key)
    if value is None or value is False or value == "":
        return None
    if isinstance(value, str) and value.isascii() and value.isdecimal() and len(value) <= _LONGEST_NUMBER:
        return int(value)
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 10**_LONGEST_NUMBER:
        return value
    raise RefusalError(f"{key} must be an integer.")


def read_id(source: Mapping[str, object], key: str) -> int | None:
    return read_integer(source, key) or None


def require_id(source: Mapping[str, object], key: str) -> int:
    value = read_id(source, key)
    if value is None:
        raise RefusalError(f"{key} is missing.")
    return value


def read_flag(source: Mapping[str, object], key: str, *, default: bool = False) -> bool:
    value = source.get(key, default)
    flag = value if isinstance(value, bool) else _FLAGS.get(str(value).lower())
    if flag is None:
        raise RefusalError(f"{key} must be true or false.")
    return flag


def read_text(source: Mapping[str, object], key: str) -> str:
    """The text without the blanks around it, "" if there is none."""
    value = source.get(key, "")
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise RefusalError(f"{key} must be a string.")
    return str(value).strip()


def read_map(source: Mapping[str, object], key: str) -> JsonObject:
    value = source.get(key)
    if value is None or value == []:
        return {}
    if not isinstance(value, dict):
        raise RefusalError(f"{key} must be an object.")
    return value


def read_objects(value: object, key: str) -> list[JsonObject]:
    if not isinstance(value, list) or not value or not all(isinstance(item, dict) for item in value):
        raise RefusalError(f"{key} must be a list of objects, with one at least.")
    return value


def read_fields(doc: JsonObject, *, at_creation: bool) -> dict[str, FieldValue]:
    """The fields by their mapped names. System fields can't be set, but for one and only at creation."""
    fields: dict[str, FieldValue] = {}
    for key, value in doc.items():
        if key.startswith("_") and not (at_creation and key == "_application_date"):
            raise RefusalError(f"{key} is a system field and can't be updated.")
        if not _is_field_value(value):
            raise RefusalError(f"{key} must be a string, an integer or a list of strings.")
        fields[NAME_OF_FIELD_ID.get(key, key)] = value
    return fields


def _is_field_value(value: object) -> TypeGuard[FieldValue]:
    if isinstance(value, list):
        return all(isinstance(item, str) for item in value)
    return isinstance(value, str | int) and not isinstance(value, bool)


def take_credentials(fields: dict[str, FieldValue]) -> tuple[str, str]:
    """Takes username and password out of the fields; "" stands for one that is absent or blank."""
    username = read_text(fields, "username")
    password = read_text(fields, "password")
    if password and len(password) < _SHORTEST_PASSWORD:
        raise RefusalError(f"password must have {_SHORTEST_PASSWORD} characters or more.")
    fields.pop("username", None)
    fields.pop("password", None)
    return username, password


def is_email(value: object) -> TypeGuard[str]:
    return isinstance(value, str) and _EMAIL.fullmatch(value) is not None


def check_email(address: str, key: str, dead_domains: AbstractSet[str]) -> None:
    """Refuses what is not an address, or one whose domain a look-up in DNS would not find: a domain is
    taken to be unknown there if it is one of `dead_domains` or lies under one."""
    match = _EMAIL.fullmatch(address)
    if match is None:
        raise RefusalError(f"{key} is not a valid email: {address}")
    labels = match["domain"].lower().split(".")
    if any(".".join(labels[start:]) in dead_domains for start in range(len(labels))):
        raise RefusalError(f"{key} has a domain that is not found in DNS: {address}")


def check_date(value: str, key: str) -> None:
    try:
        datetime.strptime(value, "%m-%d-%Y")  # noqa: DTZ007 - a calendar date has no time zone
    except ValueError:
        raise RefusalError(f"{key} must be a date like 12-31-2025.") from None
