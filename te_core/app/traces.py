"""Send the spans of alerts to a collector by OTLP over HTTP. The SDK is an extra, imported only if tracing is on."""

from __future__ import annotations

import asyncio
import logging
import os
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack
from datetime import datetime
from types import TracebackType
from typing import Any, Self

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult

from te_core import __version__
from te_core.clock import Clock
from te_core.settings.schema import TracingSettings
from te_core.tracing import NOTHING, Alert, Span, Tracer

MOST = 1000
"""Largest number of alerts whose trace context is stored; the oldest are dropped."""
LAST_SPANS = 0.3
"""Seconds that a stop waits for the last spans to be sent."""


def _nanoseconds(at: datetime) -> int:
    return int(at.timestamp() * 1_000_000) * 1000


class RecordedSpan(Span):
    """One or more spans of OpenTelemetry that begin and end together."""

    __slots__ = ("_clock", "_holding", "spans")

    def __init__(self, spans: Sequence[trace.Span], clock: Clock) -> None:
        self.spans = spans
        self._clock = clock
        self._holding = ExitStack()

    def set_attribute(self, name: str, value: str | int) -> None:
        """Set an attribute on every span."""
        for span in self.spans:
            span.set_attribute(name, value)

    def end(self) -> None:
        """End every span."""
        at = _nanoseconds(self._clock.now())
        for span in self.spans:
            span.end(end_time=at)

    def __enter__(self) -> Self:
        held = trace.use_span(self.spans[-1], record_exception=False, set_status_on_exception=False)
        self._holding.enter_context(held)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace_: TracebackType | None
    ) -> None:
        if kind is not None:  # its message may contain secrets; its type does not
            self.set_attribute("error.type", kind.__name__)
            for span in self.spans:
                span.set_status(trace.StatusCode.ERROR)
        self._holding.close()
        self.end()


class AlertTracer(Tracer):
    """Records spans with ``provider``."""

    __slots__ = ("_blended", "_clock", "_newest", "_tracer", "_ways")

    def __init__(self, provider: TracerProvider, clock: Clock) -> None:
        self._tracer = provider.get_tracer("te_core", __version__)
        self._clock = clock
        self._ways: OrderedDict[Alert, Context] = OrderedDict()
        self._blended: dict[Alert, datetime] = {}
        """When the first blend that included an alert began, by this tracer's clock."""
        self._newest: dict[str, Alert] = {}
        """By symbol: the newest alert that was not blended yet."""

    def begin(self, name: str, *, root: bool = False, **what: str | int) -> Span:
        """Start a span within the current one of this task; without one only if ``root``."""
        if not root and not trace.get_current_span().get_span_context().is_valid:
            return NOTHING
        return self._begun(name, [None], None, what)

    def of_alert(
        self, name: str, alert: Alert | None, *, since: datetime | None = None, **what: str | int
    ) -> Span:
        """Start a span in the trace of an alert. A pass that was under way before the blend counts from the blend."""
        way = self._ways.get(alert) if alert is not None else None
        if alert is None or way is None:
            return NOTHING
        if since is not None:
            since = max(since, self._blended.get(alert, since))
        return self._begun(name, [way], since, what)

    def blending(self, symbols: Iterable[str]) -> Span:
        """Start a span for each symbol's newest alert that was not blended yet."""
        newest = (self._newest.pop(symbol, None) for symbol in symbols)
        alerts = [alert for alert in newest if alert is not None and alert in self._ways]
        if not alerts:
            return NOTHING
        at = self._clock.now()
        self._blended.update(dict.fromkeys(alerts, at))
        return self._begun("blend", [self._ways[alert] for alert in alerts], at, {})

    def journaled(self, alert: Alert, span: Span) -> None:
        """Store the trace context of an alert: the parent of its journal span, or that span itself."""
        if not isinstance(span, RecordedSpan):
            return
        (journal,) = span.spans
        parent = journal.parent if isinstance(journal, ReadableSpan) else None
        known = trace.NonRecordingSpan(parent or journal.get_span_context())
        self._ways[alert] = trace.set_span_in_context(known, Context())
        self._newest[alert[0]] = alert
        while len(self._ways) > MOST:
            oldest, _ = self._ways.popitem(last=False)
            self._blended.pop(oldest, None)

    def _begun(
        self,
        name: str,
        ways: Sequence[Context | None],
        since: datetime | None,
        what: Mapping[str, str | int],
    ) -> RecordedSpan:
        at = _nanoseconds(since or self._clock.now())
        attributes = {f"te.{key}": value for key, value in what.items()}
        spans = [
            self._tracer.start_span(name, context=way, attributes=attributes, start_time=at) for way in ways
        ]
        return RecordedSpan(spans, self._clock)


class ReportingExporter(SpanExporter):
    """Passes spans on. Calls ``on_problem`` once when they cannot be sent, and once with "" when they can be again.

    Called in the SDK's own thread.
    """

    def __init__(self, inner: SpanExporter, where: str, on_problem: Callable[[str], None]) -> None:
        self._inner = inner
        self._where = where
        self._on_problem = on_problem
        self._failing = False

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Send the spans."""
        result = self._inner.export(spans)
        failing = result is not SpanExportResult.SUCCESS
        if failing != self._failing:
            self._failing = failing
            self._on_problem(f"{self._where} does not accept spans" if failing else "")
        return result

    def shutdown(self) -> None:
        """Close the inner exporter."""
        self._inner.shutdown()


class Traces:
    """A tracer that sends to the collector of the settings, or to that of the standard ``OTEL_…`` variables."""

    def __init__(self, settings: TracingSettings, *, clock: Clock, on_problem: Callable[[str], None]) -> None:
        logging.getLogger("opentelemetry").setLevel(logging.CRITICAL)  # it would report every batch
        exporter = OTLPSpanExporter(endpoint=settings.endpoint)
        where = settings.endpoint or "the collector of OTEL_EXPORTER_OTLP_ENDPOINT"
        self.provider = _provider(ReportingExporter(exporter, where, on_problem))
        self.tracer = AlertTracer(self.provider, clock)

    async def close(self) -> None:
        """Send the last spans, for at most ``LAST_SPANS`` seconds."""
        loop = asyncio.get_running_loop()
        sent = asyncio.Event()

        def shut() -> None:
            self.provider.shutdown()
            _set_event(loop, sent)

        threading.Thread(target=shut, name="traces", daemon=True).start()
        try:
            async with asyncio.timeout(LAST_SPANS):
                await sent.wait()
        except TimeoutError:
            return


def _provider(exporter: SpanExporter) -> TracerProvider:
    named = {} if "OTEL_SERVICE_NAME" in os.environ else {"service.name": "trade-engine"}
    provider = TracerProvider(
        resource=Resource.create({**named, "service.version": __version__}), shutdown_on_exit=False
    )
    provider.add_span_processor(BatchSpanProcessor(exporter))
    return provider


def _set_event(loop: asyncio.AbstractEventLoop, event: asyncio.Event) -> Any:
    try:
        loop.call_soon_threadsafe(event.set)
    except RuntimeError:  # the loop is closed: nothing waits any more
        return
