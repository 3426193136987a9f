"""Where commands put their files."""

from __future__ import annotations

import itertools
from pathlib import Path


def free(path: Path) -> Path:
    """The path, with a number if there is such a file already: results are never written over."""
    names = (path.with_stem(f"{path.stem}-{number}") for number in itertools.count(2))
    return next(free for free in itertools.chain([path], names) if not free.exists())


def beside(path: Path, ending: str) -> Path:
    """A file beside another one, of the same name but for its ending: ``people.csv`` and ``.journal`` make
    ``people.journal``."""
    return path.with_name(f"{path.stem}{ending}")
