"""What a file of results leaves to be done."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

import attrs

from usersapi_async import _arguments
from usersapi_async.errors import ConfigurationError
from usersapi_async.reconciling import Reconciliation

from ._formats import FileFormat
from ._lines import ResultLine
from .results import PathLike, read_results


@attrs.frozen(kw_only=True)
class Remainder:
    """What a file of results leaves to be done.

    ``rows`` failed or were not attempted: they are to be run again, in the order of the input, each as
    ``(key, row)``, or alone if it has no key. ``ids`` are the ``clogin_id`` of those who succeeded, by key:
    what a `Ref` to them stands for, now that they are no rows of the batch any more.

    What is left out: those ``in_doubt``; the ``repeated``, whose key has another row that succeeded or is in
    doubt; and those ``without_input``, which can't be run again from the file.
    """

    rows: Sequence[Any] = attrs.field(repr=False)
    ids: Mapping[str, int] = attrs.field(repr=False)
    in_doubt: Sequence[ResultLine] = ()
    repeated: Sequence[ResultLine] = ()
    without_input: Sequence[ResultLine] = ()


def read_remainder(
    path: PathLike,
    *,
    key: Callable[[Any], str] | None = None,
    reconciled: Reconciliation | None = None,
    file_format: FileFormat | None = None,
) -> Remainder:
    """What is to be run again after a file of results, which may have been mended.

    `key` gives the key of a row, where that may have been mended too; by default each keeps the one that it
    had. Rows in doubt are left out unless they were `reconciled`: who was found has succeeded, and who is
    absent is to be run again.

    Rows that had not ended when a process was killed stand in no file of results: that takes a journal.
    Raises `ResultsError`.
    """
    found: Mapping[Any, int] = {} if reconciled is None else reconciled.found
    absent: Collection[Any] = () if reconciled is None else frozenset(reconciled.absent)
    ids: dict[str, int] = {}
    ended: set[str] = set()
    unended: list[ResultLine] = []
    doubts: list[ResultLine] = []
    for line in read_results(path, file_format=file_format):
        clogin_id, is_in_doubt = line.clogin_id, line.status == "in_doubt"
        if is_in_doubt and line.known_as in found:
            clogin_id, is_in_doubt = found[line.known_as], False
        elif line.status != "succeeded" and not (is_in_doubt and line.known_as not in absent):
            unended.append(line)
            continue
        if is_in_doubt:
            doubts.append(line)
        if line.key is not None:
            ended.add(line.key)
            if clogin_id is not None:
                ids[line.key] = clogin_id
    rows, repeated, without_input = _rows_of(unended, ended, key)
    return Remainder(rows=rows, ids=ids, in_doubt=doubts, repeated=repeated, without_input=without_input)


def _rows_of(
    lines: list[ResultLine], ended: Collection[str], key: Callable[[Any], str] | None
) -> tuple[list[Any], list[ResultLine], list[ResultLine]]:
    """The rows to be run again, and the lines left out: of a key that has `ended`, and without a row."""
    rows: list[Any] = []
    repeated: list[ResultLine] = []
    without_input: list[ResultLine] = []
    # Added lines have no index.
    for line in sorted(lines, key=lambda line: math.inf if line.index is None else line.index):
        if line.input is None:
            without_input.append(line)
            continue
        known = line.key if key is None else _asked(key, line)
        if known in ended:
            repeated.append(line)
        else:
            rows.append(line.input if known is None else (known, line.input))
    return rows, repeated, without_input


def _asked(key: Callable[[Any], str], line: ResultLine) -> str:
    try:
        return key(line.input)
    except Exception as error:  # noqa: BLE001 (the caller's own function)
        failure = ConfigurationError(f"key raised {_arguments.raised(error)}")
    raise failure
