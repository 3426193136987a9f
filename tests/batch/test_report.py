"""What a batch has come to."""

from __future__ import annotations

import pytest

from usersapi_async import (
    BatchReport,
    Failed,
    InDoubt,
    MetaInfo,
    NotAttempted,
    Outcome,
    OutcomeUnknown,
    PayloadError,
    Progress,
    Response,
    Succeeded,
    UsersApiError,
)

ERROR, DOUBT = PayloadError(["x"]), OutcomeUnknown("x")
INFO = MetaInfo(total_forms=2)


def good(index: int, key: str, response: Response | None = None) -> Succeeded:
    return Succeeded(index=index, key=key, payload=None, clogin_id=None, response=response)


def bad(index: int, key: str, error: UsersApiError = ERROR) -> Failed:
    return Failed(index=index, key=key, payload=None, error=error)


def report_of(*outcomes: Outcome, keep: bool = True) -> BatchReport:
    report = BatchReport(taken=len(outcomes), elapsed=2.0)
    for outcome in outcomes:
        report.add(outcome, keep=keep)
    return report


EACH: tuple[Outcome, ...] = (
    good(0, "a", Response(meta_info=INFO)),
    bad(1, "b"),
    InDoubt(index=2, key="c", payload=None, error=DOUBT),
    NotAttempted(index=3, key="d", payload=None, reason="r"),
)


@pytest.mark.parametrize("keep", [True, False])
def test_counts(keep: bool) -> None:
    """Every outcome counts, kept or not."""
    report = report_of(*EACH, keep=keep)
    assert report.progress() == Progress(
        taken=4, succeeded=1, failed=1, in_doubt=1, not_attempted=1, elapsed=2.0
    )
    assert report.progress().done == 4
    assert report.throughput == 2.0
    assert report.next_index == 4
    assert report.outcomes == (list(EACH) if keep else [])


def test_no_time_has_passed() -> None:
    """An empty report has no rate, and is no division by zero."""
    assert BatchReport().throughput == 0.0


def test_by_key() -> None:
    """`meta_info`, `errors` and `doubts` tell by key what was kept."""
    report = report_of(*EACH, good(4, "e"), good(5, "f", Response()))
    assert report.meta_info == {"a": INFO, "f": MetaInfo()}
    assert report.errors == {"b": ERROR, "c": DOUBT}
    assert report.doubts == {"c": DOUBT}


def test_all_errors_are_raised() -> None:
    """Rows that have none are one error more."""
    report = report_of(*EACH, bad(4, "b"))
    with pytest.raises(ExceptionGroup) as caught:
        report.raise_for_errors()
    assert caught.value.message == "4 of 5 operations did not succeed"
    assert caught.value.exceptions[:3] == (ERROR, DOUBT, ERROR)
    assert str(caught.value.exceptions[3]) == "1 more rows were not carried out or not attempted"


def test_errors_that_were_not_kept() -> None:
    """Something is raised for them too."""
    with pytest.raises(ExceptionGroup) as caught:
        report_of(*EACH, keep=False).raise_for_errors()
    assert [str(error) for error in caught.value.exceptions] == [
        "3 more rows were not carried out or not attempted"
    ]


def test_nothing_is_raised_without_errors() -> None:
    """All went well."""
    report_of(good(0, "a"), good(1, "b")).raise_for_errors()
    BatchReport().raise_for_errors()


def test_no_data_of_people_in_repr() -> None:
    """Keys are emails for many."""
    outcome = good(0, "nina@example.org")
    assert "nina" not in repr(outcome) + repr(report_of(outcome))
