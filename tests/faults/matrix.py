"""Every fault that the emulator knows, met once by each kind of action: ``python -m tests.faults.matrix``.

A cell says what the caller was told, after how many requests, and how often the work was done.
"""

from __future__ import annotations

import asyncio
import random
import sys
from typing import Any

from usersapi_async import (
    Create,
    Credentials,
    GetInfo,
    Login,
    OutcomeUnknown,
    Payload,
    RetryPolicy,
    Timeout,
    Update,
    UsersApiError,
    UsersSession,
)
from usersapi_async.emulator import Emulator, Fault, running_emulator

FAULTS: dict[str, Fault] = {
    "none": Fault.slow(0),
    "connection dropped before the work": Fault.drop_before(),
    "connection dropped after the work": Fault.drop_after(),
    "no answer in time": Fault.slow(60),
    "HTML instead of JSON, not done": Fault.html(),
    "HTML instead of JSON, done": Fault.html(done=True),
    "broken JSON, done": Fault.broken_json(),
    "answer cut short, done": Fault.cut_json(),
    "success false": Fault.rejected("no"),
    "429": Fault.rate_limited(),
    "429 with Retry-After": Fault.rate_limited(0.001),
    "503": Fault.unavailable(),
    "500, done": Fault.error(500, done=True),
    **{str(code): Fault.status(code) for code in (302, 400, 401, 403, 404, 408, 425, 500, 502, 504, 507)},
}
ACTIONS = ("create", "update, silent", "update", "login", "get_info")


def payloads(user: int) -> dict[str, Payload[Any]]:
    """One payload for each kind of action."""
    return {
        "create": Create(doc={"first_name": "Nina"}),
        "update, silent": Update(
            clogin_id=user, doc={"first_name": "N"}, submit_forms=False, disable_email_sending=True
        ),
        "update": Update(clogin_id=user, doc={"first_name": "N"}),
        "login": Login(clogin_id=user),
        "get_info": GetInfo(clogin_id=user),
    }


async def cell(users: UsersSession, emulator: Emulator, payload: Payload[Any], fault: Fault) -> str:
    """What became of one call that met the fault."""
    done, received = emulator.executed[payload.action], emulator.received[payload.action]
    emulator.script(fault, action=payload.action)
    try:
        await users.send(payload)
    except OutcomeUnknown:
        told = "in doubt"
    except UsersApiError as error:
        told = f"{type(error).__name__} ({error.delivery.value})"
    else:
        told = "ok"
    requests = emulator.received[payload.action] - received
    return f"{told}, sent {requests}, done {emulator.executed[payload.action] - done}"


async def matrix() -> dict[str, dict[str, str]]:
    """All cells, by fault and action."""
    async with running_emulator() as emulator:
        session = UsersSession(
            Credentials(**emulator.credentials),
            group_id=emulator.group_id,
            base_url=emulator.base_url,
            # Fixed, since 429s without end would have it find a pace of one call in seconds.
            concurrency=4,
            timeout=Timeout(attempt=0.5),
            retry=RetryPolicy(base=0, settle=0),
            rng=random.Random(0),
        )
        async with session as users:
            user = (await users.create()).clogin_id
            return {
                name: {
                    action: await cell(users, emulator, payload, fault)
                    for action, payload in payloads(user).items()
                }
                for name, fault in FAULTS.items()
            }


def main() -> None:
    """Prints the matrix."""
    for fault, cells in asyncio.run(matrix()).items():
        sys.stdout.write(f"{fault}\n")
        for action, text in cells.items():
            sys.stdout.write(f"    {action:<15} {text}\n")


if __name__ == "__main__":
    main()
