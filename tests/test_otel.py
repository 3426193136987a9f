"""The OpenTelemetry adapter, by OpenTelemetry's own in-memory exporters."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode

from usersapi_async import Create, Credentials, OutcomeUnknown, PayloadError, RetryPolicy, UsersSession
from usersapi_async.emulator import Fault
from usersapi_async.otel import OpenTelemetryObserver

if TYPE_CHECKING:
    from collections.abc import Iterator

    from usersapi_async.emulator import Emulator


class Telemetry:
    """Everything exported."""

    def __init__(self) -> None:
        self.spans = InMemorySpanExporter()
        self.tracers = TracerProvider()
        self.tracers.add_span_processor(SimpleSpanProcessor(self.spans))
        self.reader = InMemoryMetricReader()
        self.meters = MeterProvider([self.reader])
        self.observer = OpenTelemetryObserver(self.tracers, self.meters)

    def metrics(self) -> dict[str, list[Any]]:
        """The points of each metric."""
        data = self.reader.get_metrics_data()
        assert data is not None
        scopes = [scope for resource in data.resource_metrics for scope in resource.scope_metrics]
        return {metric.name: list(metric.data.data_points) for scope in scopes for metric in scope.metrics}


@pytest.fixture
def telemetry() -> Iterator[Telemetry]:
    """Exporters of their own for each test."""
    running = Telemetry()
    yield running
    running.tracers.shutdown()
    running.meters.shutdown()


def watched(emulator: Emulator, telemetry: Telemetry) -> UsersSession:
    """A session that exports."""
    return UsersSession(
        Credentials(**emulator.credentials),
        group_id=emulator.group_id,
        base_url=emulator.base_url,
        retry=RetryPolicy(base=0),
        observer=telemetry.observer,
    )


async def test_a_call_is_a_span_with_its_attempts_as_events(emulator: Emulator, telemetry: Telemetry) -> None:
    """The span is a client's, under the caller's, and its events say why it was tried again."""
    emulator.script(Fault.rate_limited(0.001))
    async with watched(emulator, telemetry) as users:
        with telemetry.tracers.get_tracer("app").start_as_current_span("request") as request:
            await users.create({"first_name": "Nina"})
    span, _ = telemetry.spans.get_finished_spans()
    assert (span.name, span.kind, span.status.status_code) == (
        "usersapi create",
        SpanKind.CLIENT,
        StatusCode.UNSET,
    )
    assert span.parent is not None
    assert span.parent.span_id == request.get_span_context().span_id
    assert [event.name for event in span.events] == ["attempt", "retry", "attempt"]
    assert dict(span.attributes or {}) == {
        "usersapi.action": "create",
        "usersapi.group_id": emulator.group_id,
        "usersapi.ending": "succeeded",
        "usersapi.attempts": 2,
    }
    retry = dict(span.events[1].attributes or {})
    assert retry["http.response.status_code"] == 429
    assert retry["error.type"] == "RateLimited"


async def test_a_doubt_is_an_error_with_its_cause(emulator: Emulator, telemetry: Telemetry) -> None:
    """The span of a call whose fate is unknown says so, and which error left it open."""
    emulator.script(Fault.error(500), Fault.drop_before(), action="create")
    async with watched(emulator, telemetry) as users:
        for _ in range(2):
            with pytest.raises(OutcomeUnknown):
                await users.create()
    first, second = telemetry.spans.get_finished_spans()
    attributes = dict(first.attributes or {})
    assert first.status.status_code is StatusCode.ERROR
    assert attributes["usersapi.delivery"] == "unknown"
    assert attributes["error.type"] == "ServerError"
    assert attributes["http.response.status_code"] == 500
    assert dict(second.attributes or {})["error.type"] == "ConnectionLost"


async def test_metrics(emulator: Emulator, telemetry: Telemetry) -> None:
    """Durations, attempts, retries, pauses, doubts and calls under way, each with its labels."""
    emulator.script(Fault.rate_limited(0.001), None, Fault.drop_after(), action="create")
    async with watched(emulator, telemetry) as users:
        await users.create()
        with pytest.raises(OutcomeUnknown):
            await users.create()
        emulator.script(Fault.drop_before())
        await users.get_user_list()
    metrics = telemetry.metrics()
    durations = {
        (point.attributes["usersapi.action"], point.attributes["usersapi.ending"]): point.count
        for point in metrics["usersapi.call.duration"]
    }
    assert durations == {
        ("create", "succeeded"): 1,
        ("create", "in doubt"): 1,
        ("get_user_list", "succeeded"): 1,
    }
    assert sum(point.value for point in metrics["usersapi.attempts"]) == 5
    assert {point.attributes["usersapi.evidence"]: point.value for point in metrics["usersapi.retries"]} == {
        "425, 429": 1,
        "timeout, reset or write error after sending; 408": 1,
    }
    assert [point.value for point in metrics["usersapi.pauses"]] == [1]
    assert [point.value for point in metrics["usersapi.in_doubt"]] == [1]
    assert [point.value for point in metrics["usersapi.calls.active"]] == [0, 0]


async def test_nothing_sent_is_no_span(emulator: Emulator, telemetry: Telemetry) -> None:
    """A payload that is refused before sending never becomes a call."""
    async with watched(emulator, telemetry) as users:
        with pytest.raises(PayloadError):
            await users.create({"password": "short"})
        with pytest.raises(PayloadError):
            await users.with_options().send(Create(clogin_id=0))
    assert telemetry.spans.get_finished_spans() == ()


async def test_the_payload_s_own_group_is_shown(emulator: Emulator, telemetry: Telemetry) -> None:
    """A call whose payload names its group shows that one."""
    async with watched(emulator, telemetry) as users:
        await users.create(group_id=emulator.other_group_id)
    (span,) = telemetry.spans.get_finished_spans()
    assert dict(span.attributes or {})["usersapi.group_id"] == emulator.other_group_id
