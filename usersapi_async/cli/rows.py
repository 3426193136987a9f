"""Reads people from a CSV file, and makes each row a payload."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TypeAlias

from usersapi_async.payloads import Create, CreateChild, Ref

CsvRow: TypeAlias = "Mapping[str, str]"

KEY = "key"
PARENT_KEY = "parent_key"


def rows_of(path: Path) -> Iterator[tuple[str, CsvRow]]:
    """The rows of a file as pairs of key and row, read one by one."""
    with path.open(encoding="utf-8-sig", newline="") as file:
        for row in csv.DictReader(file):
            yield row[KEY], row


def person_of(row: CsvRow) -> Create | CreateChild:
    """Registers the person of a row without mails and triggers; empty cells are left out."""
    doc = {column: cell for column, cell in row.items() if cell and column not in (KEY, PARENT_KEY)}
    if parent := row[PARENT_KEY]:
        return CreateChild(connected_to=Ref(parent), doc=doc, submit_forms=False, disable_email_sending=True)
    return Create(doc=doc, submit_forms=False, disable_email_sending=True)
