"""Which transport serves a session."""

from __future__ import annotations

from typing import Any

from ._attempts import PoolSettings, Transport
from .transport import AiohttpTransport


def opened(settings: PoolSettings) -> Transport[Any]:
    """The transport that the settings name, in the event loop that runs."""
    if settings.transport == "httptools":
        # Not for everybody: what it imports is an extra.
        from ._direct import DirectTransport

        return DirectTransport(settings)
    return AiohttpTransport(settings)
