"""The users endpoint in one process, on a real socket, written from the platform's documentation.

It shares no code with the client, so that it can judge it. aiohttp is imported on first use of a name
that needs it, since pytest loads this package in every run for its fixture.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .capacity import Capacity
from .catalogue import Product, Status
from .emulator import Emulator, ReceivedRequest
from .faults import Fault, Faults
from .state import CartEntry, RecordedEmail, User

if TYPE_CHECKING:
    from .server import emulator_in_thread, running_emulator, serve

__all__ = [
    "Capacity",
    "CartEntry",
    "Emulator",
    "Fault",
    "Faults",
    "Product",
    "ReceivedRequest",
    "RecordedEmail",
    "Status",
    "User",
    "emulator_in_thread",
    "running_emulator",
    "serve",
]


def __getattr__(name: str) -> object:
    if name in __all__:
        from . import server

        return getattr(server, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
