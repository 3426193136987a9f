"""Ctrl-C while a batch runs, in this process, where each moment can be chosen."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

from usersapi_async import BatchRunner, Create
from usersapi_async.cli.interruption import Interruptions
from usersapi_async.emulator import Fault

if TYPE_CHECKING:
    from collections.abc import Iterator

    from usersapi_async import UsersSession
    from usersapi_async.emulator import Emulator

_FOREVER = 600.0


def _creates() -> Iterator[Create]:
    while True:
        yield Create()


async def test_first_lets_rows_under_way_end(users: UsersSession) -> None:
    """After it the batch ends by itself, with nothing in doubt."""
    said: list[str] = []
    runner = BatchRunner(users, concurrency=4)
    async with runner.stream(_creates()) as outcomes:
        with Interruptions(runner, said.append) as interruptions:
            async for _ in outcomes:
                if not interruptions.count:
                    signal.raise_signal(signal.SIGINT)
    assert interruptions.count == 1
    assert runner.report.taken == runner.report.succeeded
    assert [text.partition(":")[0] for text in said] == ["Stopping"]


async def test_second_gives_them_up(users: UsersSession, emulator: Emulator) -> None:
    """After it no answer is waited for; the rows still get their outcomes."""
    said: list[str] = []
    emulator.script(None, *[Fault.slow(_FOREVER)] * 8)
    runner = BatchRunner(users, concurrency=4)
    before = signal.getsignal(signal.SIGINT)

    def say(text: str) -> None:
        said.append(text)
        if len(said) == 1:
            signal.raise_signal(signal.SIGINT)
            assert signal.getsignal(signal.SIGINT) is before

    async with runner.stream(_creates()) as outcomes:
        with Interruptions(runner, say) as interruptions:
            async for _ in outcomes:
                if not interruptions.count:
                    signal.raise_signal(signal.SIGINT)
    report = runner.report
    assert interruptions.count == 2
    assert report.succeeded == 1
    assert report.taken == 1 + report.in_doubt + report.not_attempted > 1
    assert [text.partition(":")[0] for text in said] == ["Stopping", "Stopped"]


async def test_afterwards_ctrl_c_is_as_before(users: UsersSession) -> None:
    """Leaving the block gives the signal back."""
    before = signal.getsignal(signal.SIGINT)
    with Interruptions(BatchRunner(users), print):
        assert signal.getsignal(signal.SIGINT) is not before
    assert signal.getsignal(signal.SIGINT) is before
