"""OpenTelemetry: a span for each call, its attempts as events, and the metrics that a service needs.

``UsersSession(…, observer=OpenTelemetryObserver())``; needs the extra ``otel``.
"""

from __future__ import annotations

from opentelemetry import metrics, trace
from opentelemetry.trace import Span, SpanKind, Status, StatusCode

from ._version import __version__
from .observer import AttemptStarted, CallFinished, CallStarted, Observer, Paused, RetryScheduled

_NAME = "usersapi_async"


class OpenTelemetryObserver(Observer):
    """Spans named ``usersapi <action>``, of kind CLIENT, under the caller's current span.

    Metrics: ``usersapi.call.duration`` (histogram, seconds, by action and ending), ``usersapi.attempts``,
    ``usersapi.retries`` (by evidence), ``usersapi.pauses``, ``usersapi.in_doubt`` (counters) and
    ``usersapi.calls.active`` (up-down counter). Without providers the global ones are used.
    """

    def __init__(
        self,
        tracer_provider: trace.TracerProvider | None = None,
        meter_provider: metrics.MeterProvider | None = None,
    ) -> None:
        self._tracer = trace.get_tracer(_NAME, __version__, tracer_provider)
        meter = metrics.get_meter(_NAME, __version__, meter_provider)
        self._duration = meter.create_histogram("usersapi.call.duration", "s", "Whole calls, waits included.")
        self._attempts = meter.create_counter("usersapi.attempts", "{request}", "Requests that went out.")
        self._retries = meter.create_counter(
            "usersapi.retries", "{request}", "Attempts that will be repeated."
        )
        self._pauses = meter.create_counter("usersapi.pauses", "{pause}", "Pauses that the server asked for.")
        self._doubts = meter.create_counter("usersapi.in_doubt", "{call}", "Calls whose fate is not known.")
        self._active = meter.create_up_down_counter("usersapi.calls.active", "{call}", "Calls under way.")
        self._spans: dict[int, Span] = {}

    def call_started(self, event: CallStarted) -> None:
        """Opens the span."""
        attributes: dict[str, str | int] = {
            "usersapi.action": event.action,
            "usersapi.group_id": event.group_id,
        }
        self._active.add(1, {"usersapi.action": event.action})
        self._spans[event.call] = self._tracer.start_span(
            f"usersapi {event.action}", kind=SpanKind.CLIENT, attributes=attributes
        )

    def attempt_started(self, event: AttemptStarted) -> None:
        """Adds an event to the span."""
        self._attempts.add(1, {"usersapi.action": event.action})
        self._spans[event.call].add_event(
            "attempt",
            {
                "usersapi.attempt": event.attempt,
                "usersapi.waited": event.waited,
                "usersapi.fresh": event.fresh,
            },
        )

    def retry_scheduled(self, event: RetryScheduled) -> None:
        """Adds an event that says why."""
        self._retries.add(1, {"usersapi.action": event.action, "usersapi.evidence": event.evidence})
        attributes: dict[str, str | int | float] = {
            "usersapi.attempt": event.attempt,
            "usersapi.wait": event.wait,
            "usersapi.evidence": event.evidence,
            "usersapi.delivery": event.delivery.value,
            "error.type": event.error,
        }
        if event.status is not None:
            attributes["http.response.status_code"] = event.status
        self._spans[event.call].add_event("retry", attributes)

    def paused(self, event: Paused) -> None:
        """Counts the pause."""
        self._pauses.add(1, {"http.response.status_code": event.status})

    def call_finished(self, event: CallFinished) -> None:
        """Closes the span."""
        labels = {"usersapi.action": event.action, "usersapi.ending": event.ending}
        self._active.add(-1, {"usersapi.action": event.action})
        self._duration.record(event.elapsed, labels)
        if event.may_have_changed:
            self._doubts.add(1, labels)
        span = self._spans.pop(event.call)
        span.set_attribute("usersapi.ending", event.ending)
        span.set_attribute("usersapi.attempts", event.attempts)
        if event.status is not None:
            span.set_attribute("http.response.status_code", event.status)
        if event.delivery is not None:
            span.set_attribute("usersapi.delivery", event.delivery.value)
        if event.error is not None:
            span.set_attribute("error.type", event.cause or event.error)
            span.set_status(Status(StatusCode.ERROR, event.error))
        span.end()
