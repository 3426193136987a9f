"""`usersapi run` and `usersapi undo`, against a service on a real socket."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

from usersapi_async import BatchRunner, Create, Credentials, UsersSession, read_results
from usersapi_async.emulator import Fault

from .support import invoke

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

    from usersapi_async.emulator import Emulator

_CANCELLED, _ACCEPTED = "8103", "8101"
_OPERATIONS: list[dict[str, Any]] = [
    {"key": "p", "action": "create", "doc": {"first_name": "Nina"}},
    {"key": "c", "action": "create_child", "connected_to": {"ref": "p"}, "doc": {"first_name": "Lisa"}},
    {"key": "u", "action": "update", "clogin_id": {"ref": "c"}, "doc": {"last_name": "Simone"}},
    {"action": "add_product", "clogin_id": {"ref": "p"}, "product_list": [{"p_id": 70101, "q": 2}]},
]


def _write(path: Path, *operations: object) -> None:
    path.write_text("\n".join(text if isinstance(text, str) else json.dumps(text) for text in operations))


def test_operations_with_references(service: Emulator, here: Path) -> None:
    """Each after what it refers to."""
    _write(here / "ops.jsonl", *_OPERATIONS)
    done = invoke("run", "ops.jsonl")
    assert (done.code, done.err) == (0, "")
    nina, lisa = service.users.values()
    assert (lisa.connected_to, lisa.doc["last_name"]) == (nina.clogin_id, "Simone")
    assert [entry.quantity for entry in nina.cart] == [2]
    # In the order of their ending; the last is free to end before the third.
    keys = [line.key for line in read_results("ops.results.jsonl")]
    assert [key for key in keys if key != "line 4"] == ["p", "c", "u"]
    assert keys.index("line 4") > 0
    assert len(keys) == 4
    assert [line.input for line in read_results("ops.results.jsonl")][:1] == [{"line": 1, "action": "create"}]
    assert "ops.jsonl: 4 operations, 0 with faults." in done.out
    assert invoke("run", "ops.jsonl").code == 2
    done = invoke("run", "ops.jsonl", "--resume", "--json")
    assert (done.code, json.loads(done.out)["resumed"]) == (0, 4)


def test_faults_are_told_by_line(service: Emulator, here: Path) -> None:
    """Before anything is sent, and again in the results; the others are sent."""
    _write(
        here / "ops.jsonl",
        {"key": "p", "action": "create"},
        {"key": "p", "action": "create"},
        {"key": "a", "action": "update", "clogin_id": {"ref": "later"}, "doc": {"a": "b"}},
        {"key": "", "action": "update", "doc": {"_a": "b"}, "clogin_id": 1},
        "nonsense",
    )
    told = [
        "line 2: the key is that of line 1 too",
        "line 3: no line before it has the key that clogin_id refers to",
        "line 4: expected a text that is not empty @ $.key",
        "line 4: a system field can't be updated @ $.doc._a",
        "line 5: not JSON: Expecting value at character 1",
    ]
    done = invoke("run", "ops.jsonl", "--dry-run")
    assert (done.code, [line.strip() for line in done.out.splitlines()[1:6]]) == (1, told)
    assert "1 can be sent; calls: 2" in done.out
    assert "Mails are off, forms are not submitted by default." in done.out
    done = invoke("run", "ops.jsonl", "-n", "--json")
    assert [f"line {fault['line']}: {fault['reason']}" for fault in json.loads(done.out)["faults"]] == told
    assert service.received.total() == 0

    assert invoke("run", "ops.jsonl").code == 1
    assert len(service.users) == 1
    faults = {line.index: line.faults for line in read_results("ops.results.jsonl")}
    assert faults[3] == (
        "expected a text that is not empty @ $.key, line 4",
        "a system field can't be updated @ $.doc._a, line 4",
    )
    assert faults[4] == ("not JSON: Expecting value at character 1 @ line 5",)


def test_an_empty_file_is_wrong_usage(service: Emulator, here: Path) -> None:
    """There is nothing to run."""
    (here / "ops.jsonl").touch()
    assert invoke("run", "ops.jsonl").code == 2
    assert invoke("run", "none.jsonl").err.startswith("usersapi: [Errno 2]")


def test_undo_takes_out_those_who_were_created(service: Emulator, here: Path) -> None:
    """And nobody who was only changed; its own results say so."""
    _write(here / "first.jsonl", {"key": "a", "action": "create"})
    invoke("run", "first.jsonl")
    (other,) = service.users
    _write(here / "ops.jsonl", *_OPERATIONS, {"action": "update", "clogin_id": other, "doc": {"a": "b"}})
    invoke("run", "ops.jsonl")
    done = invoke("undo", "ops.results.jsonl", "--status", _CANCELLED, "--yes")
    assert done.code == 0
    assert "2 users that ops.results.jsonl says were created get status 8103, in group" in done.out
    assert "3 more were changed and not created: they stay as they are." in done.out
    assert [user.is_excluded for user in service.users.values()] == [False, True, True]
    # Children before their parents.
    ids = [line.clogin_id or 0 for line in read_results("ops.results.undo.csv")]
    assert sorted(ids, reverse=True) == ids
    assert service.mails_sent == 0


def test_undo_of_an_import(service: Emulator, here: Path) -> None:
    """A status that does not exclude is noticed."""
    (here / "people.csv").write_text("first_name\nNina\nBob\n")
    service.script(Fault.drop_after(), action="create")
    assert invoke("import", "people.csv").code == 4
    results = ("undo", "people.results.csv", "--status")
    done = invoke(*results, _ACCEPTED, "--yes")
    assert done.code == 1
    assert "1 in doubt are left out" in done.out
    assert "1 of them are listed still: does status 8101 exclude?" in done.out
    done = invoke(*results, _ACCEPTED, "--yes", "--json", "--no-verify")
    assert (done.code, "still_listed" in json.loads(done.out)) == (0, False)
    done = invoke(*results, _CANCELLED, "--yes", "--json")
    assert (done.code, json.loads(done.out)["still_listed"]) == (0, 0)
    assert json.loads(done.out)["results"] == "people.results.undo-3.csv"


def test_undo_asks(service: Emulator, here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody who can answer; nobody else gets away without --yes."""
    (here / "people.csv").write_text("first_name\nNina\n")
    invoke("import", "people.csv")
    command = ("undo", "people.results.csv", "--status", _CANCELLED)
    assert invoke(*command, "--dry-run").code == 0
    done = invoke(*command)
    assert (done.code, "give --yes" in done.err) == (2, True)

    monkeypatch.setattr("usersapi_async.cli.undo_command.can_answer", lambda: True)
    for answer, code, excluded in (("n\n", 1, False), ("y\n", 0, True)):
        assert invoke(*command, typed=answer).code == code
        assert [user.is_excluded for user in service.users.values()] == [excluded]


def test_undo_of_nothing(service: Emulator, here: Path) -> None:
    """Nobody was created, so nothing is sent."""
    (here / "people.csv").write_text("main_email\nno\n")
    invoke("import", "people.csv")
    before = service.received.total()
    assert invoke("undo", "people.results.csv", "--status", _CANCELLED).code == 0
    assert service.received.total() == before
    assert invoke("undo", "people.csv", "--status", _CANCELLED).code == 1


def test_undo_of_a_library_s_batch(service: Emulator, here: Path) -> None:
    """Any file of results will do."""

    async def create() -> None:
        access = Credentials(**service.credentials)
        async with UsersSession(access, group_id=service.group_id, base_url=service.base_url) as users:
            await BatchRunner(users).run([Create(), Create()], results="mine.csv")

    asyncio.run(create())
    assert invoke("undo", "mine.csv", "--status", _CANCELLED, "--yes").code == 0
    assert [user.is_excluded for user in service.users.values()] == [True, True]
