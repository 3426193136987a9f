"""Whether a request may be sent again, and when."""

from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from usersapi_async import (
    AddEmail,
    AddProduct,
    ConfigurationError,
    Create,
    CreateChild,
    Custom,
    Delivery,
    Email,
    GetInfo,
    GetUserList,
    Kind,
    Login,
    Product,
    RetryPolicy,
    SetStatus,
    Update,
    UsersApiError,
    errors,
    wire,
)
from usersapi_async.retry import (
    Decision,
    RetryBudget,
    decide,
    evidence_of,
    kind_of,
    may_wait_for_server,
    render_table,
)

NOT_SENT, REFUSED, UNKNOWN = Delivery.NOT_SENT, Delivery.REFUSED, Delivery.UNKNOWN

# What follows from the first attempt, written out: reads, absolute writes, login, not repeatable.
AGAIN = ("retry", "retry", "retry", "retry")
DOUBT = ("retry", "retry", "one retry", "in doubt")
FAIL = ("fail", "fail", "fail", "fail")
STOP = ("fail, stop the batch",) * 4
STOP_IF = ("fail; the same for several rows in a row stops the batch",) * 4
EXPECTED: list[tuple[UsersApiError, tuple[str, ...]]] = [
    (errors.ConnectError(), AGAIN),
    (errors.PoolTimeout(), AGAIN),
    (errors.ConnectionLost(delivery=NOT_SENT), AGAIN),
    (errors.RequestTimeout(delivery=NOT_SENT), AGAIN),
    (errors.CertificateError(), FAIL),
    (errors.RequestRejected(status=302), FAIL),
    (errors.RequestRejected(status=399), FAIL),
    (errors.RequestTimeout(), DOUBT),
    (errors.ConnectionLost(), DOUBT),
    (errors.RequestRejected(status=408, delivery=UNKNOWN), DOUBT),
    (errors.RateLimited(status=425), AGAIN),
    (errors.RateLimited(status=429), AGAIN),
    (errors.ServerError(status=500), DOUBT),
    (errors.ServerError(status=502), DOUBT),
    (errors.ServerError(status=503), DOUBT),
    (errors.ServerError(status=504), DOUBT),
    (errors.ServerError(status=599), DOUBT),
    (errors.MalformedResponse(status=200), DOUBT),
    (errors.ActionRejected(status=200), STOP_IF),
    (errors.AuthenticationError(status=401), STOP),
    (errors.RequestRejected(status=403), STOP_IF),
    (errors.RequestRejected(status=400), FAIL),
    (errors.RequestRejected(status=404), FAIL),
    (errors.RequestRejected(status=422), FAIL),
]
CASES = [(error, kind, word) for error, words in EXPECTED for kind, word in zip(Kind, words, strict=True)]


@pytest.mark.parametrize(("error", "kind", "word"), CASES)
def test_the_whole_table(error: UsersApiError, kind: Kind, word: str) -> None:
    """Every evidence with every kind of action, after the first, the second and the last attempt."""
    policy = RetryPolicy(attempts=5)
    final = Decision.IN_DOUBT if kind is Kind.NOT_REPEATABLE and "doubt" in word else Decision.FAIL
    after: dict[str, tuple[Decision, Decision, Decision]] = {
        "retry": (Decision.RETRY, Decision.RETRY, final),
        "one retry": (Decision.RETRY, final, final),
    }
    same = Decision(word)
    expected = after.get(word, (same, same, same))
    assert tuple(decide(error, kind, attempts, policy) for attempts in (1, 2, 5)) == expected


def test_every_row_is_reached() -> None:
    """No row of the documented table lacks an error that leads to it."""
    rows = render_table().splitlines()[2:]
    reached = {evidence_of(error).value for error, _ in EXPECTED}
    assert {row.split(" | ")[0].removeprefix("| ") for row in rows} == reached


