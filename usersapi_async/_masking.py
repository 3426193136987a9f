"""Takes what was sent out of what the server says about it."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any
from urllib.parse import quote

_MASK = "***"
_LONGEST = 500
_LONGEST_READ = 4_000
_KNOWN_BY = 8
"""Characters by which the beginning of a value is known."""
_ANY_ADDRESS = re.compile(r"(?<![^\s@<>\"',;:()])[^\s@<>\"',;:()]+@[^\s@<>\"',;:()]+")
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
    """The value as it is, and as JSON and URLs write it: a server may echo each."""
    yield value
    yield _plain(value)
    yield json.dumps(value)[1:-1]
    yield quote(value)


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
    text = _plain(text[:_LONGEST_READ])
    text = _ANY_ADDRESS.sub(_MASK, text)
    for spelling in sorted(filter(None, whole), key=len, reverse=True):
        text = _without(text, spelling) if len(spelling) > _SHORT else text
    short = [spelling for spelling in whole if 0 < len(spelling) <= _SHORT]
    alternatives = "|".join(map(re.escape, sorted({*short, *words}, key=len, reverse=True)))
    if alternatives:
        text = re.sub(rf"(?<!\w)(?:{alternatives})(?!\w)", _MASK, text, flags=re.IGNORECASE)
    return text[:_LONGEST]


def _without(text: str, value: str) -> str:
    """`text` with the value masked, and with each beginning of it that is long enough to be known: a server
    may have cut it, and so may we."""
    begin = re.compile(re.escape(value[:_KNOWN_BY]), re.IGNORECASE)
    at = 0
    while found := begin.search(text, at):
        end, rest = found.end(), value[_KNOWN_BY:]
        for ours, theirs in zip(rest, text[end:], strict=False):
            if ours.casefold() != theirs.casefold():
                break
            end += 1
        text = text[: found.start()] + _MASK + text[end:]
        at = found.start() + len(_MASK)
    return text
