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
_READABLE = frozenset({"action", "group_id", "clogin_id", "connected_to", "status_id", "p_id"})
_SHORT = 5
"""Values of so many characters stand inside other words ("Ali" in "valid"), so they are masked as words."""


def _leaves(value: Any) -> Iterator[str]:
    if isinstance(value, Mapping):
        for key, inner in value.items():
            if key not in _READABLE:
                yield from _leaves(inner)
    elif isinstance(value, (list, tuple)):
        for inner in value:
            yield from _leaves(inner)
    elif isinstance(value, (str, int, float)) and not isinstance(value, bool):
        yield str(value)


def _spellings(value: str) -> Iterator[str]:
    """The value as it is, and as JSON writes it: a server may echo either."""
    yield value
    yield _plain(value)
    yield json.dumps(value)[1:-1]


def _words(value: str) -> Iterator[str]:
    """The words of a value that is no prose: a server may echo some of them."""
    if len(value) <= _PROSE:
        yield from _WORD.findall(value)


def _plain(text: str) -> str:
    """Without PHP's spellings: HTML entities, some of them zero-padded, and JSON's escaped slash."""
    return html.unescape(text).replace("\\/", "/")


def mask(text: str, sent: Mapping[str, Any], secrets: Iterable[str] = ()) -> str:
    """`text` with every value of the request, every secret and every email address in it masked.

    The ids that the request names stay readable: a message is of no use without them.
    """
    values = set(_leaves(sent))
    whole = {spelling for value in (*values, *secrets) for spelling in _spellings(value.strip())}
    # Not those of secrets: of a login's domain they would be anybody's words.
    words = {word for value in values for word in _words(value)}
    # Cut before the costly part, at a blank: half a value would not be recognised as one.
    text = _plain(text if len(text) < _LONGEST_READ else text[:_LONGEST_READ].rpartition(" ")[0])
    text = _ANY_ADDRESS.sub(_MASK, text)
    for spelling in sorted(filter(None, whole | words), key=len, reverse=True):
        pattern = re.escape(spelling)
        if len(spelling) <= _SHORT or spelling not in whole:
            pattern = rf"(?<!\w){pattern}(?!\w)"
        text = re.sub(pattern, _MASK, text, flags=re.IGNORECASE)
    return text[:_LONGEST]
