"""An import that is killed, and goes on."""

from __future__ import annotations

from tests.kills import kill_and_resume


def test_killed_and_resumed() -> None:
    """Everybody is there once, under the right parent, and what was told is so."""
    figures = kill_and_resume(300, 3, seed=2)
    assert (figures["killed"], figures["there"]) == (3, 300)
    assert (figures["wrong"], figures["in clear"]) == ([], [])
