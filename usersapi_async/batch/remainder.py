"""What a file of results leaves to be done."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
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
    sorter = _Sorter(key, reconciled)
    for line in read_results(path, file_format=file_format):
        sorter.add(line)
    return sorter.remainder()


class _Sorter:
    """Puts each line where it belongs. What it holds is not shown by a traceback with local variables."""

    def __init__(self, key: Callable[[Any], str] | None, reconciled: Reconciliation | None) -> None:
        self._key = key
        self._found: Mapping[Any, int] = {} if reconciled is None else reconciled.found
        self._absent: frozenset[Any] = frozenset(() if reconciled is None else reconciled.absent)
        self._ids: dict[str, int] = {}
        self._ended: set[str] = set()
        self._open: list[ResultLine] = []
        self._rows: list[Any] = []
        self._in_doubt: list[ResultLine] = []
        self._repeated: list[ResultLine] = []
        self._without_input: list[ResultLine] = []

    def add(self, line: ResultLine) -> None:
        clogin_id, is_in_doubt = line.clogin_id, line.status == "in_doubt"
        if is_in_doubt and line.known_as in self._found:
            clogin_id, is_in_doubt = self._found[line.known_as], False
        elif line.status != "succeeded" and (not is_in_doubt or line.known_as in self._absent):
            self._open.append(line)
            return
        if is_in_doubt:
            self._in_doubt.append(line)
        if line.key is not None:
            self._ended.add(line.key)
            if clogin_id is not None:
                self._ids[line.key] = clogin_id

    def remainder(self) -> Remainder:
        # Added lines have no index.
        for line in sorted(self._open, key=lambda line: math.inf if line.index is None else line.index):
            self._put(line)
        return Remainder(
            rows=self._rows,
            ids=self._ids,
            in_doubt=self._in_doubt,
            repeated=self._repeated,
            without_input=self._without_input,
        )

    def _put(self, line: ResultLine) -> None:
        if line.input is None:
            self._without_input.append(line)
            return
        key = self._key_of(line)
        if key in self._ended:
            self._repeated.append(line)
        else:
            self._rows.append(line.input if key is None else (key, line.input))

    def _key_of(self, line: ResultLine) -> str | None:
        if self._key is None:
            return line.key
        try:
            return self._key(line.input)
        except Exception as error:  # noqa: BLE001 (the caller's own function; raised below)
            failure = ConfigurationError(f"key raised {_arguments.raised(error)}")
        raise failure
