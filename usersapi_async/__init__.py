"""Asyncio client for the users endpoint of a registration platform, with bulk concurrency.

Names are imported when they are first used, so that importing a part stays cheap.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from ._version import __version__

if TYPE_CHECKING:
    from .batch import (
        BatchReport,
        BatchRunner,
        Failed,
        InDoubt,
        Journal,
        NotAttempted,
        Outcome,
        Progress,
        Remainder,
        ResultLine,
        ResultWriter,
        Succeeded,
        read_remainder,
        read_results,
    )
    from .errors import (
        ActionRejected,
        AuthenticationError,
        CertificateError,
        ConfigurationError,
        ConnectError,
        ConnectionLost,
        DeadlineExceeded,
        Delivery,
        JournalError,
        MalformedResponse,
        OutcomeUnknown,
        PayloadError,
        PoolTimeout,
        RateLimited,
        ReportError,
        RequestRejected,
        RequestTimeout,
        ResponseError,
        ResultsError,
        ServerError,
        SessionError,
        SourceError,
        TransportError,
        UsersApiError,
        WebhookError,
    )
    from .limiter import Limiter, Pace
    from .listing import UserStream
    from .observer import AttemptStarted, CallFinished, CallStarted, Observer, Paused, RetryScheduled
    from .payloads import (
        AddEmail,
        AddProduct,
        Create,
        CreateChild,
        Custom,
        Email,
        GetInfo,
        GetUserList,
        Login,
        Payload,
        Product,
        Ref,
        SetStatus,
        Update,
    )
    from .rate import RateLimit
    from .reconciling import Reconciliation, present_ids, reconcile
    from .reporting import RunRecorder, write_report
    from .responses import (
        AddEmailResponse,
        AddProductResponse,
        CartEntry,
        CreateChildResponse,
        CreateResponse,
        GetInfoResponse,
        ListedUser,
        LoginResponse,
        MetaInfo,
        Response,
        SetStatusResponse,
        UpdateResponse,
        UserInfo,
        UserListResponse,
    )
    from .retry import Kind, RetryPolicy
    from .session import UsersSession
    from .settings import Credentials, Timeout
    from .stats import Latency, Pool, Statistics
    from .webhooks import (
        CredentialsEdited,
        FormSubmitted,
        LoginSucceeded,
        UserRegistered,
        WebhookEvent,
        parse_webhook,
    )
    from .wire import Verdict, classify

_HOMES = {
    "batch": "BatchReport BatchRunner Failed InDoubt Journal NotAttempted Outcome Progress Remainder"
    " ResultLine ResultWriter Succeeded read_remainder read_results",
    "errors": "ActionRejected AuthenticationError CertificateError ConfigurationError ConnectError"
    " ConnectionLost DeadlineExceeded Delivery JournalError MalformedResponse OutcomeUnknown"
    " PayloadError PoolTimeout RateLimited ReportError RequestRejected RequestTimeout ResponseError"
    " ResultsError ServerError SessionError SourceError TransportError UsersApiError WebhookError",
    "limiter": "Limiter Pace",
    "listing": "UserStream",
    "observer": "AttemptStarted CallFinished CallStarted Observer Paused RetryScheduled",
    "payloads": "AddEmail AddProduct Create CreateChild Custom Email GetInfo GetUserList Login Payload"
    " Product Ref SetStatus Update",
    "rate": "RateLimit",
    "reconciling": "Reconciliation present_ids reconcile",
    "reporting": "RunRecorder write_report",
    "responses": "AddEmailResponse AddProductResponse CartEntry CreateChildResponse CreateResponse"
    " GetInfoResponse ListedUser LoginResponse MetaInfo Response SetStatusResponse UpdateResponse"
    " UserInfo UserListResponse",
    "retry": "Kind RetryPolicy",
    "session": "UsersSession",
    "settings": "Credentials Timeout",
    "stats": "Latency Pool Statistics",
    "webhooks": "CredentialsEdited FormSubmitted LoginSucceeded UserRegistered WebhookEvent parse_webhook",
    "wire": "Verdict classify",
}
_HOME_OF = {name: module for module, names in _HOMES.items() for name in names.split()}

__all__ = [
    "ActionRejected",
    "AddEmail",
    "AddEmailResponse",
    "AddProduct",
    "AddProductResponse",
    "AttemptStarted",
    "AuthenticationError",
    "BatchReport",
    "BatchRunner",
    "CallFinished",
    "CallStarted",
    "CartEntry",
    "CertificateError",
    "ConfigurationError",
    "ConnectError",
    "ConnectionLost",
    "Create",
    "CreateChild",
    "CreateChildResponse",
    "CreateResponse",
    "Credentials",
    "CredentialsEdited",
    "Custom",
    "DeadlineExceeded",
    "Delivery",
    "Email",
    "Failed",
    "FormSubmitted",
    "GetInfo",
    "GetInfoResponse",
    "GetUserList",
    "InDoubt",
    "Journal",
    "JournalError",
    "Kind",
    "Latency",
    "Limiter",
    "ListedUser",
    "Login",
    "LoginResponse",
    "LoginSucceeded",
    "MalformedResponse",
    "MetaInfo",
    "NotAttempted",
    "Observer",
    "Outcome",
    "OutcomeUnknown",
    "Pace",
    "Paused",
    "Payload",
    "PayloadError",
    "Pool",
    "PoolTimeout",
    "Product",
    "Progress",
    "RateLimit",
    "RateLimited",
    "Reconciliation",
    "Ref",
    "Remainder",
    "ReportError",
    "RequestRejected",
    "RequestTimeout",
    "Response",
    "ResponseError",
    "ResultLine",
    "ResultWriter",
    "ResultsError",
    "RetryPolicy",
    "RetryScheduled",
    "RunRecorder",
    "ServerError",
    "SessionError",
    "SetStatus",
    "SetStatusResponse",
    "SourceError",
    "Statistics",
    "Succeeded",
    "Timeout",
    "TransportError",
    "Update",
    "UpdateResponse",
    "UserInfo",
    "UserListResponse",
    "UserRegistered",
    "UserStream",
    "UsersApiError",
    "UsersSession",
    "Verdict",
    "WebhookError",
    "WebhookEvent",
    "__version__",
    "classify",
    "parse_webhook",
    "present_ids",
    "read_remainder",
    "read_results",
    "reconcile",
    "write_report",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f".{_HOME_OF[name]}", __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