def test_the_documented_table() -> None:
    """The table in Markdown says what `decide` does."""
    header, rule, *rows = render_table().splitlines()
    assert header.startswith("| evidence | reads: get_info, get_user_list | absolute writes")
    assert rule == "|---|---|---|---|---|"
    words = {evidence_of(error).value: words for error, words in EXPECTED}
    assert rows == [f"| {name} | " + " | ".join(words[name]) + " |" for name in dict.fromkeys(words_in(rows))]
    assert len(rows) == 11


def words_in(rows: list[str]) -> list[str]:
    """The first column."""
    return [row.split(" | ")[0].removeprefix("| ") for row in rows]


def test_503_by_option() -> None:
    """After a 503 that is known to mean that nothing was done even a create is repeated."""
    policy = RetryPolicy()
    refused = errors.ServerError(status=503, delivery=Delivery.REFUSED)
    for kind in Kind:
        assert decide(refused, kind, 1, policy) is Decision.RETRY
        assert decide(refused, kind, 5, policy) is Decision.FAIL
    assert may_wait_for_server(refused)
    assert not may_wait_for_server(errors.ServerError(status=503))


@pytest.mark.parametrize(
    "error",
    [
        errors.RateLimited(status=429, delivery=UNKNOWN),
        errors.ActionRejected(status=200, delivery=UNKNOWN),
        errors.RequestRejected(status=404, delivery=UNKNOWN),
        errors.AuthenticationError(status=401, delivery=UNKNOWN),
    ],
)
def test_own_classifications_never_repeat_a_create(error: UsersApiError) -> None:
    """Whatever somebody's own `classify` calls it: an unknown fate leaves a create in doubt."""
    assert decide(error, Kind.NOT_REPEATABLE, 1, RetryPolicy()) is Decision.IN_DOUBT


def test_attempts_per_kind() -> None:
    """A kind may have a number of its own; a login never gets more than two where it may have been done."""
    policy = RetryPolicy(attempts=3, per_kind={Kind.READ: 1, Kind.LOGIN: 9})
    lost = errors.ConnectionLost()
    assert decide(lost, Kind.READ, 1, policy) is Decision.FAIL
    assert decide(lost, Kind.ABSOLUTE_WRITE, 2, policy) is Decision.RETRY
    assert decide(lost, Kind.ABSOLUTE_WRITE, 3, policy) is Decision.FAIL
    assert decide(lost, Kind.LOGIN, 2, policy) is Decision.FAIL
    assert decide(errors.ConnectError(), Kind.LOGIN, 8, policy) is Decision.RETRY
    only_one = RetryPolicy(per_kind={Kind.LOGIN: 1})
    assert decide(lost, Kind.LOGIN, 1, only_one) is Decision.FAIL


SILENT: dict[str, Any] = {"submit_forms": False, "disable_email_sending": True}
MAIL = Email(sender="a@b.org", to="c@d.org", subject="s", body="t")
KINDS: list[tuple[Any, Kind]] = [
    (GetInfo(clogin_id=5), Kind.READ),
    (GetUserList(), Kind.READ),
    (Login(clogin_id=5, **SILENT), Kind.LOGIN),
    (Create(**SILENT), Kind.NOT_REPEATABLE),
    (CreateChild(connected_to=5, **SILENT), Kind.NOT_REPEATABLE),
    (AddProduct(clogin_id=5, products=[Product(p_id=1)], **SILENT), Kind.NOT_REPEATABLE),
    (AddEmail(clogin_id=5, emails=[MAIL], **SILENT), Kind.NOT_REPEATABLE),
    (Update(clogin_id=5, doc={}, **SILENT), Kind.ABSOLUTE_WRITE),
    (SetStatus(clogin_id=5, status_id=0, **SILENT), Kind.ABSOLUTE_WRITE),
    (Update(clogin_id=5, doc={}), Kind.NOT_REPEATABLE),
    (Update(clogin_id=5, doc={}, submit_forms=False), Kind.NOT_REPEATABLE),
    (Update(clogin_id=5, doc={}, disable_email_sending=True), Kind.NOT_REPEATABLE),
    (Update(clogin_id=5, doc={}, submit_forms=True, disable_email_sending=True), Kind.NOT_REPEATABLE),
    (Update(clogin_id=5, doc={}, extra=SILENT), Kind.ABSOLUTE_WRITE),
    (Update(clogin_id=5, doc={}, extra={"submit_forms": True}, **SILENT), Kind.NOT_REPEATABLE),
    (SetStatus(clogin_id=5, status_id=0), Kind.NOT_REPEATABLE),
    (Custom(action="x"), Kind.NOT_REPEATABLE),
    (Custom(action="x", **SILENT), Kind.NOT_REPEATABLE),
    (Custom(action="x", repeatable=True), Kind.READ),
]


