"""Which column goes into which field, and what can't be right."""

from __future__ import annotations

import json
import tomllib
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from usersapi_async.cli.failures import CommandError
from usersapi_async.cli.mapping import Columns, FieldMapping, mapping_text, read_mapping

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_TOML = """
key = "No."
parent = "Family"
ignore = ["Notes"]
[fields]
"First name" = "first_name"
[constants]
your_instrument = "none"
tags = ["a"]
count = 1
"""


def _columns(
    *columns: str,
    fields: Mapping[str, str] | None = None,
    constants: Mapping[str, str] | None = None,
    ignore: tuple[str, ...] = (),
    key: str | None = None,
    allow_unknown: bool = False,
) -> Columns:
    mapping = FieldMapping(fields=fields or {}, constants=constants or {}, ignore=ignore, key=key)
    return Columns(mapping, columns, allow_unknown=allow_unknown)


def test_a_mapping_file(tmp_path: Path) -> None:
    """TOML and JSON say the same."""
    (tmp_path / "m.toml").write_text(_TOML, "utf-8-sig")
    (tmp_path / "m.json").write_text(json.dumps(tomllib.loads(_TOML)))
    found = read_mapping(tmp_path / "m.toml")
    assert found == read_mapping(tmp_path / "m.json")
    assert (found.key, found.parent, found.ignore) == ("No.", "Family", ["Notes"])
    assert found.fields == {"First name": "first_name"}
    assert found.constants == {"your_instrument": "none", "tags": ["a"], "count": 1}


@pytest.mark.parametrize(
    ("name", "text", "reason"),
    [
        ("m.toml", "key = ", "Invalid value"),
        ("m.json", "{", "Expecting property name"),
        ("m.json", "[]", "expected an object with key, parent, ignore, fields, constants"),
        ("m.json", '{"feilds": {}}', "unknown: feilds"),
        ("m.json", '{"key": 1}', "key: expected the name of a column"),
        ("m.json", '{"ignore": "a"}', "ignore: expected a list of columns"),
        ("m.json", '{"fields": {"a": 1}}', "fields: expected a column and its field"),
        ("m.json", '{"fields": {"a": ""}}', "fields: expected a column and its field"),
        ("m.json", '{"constants": {"a": true}}', "constants: expected a field and its value"),
        ("m.json", '{"constants": {"a": [1]}, "fields": 1}', "fields: .*; constants: "),
    ],
)
def test_a_mapping_file_that_is_wrong(tmp_path: Path, name: str, text: str, reason: str) -> None:
    """All that is wrong is told, with the file."""
    (tmp_path / name).write_text(text)
    with pytest.raises(CommandError, match=f"{name}: .*{reason}"):
        read_mapping(tmp_path / name)


def test_where_columns_go() -> None:
    """By their own name, by the mapping, or nowhere."""
    columns = _columns(
        "first_name", "Vorname", "f_1_2", "Notes", "No.", "clogin_id",
        fields={"Vorname": "last_name"}, ignore=("Notes",), key="No.",
    )  # fmt: skip
    assert columns.field_of("first_name") == "first_name"
    assert columns.field_of("Vorname") == "last_name"
    assert columns.field_of("f_1_2") == "f_1_2"
    assert columns.field_of("Notes") is None
    assert columns.field_of("No.") is None
    assert columns.columns_of("last_name") == "Vorname"
    assert columns.columns_of("nothing") is None


def test_unknown_columns() -> None:
    """They are a fault, with a guess, unless they are allowed."""
    with pytest.raises(
        CommandError, match=r"column 'First Name' \(is it first_name\?\), column 'Shoe': no known"
    ):
        _columns("First Name", "Shoe")
    assert _columns("Shoe", allow_unknown=True).field_of("Shoe") == "Shoe"


@pytest.mark.parametrize(
    ("columns", "said", "reason"),
    [
        (("a",), {"fields": {"b": "first_name"}}, "there is no column 'b'"),
        (("a",), {"key": "id", "ignore": ("a",)}, "there is no column 'id'"),
        (("a",), {"fields": {"a": "first_name"}, "ignore": ("a",)}, "'a' is both a field and ignored"),
        (("first_name", "a"), {"fields": {"a": "first_name"}}, "'first_name' and 'a' go into one field"),
        (
            ("first_name",),
            {"constants": {"first_name": "x"}},
            "'first_name' and a constant go into one field",
        ),
        (("_secret",), {"allow_unknown": True}, "_secret is a field of the system"),
    ],
)
def test_what_can_t_be_right(columns: tuple[str, ...], said: dict[str, object], reason: str) -> None:
    """It is told before any row is read."""
    with pytest.raises(CommandError, match=reason):
        _columns(*columns, **said)  # type: ignore[arg-type]  # each case gives what fits


def test_columns_that_rows_tell() -> None:
    """In JSON lines a column is looked at when it comes."""
    columns = Columns(FieldMapping(key="id"), None, allow_unknown=False)
    assert columns.field_of("id") is None
    assert columns.field_of("first_name") == "first_name"
    with pytest.raises(CommandError, match="'Shoe': no known field"):
        columns.field_of("Shoe")


@given(st.lists(st.text(st.characters(blacklist_categories=["Cs"]), min_size=1), unique=True))
def test_a_mapping_that_is_written_can_be_read(
    tmp_path_factory: pytest.TempPathFactory, fields: list[str]
) -> None:
    """Whatever the fields are called."""
    directory = tmp_path_factory.mktemp("mapping")
    for name in ("m.toml", "m.json"):
        (directory / name).write_text(mapping_text(fields, directory / name), "utf-8")
        assert read_mapping(directory / name).fields == {field: field for field in fields}
