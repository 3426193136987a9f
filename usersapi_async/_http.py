"""The bytes that a connection receives → answers, by httptools. No I/O."""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Mapping
from typing import Any

from httptools import HttpParserError, HttpParserUpgrade, HttpResponseParser

from ._attempts import LARGEST_LINE
from .wire import Answer

_LARGEST_HEAD = 4 * LARGEST_LINE
_GZIP = 16 + zlib.MAX_WBITS


class NotHttp(Exception):
    """What came is no answer in HTTP, or breaks off being one."""


class _Enough(Exception):
    """Stops the parser: the rest of the bytes is not wanted."""


class _Headers(Mapping[str, str]):
    """Headers by lower-case names, turned into text when they are asked for: few ever are."""

    def __init__(self, raw: dict[bytes, bytes]) -> None:
        self._raw = raw

    def __getitem__(self, name: str) -> str:
        return self._raw[name.encode()].decode(errors="surrogateescape").strip()

    def __iter__(self) -> Iterator[str]:
        return (name.decode("latin-1") for name in self._raw)

    def __len__(self) -> int:
        return len(self._raw)


class AnswerReader:
    """Reads the answers of one connection, one at a time, with bounds on all that a server can send.

    Bodies may be compressed with gzip; `most` bounds them as they are unpacked. Blank lines between answers
    are skipped, as HTTP has it.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._parser = HttpResponseParser(self)
        self.begin()

    def begin(self) -> None:
        """Makes ready for the next answer."""
        self.status = 0
        """Of the answer, once its head is whole."""
        self.whole = False
        self.keep_alive = False
        """Whether the server takes another request on this connection, once the answer is whole."""
        self.beyond = False
        """Whether more than one answer has come."""
        self._flaw: str | None = None
        self._headers: dict[bytes, bytes] = {}
        self._head_size = 0
        self._body = bytearray()
        self._barren = 0
        self._unpacker: Any = None

    def feed(self, data: bytes) -> bool:
        """Takes what arrived; True when the answer has ended, be it whole or too large. Raises `NotHttp`."""
        size, broken = len(self._body), False
        try:
            self._parser.feed_data(data)
        except (HttpParserError, HttpParserUpgrade):
            broken = True
        if self.whole or self._flaw is not None:
            return True
        # What neither ends a head nor brings some body must not go on for ever.
        self._barren = 0 if len(self._body) > size else self._barren + len(data)
        if broken or self._barren > _LARGEST_HEAD:
            # Raised out here, since the parser's error holds frames with parts of the answer.
            raise NotHttp
        return False

    def end(self) -> bool:
        """Takes that nothing more will come; True when that ends the answer well."""
        if self.status and not self._has_length():
            self._complete()
        return self.whole

    def answer(self) -> Answer:
        """What has come of the answer; its head must have."""
        headers = _Headers(self._headers)
        if self.whole and self._flaw is None:
            return Answer(self.status, headers, bytes(self._body))
        return Answer(self.status, headers, flaw=self._flaw or "cut short")

    def _has_length(self) -> bool:
        return b"content-length" in self._headers or b"transfer-encoding" in self._headers

    def _complete(self) -> None:
        self.whole = True
        if self._unpacker is not None and (not self._unpacker.eof or self._unpacker.unused_data):
            self._flaw = "badly compressed"

    def on_message_begin(self) -> None:
        """For the parser."""
        if self.whole:
            self.beyond = True
            raise _Enough

    def on_header(self, name: bytes, value: bytes) -> None:
        """For the parser; also for the trailers of a chunked body, which say nothing here."""
        if self.status:
            return
        size = len(name) + len(value)
        self._head_size += size
        if size > LARGEST_LINE or self._head_size > _LARGEST_HEAD:
            raise _Enough
        self._headers.setdefault(name.lower(), value)

    def on_headers_complete(self) -> None:
        """For the parser."""
        status = self._parser.get_status_code()
        if status < 200:
            # Not yet the answer.
            self._headers.clear()
            return
        self.status = status
        if self._headers.get(b"content-encoding", b"").strip().lower() in (b"gzip", b"x-gzip"):
            self._unpacker = zlib.decompressobj(_GZIP)

    def on_body(self, part: bytes) -> None:
        """For the parser."""
        if self._unpacker is not None:
            part = self._unpacker.decompress(part, self._most + 1 - len(self._body))
        self._body += part
        if len(self._body) > self._most:
            self._flaw = "too large"
            raise _Enough

    def on_message_complete(self) -> None:
        """For the parser."""
        if self.status:
            self.keep_alive = self._parser.should_keep_alive()
            self._complete()
