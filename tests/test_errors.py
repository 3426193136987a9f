"""The exception tree, and what every error carries."""

from __future__ import annotations

import copy
import pickle

import pytest

import usersapi_async
from usersapi_async import errors
from usersapi_async.errors import Delivery, UsersApiError

PARENTS = {
    "UsersApiError": (Exception,),
    "ConfigurationError": (errors.UsersApiError, ValueError),
    "PayloadError": (errors.UsersApiError, ValueError),
    "SessionError": (errors.UsersApiError,),
    "JournalError": (errors.UsersApiError,),
    "ResultsError": (errors.UsersApiError,),
    "ReportError": (errors.UsersApiError,),
    "WebhookError": (errors.UsersApiError, ValueError),
    "SourceError": (errors.UsersApiError,),
    "TransportError": (errors.UsersApiError,),
    "ConnectError": (errors.TransportError,),
    "PoolTimeout": (errors.ConnectError,),
    "CertificateError": (errors.ConnectError,),
    "RequestTimeout": (errors.TransportError, TimeoutError),
    "ConnectionLost": (errors.TransportError,),
    "ResponseError": (errors.UsersApiError,),
    "AuthenticationError": (errors.ResponseError,),
    "RateLimited": (errors.ResponseError,),
    "RequestRejected": (errors.ResponseError,),
    "ServerError": (errors.ResponseError,),
    "MalformedResponse": (errors.ResponseError,),
    "ActionRejected": (errors.ResponseError,),
    "DeadlineExceeded": (errors.UsersApiError, TimeoutError),
    "OutcomeUnknown": (errors.UsersApiError,),
}
DELIVERIES = {
    "UsersApiError": Delivery.NOT_SENT,
    "ConfigurationError": Delivery.NOT_SENT,
    "PayloadError": Delivery.NOT_SENT,
    "SessionError": Delivery.NOT_SENT,
    "JournalError": Delivery.NOT_SENT,
    "ResultsError": Delivery.NOT_SENT,
    "ReportError": Delivery.NOT_SENT,
    "WebhookError": Delivery.NOT_SENT,
    "SourceError": Delivery.NOT_SENT,
    "TransportError": Delivery.UNKNOWN,
    "ConnectError": Delivery.NOT_SENT,
    "PoolTimeout": Delivery.NOT_SENT,
    "CertificateError": Delivery.NOT_SENT,
    "RequestTimeout": Delivery.UNKNOWN,
    "ConnectionLost": Delivery.UNKNOWN,
    "ResponseError": Delivery.REFUSED,
    "AuthenticationError": Delivery.REFUSED,
    "RateLimited": Delivery.REFUSED,
    "RequestRejected": Delivery.REFUSED,
    "ServerError": Delivery.UNKNOWN,
    "MalformedResponse": Delivery.UNKNOWN,
    "ActionRejected": Delivery.REFUSED,
    "DeadlineExceeded": Delivery.UNKNOWN,
    "OutcomeUnknown": Delivery.UNKNOWN,
}


def _every_error() -> list[type[UsersApiError]]:
    found = [value for value in vars(errors).values() if isinstance(value, type)]
    return [kind for kind in found if issubclass(kind, UsersApiError)]


def test_the_tree_is_whole() -> None:
    """Every class of the module stands in the tree, with these bases."""
    assert {kind.__name__: kind.__bases__ for kind in _every_error()} == PARENTS


def test_the_docstring_draws_every_class() -> None:
    """The tree in the module's docstring names all of them, each under its parent."""
    drawn = [line for line in (errors.__doc__ or "").splitlines() if "──" in line]
    indents: dict[str, int] = {}
    above: dict[int, str] = {-4: "UsersApiError"}
    for line in drawn:
        name = line.partition("── ")[2].split()[0]
        indents[name] = line.index("──")
        above[indents[name]] = name
        parent = max((at for at in above if at < indents[name]), default=-4)
        assert above[parent] == getattr(errors, name).__bases__[0].__name__
        above = {at: known for at, known in above.items() if at <= indents[name]}
    assert indents.keys() == PARENTS.keys() - {"UsersApiError"}


@pytest.mark.parametrize("kind", _every_error(), ids=lambda kind: kind.__name__)
def test_default_delivery(kind: type[UsersApiError]) -> None:
    """How far a request came, unless the error is told otherwise."""
    assert kind().delivery is DELIVERIES[kind.__name__]
    assert kind(delivery=Delivery.REFUSED).delivery is Delivery.REFUSED


@pytest.mark.parametrize("kind", _every_error(), ids=lambda kind: kind.__name__)
def test_errors_belong_to_no_call_at_first(kind: type[UsersApiError]) -> None:
    """Action, attempts and position are filled in by whoever knows them."""
    error = kind()
    assert (error.action, error.attempts, error.position) == (None, 0, None)


@pytest.mark.parametrize("kind", _every_error(), ids=lambda kind: kind.__name__)
@pytest.mark.parametrize("copied", [copy.copy, lambda error: pickle.loads(pickle.dumps(error))])  # noqa: S301
def test_errors_survive_pickling(kind: type[UsersApiError], copied: object) -> None:
    """A copy, in this process or from another one, tells the same."""
    error = kind("what happened", delivery=Delivery.REFUSED)
    error.action, error.attempts, error.position = "update", 3, 50
    assert callable(copied)
    twin = copied(error)
    assert type(twin) is kind
    assert str(twin) == "what happened"
    assert vars(twin) == vars(error)


def test_payload_errors_join_their_faults() -> None:
    """All faults stand in the message and, one by one, in ``faults``."""
    error = errors.PayloadError(["first @ $.a", "second @ $.b"])
    assert error.faults == ("first @ $.a", "second @ $.b")
    assert str(error) == "first @ $.a; second @ $.b"
    assert pickle.loads(pickle.dumps(error)).faults == error.faults  # noqa: S301


def test_one_fault_is_not_taken_apart() -> None:
    """A fault that comes as a string is one fault, not one for each letter."""
    assert errors.PayloadError("one @ $.a").faults == ("one @ $.a",)


def test_what_else_errors_carry() -> None:
    """The operating system's number, the answer's status and words, and the cause of a doubt."""
    lost = errors.ConnectionLost("gone", errno=104)
    assert lost.errno == 104
    limited = errors.RateLimited("slow down", status=429, msg="Slow.", msg_type="error", retry_after=1.5)
    assert (limited.status, limited.msg, limited.msg_type, limited.retry_after) == (
        429,
        "Slow.",
        "error",
        1.5,
    )
    assert errors.OutcomeUnknown("open", cause=lost).cause is lost


def test_names_come_from_the_package() -> None:
    """Every error can be imported from the package itself."""
    for kind in _every_error():
        assert getattr(usersapi_async, kind.__name__) is kind
        assert kind.__name__ in dir(usersapi_async)


def test_other_names_are_missing() -> None:
    """A misspelt name of the package is an AttributeError that repeats it."""
    with pytest.raises(AttributeError, match="UsersSesion"):
        usersapi_async.UsersSesion  # noqa: B018
