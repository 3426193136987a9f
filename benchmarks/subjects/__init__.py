"""The clients that are measured, by name."""

from __future__ import annotations

import importlib

from .burst import Subject

YARDSTICK = "aiohttp"

# Where each is: a process loads the one that it runs, so that no other's imports are in its memory.
_HOMES = {
    YARDSTICK: "bare_aiohttp.bare_aiohttp",
    "ours": "ours.single",
    "ours, rate": "ours.single_rate",
    "ours, concurrency found": "ours.single_found",
    "ours, httptools": "ours.single_httptools",
    "ours, batch": "ours.batch",
    "ours, batch, rate": "ours.batch_rate",
    "ours, batch, httptools": "ours.batch_httptools",
    "ours, batch, journal": "ours.batch_journal",
    "ours, batch, journal, rate": "ours.batch_journal_rate",
    "protocol": "protocol.by_protocol",
    "httpx": "by_httpx.by_httpx",
    "niquests": "by_niquests.by_niquests",
    "requests, loop": "by_requests.in_a_loop",
    "requests, threads": "by_requests.on_threads",
}
NAMES = tuple(_HOMES)


def load(name: str) -> Subject:
    """The subject of that name."""
    module, _, attribute = _HOMES[name].partition(".")
    subject: Subject = getattr(importlib.import_module(f".{module}", __package__), attribute)
    return subject


def connections_of(name: str, connections: int) -> int:
    """How many of them it can make use of."""
    return 1 if name == "requests, loop" else connections


def runs_on_a_loop(name: str) -> bool:
    """Whether it makes a difference to the subject which event loop there is."""
    return not name.startswith("requests")
