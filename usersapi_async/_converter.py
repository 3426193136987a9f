"""The package's one cattrs converter: payloads are taken apart by their metadata, answers read leniently.

What goes out was checked when it was built, so nothing is coerced; what comes in is read value by value, and
what can't be read becomes a note instead of an error, unless the record needs it.
"""

from __future__ import annotations

import types
import typing
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

import attrs
from cattrs import Converter

from . import _lenient
from ._lenient import Unreadable
from .assumptions import FAMILIES, VALUES
from .payloads import Checked
from .responses import GetInfoResponse, ListedUser, MetaInfo, Record, UserInfo

converter = Converter()

_NOT_SENT = frozenset({"action", "extra", "repeatable"})


def _is_subclass(base: type) -> Callable[[Any], bool]:
    return lambda kind: isinstance(kind, type) and issubclass(kind, base)


def _taking_apart(kind: type[attrs.AttrsInstance]) -> Callable[[Any], dict[str, Any]]:
    """Puts each field where its ``wire`` path says, and leaves out what is None."""
    plan = [
        (field.name, (field.metadata["wire"] or field.name).split("."))
        for field in attrs.fields(kind)
        if field.name not in _NOT_SENT
    ]

    def unstructure(payload: Any) -> dict[str, Any]:
        sent: dict[str, Any] = {"doc": {}} if getattr(payload, "sends_doc", False) else {}
        for name, path in plan:
            value = getattr(payload, name)
            if value is None:
                continue
            if name == "fields":
                value = dict.fromkeys(value, True)
            elif isinstance(value, tuple):
                value = [converter.unstructure(part) for part in value]
            if path == ["doc"]:
                sent["doc"].update(value)
            else:
                target = sent["doc"] if path[0] == "doc" else sent
                target[path[-1]] = value
        return _merged(sent, getattr(payload, "extra", {}))

    return unstructure


def _merged(sent: dict[str, Any], extra: Mapping[str, Any]) -> dict[str, Any]:
    doc = extra.get("doc")
    if isinstance(doc, Mapping) and "doc" in sent:
        extra = {**extra, "doc": {**sent["doc"], **doc}}
    return {**sent, **extra}


converter.register_unstructure_hook_factory(_is_subclass(Checked), _taking_apart)


def _reads(wanted: Callable[[Any], bool], read: Callable[[Any], Any]) -> None:
    converter.register_structure_hook_func(wanted, lambda value, _: read(value))


_SCALARS: Mapping[Any, Callable[[Any], Any]] = {
    int: _lenient.read_int,
    Decimal: _lenient.read_money,
    str: _lenient.read_str,
}
"""Each gives None for null by itself."""
for _kind in _SCALARS:
    converter.register_structure_hook(_kind, lambda value, kind: _SCALARS[kind](value))
_reads(lambda kind: kind is Any, lambda value: value)
_reads(lambda kind: getattr(kind, "__origin__", None) is Mapping, _lenient.read_map)


def _reading_lists(kind: Any) -> Callable[[Any, Any], Any]:
    item = kind.__args__[0]

    def structure(value: Any, _: Any) -> tuple[Any, ...]:
        read = converter.get_structure_hook(item)
        found = []
        for position, inner in enumerate(_lenient.read_list(value)):
            try:
                found.append(read(inner, item))
            except Unreadable as odd:
                raise odd.below(f"[{position}]") from None
        return tuple(found)

    return structure


converter.register_structure_hook_factory(
    lambda kind: getattr(kind, "__origin__", None) is tuple, _reading_lists
)


@attrs.frozen
class _Place:
    """One field of a record: where its value may stand, and how it is read."""

    name: str
    keys: tuple[str, ...]
    required: bool
    strict: bool
    is_spared: bool
    """An optional record: an empty object stands for none."""
    is_part: bool
    """It holds a record, or several: their notes are the whole's too."""
    read: Callable[[Any], Any]

    def other_key_in(self, values: Mapping[str, Any]) -> str | None:
        """The name under which its value arrived, if it was not the first."""
        for key in self.keys[1:]:
            if key in values:
                return key
        if self.required:
            raise Unreadable("required field missing", f".{self.name}")
        return None

    def note(self, odd: Unreadable, key: str) -> str:
        """That the value can't be read. Raises `Unreadable` if it must be."""
        if self.strict:
            raise odd.below(f".{key}") from None
        return f"{odd.reason} @ $.{key}{odd.path}"


