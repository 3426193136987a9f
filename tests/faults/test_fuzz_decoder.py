"""The decoder meets generated bodies."""

from tests.faults.fuzz_decoder import fuzz


def test_whatever_comes_is_a_response_or_one_of_our_errors() -> None:
    """Twenty thousand odd, broken and plausible bodies raise nothing and reach every kind of result."""
    results = fuzz(20_000, seed=1)
    assert results.total() == 20_000
    assert {
        "CreateResponse",
        "UserListResponse",
        "MalformedResponse",
        "ActionRejected",
        "ServerError",
    } <= set(results)
