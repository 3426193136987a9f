"""The journal as a file: what it shows, whose it is, and what becomes of a broken one."""

from __future__ import annotations

import shutil
import sqlite3
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs
import pytest

from usersapi_async import (
    BatchRunner,
    ConfigurationError,
    Create,
    CreateChild,
    Credentials,
    InDoubt,
    Journal,
    JournalError,
    Ref,
    Succeeded,
    Timeout,
    UsersSession,
)
from usersapi_async.batch._store import Store

from .journals import by_key, people
from .support import told

if TYPE_CHECKING:
    from collections.abc import Mapping

    from usersapi_async.emulator import Emulator


async def test_the_file_shows_nobody(emulator: Emulator, users: UsersSession, path: Path) -> None:
    """Neither keys nor payloads nor the token stand in it; the secret beside it is its owner's alone."""
    key, row = "nina@example.org", Create(doc={"main_email": "nina@example.org", "password": "hunter22"})
    await BatchRunner(users).run([(key, row)], journal=path)
    files = {file.name: file.read_bytes() for file in path.parent.iterdir()}
    assert set(files) == {"run.db", "run.db.key"}
    assert (path.parent / "run.db.key").stat().st_mode & 0o777 == 0o600
    for secret in ("nina", "hunter22", emulator.credentials["api_token"], emulator.credentials["api_user"]):
        assert not [name for name, data in files.items() if secret.encode() in data]


class SmallDisk(Store):
    """A disk that is soon full."""

    def open(self, binding: Mapping[str, object]) -> None:
        super().open(binding)
        connection = self._connection
        assert connection is not None
        (pages,) = connection.execute("PRAGMA page_count").fetchone()
        connection.execute(f"PRAGMA max_page_count = {pages + 1}")


def on_disk(kind: type[Store], path: Path) -> Journal:
    """A journal on a disk of that kind."""
    journal = Journal(path)
    journal._store = kind(path, None)
    return journal


async def test_a_full_disk(emulator: Emulator, users: UsersSession, path: Path) -> None:
    """The batch stops before it sends what it could not note; nothing is lost, and a larger disk goes on."""
    runner = BatchRunner(users, concurrency=4)
    with pytest.raises(JournalError, match=r"journal run.db: database or disk is full"):
        await runner.run(people(500), journal=on_disk(SmallDisk, path))
    report = runner.report
    told(report, report.outcomes)
    assert 0 < report.succeeded == emulator.executed["create"] < 500
    assert report.not_attempted
    assert "disk is full" in (report.stopped_by or "")
    # The outcomes that were not written are looked up once the last attempt and the settle time are over.
    users = users.with_options(timeout=Timeout(attempt=2))
    again = await BatchRunner(users, reconcile=True).run(people(500), journal=path)
    assert again.succeeded + again.in_doubt == 500
    created_before = {outcome.key for outcome in report.outcomes if isinstance(outcome, Succeeded)}
    doubts = {outcome.key for outcome in again.outcomes if isinstance(outcome, InDoubt)}
    assert emulator.executed["create"] == 500 - len(doubts - created_before)


async def test_one_at_a_time(users: UsersSession, path: Path) -> None:
    """A journal that is in use is refused, and nothing is sent; it is free again afterwards."""
    journal = Journal(path)
    await journal.open(await users.identity())
    runner = BatchRunner(users)
    with pytest.raises(JournalError, match=r"^journal run.db: in use by another process or batch$"):
        await runner.run(people(1), journal=path)
    assert (runner.report.taken, runner.report.exhausted) == (0, False)
    assert "in use" in (runner.report.stopped_by or "")
    async with runner.stream(people(1), journal=path) as outcomes:
        with pytest.raises(JournalError):
            await anext(outcomes)
    await journal.close()
    await journal.close()
    assert (await runner.run(people(1), journal=path)).succeeded == 1


def make_database(path: Path, *statements: str) -> None:
    """A file of somebody's."""
    path.unlink()
    connection = sqlite3.connect(path)
    for statement in statements:
        connection.execute(statement)
    connection.commit()
    connection.close()


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        ("text", "file is not a database"),
        ("foreign", "not a journal that this version can read"),
        ("newer", "not a journal that this version can read"),
        ("no key", "its secret, run.db.key, is missing"),
        ("short key", "its secret in run.db.key is not whole"),
        ("other key", "it was made for another secret"),
        ("no directory", "No such file or directory"),
    ],
)
async def test_files_that_are_no_journal(users: UsersSession, path: Path, spoil: str, words: str) -> None:
    """Each is refused by its name and the reason, before anything is sent."""
    await BatchRunner(users).run(people(1), journal=path)
    path = spoilt(path, spoil)
    with pytest.raises(JournalError) as caught:
        await BatchRunner(users).run(people(2), journal=path)
    assert str(caught.value) == f"journal run.db: {words}"
    assert caught.value.__context__ is None


