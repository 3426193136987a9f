"""Files that hold people's data."""

from __future__ import annotations

import os


def private(path: str, flags: int) -> int:
    """An opener for `open`: a file that it makes is readable by its owner only."""
    return os.open(path, flags, 0o600)
