"""Who calls, where to, and how long it may take."""

from __future__ import annotations

import asyncio
import inspect
import ipaddress
import os
from collections.abc import Awaitable, Callable, Mapping
from typing import TypeAlias
from urllib.parse import urlsplit

import attrs
from yarl import URL

from . import _arguments
from .errors import ConfigurationError

_VARIABLES = {"api_id": "USERSAPI_ID", "api_user": "USERSAPI_USER", "api_token": "USERSAPI_TOKEN"}


@_arguments.shielded
@attrs.frozen
class Credentials:
    """The account of an API admin, which must belong to the organisation that owns the group.

    ``api_id`` is the account's number, ``api_user`` its login email, ``api_token`` its secret. Raises
    `ConfigurationError` when one is missing, or could break out of the header that it is sent in.
    """

    api_id: int
    api_user: str = attrs.field(repr=False)
    api_token: str = attrs.field(repr=False)

    def __attrs_post_init__(self) -> None:
        _arguments.whole("api_id", self.api_id)
        for name, value in (("api_user", self.api_user), ("api_token", self.api_token)):
            if not _arguments.instance(name, value, str).strip():
                raise ConfigurationError(f"{name}: expected a str that is not blank")
            if not value.isprintable() or value != value.strip():
                raise ConfigurationError(f"{name}: holds line breaks, control characters or outer spaces")

    @classmethod
    def from_env(cls, environ: Mapping[str, str] | None = None) -> Credentials:
        """Reads USERSAPI_ID, USERSAPI_USER and USERSAPI_TOKEN; `ConfigurationError` names those missing."""
        environ = os.environ if environ is None else environ
        found = {name: environ.get(variable, "").strip() for name, variable in _VARIABLES.items()}
        missing = [_VARIABLES[name] for name, value in found.items() if not value]
        if missing:
            raise ConfigurationError(f"missing in the environment: {', '.join(missing)}")
        if not (found["api_id"].isascii() and found["api_id"].isdecimal()):
            raise ConfigurationError("USERSAPI_ID: expected the account's id, digits only")
        return cls(int(found["api_id"]), found["api_user"], found["api_token"])


CredentialsSource: TypeAlias = Credentials | Callable[[], Credentials | Awaitable[Credentials]]
"""Credentials, or a function (a coroutine function too) that is asked before each attempt, for rotation."""


async def current(source: CredentialsSource) -> Credentials:
    """The credentials that are good now. Raises `ConfigurationError` when the function fails."""
    if isinstance(source, Credentials):
        return source
    try:
        found = source()
        if inspect.isawaitable(found):
            found = await found
    except Exception as error:
        raise ConfigurationError(f"credentials: the function raised {type(error).__name__}") from error
    except asyncio.CancelledError as error:
        task = asyncio.current_task()
        if task is None or task.cancelling():
            raise
        # Nobody cancelled this task: the function let out the end of one of its own.
        raise ConfigurationError("credentials: the function raised CancelledError") from error
    wrong = _arguments.misfit("credentials", found, Credentials)
    if wrong is not None:
        del found
        raise wrong
    return found


@attrs.frozen(kw_only=True)
class Timeout:
    """How long things may take, in seconds.

    ``connect`` bounds the wait for a free connection and its opening; ``attempt`` one request with its
    answer, connecting included; ``total`` the whole call with every wait and retry (None: no bound). A
    batch bounds its rows by ``attempt`` and by its own deadline, not by ``total``.
    """

    connect: float = 10.0
    attempt: float | None = 60.0
    total: float | None = 180.0

    def __attrs_post_init__(self) -> None:
        _arguments.positive("connect", self.connect)
        for name, value in (("attempt", self.attempt), ("total", self.total)):
            if value is not None:
                _arguments.positive(name, value)


def checked_base_url(url: str) -> str:
    """The URL of the endpoint, if requests may go there: https, or http to this very machine.

    Raises `ConfigurationError`; the message never repeats the URL, which may hold a password.
    """
    url = _arguments.instance("base_url", url, str)
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
        URL(url)
    except ValueError:
        raise ConfigurationError("base_url: not a URL") from None
    if parts.scheme not in ("http", "https") or not host:
        raise ConfigurationError("base_url: expected https://host/path/")
    if parts.username or parts.password or parts.query or parts.fragment:
        raise ConfigurationError("base_url: no user, password, query or fragment, please")
    if parts.scheme == "http" and not _is_loopback(host):
        raise ConfigurationError("base_url: plain http would show the token to the network; use https")
    return url


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
