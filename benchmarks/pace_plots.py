"""Draws a run of `benchmarks.pace`: what came through, beside what an oracle gets, and what was allowed."""

from __future__ import annotations

import re
from pathlib import Path

import matplotlib as mpl

mpl.use("agg")

from matplotlib import pyplot as plt

from tests.simulation import Result

_SPAN = 5
_OURS, _ORACLE, _LIMIT = "#1f6fb2", "#9a9a9a", "#d9822b"


def _smooth(counts: list[float]) -> list[float]:
    """A moving mean, for a line that shows more than chance."""
    sums = [sum(counts[max(0, last + 1 - _SPAN) : last + 1]) for last in range(len(counts))]
    return [total / min(_SPAN, last + 1) for last, total in enumerate(sums)]


def file_name(server: str) -> str:
    """Where a server's picture goes."""
    return f"pace_{re.sub('[^a-z0-9]+', '_', server.lower()).strip('_')}.png"


def draw(server: str, result: Result, folder: Path) -> None:
    """One picture of one server."""
    figure, (pace, limit) = plt.subplots(
        2, 1, sharex=True, figsize=(7, 3.6), height_ratios=(3, 1), layout="constrained"
    )
    best = _smooth(list(result.best))
    pace.fill_between(range(len(best)), best, color=_ORACLE, alpha=0.3, linewidth=0, label="oracle")
    pace.plot(_smooth([float(done) for done in result.done]), color=_OURS, linewidth=1.1, label="ours")
    if len(result.clients) > 1:
        for number, client in enumerate(result.clients, 1):
            done = _smooth([float(count) for count in client.done])
            pace.plot(done, linewidth=0.7, alpha=0.7, label=f"client {number}")
    most = sorted(best)[int(0.9 * len(best))]
    pace.set_ylim(0, 1.5 * most)
    pace.set_ylabel("successes a second")
    pace.legend(loc="upper right", ncols=4, frameon=False, fontsize=8)
    title = f"{server}: {result.share:.1%} of the oracle's goodput, {result.refused:.1%} refused"
    pace.set_title(title, fontsize=9, loc="left")
    limit.plot(result.limits, color=_LIMIT, linewidth=1)
    limit.set_ylabel("limit")
    limit.set_ylim(0)
    limit.set_xlabel("seconds")
    for axes in (pace, limit):
        axes.spines[["top", "right"]].set_visible(False)
        axes.tick_params(labelsize=8)
    figure.savefig(folder / file_name(server), dpi=90, pil_kwargs={"optimize": True})
    plt.close(figure)
    print(folder / file_name(server))
