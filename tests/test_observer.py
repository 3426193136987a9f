"""What a session tells of its calls: to the log and to an observer."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import attrs
import pytest

from usersapi_async import (
    ActionRejected,
    AttemptStarted,
    BatchRunner,
    CallFinished,
    CallStarted,
    ConfigurationError,
    Create,
    Credentials,
    DeadlineExceeded,
    Delivery,
    GetInfo,
    Observer,
    OutcomeUnknown,
    Paused,
    RetryPolicy,
    RetryScheduled,
    Timeout,
    UsersSession,
)
from usersapi_async.emulator import Fault

if TYPE_CHECKING:
    from usersapi_async.emulator import Emulator


class Recorder(Observer):
    """Keeps every event."""

    def __init__(self) -> None:
        self.events: list[Any] = []

    def call_started(self, event: CallStarted) -> None:
        self.events.append(event)

    def attempt_started(self, event: AttemptStarted) -> None:
        self.events.append(event)

    def retry_scheduled(self, event: RetryScheduled) -> None:
        self.events.append(event)

    def paused(self, event: Paused) -> None:
        self.events.append(event)

    def call_finished(self, event: CallFinished) -> None:
        self.events.append(event)

    @property
    def names(self) -> list[str]:
        """The kinds of the events."""
        return [type(event).__name__ for event in self.events]


class Failing(Observer):
    """Raises whatever happens."""

    def call_started(self, event: CallStarted) -> None:
        raise RuntimeError("nina@example.org")


async def test_a_call_s_events_tell_its_story(emulator: Emulator, users: UsersSession) -> None:
    """Start, attempt, pause, retry with its reason, attempt, end: each with the call's number."""
    recorder = Recorder()
    emulator.script(Fault.rate_limited(0.01))
    await users.with_options(observer=recorder).create({"first_name": "Nina"})
    assert recorder.names == [
        "CallStarted",
        "AttemptStarted",
        "Paused",
        "RetryScheduled",
        "AttemptStarted",
        "CallFinished",
    ]
    started, first, paused, retry, second, finished = recorder.events
    assert (started.action, started.group_id) == ("create", emulator.group_id)
    assert (first.attempt, second.attempt) == (1, 2)
    assert (paused.seconds, paused.status) == (0.01, 429)
    assert (retry.error, retry.status, retry.delivery) == ("RateLimited", 429, Delivery.REFUSED)
    assert retry.evidence == "425, 429"
    assert retry.wait >= 0.01
    assert (finished.ending, finished.attempts, finished.delivery) == ("succeeded", 2, None)
    assert len({event.call for event in recorder.events if not isinstance(event, Paused)}) == 1


async def test_each_ending(emulator: Emulator, users: UsersSession) -> None:
    """Failures, doubts and deadlines end with their error, cause, status and delivery."""
    recorder = Recorder()
    seen = users.with_options(observer=recorder)
    emulator.script(Fault.rejected("no"), Fault.error(500), Fault.slow(30), Fault.drop_before())
    with pytest.raises(ActionRejected):
        await seen.create()
    with pytest.raises(OutcomeUnknown):
        await seen.create()
    with pytest.raises(DeadlineExceeded):
        await seen.with_options(timeout=Timeout(total=0.05)).get_user_list()
    with pytest.raises(OutcomeUnknown):
        await seen.create()
    endings = [
        (event.ending, event.error, event.cause, event.status, event.delivery)
        for event in recorder.events
        if isinstance(event, CallFinished)
    ]
    assert endings == [
        ("failed", "ActionRejected", None, 200, Delivery.REFUSED),
        ("in doubt", "OutcomeUnknown", "ServerError", 500, Delivery.UNKNOWN),
        ("failed", "DeadlineExceeded", None, None, Delivery.UNKNOWN),
        ("in doubt", "OutcomeUnknown", "ConnectionLost", None, Delivery.UNKNOWN),
    ]


