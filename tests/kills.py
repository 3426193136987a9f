"""An import that is killed again and again, and goes on each time: ``python -m tests.kills``.

An emulator that drops connections before and after the work, refuses and fails takes in families, from a
child process that is killed with SIGKILL at random moments and started again on the same journal. At the end
everybody must be there once, every child under the right parent, and the journal, the outcomes and the server
must agree.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import math
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from usersapi_async import (
    BatchRunner,
    Create,
    CreateChild,
    Credentials,
    Ref,
    RetryPolicy,
    Succeeded,
    Timeout,
    UsersSession,
)
from usersapi_async.emulator import Emulator, Faults, emulator_in_thread

if TYPE_CHECKING:
    from collections.abc import Iterator

MARKER = "import_ref"
FAULTS = Faults(drop_before=0.01, drop_after=0.01, rate_limited=0.02, unavailable=0.01)


def families(people: int) -> Iterator[tuple[str, Create | CreateChild]]:
    """Parents, each with two children after it."""
    for number in range(people):
        doc = {"first_name": f"P{number}"}
        if number % 3:
            yield f"p{number}", CreateChild(connected_to=Ref(f"p{number - number % 3}"), doc=doc)
        else:
            yield f"p{number}", Create(doc=doc)


async def import_people(place: dict[str, Any], journal: str, people: int) -> None:
    """One run of the import, to its end if it is let; prints each outcome as it comes."""
    async with UsersSession(
        Credentials(**place["credentials"]),
        group_id=place["group_id"],
        base_url=place["base_url"],
        timeout=Timeout(attempt=1),
        retry=RetryPolicy(base=0.01, cap=0.1, settle=0.2),
    ) as users:
        runner = BatchRunner(users, reconcile=True, marker_field=MARKER, max_same_rejections=None)
        async with runner.stream(families(people), journal=journal) as outcomes:
            async for outcome in outcomes:
                clogin_id = outcome.clogin_id if isinstance(outcome, Succeeded) else 0
                sys.stdout.write(f"{type(outcome).__name__} {outcome.key} {clogin_id}\n")


def run_child(emulator: Emulator, journal: Path, people: int, kill_at: float) -> list[str] | None:
    """The lines of a run that ended; None if it was killed, once so many requests had come in all."""
    place = {
        "credentials": emulator.credentials,
        "group_id": emulator.group_id,
        "base_url": emulator.base_url,
    }
    command = [sys.executable, "-m", "tests.kills", "--child", json.dumps(place), str(journal), str(people)]
    told = journal.with_suffix(".txt")
    with told.open("w") as output, subprocess.Popen(command, stdout=output) as child:  # noqa: S603 (this very file)
        while child.poll() is None:
            if emulator.received.total() >= kill_at:
                child.kill()
            time.sleep(0.0005)
    if child.returncode == -signal.SIGKILL:
        return None
    assert child.returncode == 0, child.returncode
    return told.read_text().splitlines()


def disagreements(emulator: Emulator, lines: list[str], people: int) -> list[str]:
    """What does not agree at the end, in words."""
    there = {user.doc.get(MARKER): user for user in emulator.users.values()}
    wrong = [
        f"{key} is there {count} times"
        for key, count in Counter(user.doc.get(MARKER) for user in emulator.users.values()).items()
        if count > 1
    ]
    told = {line.split()[1]: line.split() for line in lines}
    for key, payload in families(people):
        words, user = told.get(key, ["nothing"]), there.get(key)
        if words[0] != "Succeeded" or user is None or int(words[2]) != user.clogin_id:
            wrong.append(f"{key}: told {words}, there: {user is not None}")
        elif isinstance(payload, CreateChild) and isinstance(payload.connected_to, Ref):
            parent = there[payload.connected_to.key]
            if user.connected_to != parent.clogin_id:
                wrong.append(f"{key} is under {user.connected_to}")
    return wrong


def kill_and_resume(people: int, kills: int, seed: int) -> dict[str, Any]:
    """Runs it all, and gives the figures."""
    rng, killed, runs, began = random.Random(seed), 0, 0, time.monotonic()
    with tempfile.TemporaryDirectory() as directory, emulator_in_thread(faults=FAULTS, seed=seed) as emulator:
        journal, lines = Path(directory, "run.db"), None
        # The last runs settle what was in doubt when the one before them ended.
        while lines is None or any(not line.startswith("Succeeded") for line in lines):
            assert runs < kills + 20, "it does not come to an end"
            at = emulator.received.total() + rng.uniform(0, 2 * people / (kills + 2))
            lines = run_child(emulator, journal, people, at if killed < kills else math.inf)
            runs += 1
            killed += lines is None
        wrong = disagreements(emulator, lines, people)
        secrets = [emulator.credentials["api_token"], emulator.credentials["api_user"], '"first_name"']
        in_clear = [word for word in secrets if word.encode() in journal.read_bytes()]
        return {
            "people": people,
            "there": len(emulator.users),
            "creates received": emulator.received["create"] + emulator.received["create_child"],
            "killed": killed,
            "runs": runs,
            "wrong": wrong,
            "seconds": round(time.monotonic() - began, 1),
            "in clear": in_clear,
        }


def main() -> None:
    """Prints the figures; ends with 1 if anything disagrees."""
    if sys.argv[1:2] == ["--child"]:
        asyncio.run(import_people(json.loads(sys.argv[2]), sys.argv[3], int(sys.argv[4])))
        return
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--people", type=int, default=10_000)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    figures = kill_and_resume(options.people, options.kills, options.seed)
    for name, value in figures.items():
        sys.stdout.write(f"{name:>17}  {value}\n")
    sys.exit(bool(figures["wrong"] or figures["in clear"]))


if __name__ == "__main__":
    main()
