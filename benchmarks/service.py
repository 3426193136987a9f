"""What the subjects of the benchmarks send, and what the server checks of it."""

from __future__ import annotations

GROUP_ID = 100909072
API_ID = 102670000
API_USER = "admin@example.org"
API_TOKEN = "6f0e7b0e-0000-4000-8000-000000000000"  # noqa: S105 (nobody's)


def person(number: int) -> dict[str, str]:
    """The ``doc`` of one create."""
    return {
        "first_name": "Nina",
        "last_name": f"Simone {number}",
        "main_email": f"nina{number}@example.org",
        "your_instrument": "piano",
    }


def faults(headers: dict[str, str], body: object) -> list[str]:
    """What is wrong with a request; `headers` by their names in lower case."""
    expected = {
        "api-id": str(API_ID),
        "api-user": API_USER,
        "api-token": API_TOKEN,
        "accept": "application/json",
    }
    wrong = [name for name, value in expected.items() if headers.get(name) != value]
    if headers.get("content-type", "").partition(";")[0] != "application/json":
        wrong.append("content-type")
    if not headers.get("timestamp", "").isdecimal():
        wrong.append("timestamp")
    if not isinstance(body, dict) or not isinstance(body.get("doc"), dict):
        return [*wrong, "body"]
    doc = body.pop("doc")
    if body != {"action": "create", "group_id": GROUP_ID, "disable_email_sending": True}:
        wrong.append("body")
    return wrong if doc.keys() == person(0).keys() else [*wrong, "doc"]
