"""The path of an alert as spans: complete, under one root, sent to a collector; and almost free while disabled."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from datetime import timedelta
from pathlib import Path
from types import FrameType
from typing import Any

import pytest
from aiohttp import web
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from te_core import tracing
from te_core.api import OrderRejected
from te_core.app import traces
from te_core.app.traces import AlertTracer, ReportingExporter
from te_core.testing.faults import Fault
from te_core.tracing import NOTHING
from tests.cli.conftest import SETTINGS, Folder
from tests.cli.test_application import _running, _send, _target, _until
from tests.engine.scene import Scene, scene

WAY = {"receive", "journal", "blend", "pass", "order", "answer"}
LARGEST = 25
"""Calls into the tracer that one alert and its order may make while nothing is recorded."""


def noted(span: ReadableSpan) -> dict[str, Any]:
    return dict(span.attributes or {})


def parents(spans: Sequence[ReadableSpan]) -> list[tuple[str, str]]:
    """Return (name of the parent, name) of every span, oldest first."""
    names = {span.context.span_id: span.name for span in spans}
    ordered = sorted(spans, key=lambda span: (span.start_time, span.context.span_id))
    return sorted((names[span.parent.span_id] if span.parent else "", span.name) for span in ordered)


@asynccontextmanager
async def traced(folder: Path, **settings: Any) -> AsyncIterator[tuple[Scene, InMemorySpanExporter]]:
    async with scene(folder, **settings) as world:
        recorded = InMemorySpanExporter()
        provider = TracerProvider(shutdown_on_exit=False)
        provider.add_span_processor(SimpleSpanProcessor(recorded))
        world.tracer = AlertTracer(provider, world.clock)
        await world.restart()
        yield world, recorded


async def test_an_alert_is_one_trace_with_an_order_of_each_account(tmp_path: Path) -> None:
    two = {name: {"plugin": "fake", "observe": False, "key": name} for name in ("one", "two")}
    async with traced(tmp_path, accounts=two) as (world, recorded):
        await world.say("0.5", wait=5)
        spans = recorded.get_finished_spans()
        assert len({span.context.trace_id for span in spans}) == 1
        assert parents(spans) == [
            ("", "journal"),  # no request to answer: the source publishes on its own
            *[("journal", "blend")],
            *[("journal", "order")] * 2,
            *[("journal", "pass")] * 2,
            *[("order", "answer")] * 2,
        ]
        orders = {noted(span)["te.account"]: span for span in spans if span.name == "order"}
        assert set(orders) == {"one", "two"}
        assert all((span.start_time or 0) <= (span.end_time or 0) for span in spans)
        sent = {order.client_order_id for key in two for order in world.sent(key)}
        assert {noted(span)["te.order"] for span in spans if span.name == "answer"} == sent

        recorded.clear()
        await world.say("-0.5", symbol="ETHUSDT", wait=5)
        again = recorded.get_finished_spans()
        assert len({span.context.trace_id for span in again}) == 1
        assert again[0].context.trace_id != spans[0].context.trace_id


async def test_what_no_alert_caused_is_in_no_trace(tmp_path: Path) -> None:
    async with traced(tmp_path) as (world, recorded):
        await world.say("0.5", wait=5)
        recorded.clear()
        world.exchange().hold("BTCUSDT", "0.2")
        await asyncio.sleep(120)
        await world.edit("symbols.BTCUSDT.weights", {"tv": 0.5}, wait=60)
        assert str(world.held()) == "0.05", "what was bought by hand is cut, and then half of the rest"
        assert recorded.get_finished_spans() == ()


async def test_a_refusal_is_an_error_whose_words_are_left_out(tmp_path: Path) -> None:
    async with traced(tmp_path) as (world, recorded):
        world.connection().inject("place_order", Fault(refused=OrderRejected("secret-4711")))
        await world.say("0.5", wait=1)
        failed = [span for span in recorded.get_finished_spans() if not span.status.is_ok]
        names = {span.name: noted(span)["error.type"] for span in failed if "error.type" in noted(span)}
        assert names == {"answer": "OrderRejected", "order": "OrderRejected"}
        assert "4711" not in "".join(span.to_json() for span in failed)


async def test_old_alerts_are_forgotten(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(traces, "MOST", 3)
    async with traced(tmp_path) as (world, _):
        for depth in range(8):
            await world.say(f"0.{depth}", wait=0.1)
        assert isinstance(world.tracer, AlertTracer)
        assert len(world.tracer._ways) == 3
        assert world.tracer.of_alert("order", ("BTCUSDT", world.clock.now())) is NOTHING


async def test_a_pass_under_way_counts_from_the_blend(tmp_path: Path) -> None:
    async with traced(tmp_path) as (world, recorded):
        await world.say("0.5", wait=5)
        blend = next(span for span in recorded.get_finished_spans() if span.name == "blend")
        alert = ("BTCUSDT", world.engine.netting.intake.in_force("BTCUSDT")["tv"].received_at)
        early = world.clock.now() - timedelta(minutes=1)
        world.tracer.of_alert("pass", alert, since=early).end()
        assert recorded.get_finished_spans()[-1].start_time == blend.start_time, "by the tracer's own clock"


@contextmanager
def calls_into(file: str) -> Iterator[list[str]]:
    found: list[str] = []

    def watch(frame: FrameType, event: str, argument: object) -> None:
        del argument
        if event == "call" and frame.f_code.co_filename == file:
            found.append(frame.f_code.co_name)

    sys.setprofile(watch)
    try:
        yield found
    finally:
        sys.setprofile(None)


async def test_off_it_costs_a_few_calls_that_do_nothing(tmp_path: Path) -> None:
    async with scene(tmp_path) as world:
        with calls_into(tracing.__file__) as found:
            await world.say("0.5", wait=5)
        assert world.at_target()
        assert {"begin", "of_alert", "blending"} <= set(found)
        assert len(found) <= LARGEST, found


def test_off_nothing_of_it_is_imported() -> None:
    code = (
        "import sys, te_core.app.process; print(*[n for n in sys.modules if n.startswith('opentelemetry')])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []


class Collector:
    """A stand-in for an OTLP/HTTP collector. ``status``: of its responses."""

    def __init__(self) -> None:
        self.status = 200
        self.spans: list[Any] = []
        self.service: set[str] = set()

    async def take(self, request: web.Request) -> web.Response:
        message = ExportTraceServiceRequest.FromString(await request.read())
        for resource in message.resource_spans:
            self.service |= {
                a.value.string_value for a in resource.resource.attributes if a.key == "service.name"
            }
            self.spans += [span for scope in resource.scope_spans for span in scope.spans]
        return web.Response(status=self.status)


@asynccontextmanager
async def collecting() -> AsyncIterator[tuple[Collector, str]]:
    collector, site = Collector(), web.Application()
    site.router.add_post("/v1/traces", collector.take)
    runner = web.AppRunner(site, shutdown_timeout=0)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield collector, f"http://127.0.0.1:{runner.addresses[0][1]}/v1/traces"
    finally:
        await runner.cleanup()


@pytest.mark.real_clock
async def test_a_collector_gets_the_whole_way_and_no_token(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(traces, "LAST_SPANS", 20)
    async with collecting() as (collector, url):
        (tmp_path / "settings.toml").write_text(f'[tracing]\nenabled = true\nendpoint = "{url}"\n{SETTINGS}')
        async with _running(Folder(tmp_path)) as application:
            assert await _send(application) == 200
            await _until(lambda: _target(application).get("confirmed"))
        spans = {span.name: span for span in collector.spans}
        assert spans.keys() == WAY
        assert collector.service == {"trade-engine"}
        assert {span.trace_id for span in collector.spans} == {spans["receive"].trace_id}
        root = spans["receive"]
        assert root.parent_span_id == b""
        for name in ("journal", "blend", "pass", "order"):
            assert spans[name].parent_span_id == root.span_id
        assert spans["answer"].parent_span_id == spans["order"].span_id
        order = ("receive", "journal", "blend", "pass", "order", "answer")
        assert sorted(order, key=lambda name: spans[name].start_time_unix_nano) == list(order)
        status = {a.key: a.value.int_value for a in root.attributes}
        assert status["http.response.status_code"] == 200
        assert "a-token-for-tests" not in str(collector.spans)


class Failing(SpanExporter):
    result = SpanExportResult.FAILURE

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        del spans
        return self.result


def test_a_collector_that_is_down_is_reported_once() -> None:
    told: list[str] = []
    inner = Failing()
    exporter = ReportingExporter(inner, "http://collector", told.append)
    for result in (SpanExportResult.FAILURE, SpanExportResult.FAILURE, SpanExportResult.SUCCESS):
        inner.result = result
        exporter.export([])
    assert told == ["http://collector does not accept spans", ""]
