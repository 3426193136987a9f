"""The connections of our own under uvloop, whose sockets and errors are not asyncio's."""

from __future__ import annotations

import asyncio
import gc
import ssl
import sys
from typing import TYPE_CHECKING, Any

import pytest
import trustme

from usersapi_async import (
    BatchRunner,
    CertificateError,
    ConnectError,
    ConnectionLost,
    Create,
    Credentials,
    Delivery,
    OutcomeUnknown,
    RequestTimeout,
    RetryPolicy,
    Timeout,
    UsersSession,
)
from usersapi_async.emulator import Fault, running_emulator
from usersapi_async.wire import Answer

from .servers import Connection, answer, free_port, raw_server, until
from .transports import BODY, DEFAULTS, OK, attempt, failed, open_transport

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from usersapi_async.emulator import Emulator

if sys.platform == "win32":
    pytest.skip("there is no uvloop", allow_module_level=True)
else:
    import uvloop


@pytest.fixture(autouse=True)
def direct(monkeypatch: pytest.MonkeyPatch) -> None:
    """Takes that transport wherever nothing else is named."""
    monkeypatch.setitem(DEFAULTS, "transport", "httptools")


def run(main: Coroutine[Any, Any, None]) -> None:
    """Runs it to its end, within a time."""

    async def bounded() -> None:
        async with asyncio.timeout(20):
            await main

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(bounded())
    gc.collect()


def session(emulator: Emulator, **options: Any) -> UsersSession:
    """A session on this emulator that retries without a wait."""
    return UsersSession(
        Credentials(**emulator.credentials),
        group_id=emulator.group_id,
        base_url=emulator.base_url,
        retry=RetryPolicy(base=0, settle=0),
        **options,
    )


def test_a_batch_with_faults() -> None:
    """Rows, faults and reuse: everybody is there once, and what was told of them is so."""

    async def main() -> None:
        async with running_emulator() as emulator, session(emulator) as users:
            emulator.script(
                Fault.drop_before(), None, Fault.drop_after(), Fault.cut_json(), Fault.rate_limited()
            )
            report = await BatchRunner(users).run([Create(doc={"first_name": "Nina"}) for _ in range(200)])
            assert (report.succeeded, report.in_doubt) == (197, 3)
            assert len(emulator.users) == 199
            assert emulator.connections < 120

    run(main())


def test_tls() -> None:
    """A certificate that is accepted, one that is not, and a server without TLS."""
    authority = trustme.CA()
    trusting = ssl.create_default_context()
    authority.configure_trust(trusting)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("127.0.0.1").configure_cert(context)

    async def main() -> None:
        async with running_emulator(ssl_context=context) as emulator:
            async with session(emulator, ssl_context=trusting) as users:
                for _ in range(3):
                    await users.create()
            assert emulator.connections == 1
            async with session(emulator) as users:
                with pytest.raises(CertificateError) as refused:
                    await users.create()
        assert refused.value.delivery is Delivery.NOT_SENT
        async with running_emulator() as plain:
            assert type(await failed(plain.base_url.replace("http:", "https:"))) is ConnectError

    run(main())


def test_failures() -> None:
    """Each comes out as the same error as over asyncio's own loop."""

    async def silent(connection: Connection) -> None:
        await connection.request()
        await connection.gone()

    async def reset(connection: Connection) -> None:
        await connection.request()
        connection.reset()

    async def main() -> None:
        error = await failed(f"http://127.0.0.1:{free_port()}/")
        assert (type(error), error.delivery) == (ConnectError, Delivery.NOT_SENT)
        for handler, kind in ((silent, RequestTimeout), (reset, ConnectionLost)):
            async with raw_server(handler) as server:
                error = await failed(server.url, Timeout(attempt=0.1))
            assert (type(error), error.delivery) == (kind, Delivery.UNKNOWN)
        async with raw_server(silent) as server:
            error = await failed(server.url.replace("http:", "https:"), Timeout(connect=0.1))
        assert (type(error), error.delivery) == (ConnectError, Delivery.NOT_SENT)

    run(main())


def test_connections_out_of_step() -> None:
    """An answer too many closes its connection, and a cancelled request takes its own with it."""

    async def twice(connection: Connection) -> None:
        await connection.request()
        await connection.send(OK + answer({"not": "yours"}))
        await connection.gone()

    async def main() -> None:
        async with raw_server(twice) as server, open_transport(server.url) as transport:
            for _ in range(3):
                outcome = await attempt(transport)
                assert isinstance(outcome, Answer)
                assert outcome.body == b'{"success": true}'
            assert server.connections == 3

        async with running_emulator() as emulator, session(emulator) as users:
            emulator.script(Fault.slow(30), Fault.slow(30))
            call = asyncio.ensure_future(users.create())
            await until(lambda: emulator.received["create"])
            call.cancel()
            await asyncio.wait([call])
            assert call.cancelled()
            with pytest.raises(OutcomeUnknown):
                await users.with_options(timeout=Timeout(attempt=0.1)).create()
            await users.create()

    run(main())


def test_closing_ends_what_is_under_way() -> None:
    """Closing the pool ends a request as lost."""

    async def silent(connection: Connection) -> None:
        await connection.request()
        await connection.gone()

    async def main() -> None:
        async with raw_server(silent) as server, open_transport(server.url) as transport:
            task = asyncio.ensure_future(attempt(transport, watch=transport.watch(BODY)))
            await until(lambda: server.requests)
            await transport.close()
            error = await task
        assert (type(error), getattr(error, "delivery", None)) == (ConnectionLost, Delivery.UNKNOWN)

    run(main())