def _places(kind: type[attrs.AttrsInstance]) -> list[_Place]:
    attrs.resolve_types(kind)
    is_record = _is_subclass(Record)
    return [
        _Place(
            field.name,
            field.metadata.get("names", (field.name,)),
            field.metadata.get("required", False),
            field.metadata.get("strict", False),
            any(map(is_record, typing.get_args(field.type))),
            any(map(is_record, (field.type, *typing.get_args(field.type)))),
            _reader(field.type),
        )
        for field in attrs.fields(kind)
        # What arrives under no name at all is not read from here.
        if field.name not in ("extra", "problems") and field.metadata.get("names") != ()
    ]


def _reader(kind: Any) -> Callable[[Any], Any]:
    """How a value of that type is read. What may be null is read by what it may be else: cattrs' own hook for
    it would be one more call for each value."""
    parts = [part for part in typing.get_args(kind) if part is not type(None)]
    if isinstance(kind, types.UnionType):
        (kind,) = parts
        read = _reader(kind)
        return read if kind in _SCALARS else lambda value: None if value is None else read(value)
    if kind in _SCALARS:
        return _SCALARS[kind]
    hook = converter.get_structure_hook(kind)
    return lambda value: hook(value, kind)


def _with_nested_infos(user: Mapping[str, Any]) -> dict[str, Any]:
    """A listed user, whether its two objects are nested as in every answer or spread out."""
    if "user_info" in user:
        return dict(user)
    parts: dict[str, Any] = {"user_info": _part(user, UserInfo)}
    if "meta_info" not in user:
        parts["meta_info"] = _part(user, MetaInfo)
    spread = {key for part in parts.values() for key in part}
    return {**{key: value for key, value in user.items() if key not in spread}, **parts}


def _part(user: Mapping[str, Any], kind: type[attrs.AttrsInstance]) -> dict[str, Any]:
    names = {field.name for field in attrs.fields(kind)} - {"extra", "problems"}
    return {key: value for key, value in user.items() if key in names}


def _with_family_on_top(answer: Mapping[str, Any]) -> dict[str, Any]:
    """An answer of ``get_info`` with ``parent`` and ``children`` at its top, wherever they came."""
    holders = [answer, *(answer.get(name) for name in VALUES)]
    for holder in holders:
        for name in FAMILIES:
            family = holder.get(name) if isinstance(holder, dict) else None
            if isinstance(family, dict):
                return {**answer, **{key: family[key] for key in ("parent", "children") if key in family}}
    return dict(answer)


_ARRANGED: Mapping[Any, Callable[[Mapping[str, Any]], dict[str, Any]]] = {
    ListedUser: _with_nested_infos,
    GetInfoResponse: _with_family_on_top,
}


def _reading_records(kind: type[Any]) -> Callable[[Any, Any], Any]:
    plan: list[_Place] = []
    arrange = _ARRANGED.get(kind, dict)

    def structure(value: Any, _: Any) -> Any:
        # Filled at the first use: records nest in themselves.
        plan.extend(() if plan else _places(kind))
        left = arrange(_lenient.read_map(value))
        values: dict[str, Any] = {}
        problems: list[str] = []
        for place in plan:
            key = place.keys[0] if place.keys[0] in left else place.other_key_in(left)
            if key is None:
                continue
            raw = left.pop(key)
            if raw is None and not place.required:
                continue
            if place.is_spared and raw in ([], {}):
                continue
            try:
                found = place.read(raw)
            except Unreadable as odd:
                problems.append(place.note(odd, key))
                continue
            if place.required and found in (None, ""):
                raise Unreadable("required field is empty", f".{key}")
            if found is not None:
                values[place.name] = found
                if place.is_part:
                    problems += _moved_up(found, key)
        return kind(**values, extra=left, problems=tuple(problems))

    return structure


def _moved_up(found: Record | tuple[Record, ...], key: str) -> list[str]:
    """The notes of a part, or of each in a list of parts, as seen from the record that holds it."""
    if isinstance(found, Record):
        return [note.replace(" @ $", f" @ $.{key}", 1) for note in found.problems]
    return [note for at, part in enumerate(found) for note in _moved_up(part, f"{key}[{at}]")]


converter.register_structure_hook_factory(_is_subclass(Record), _reading_records)