@pytest.mark.parametrize(("payload", "kind"), KINDS)
def test_kinds(payload: Any, kind: Kind) -> None:
    """A write is absolute only where neither a form trigger nor a mail can fire twice, as it goes out."""
    assert kind_of(payload, wire.content(payload, 1), RetryPolicy()) is kind


def test_kinds_by_option() -> None:
    """A project without triggers and mails may call its updates absolute, but no create."""
    policy = RetryPolicy(repeat_writes=True)
    writes = (Update(clogin_id=5, doc={}), SetStatus(clogin_id=5, status_id=0))
    for payload in writes:
        assert kind_of(payload, wire.content(payload, 1), policy) is Kind.ABSOLUTE_WRITE
    assert kind_of(Create(), wire.content(Create(), 1), policy) is Kind.NOT_REPEATABLE


@given(
    st.lists(st.booleans(), max_size=400),
    st.floats(min_value=0, max_value=2),
    st.floats(min_value=0, max_value=20),
)
def test_the_budget_bounds_retries(events: list[bool], ratio: float, burst: float) -> None:
    """However calls and retries mix, retries stay within the burst and a share of the calls."""
    budget = RetryBudget(ratio, burst)
    calls = retries = 0
    for is_call in events:
        if is_call:
            calls += 1
            budget.earn()
        else:
            retries += budget.spend()
        assert retries <= burst + ratio * calls + 1e-6
        assert 0 <= budget.balance <= burst


def test_the_budget_is_refilled_by_calls() -> None:
    """An empty budget refuses, and ten calls earn one retry."""
    budget = RetryBudget(0.125, 1)
    assert [budget.spend(), budget.spend()] == [True, False]
    for _ in range(7):
        budget.earn()
    assert not budget.spend()
    budget.earn()
    assert budget.spend()
    assert budget.balance == 0.0


@given(st.integers(), st.integers(1, 10_000), st.floats(0, 100), st.floats(0.001, 100))
def test_full_jitter(seed: int, attempts: int, base: float, cap: float) -> None:
    """The wait lies between nothing and a bound that doubles, up to the cap."""
    wait = RetryPolicy(base=base, cap=cap).backoff(attempts, random.Random(seed))
    assert 0 <= wait <= min(cap, base * 2.0 ** min(attempts - 1, 1000))


def test_jitter_spreads() -> None:
    """The waits fill their range, so that callers don't come back together."""
    rng = random.Random(1)
    waits = sorted(RetryPolicy(base=1, cap=30).backoff(4, rng) for _ in range(1000))
    assert waits[0] < 0.1
    assert 7.9 < waits[-1] <= 8
    assert 3.7 < sum(waits) / 1000 < 4.3


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ({"attempts": 0}, "attempts"),
        ({"attempts": True}, "attempts"),
        ({"attempts": 2.0}, "attempts"),
        ({"per_kind": {Kind.READ: 0}}, "per_kind[READ]"),
        ({"per_kind": {"reads": 2}}, "per_kind"),
        ({"base": -1}, "base"),
        ({"cap": float("nan")}, "cap"),
        ({"max_pause": float("inf")}, "max_pause"),
        ({"budget_ratio": "0.1"}, "budget_ratio"),
        ({"budget_burst": True}, "budget_burst"),
        ({"settle": -0.5}, "settle"),
    ],
)
def test_policies_are_checked(arguments: dict[str, Any], named: str) -> None:
    """A number that can't be right names its argument."""
    with pytest.raises(ConfigurationError) as caught:
        RetryPolicy(**arguments)
    assert str(caught.value).startswith(f"{named}: expected ")
