"""Which column goes into which field."""

from __future__ import annotations

import difflib
import json
import re
import tomllib
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import attrs

from .failures import CommandError

FIELDS = ("first_name", "last_name", "org_name", "main_email", "username", "password", "_application_date")
"""What every project has."""
IDS = ("clogin_id", "connected_to")
"""Ids of people who are there already: the person's own, known from another project, and the parent's."""
_FIELD_ID = re.compile(r"f_\d+_\d+")
_SECTIONS = ("key", "parent", "ignore", "fields", "constants")


@attrs.frozen(kw_only=True)
class FieldMapping:
    """What a mapping file says. ``fields`` maps a column to its field, ``constants`` a field to the value
    that everybody gets, ``ignore`` names columns that go nowhere."""

    key: str | None = None
    parent: str | None = None
    ignore: Sequence[str] = ()
    fields: Mapping[str, str] = attrs.field(factory=dict)
    constants: Mapping[str, str | int | list[str]] = attrs.field(factory=dict, repr=False)


def read_mapping(path: Path) -> FieldMapping:
    """A mapping file in TOML or JSON. Raises `CommandError`."""
    try:
        text = path.read_text("utf-8-sig")
        said = json.loads(text) if path.suffix.lower() == ".json" else tomllib.loads(text)
    except ValueError as error:
        raise CommandError(f"{path}: {error}") from None
    if not isinstance(said, dict):
        raise CommandError(f"{path}: expected an object with {', '.join(_SECTIONS)}")
    return _checked(path, said)


def _checked(path: Path, said: Mapping[str, Any]) -> FieldMapping:
    wrong = [f"unknown: {name}" for name in said if name not in _SECTIONS]
    wrong += [
        f"{name}: expected the name of a column"
        for name in ("key", "parent")
        if not isinstance(said.get(name, ""), str)
    ]
    if not _are_texts(said.get("ignore", [])):
        wrong.append("ignore: expected a list of columns")
    fields, constants = said.get("fields", {}), said.get("constants", {})
    if not isinstance(fields, dict) or not _are_texts(list(fields.values())) or "" in fields.values():
        wrong.append("fields: expected a column and its field in each line")
    if not isinstance(constants, dict) or not all(map(_is_constant, constants.values())):
        wrong.append("constants: expected a field and its value, a text, a whole number or a list of texts")
    if wrong:
        raise CommandError(f"{path}: {'; '.join(wrong)}")
    return FieldMapping(**said)


def _are_texts(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(one, str) for one in value)


def _is_constant(value: Any) -> bool:
    return (
        isinstance(value, str)
        or (isinstance(value, int) and not isinstance(value, bool))
        or _are_texts(value)
    )


class Columns:
    """Where each column of a table goes.

    Raises `CommandError` for what can't be right whatever the rows hold; `columns` is None if only they tell
    which columns there are.
    """

    def __init__(self, mapping: FieldMapping, columns: Sequence[str] | None, *, allow_unknown: bool) -> None:
        self.key, self.parent, self.constants = mapping.key, mapping.parent, mapping.constants
        self._mapped = mapping.fields
        self._apart = {*mapping.ignore, *filter(None, (mapping.key, mapping.parent))}
        self._allow_unknown = allow_unknown
        self._known: dict[str, str | None] = {}
        named = [*mapping.fields, *filter(None, (mapping.key, mapping.parent))]
        wrong = (
            []
            if columns is None
            else [f"there is no column {name!r}" for name in named if name not in columns]
        )
        wrong += [
            f"{name!r} is both a field and ignored" for name in mapping.fields if name in mapping.ignore
        ]
        if columns is not None:
            wrong += self._complaints(columns)
        if wrong:
            raise CommandError("; ".join(wrong))

    def field_of(self, column: str) -> str | None:
        """The field that a column goes into; None if it goes into none. Raises `CommandError` for a column of
        which nobody knows."""
        if column not in self._known:
            wrong = self._complaints([*self._known, column])
            if wrong:
                raise CommandError("; ".join(wrong))
            self._known[column] = self._place(column)
        return self._known[column]

    def columns_of(self, field: str) -> str | None:
        """The column that went into a field."""
        return next((column for column, known in self._known.items() if known == field), None)

    def _place(self, column: str) -> str | None:
        if column in self._mapped:
            return self._mapped[column]
        return None if column in self._apart else column

    def _complaints(self, columns: Collection[str]) -> list[str]:
        unknown = [column for column in columns if not self._is_known(column)]
        complaints = [f"{', '.join(map(_suggested, unknown))}: {_HELP}"] if unknown else []
        places: dict[str, list[str]] = {}
        for column in columns:
            if (field := self._place(column)) is not None:
                places.setdefault(field, []).append(repr(column))
        for field, sources in places.items():
            if field.startswith("_") and field not in FIELDS:
                complaints.append(f"{sources[0]}: {field} is a field of the system, and can't be set")
            if field in self.constants:
                sources.append("a constant")
            if len(sources) > 1:
                complaints.append(f"{' and '.join(sources)} go into one field, {field}")
        return complaints

    def _is_known(self, column: str) -> bool:
        if self._allow_unknown or column in self._mapped or column in self._apart:
            return True
        return column in FIELDS or column in IDS or _FIELD_ID.fullmatch(column) is not None


_HELP = "no known field; give a --mapping, or --allow-unknown to send it under its own name"


def _suggested(column: str) -> str:
    alike = difflib.get_close_matches("_".join(column.casefold().split()), FIELDS, 1, 0.8)
    return f"column {column!r} (is it {alike[0]}?)" if alike else f"column {column!r}"


def mapping_text(fields: Iterable[str], path: Path) -> str:
    """A mapping file, to be edited, in which each of `fields` has a column of its own name."""
    pairs = {field: field for field in fields}
    if path.suffix.lower() == ".json":
        return (
            json.dumps({"ignore": [], "fields": pairs, "constants": {}}, indent=2, ensure_ascii=False) + "\n"
        )
    lines = [
        "# The column that holds each row's key, and the one with the key of its parent:",
        '# key = "id"',
        '# parent = "parent_id"',
        "# Columns that go nowhere:",
        "ignore = []",
        "",
        "# Delete those that your file does not have, and write its own names on the left.",
        "[fields]",
        *(f"{_toml(column)} = {_toml(field)}" for column, field in pairs.items()),
        "",
        "# What everybody gets in a field:",
        "[constants]",
    ]
    return "\n".join(lines) + "\n"


def _toml(text: str) -> str:
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
