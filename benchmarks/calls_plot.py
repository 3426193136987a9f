"""CPU of each subject as bars, to look at."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import matplotlib as mpl

from .calls_report import Result
from .subjects import YARDSTICK

_COLOURS = {"asyncio": "#4878a8", "uvloop": "#e1975c"}


def draw(results: Sequence[Result], path: Path) -> None:
    """Writes the picture of one cell, the dearest subjects at the top."""
    mpl.use("Agg")
    from matplotlib import pyplot as plt

    cpu = {(result.subject, result.loop): result.cpu for result in results}
    names = sorted({name for name, _ in cpu}, key=lambda name: cpu.get((name, "asyncio"), 0.0))
    loops = [loop for loop in _COLOURS if any(other == loop for _, other in cpu)]
    figure, axes = plt.subplots(figsize=(7.5, 0.42 * len(names) + 1.2), layout="constrained")
    height = 0.8 / len(loops)
    for place, loop in enumerate(loops):
        there = [(row, cpu[name, loop]) for row, name in enumerate(names) if (name, loop) in cpu]
        offset = height * ((len(loops) - 1) / 2 - place)
        bars = axes.barh(
            [row + offset for row, _ in there],
            [each for _, each in there],
            height,
            color=_COLOURS[loop],
            label=loop,
        )
        axes.bar_label(bars, fmt="{:.0f}", padding=3, fontsize=7)
    axes.axvline(cpu[YARDSTICK, "asyncio"], color="grey", linewidth=0.8, linestyle=":")
    axes.set_yticks(range(len(names)), names)
    axes.set_xscale("log")
    axes.set_xlim(10, 2 * max(cpu.values()))
    axes.set_xlabel("microseconds of CPU for each call (logarithmic; dotted: bare aiohttp)", fontsize=9)
    axes.set_title(f"{results[0].connections} connections, latency {results[0].latency:g} ms", fontsize=10)
    axes.legend(loc="lower right", fontsize=8)
    axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=100)
