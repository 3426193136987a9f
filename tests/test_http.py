"""Bytes → answers, by the reader of the connections of our own."""

from __future__ import annotations

import gzip
import tracemalloc
import zlib
from typing import TYPE_CHECKING

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from usersapi_async._attempts import LARGEST_LINE
from usersapi_async._http import AnswerReader, NotHttp

from .servers import answer

if TYPE_CHECKING:
    from collections.abc import Iterable

MOST = 1000
LINE = b"HTTP/1.1 200 OK\r\n"
CHUNKED = LINE + b"Transfer-Encoding: chunked\r\n\r\n"
ZIPPED = gzip.compress(b"x" * 600)


@attrs.frozen
class Read:
    """What was read of a connection's bytes."""

    status: int
    headers: dict[str, str]
    body: bytes
    flaw: str | None
    keep_alive: bool
    beyond: bool


def read(segments: Iterable[bytes], *, ends: bool = False) -> Read | None:
    """The answer in these segments, after which the connection may end; None if it has not ended by then."""
    reader = AnswerReader(MOST)
    found = any(reader.feed(segment) for segment in segments) or (ends and reader.end())
    if not found:
        return None
    whole = reader.answer()
    return Read(whole.status, dict(whole.headers), whole.body, whole.flaw, reader.keep_alive, reader.beyond)


def body_of(data: bytes, *, ends: bool = False) -> bytes:
    """The body of an answer that must be whole."""
    found = read([data], ends=ends)
    assert found is not None
    assert found.flaw is None
    return found.body


ANSWERS = {
    "length": answer(b'{"success": true}', "X: y"),
    "no body": answer(b""),
    "204": b"HTTP/1.1 204 No Content\r\n\r\n",
    "no reason": b"HTTP/1.1 200\r\nContent-Length: 2\r\n\r\n{}",
    "HTTP/1.0": b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\n{}",
    "close": answer(b"{}", "Connection: close"),
    "chunked": CHUNKED + b"3;x=y\r\nabc\r\n10\r\n0123456789abcdef\r\n0\r\nTrailer: x\r\n\r\n",
    "interim": b"HTTP/1.1 100 Continue\r\nA: b\r\n\r\n" * 2 + answer(b"{}"),
    "gzip": answer(ZIPPED, "Content-Encoding: GZIP"),
    "gzip in chunks": LINE
    + b"Content-Encoding: x-gzip\r\nTransfer-Encoding: chunked\r\n\r\n"
    + b"%x\r\n%b\r\n0\r\n\r\n" % (len(ZIPPED), ZIPPED),
    "too large": answer(b"x" * (MOST + 1)),
    "too large unpacked": answer(gzip.compress(b"x" * (MOST + 1)), "Content-Encoding: gzip"),
    "badly compressed": answer(ZIPPED[:-4], "Content-Encoding: gzip"),
    "until the end": LINE + b"\r\nabc",
    "gzip until the end": LINE + b"Content-Encoding: gzip\r\n\r\n" + ZIPPED,
}


@given(data=st.data(), name=st.sampled_from(sorted(ANSWERS)))
def test_segments_make_no_difference(data: st.DataObject, name: str) -> None:
    """However the bytes are cut into segments, the answer is the same, and ends at the same byte."""
    raw = ANSWERS[name]
    ends = "until the end" in name
    cuts = sorted(data.draw(st.sets(st.integers(1, len(raw) - 1), max_size=20)))
    segments = [raw[start:stop] for start, stop in zip([0, *cuts], [*cuts, len(raw)], strict=True)]
    expected = read([raw], ends=ends)
    assert expected is not None
    assert read(segments, ends=ends) == expected
    assert read(raw[at : at + 1] for at in range(len(raw))) == (None if ends else expected)


@given(
    data=st.data(),
    name=st.sampled_from(sorted(set(ANSWERS) - {"until the end", "gzip until the end"})),
    more=st.sampled_from([b"H", b"HTTP/1.1 2", None]),
)
def test_more_than_one_answer(data: st.DataObject, name: str, more: bytes | None) -> None:
    """What follows an answer is never a part of it, and shows either here or on the idle connection."""
    raw = ANSWERS[name]
    cut = data.draw(st.integers(0, len(raw)))
    expected, found = read([raw]), read([raw[:cut], raw[cut:] + (raw if more is None else more)])
    assert expected is not None
    assert found is not None
    assert attrs.evolve(found, beyond=False) == expected
    if cut < len(raw) and expected.keep_alive and expected.flaw is None:
        assert found.beyond


@pytest.mark.parametrize("name", ANSWERS)
def test_answers_one_after_another(name: str) -> None:
    """The reader of a connection that is kept serves the next answer as if it were the first."""
    first = read([ANSWERS[name]])
    if first is None or not first.keep_alive or first.flaw is not None:
        return
    reader = AnswerReader(MOST)
    for _ in range(3):
        assert reader.feed(ANSWERS[name])
        assert (reader.answer().body, reader.keep_alive, reader.beyond) == (first.body, True, False)
        reader.begin()
        assert (reader.status, reader.whole, reader.keep_alive) == (0, False, False)


def test_bodies() -> None:
    """Of a length, in chunks, until the end of the connection, or compressed."""
    assert body_of(ANSWERS["length"]) == b'{"success": true}'
    assert body_of(ANSWERS["chunked"]) == b"abc0123456789abcdef"
    assert body_of(ANSWERS["until the end"], ends=True) == b"abc"
    assert body_of(ANSWERS["gzip"]) == body_of(ANSWERS["gzip in chunks"]) == b"x" * 600
    assert body_of(ANSWERS["gzip until the end"], ends=True) == b"x" * 600
    assert body_of(answer(b"x" * MOST)) == b"x" * MOST
    assert body_of(answer(gzip.compress(b"x" * MOST), "Content-Encoding: gzip")) == b"x" * MOST
    # Nobody asked for that, and it is left as it is: no JSON.
    assert body_of(answer(b"x", "Content-Encoding: br")) == b"x"