def spoilt(path: Path, how: str) -> Path:
    """The path of what is no journal that can be used."""
    key = path.with_name("run.db.key")
    match how:
        case "text":
            path.write_text("hello " * 1000)
        case "foreign":
            make_database(path, "CREATE TABLE mine (a)")
        case "newer":
            make_database(path, "PRAGMA user_version = 99")
        case "no key":
            key.unlink()
        case "short key":
            key.write_bytes(b"short")
        case "other key":
            key.write_bytes(b"x" * 32)
        case _:
            return path.parent / "nowhere" / "run.db"
    return path


async def test_a_read_only_file(emulator: Emulator, users: UsersSession, path: Path) -> None:
    """SQLite's own words say so; root may write anyway, so the file is opened read-only here."""
    await BatchRunner(users).run(people(1), journal=path)

    class ReadOnly(Store):
        def open(self, binding: Mapping[str, object]) -> None:
            super().open(binding)
            assert self._connection is not None
            self._connection.execute("PRAGMA query_only = ON")

    with pytest.raises(JournalError, match="attempt to write a readonly database"):
        await BatchRunner(users).run(people(2), journal=on_disk(ReadOnly, path))
    assert emulator.received["create"] == 1


@pytest.mark.parametrize("other", ["account", "group", "base URL"])
async def test_another_service_or_account(
    emulator: Emulator, users: UsersSession, path: Path, other: str
) -> None:
    """A rehearsal's journal must not make the real import skip anybody."""
    await BatchRunner(users).run(people(1), journal=path)
    credentials = Credentials(**emulator.credentials)
    url = emulator.base_url.replace("127.0.0.1", "localhost")
    elsewhere = UsersSession(
        attrs.evolve(credentials, api_id=5) if other == "account" else credentials,
        group_id=5 if other == "group" else emulator.group_id,
        base_url=url if other == "base URL" else emulator.base_url,
    )
    async with elsewhere:
        with pytest.raises(JournalError, match=f"it was made for another {other}"):
            await BatchRunner(elsewhere).run(people(1), journal=path)


async def test_a_given_secret(users: UsersSession, path: Path) -> None:
    """Who brings a secret needs no key file, and has to bring it again."""
    await BatchRunner(users).run(people(1), journal=Journal(path, secret=b"s" * 32))
    assert not path.with_name("run.db.key").exists()
    assert (await BatchRunner(users).run(people(1), journal=Journal(path, secret=b"s" * 32))).succeeded == 1
    with pytest.raises(JournalError, match="another secret"):
        await BatchRunner(users).run(people(1), journal=Journal(path, secret=b"t" * 32))


@pytest.mark.parametrize("wrong", [5, b"run.db", {"path": "run.db"}])
async def test_wrong_arguments(users: UsersSession, wrong: Any) -> None:
    """Whatever else is given is refused by its name."""
    with pytest.raises(ConfigurationError, match=r"^journal: expected Journal"):
        await BatchRunner(users).run(people(1), journal=wrong)
    for secret in (wrong, b"short"):
        with pytest.raises(ConfigurationError, match=r"^secret: expected (bytes|32 bytes or more)"):
            Journal("run.db", secret=secret)
    for name, value in (("reconcile", wrong), ("marker_field", wrong), ("marker_field", " ")):
        options: dict[str, Any] = {name: value}
        with pytest.raises(ConfigurationError, match=rf"^{name}: expected "):
            BatchRunner(users, **options)


@pytest.mark.parametrize("version", ["0.1.0"])
async def test_journals_of_released_versions(tmp_path: Path, version: str) -> None:
    """What each version that was released has written can be read by this one."""
    for name in (f"{version}.db", f"{version}.db.key"):
        shutil.copy(Path(__file__).parent / "released_journals" / name, tmp_path)
    users = UsersSession(Credentials(7, "admin@example.org", "token"), group_id=100909072)
    rows: list[tuple[str, Any]] = [
        ("succeeded", Create(doc={"first_name": "A"})),
        ("in doubt", Create(doc={"first_name": "B"})),
        ("in flight", CreateChild(connected_to=Ref("succeeded"), doc={"first_name": "C"})),
    ]
    async with users:
        report = await BatchRunner(users).run(rows, journal=tmp_path / f"{version}.db")
    outcomes = by_key(report.outcomes)
    assert getattr(outcomes["succeeded"], "clogin_id", None) == 102670540
    assert [getattr(outcomes[key], "attempts", 1) for key in outcomes] == [0, 0, 0]
    assert report.doubts["in doubt"].ended_at == 1e9 + 1
    assert report.doubts["in flight"].sent_at == 1e9
    assert report.doubts["in flight"].payload.connected_to == 102670540


async def test_a_journal_that_breaks_while_it_is_opened(users: UsersSession, path: Path) -> None:
    """It is closed again."""

    class Broken(Journal):
        async def count(self) -> tuple[int, int]:
            raise JournalError("broken")

    with pytest.raises(JournalError, match="broken"):
        await BatchRunner(users).run(people(1), journal=Broken(path))
    assert (await BatchRunner(users).run(people(1), journal=path)).succeeded == 1
