"""One create as it is without any client: what is sent, and what is checked of the answer."""

from __future__ import annotations

import time
from typing import Any

from benchmarks.service import API_ID, API_TOKEN, API_USER, GROUP_ID, person

HEADERS = {
    "Accept": "application/json",
    "Api-id": str(API_ID),
    "Api-user": API_USER,
    "Api-token": API_TOKEN,
}


class CreateError(Exception):
    """The service did not create somebody."""


def body_of(number: int) -> dict[str, object]:
    """The request's JSON object."""
    return {
        "action": "create",
        "group_id": GROUP_ID,
        "doc": person(number),
        "disable_email_sending": True,
    }


def timestamp() -> dict[str, str]:
    """The header that changes from call to call."""
    return {"Timestamp": str(int(time.time()))}


def new_id(status: int | None, answer: Any) -> int:
    """The id that was given. Raises `CreateError`."""
    if status != 200 or answer.get("success") is not True:
        raise CreateError(f"HTTP {status}: {answer.get('msg')}")
    return int(answer["user_info"]["clogin_id"])
