"""TLS: own authorities, certificates that are not accepted, and connections that end cleanly."""

from __future__ import annotations

import gc
import ssl
from typing import TYPE_CHECKING

import pytest
import trustme

from usersapi_async import (
    CertificateError,
    ConnectError,
    Credentials,
    Delivery,
    RetryPolicy,
    UsersSession,
)
from usersapi_async.emulator import running_emulator

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from usersapi_async.emulator import Emulator


pytestmark = pytest.mark.usefixtures("any_transport")


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    """An authority of the organisation's own."""
    return trustme.CA()


@pytest.fixture
def trusting(authority: trustme.CA) -> ssl.SSLContext:
    """A client's context that accepts this authority."""
    context = ssl.create_default_context()
    authority.configure_trust(context)
    return context


@pytest.fixture
async def secure(authority: trustme.CA) -> AsyncIterator[Emulator]:
    """The service over https."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    async with running_emulator(ssl_context=context) as running:
        yield running


def session(emulator: Emulator, context: ssl.SSLContext | None) -> UsersSession:
    """A session on this emulator."""
    return UsersSession(
        Credentials(**emulator.credentials),
        group_id=emulator.group_id,
        base_url=emulator.base_url,
        ssl_context=context,
        retry=RetryPolicy(base=0),
    )


async def test_own_authority(secure: Emulator, trusting: ssl.SSLContext) -> None:
    """A context with one's own authority is used, and nothing is left open afterwards."""
    async with session(secure, trusting) as users:
        created = await users.create({"first_name": "Nina"})
        assert (await users.get_info(created.clogin_id)).user_info == created.user_info
    gc.collect()
    assert secure.connections == 1


async def test_untrusted_certificate(secure: Emulator) -> None:
    """A certificate that is not accepted ends the call at once, with nothing sent."""
    async with session(secure, None) as users:
        with pytest.raises(CertificateError) as caught:
            await users.create({"first_name": "Nina"})
    gc.collect()
    assert (caught.value.delivery, caught.value.attempts) == (Delivery.NOT_SENT, 1)
    assert (secure.connections, dict(secure.received)) == (1, {})


async def test_certificate_of_another_host(authority: trustme.CA, trusting: ssl.SSLContext) -> None:
    """So does a good certificate of somebody else."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("users.example.org").configure_cert(context)
    async with running_emulator(ssl_context=context) as other, session(other, trusting) as users:
        with pytest.raises(CertificateError):
            await users.create()
    assert dict(other.received) == {}


async def test_no_tls_at_all(emulator: Emulator, trusting: ssl.SSLContext) -> None:
    """A server that does not speak TLS can't be connected to; nothing was sent."""
    users = UsersSession(
        Credentials(**emulator.credentials),
        group_id=emulator.group_id,
        base_url=emulator.base_url.replace("http:", "https:"),
        ssl_context=trusting,
        retry=RetryPolicy(attempts=2, base=0),
    )
    async with users:
        with pytest.raises(ConnectError) as caught:
            await users.create()
    assert (caught.value.delivery, caught.value.attempts) == (Delivery.NOT_SENT, 2)
    assert str(caught.value) == "no connection was made: TLS could not be agreed on"
    assert dict(emulator.received) == {}


async def test_plain_sessions_close_too(emulator: Emulator) -> None:
    """Without TLS nothing is left open either."""
    async with session(emulator, None) as users:
        await users.create()
    gc.collect()
    assert "closed" in repr(users)