async def test_a_fresh_connection_after_a_reset_is_told(emulator: Emulator, users: UsersSession) -> None:
    """The attempt after a broken one says that it gets a connection of its own."""
    recorder = Recorder()
    created = await users.create()
    emulator.script(Fault.drop_before())
    await users.with_options(observer=recorder).get_info(created.clogin_id)
    assert [event.fresh for event in recorder.events if isinstance(event, AttemptStarted)] == [False, True]


async def test_rows_of_a_batch_are_told_like_calls(emulator: Emulator, users: UsersSession) -> None:
    """Every row that was prepared starts and finishes once."""
    recorder = Recorder()
    emulator.script(Fault.rate_limited(0.001))
    await BatchRunner(users.with_options(observer=recorder)).run([Create(), Create(), GetInfo(clogin_id=1)])
    assert recorder.names.count("CallStarted") == recorder.names.count("CallFinished") == 3
    assert recorder.names.count("AttemptStarted") == 4


async def test_an_observer_that_raises_changes_nothing(
    users: UsersSession, caplog: pytest.LogCaptureFixture
) -> None:
    """Its exception is logged by its type alone, and the call goes on."""
    await users.with_options(observer=Failing()).create()
    assert "the observer raised RuntimeError" in caplog.text
    assert "nina@example.org" not in caplog.text


async def test_the_base_class_sees_everything_and_says_nothing(
    emulator: Emulator, users: UsersSession
) -> None:
    """An observer overrides what it wants; the rest is silent."""
    emulator.script(Fault.rate_limited(0.001))
    await users.with_options(observer=Observer()).create()


async def test_an_observer_must_be_one(emulator: Emulator) -> None:
    """Anything else is refused, with the argument's name."""
    with pytest.raises(ConfigurationError, match="observer"):
        UsersSession(
            Credentials(**emulator.credentials),
            observer=print,  # type: ignore[arg-type]
        )


async def test_log_records_are_structured(
    emulator: Emulator, users: UsersSession, caplog: pytest.LogCaptureFixture
) -> None:
    """Each event is one record with its fields; retries are INFO, doubts WARNING, the rest DEBUG."""
    caplog.set_level(logging.DEBUG, "usersapi_async")
    emulator.script(Fault.rate_limited(0.001), Fault.drop_after())
    with pytest.raises(OutcomeUnknown):
        await users.create({"first_name": "Nina"})
    records = [(record.levelname, record.usersapi["event"]) for record in caplog.records]  # type: ignore[attr-defined]
    assert records == [
        ("DEBUG", "CallStarted"),
        ("DEBUG", "AttemptStarted"),
        ("INFO", "Paused"),
        ("INFO", "RetryScheduled"),
        ("DEBUG", "AttemptStarted"),
        ("WARNING", "CallFinished"),
    ]
    assert caplog.records[-1].usersapi["delivery"] == "unknown"  # type: ignore[attr-defined]
    assert "Nina" not in caplog.text


async def test_nothing_is_logged_unless_asked_for(
    users: UsersSession, caplog: pytest.LogCaptureFixture
) -> None:
    """At the default level a call that goes well leaves no record."""
    await users.create()
    assert caplog.records == []


async def test_doubtful_reads_warn_nobody(
    emulator: Emulator, users: UsersSession, caplog: pytest.LogCaptureFixture
) -> None:
    """A read whose answer was lost changed nothing, so it is no warning."""
    emulator.script(Fault.drop_after())
    once = users.with_options(retry=RetryPolicy(attempts=1))
    with pytest.raises(Exception, match="broke"):
        await once.get_info(1)
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []


def test_events_hold_nothing_of_a_person() -> None:
    """No event has a field for an id, a payload, a message or a credential."""
    allowed = {
        "call", "action", "group_id", "attempt", "waited", "fresh", "error", "status", "delivery", "evidence",
        "wait", "seconds", "ending", "attempts", "elapsed", "cause", "reads_only",
    }  # fmt: skip
    for kind in (CallStarted, AttemptStarted, RetryScheduled, Paused, CallFinished):
        assert {field.name for field in attrs.fields(kind)} <= allowed
