"""Takes what was sent out of what the server says about it."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

_MASK = "***"
_LONGEST = 500
_LONGEST_READ = 100_000
_ANY_ADDRESS = re.compile(r"[^\s@<>\"',;:()]+@[^\s@<>\"',;:()]+")
_WORD = re.compile(r"[^\W_]{3,}")
_PROSE = 60
_READABLE = frozenset({"action", "group_id", "clogin_id", "connected_to", "status_id"})


def _leaves(value: Any) -> Iterator[str]:
    if isinstance(value, Mapping):
        for inner in value.values():
            yield from _leaves(inner)
    elif isinstance(value, (list, tuple)):
        for inner in value:
            yield from _leaves(inner)
    elif isinstance(value, (str, int, float)) and not isinstance(value, bool):
        yield str(value)


def _spellings(value: str) -> Iterator[str]:
    """The value as it is, as JSON writes it, and the words of a short one: a server may echo each."""
    yield value
    yield _plain(value)
    yield json.dumps(value)[1:-1]
    if len(value) <= _PROSE:
        yield from _WORD.findall(value)


def _plain(text: str) -> str:
    """Without PHP's spellings: HTML entities, some of them zero-padded, and JSON's escaped slash."""
    return html.unescape(text).replace("\\/", "/")


def mask(text: str, sent: Mapping[str, Any], secrets: Iterable[str] = ()) -> str:
    """`text` with every value of the request, every secret and every email address in it masked.

    The ids that the request names stay readable: a message is of no use without them.
    """
    values = {leaf for key, part in sent.items() if key not in _READABLE for leaf in _leaves(part)}
    spelled = {spelling for value in (*values, *secrets) for spelling in _spellings(value.strip())}
    # Cut before the costly part, at a blank: half a value would not be recognised as one.
    text = _plain(text if len(text) < _LONGEST_READ else text[:_LONGEST_READ].rpartition(" ")[0])
    text = _ANY_ADDRESS.sub(_MASK, text)
    for spelling in sorted(filter(None, spelled), key=len, reverse=True):
        # A short value ("Al", "7") is masked as a word only: else it would eat other words' letters.
        edge = "" if len(spelling) > 2 else r"\b"
        text = re.sub(f"{edge}{re.escape(spelling)}{edge}", _MASK, text, flags=re.IGNORECASE)
    return text[:_LONGEST]
