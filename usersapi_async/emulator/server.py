"""Runs the emulator on a real socket."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from concurrent.futures import Future
from typing import TYPE_CHECKING, Final, TypedDict, Unpack

from aiohttp import web

from .capacity import Capacity
from .emulator import Emulator
from .endpoint import USERS_PATH, Endpoint
from .state import Organisation

if TYPE_CHECKING:
    import ssl
    from collections.abc import AsyncIterator, Callable, Iterator

    from .faults import Faults

# Requests in progress get this long at the end; above zero, since aiohttp takes zero for "no limit".
_GRACE: Final = 0.05
_BACKLOG: Final = 1024


class Options(TypedDict, total=False):
    """The arguments of `running_emulator`."""

    seed: int
    host: str
    port: int
    faults: Faults | None
    latency: float
    ssl_context: ssl.SSLContext | None
    capacity: Capacity | None
    clock: Callable[[], float]


@contextlib.asynccontextmanager
async def running_emulator(
    *,
    seed: int = 0,
    host: str = "127.0.0.1",
    port: int = 0,
    faults: Faults | None = None,
    latency: float = 0.0,
    ssl_context: ssl.SSLContext | None = None,
    capacity: Capacity | None = None,
    clock: Callable[[], float] = time.time,
) -> AsyncIterator[Emulator]:
    """The service of this seed, listening; port 0 takes a free one.

    `latency` is the time in seconds that each request is worked on. `clock` gives Unix time, which the
    Timestamp header of each request is compared with.
    """
    organisation = Organisation(seed)
    emulator = Emulator(organisation, seed=seed, faults=faults)
    endpoint = Endpoint(emulator, organisation, latency=latency, capacity=capacity or Capacity(), clock=clock)
    server = web.Server(endpoint.handle, access_log=None)

    def accept() -> web.RequestHandler:
        emulator.connections += 1
        return server()

    listener = await asyncio.get_running_loop().create_server(
        accept, host, port, ssl=ssl_context, backlog=_BACKLOG
    )
    scheme = "http" if ssl_context is None else "https"
    shown_host = f"[{host}]" if ":" in host else host
    emulator.base_url = f"{scheme}://{shown_host}:{listener.sockets[0].getsockname()[1]}{USERS_PATH}"
    try:
        yield emulator
    finally:
        listener.close()
        await _hang_up(server)
        await listener.wait_closed()


async def _hang_up(server: web.Server) -> None:
    """Ends all connections, also those whose clients don't answer the goodbye of TLS."""
    transports = [held.transport for held in server.connections if held.transport is not None]
    await server.shutdown(_GRACE)
    for transport in transports:
        transport.abort()
    # An aborted transport closes its socket in a callback of the loop.
    await asyncio.sleep(0)


async def serve(*, on_ready: Callable[[Emulator], object], **options: Unpack[Options]) -> None:
    """Runs an emulator until cancelled; `on_ready` is called with it once it listens."""
    async with running_emulator(**options) as emulator:
        on_ready(emulator)
        await asyncio.Event().wait()


@contextlib.contextmanager
def emulator_in_thread(**options: Unpack[Options]) -> Iterator[Emulator]:
    """An emulator with a thread and an event loop of its own, for callers of any kind, sync ones too."""
    started: Future[tuple[Emulator, Callable[[], object]]] = Future()

    async def run() -> None:
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        async with running_emulator(**options) as emulator:
            started.set_result((emulator, lambda: loop.call_soon_threadsafe(stop.set)))
            await stop.wait()

    def main() -> None:
        try:
            asyncio.run(run())
        except OSError as error:
            started.set_exception(error)

    thread = threading.Thread(target=main, name="usersapi-emulator", daemon=True)
    thread.start()
    try:
        emulator, stop = started.result()
        try:
            yield emulator
        finally:
            stop()
    finally:
        thread.join()
