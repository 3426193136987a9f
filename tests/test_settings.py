"""Who calls, where to, how long: what can't be right is found when a session is made."""

from __future__ import annotations

from typing import Any

import pytest

from usersapi_async import ConfigurationError, Credentials, Limiter, RateLimit, Timeout, UsersSession
from usersapi_async.assumptions import DEFAULT_BASE_URL
from usersapi_async.errors import Delivery
from usersapi_async.settings import checked_base_url

TOKEN = "6f0e7b0e-0000-4000-8000-000000000000"
ACCOUNT = Credentials(12, "admin@example.org", TOKEN)


def refusal(build: Any, *values: Any, **named: Any) -> str:
    """The message of what must not be built."""
    with pytest.raises(ConfigurationError) as caught:
        build(*values, **named)
    assert caught.value.delivery is Delivery.NOT_SENT
    assert TOKEN not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize(
    ("api_id", "api_user", "api_token", "expected"),
    [
        (0, "a", "t", "api_id: expected an int of 1 or more"),
        (True, "a", "t", "api_id: expected an int of 1 or more"),
        ("12", "a", "t", "api_id: expected an int of 1 or more"),
        (1, "", "t", "api_user: expected a str that is not blank"),
        (1, " ", "t", "api_user: expected a str that is not blank"),
        (1, "a", None, "api_token: expected str, got NoneType"),
        (1, "a", TOKEN + "\n", "api_token: holds line breaks, control characters or outer spaces"),
        (1, "a\r\nHost: b", "t", "api_user: holds line breaks, control characters or outer spaces"),
        (1, "a\0", "t", "api_user: holds line breaks, control characters or outer spaces"),
        (1, "a ", "t", "api_user: holds line breaks, control characters or outer spaces"),
    ],
)
def test_credentials(api_id: Any, api_user: Any, api_token: Any, expected: str) -> None:
    """Nothing blank, and nothing that could break out of a header."""
    assert refusal(Credentials, api_id, api_user, api_token) == expected


def test_credentials_show_no_secret() -> None:
    """The repr holds the account's number alone."""
    assert repr(ACCOUNT) == "Credentials(api_id=12)"


def test_credentials_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Three variables, by default of this process."""
    environ = {"USERSAPI_ID": " 12 ", "USERSAPI_USER": "admin@example.org", "USERSAPI_TOKEN": TOKEN}
    assert Credentials.from_env(environ) == ACCOUNT
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    assert Credentials.from_env() == ACCOUNT


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({}, "missing in the environment: USERSAPI_ID, USERSAPI_USER, USERSAPI_TOKEN"),
        (
            {"USERSAPI_ID": "1", "USERSAPI_USER": " ", "USERSAPI_TOKEN": "t"},
            "missing in the environment: USERSAPI_USER",
        ),
        (
            {"USERSAPI_ID": "x1", "USERSAPI_USER": "a", "USERSAPI_TOKEN": "t"},
            "USERSAPI_ID: expected the account's id, digits only",
        ),
        (
            {"USERSAPI_ID": "١٢", "USERSAPI_USER": "a", "USERSAPI_TOKEN": "t"},
            "USERSAPI_ID: expected the account's id, digits only",
        ),
    ],
)
def test_credentials_missing_in_the_environment(environ: dict[str, str], expected: str) -> None:
    """All that is missing is named at once, by its variable."""
    assert refusal(Credentials.from_env, environ) == expected


@pytest.mark.parametrize(
    "url",
    [
        DEFAULT_BASE_URL,
        "https://users.example.org:8443/api2/users/",
        "http://127.0.0.1:8000/",
        "http://127.8.9.10/",
        "http://localhost/users",
        "http://[::1]:80/",
    ],
)
def test_base_urls(url: str) -> None:
    """https to anywhere, http to this very machine."""
    assert checked_base_url(url) == url


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        (5, "expected str, got int"),
        ("", "expected https://host/path/"),
        ("users", "expected https://host/path/"),
        ("ftp://example.org/", "expected https://host/path/"),
        ("https:///path", "expected https://host/path/"),
        ("https://[::1/", "not a URL"),
        ("https://example.org:port/", "not a URL"),
        ("https://example.org:99999/", "not a URL"),
        ("https://nina:pw@example.org/", "no user, password, query or fragment, please"),
        ("https://example.org/?token=pw", "no user, password, query or fragment, please"),
        ("https://example.org/#pw", "no user, password, query or fragment, please"),
        ("http://example.org/", "plain http would show the token to the network; use https"),
        ("http://10.0.0.1/", "plain http would show the token to the network; use https"),
        ("http://localhost.example.org/", "plain http would show the token to the network; use https"),
    ],
)
def test_base_urls_that_are_refused(url: Any, expected: str) -> None:
    """The message says why and never repeats the URL."""
    message = refusal(UsersSession, ACCOUNT, base_url=url)
    assert message == f"base_url: {expected}"
    assert "pw" not in message


@pytest.mark.parametrize(
    ("named", "expected"),
    [
        ({"connect": 0}, "connect: expected a positive number"),
        ({"connect": None}, "connect: expected a positive number"),
        ({"attempt": 0}, "attempt: expected a positive number"),
        ({"total": float("nan")}, "total: expected a positive number"),
        ({"total": True}, "total: expected a positive number"),
    ],
)
def test_timeouts(named: dict[str, Any], expected: str) -> None:
    """Seconds above 0; None is no bound, where there may be none."""
    assert refusal(Timeout, **named) == expected
    assert Timeout(attempt=None, total=None).total is None


@pytest.mark.parametrize(
    ("named", "expected"),
    [
        ({"group_id": 0}, "group_id: expected an int of 1 or more"),
        ({"timeout": 5}, "timeout: expected Timeout, got int"),
        ({"retry": 3}, "retry: expected RetryPolicy, got int"),
        ({"limiter": 5}, "limiter: expected Limiter, got int"),
        ({"rate": 5}, "rate: expected RateLimit, got int"),
        ({"concurrency": 0}, "concurrency: expected an int of 1 or more"),
        ({"limiter": Limiter(), "rate": RateLimit(5)}, "limiter: give either it, or rate and concurrency"),
        ({"limiter": Limiter(), "concurrency": 5}, "limiter: give either it, or rate and concurrency"),
        ({"connections": 0}, "connections: expected a number of 1 or more"),
        ({"observer": print}, "observer: expected Observer, got builtin_function_or_method"),
    ],
)
def test_session_arguments(named: dict[str, Any], expected: str) -> None:
    """A session that can't work is never made."""
    assert refusal(UsersSession, ACCOUNT, **named) == expected


def test_session_credentials() -> None:
    """Credentials, or a function that gives them."""
    assert refusal(UsersSession, ("a", TOKEN)) == "credentials: expected Credentials, got tuple"
    assert repr(UsersSession(lambda: ACCOUNT, group_id=5)) == "<UsersSession group_id=5 new>"