@pytest.mark.parametrize(
    ("name", "keep_alive"),
    [("length", True), ("204", True), ("chunked", True), ("close", False), ("HTTP/1.0", False)],
)
def test_keep_alive(name: str, keep_alive: bool) -> None:
    """Whether the connection can go on is what the answer says."""
    found = read([ANSWERS[name]])
    assert found is not None
    assert found.keep_alive is keep_alive


def test_headers() -> None:
    """By lower-case names; the first of several counts, and none of an interim answer or a trailer."""
    reader = AnswerReader(MOST)
    interim = b"HTTP/1.1 103 Early Hints\r\nRetry-After: 1\r\nLink: x\r\n\r\n"
    assert reader.feed(interim + answer(b"", "Retry-After:  7 ", "Retry-After: 8", "X: \xff"))
    headers = reader.answer().headers
    assert (headers["retry-after"], headers.get("date", ""), len(headers)) == ("7", "", 4)
    assert list(headers) == ["content-length", "content-type", "retry-after", "x"]
    assert headers["x"] == "\xff"
    assert read([ANSWERS["chunked"]]) == read([ANSWERS["chunked"].replace(b"Trailer: x\r\n", b"")])


@pytest.mark.parametrize(
    "raw",
    [
        answer(b"{}", length=3),
        CHUNKED + b"3\r\nabc\r\n",
        LINE + b"Transfer-Encoding: gzip\r\n\r\nabc",
    ],
)
def test_cut_short(raw: bytes) -> None:
    """What ends before its end is not whole."""
    reader = AnswerReader(MOST)
    assert not reader.feed(raw)
    assert not reader.end()
    assert reader.answer().flaw == "cut short"
    assert reader.answer().body == b""


@pytest.mark.parametrize(
    ("body", "flaw"),
    [
        (ZIPPED[:-4], "badly compressed"),
        (ZIPPED + b"more", "badly compressed"),
        (gzip.compress(b"x" * 100_000_000), "too large"),
        (gzip.compress(b"x" * MOST) + gzip.compress(b"x"), "badly compressed"),
    ],
    ids=["cut", "more", "bomb", "two in one"],
)
def test_compressed_badly(body: bytes, flaw: str) -> None:
    """Compressed bodies must be whole, nothing else, and small."""
    found = read([answer(body, "Content-Encoding: gzip")])
    assert found is not None
    assert (found.flaw, found.body) == (flaw, b"")
    ended = read([LINE + b"Content-Encoding: gzip\r\n\r\n" + body], ends=True)
    assert ended is not None
    assert ended.flaw == flaw


@pytest.mark.parametrize(
    "raw",
    [
        b"SSH-2.0-OpenSSH_9.6\r\n",
        b"\x16\x03\x01",
        b"HTTP/1.1 200 OK\nContent-Length: 0\n\n",
        b"HTTP/1.1 2000 OK\r\n\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n",
        LINE + b"Content-Length: many\r\n\r\n",
        LINE + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\nabc",
        LINE + b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        LINE + b"X: a\r\n b\r\n\r\n",
        CHUNKED + b"zz\r\n",
        answer(b"no gzip", "Content-Encoding: gzip"),
        answer(zlib.compress(b"{}"), "Content-Encoding: gzip"),
    ],
)
def test_not_http(raw: bytes) -> None:
    """What no parser should guess at, also when it comes byte by byte."""
    for size in (len(raw), 1):
        with pytest.raises(NotHttp):
            read(raw[at : at + size] for at in range(0, len(raw), size))


FLOODS = {
    "one long line": [LINE + b"X: " + b"x" * (LARGEST_LINE + 1), b"\r\n\r\n"],
    "a line without an end": [LINE + b"X: "] + [b"x" * 10_000] * 10,
    "a reason without an end": [b"HTTP/1.1 200 "] + [b"x" * 10_000] * 10,
    "many lines": [LINE + b"X: y\r\n" * 100_000],
    "many lines one by one": [LINE] + [b"X: y\r\n"] * 100_000,
    "many interim answers": [b"HTTP/1.1 100 Continue\r\n\r\n"] * 10_000,
    "a chunk's extension": [CHUNKED + b"3;"] + [b"x" * 10_000] * 10,
    "trailers": [CHUNKED + b"3\r\nabc\r\n0\r\n"] + [b"X: y\r\n"] * 100_000,
    "packed nothing": [
        LINE + b"Content-Encoding: gzip\r\n\r\n" + gzip.compress(b""),
        *[b"x" * 10_000] * 10,
    ],
}


@pytest.mark.parametrize("name", FLOODS)
def test_floods(name: str) -> None:
    """Nothing that a server sends besides a body can go on for ever."""
    with pytest.raises(NotHttp):
        read(FLOODS[name])


def test_a_bomb_takes_no_memory() -> None:
    """No more than the bound is unpacked of a compressed body."""
    bomb = answer(gzip.compress(b"x" * 100_000_000), "Content-Encoding: gzip")
    tracemalloc.start()
    try:
        found = read([bomb])
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert found is not None
    assert found.flaw == "too large"
    assert peak < 1_000_000


def test_a_body_in_many_segments_is_no_flood() -> None:
    """Chunks of any number, if each brings something."""
    reader = AnswerReader(100_000)
    reader.feed(CHUNKED)
    for _ in range(50_000):
        assert not reader.feed(b"2\r\n{}\r\n")
    assert reader.feed(b"0\r\n\r\n")
    assert len(reader.answer().body) == 100_000
