"""The fixture that pytest offers wherever this package is installed.

pytest loads this module in every run, so it imports the emulator only for tests that ask for it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from usersapi_async.emulator import Emulator


@pytest.fixture
def usersapi_emulator() -> Iterator[Emulator]:
    """A fresh emulator of the service, for one test.

    It runs in a thread with an event loop of its own, so it serves sync tests and async ones alike. The
    test may read its state and call `script` from its own thread: a reply is sent only after the state
    has changed, and single reads are atomic.
    """
    from usersapi_async.emulator.server import emulator_in_thread

    with emulator_in_thread() as emulator:
        yield emulator
