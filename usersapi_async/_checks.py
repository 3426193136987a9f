"""Rules for what goes out. Each takes a value and its path and yields faults as ``reason @ path``.

A fault names the type and never the value: values are people's data.
"""

from __future__ import annotations

import datetime as dt
import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, NoReturn, TypeAlias, TypeVar, cast

_T = TypeVar("_T")
Rule: TypeAlias = Callable[[Any, str], Iterable[str]]

_ADDRESS = re.compile(r"[^@\s,;<>.]+(?:\.[^@\s,;<>.]+)*@[^@\s,;<>.]+(?:\.[^@\s,;<>.]+)*\Z")
_SHORTEST_PASSWORD = 6
_DEEPEST = 20
_LARGEST = 2**63 - 1
_PLAIN = frozenset({str, int, float, bool, type(None)})


def _is_int(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _wrong(expected: str, value: Any, path: str) -> str:
    # What `frozen_copy` made of a list and a dict.
    got = (
        "list" if isinstance(value, tuple) else "dict" if isinstance(value, _Frozen) else type(value).__name__
    )
    return f"invalid type, expected {expected}, got {got} @ {path}"


def _instance(kind: type, name: str) -> Rule:
    def rule(value: Any, path: str) -> Iterator[str]:
        if not isinstance(value, kind):
            yield _wrong(name, value, path)

    return rule


boolean = _instance(bool, "bool")


def string(value: Any, path: str) -> Iterator[str]:
    """A string that can be sent."""
    if not isinstance(value, str):
        yield _wrong("str", value, path)
    elif not _valid_unicode(value):
        yield f"holds a lone surrogate, which UTF-8 can't encode @ {path}"


def text(value: Any, path: str) -> Iterator[str]:
    """A string with something in it."""
    yield from string(value, path)
    if isinstance(value, str) and not value.strip():
        yield f"must not be blank @ {path}"


def _whole(smallest: int, name: str) -> Rule:
    def rule(value: Any, path: str) -> Iterator[str]:
        if not _is_int(value):
            yield _wrong(name, value, path)
        elif value < smallest:
            yield f"must be at least {smallest} @ {path}"
        elif value > _LARGEST:
            yield f"must fit into 64 bits @ {path}"

    return rule


identifier = _whole(1, "a positive int")
quantity = _whole(1, "a positive int")
identifier_or_zero = _whole(0, "an int of 0 or more")
count = _whole(0, "an int of 0 or more")


def optional(inner: Rule) -> Rule:
    """None passes; anything else goes by `inner`."""

    def rule(value: Any, path: str) -> Iterable[str]:
        return () if value is None else inner(value, path)

    return rule


def reference(ref: type[Any]) -> Rule:
    """An id, or a reference to one that a batch will know."""

    def rule(value: Any, path: str) -> Iterable[str]:
        return string(value.key, f"{path}.key") if isinstance(value, ref) else identifier(value, path)

    return rule


def either_id_or_false(ref: type[Any]) -> Rule:
    """An id, a reference, or False for a person who is new to the organisation."""
    inner = reference(ref)

    def rule(value: Any, path: str) -> Iterable[str]:
        return () if value is False else inner(value, path)

    return rule


def addresses(value: Any, path: str) -> Iterator[str]:
    """One address or several, joined by commas."""
    yield from string(value, path)
    for position, address in enumerate(value.split(",") if isinstance(value, str) else ()):
        if not _ADDRESS.match(address.strip()):
            where = path if "," not in value else f"{path}[{position}]"
            yield f"not an email address @ {where}"


def date(value: str, path: str) -> Iterator[str]:
    """A date in the service's own format."""
    try:
        if re.fullmatch(r"\d\d-\d\d-\d{4}", value, re.ASCII):
            dt.datetime.strptime(value, "%m-%d-%Y")  # noqa: DTZ007 (only whether there is such a day)
            return
    except ValueError:
        pass
    yield f"expected a date as mm-dd-yyyy, or its format in date_structure @ {path}"


class _Hidden:
    """Holds a value that a traceback with local variables shall not show."""

    def __init__(self, value: Any) -> None:
        self.value = value


def hidden(value: _T) -> _T:
    """`value` for a payload's constructor, in a wrapper that shows nothing; `frozen_copy` unwraps it."""
    return cast("_T", _Hidden(value))


class _Frozen(dict[Any, Any]):
    """A dict that stays as it was checked; a real one, so that it encodes, compares and pickles like one."""

    def _refuse(self, *_: object, **__: object) -> NoReturn:
        raise TypeError("a payload can't be changed; build another, for example with attrs.evolve")

    __setitem__ = __delitem__ = __ior__ = _refuse
    clear = pop = popitem = setdefault = update = _refuse

    def __reduce__(self) -> tuple[object, ...]:
        return type(self), (dict(self),)


def frozen_copy(value: Any, depth: int = 0) -> Any:
    """A deep copy, so that the caller's later changes don't reach a payload already checked.

    What lies deeper than any rule allows is left as it is: it may contain itself.
    """
    if type(value) in _PLAIN:
        return value
    if isinstance(value, _Hidden):
        value = value.value
    if depth > _DEEPEST:
        return value
    if isinstance(value, Mapping):
        return _Frozen((key, frozen_copy(inner, depth + 1)) for key, inner in value.items())
    if isinstance(value, (list, tuple)):
        return tuple(frozen_copy(inner, depth + 1) for inner in value)
    return value


def _encodable(value: Any, path: str, depth: int = 0) -> Iterator[str]:
    """Whether JSON can say it: the path leads to the innermost value that it can't."""
    if depth > _DEEPEST:
        yield f"nested more than {_DEEPEST} deep @ {path}"
    elif isinstance(value, Mapping):
        for key, inner in value.items():
            if not isinstance(key, str) or not key:
                yield f"a key must be a str that is not empty, got {type(key).__name__} @ {path}"
            elif not _valid_unicode(key):
                yield f"a key holds a lone surrogate, which UTF-8 can't encode @ {path}"
            elif type(inner) is not str or not inner.isascii():
                yield from _encodable(inner, f"{path}.{key}", depth + 1)
    elif isinstance(value, (list, tuple)):
        for position, inner in enumerate(value):
            yield from _encodable(inner, f"{path}[{position}]", depth + 1)
    elif value is not None:
        yield from _encodable_scalar(value, path)


def _encodable_scalar(value: Any, path: str) -> Iterator[str]:
    if isinstance(value, str):
        yield from string(value, path)
    elif isinstance(value, float):
        if not math.isfinite(value):
            yield f"must be a finite number @ {path}"
    elif not isinstance(value, int):
        yield _wrong("str, int, float, bool, None, a list or a mapping", value, path)
    elif abs(value) > _LARGEST:
        yield f"must fit into 64 bits @ {path}"


def _valid_unicode(value: str) -> bool:
    if value.isascii():
        return True
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def extra(value: Any, path: str) -> Iterator[str]:
    """Undocumented arguments: any JSON object that leaves ``action`` alone."""
    if not isinstance(value, Mapping):
        yield _wrong("a mapping", value, path)
        return
    if "action" in value:
        yield f"can't be overridden; use Custom for another action @ {path}.action"
    yield from _encodable(value, path)


def doc(value: Any, path: str) -> Iterator[str]:
    """The user data: field to string, number or list of strings, with the documented rules of names."""
    if not isinstance(value, Mapping):
        yield _wrong("a mapping", value, path)
        return
    yield from _encodable(value, path)
    password, email = value.get("password"), value.get("main_email")
    if password is not None and not isinstance(password, str):
        yield _wrong("str", password, f"{path}.password")
    elif password is not None and len(password) < _SHORTEST_PASSWORD:
        yield f"must have {_SHORTEST_PASSWORD} characters or more @ {path}.password"
    if email is not None and not isinstance(email, str):
        yield _wrong("str", email, f"{path}.main_email")
    elif email and not _ADDRESS.match(email.strip()):
        yield f"not an email address @ {path}.main_email"


def update_doc(value: Any, path: str) -> Iterator[str]:
    """As `doc`, without the fields of the system, and with the documented types: str, int, list of str."""
    found = list(doc(value, path))
    yield from found
    faulty = [fault.rpartition(" @ ")[2] for fault in found]
    for key, inner in value.items() if isinstance(value, Mapping) else ():
        where = f"{path}.{key}"
        if isinstance(key, str) and key.startswith("_"):
            yield f"a system field can't be updated @ {where}"
        if any(at == where or at.startswith((f"{where}.", f"{where}[")) for at in faulty):
            continue
        strings = isinstance(inner, tuple) and all(isinstance(one, str) for one in inner)
        if not (strings or isinstance(inner, str) or _is_int(inner)):
            yield _wrong("str, int or a list of str", inner, where)


def parts(kind: type) -> Rule:
    """A list, not empty, of `kind`."""

    def rule(value: Any, path: str) -> Iterator[str]:
        if isinstance(value, str) or not isinstance(value, Sequence):
            yield _wrong(f"a list of {kind.__name__}", value, path)
            return
        if not value:
            yield f"must hold at least one {kind.__name__} @ {path}"
        for position, item in enumerate(value):
            if not isinstance(item, kind):
                yield _wrong(kind.__name__, item, f"{path}[{position}]")

    return rule


def names(value: Any, path: str) -> Iterator[str]:
    """A list of field names."""
    if isinstance(value, str) or not isinstance(value, Sequence):
        yield _wrong("a list of field names", value, path)
        return
    for position, name in enumerate(value):
        yield from text(name, f"{path}[{position}]")


def option(value: Any, path: str) -> Iterator[str]:
    """A switch, or an object of settings."""
    if isinstance(value, Mapping):
        yield from _encodable(value, path)
    elif not isinstance(value, bool):
        yield _wrong("bool or a mapping", value, path)
