"""What each kind of action does when it meets each fault, pinned cell by cell."""

import pytest

from tests.faults.matrix import ACTIONS, FAULTS, matrix

pytestmark = pytest.mark.usefixtures("any_transport")

UNSURE = {
    "connection dropped before the work": 0,
    "connection dropped after the work": 1,
    "no answer in time": 0,
    "HTML instead of JSON, not done": 0,
    "HTML instead of JSON, done": 1,
    "broken JSON, done": 1,
    "answer cut short, done": 1,
    "503": 0,
    "500, done": 1,
    **dict.fromkeys(("408", "500", "502", "504", "507"), 0),
}
REFUSED_FOR_NOW = ("429", "429 with Retry-After", "425")
FINAL = {
    "success false": "ActionRejected",
    "401": "AuthenticationError",
    **dict.fromkeys(("302", "400", "403", "404"), "RequestRejected"),
}


async def test_every_fault_for_every_kind_of_action() -> None:
    """A fault that leaves doubt repeats reads, silent writes and logins, never a create or a loud write."""
    found = await matrix()
    expected = {"none": dict.fromkeys(ACTIONS, "ok, sent 1, done 1")}
    for fault, done in UNSURE.items():
        again, doubt = f"ok, sent 2, done {1 + done}", f"in doubt, sent 1, done {done}"
        expected[fault] = dict.fromkeys(ACTIONS, again) | {"create": doubt, "update": doubt}
    expected |= {fault: dict.fromkeys(ACTIONS, "ok, sent 2, done 1") for fault in REFUSED_FOR_NOW}
    expected |= {
        fault: dict.fromkeys(ACTIONS, f"{error} (refused), sent 1, done 0") for fault, error in FINAL.items()
    }
    assert set(expected) == set(FAULTS)
    assert found == expected
