"""Metrics: the catalogue is complete, the page and the rules name nothing else, and a scrape reports the truth."""

from __future__ import annotations

import asyncio
import json
import re
from decimal import Decimal
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest
from prometheus_client.parser import text_string_to_metric_families

from te_core.api import NotReady, OrderRejected
from te_core.metrics import MOST_KINDS, Metrics
from te_core.model.control import Action
from te_core.reporting.metrics import CATALOGUE, exposition
from te_core.testing.faults import Fault
from tests.engine.banked import bank
from tests.engine.scene import Scene, scene
from tests.monitoring.metrics_page import PAGE, page

MONITORING = PAGE.parent / "monitoring"
D = Decimal
ONE = {"account": "one", "symbol": "BTCUSDT"}


def test_the_page_lists_the_catalogue() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "write it: python -m tests.monitoring.metrics_page"


@pytest.mark.parametrize("file", ["alerts.yml", "dashboard.json", "prometheus.yml"])
def test_rules_and_dashboard_name_no_metric_that_does_not_exist(file: str) -> None:
    histograms = {metric.name for metric in CATALOGUE if metric.kind == "histogram"}
    known = {metric.name for metric in CATALOGUE if metric.kind != "histogram"}
    known |= {f"{name}{suffix}" for name in histograms for suffix in ("_bucket", "_sum", "_count")}
    named = set(re.findall(r"\bte_[a-z_]+", (MONITORING / file).read_text(encoding="utf-8")))
    assert named <= known
    assert named or file == "prometheus.yml"


def test_every_panel_of_the_dashboard_asks_something() -> None:
    panels = json.loads((MONITORING / "dashboard.json").read_text(encoding="utf-8"))["panels"]
    assert len(panels) >= 12
    assert all(target["expr"] for panel in panels for target in panel["targets"])


async def scraped(world: Scene) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    body, content_type = await exposition(world.engine, "text/plain; version=0.0.4")
    assert content_type.startswith("text/plain")
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(body.decode())
        for sample in family.samples
    }


def at(
    samples: dict[tuple[str, tuple[tuple[str, str], ...]], float], name: str, **labels: str
) -> float | None:
    return samples.get((name, tuple(sorted(labels.items()))))


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch) -> None:
    """The virtual loop has no threads: the text is written at once."""

    async def at_once(work: object, *arguments: object) -> object:
        return work(*arguments)  # type: ignore[operator]

    monkeypatch.setattr(asyncio, "to_thread", at_once)


@pytest.mark.usefixtures("here")
async def test_a_scrape_agrees_with_te_status(tmp_path: Path) -> None:
    async with scene(tmp_path, symbols__BTCUSDT__leverage=2) as world:
        await world.say("0.5", wait=10)
        seen = await scraped(world)
        assert at(seen, "te_ready") == 1
        assert at(seen, "te_account_equity", account="one") == 10000
        assert at(seen, "te_target_depth", **ONE) == 0.5
        assert at(seen, "te_goal", **ONE) == at(seen, "te_position", **ONE) == 0.2
        assert at(seen, "te_difference", **ONE) == 0
        assert at(seen, "te_symbol_status", **ONE, status="at_target") == 1
        assert at(seen, "te_account_exposure", account="one") == 10000
        assert at(seen, "te_signal_depth", source="tv", symbol="BTCUSDT") == 0.5
        assert at(seen, "te_signals_total", source="tv", outcome="accepted") == 1
        assert at(seen, "te_orders_total", account="one", outcome="filled") == 1
        assert at(seen, "te_alert_to_order_seconds_count", account="one") == 1
        assert at(seen, "te_requests_total", account="one", kind="place_order", result="ok") == 1
        assert at(seen, "te_halted", **ONE) == 0
        assert at(seen, "te_passes_total", account="one") or 0 > 0

        await world.command(Action.HALT)
        world.exchange().hold("BTCUSDT", "0.1")
        world.connection().inject("positions", *[Fault(refused=NotReady("down"))] * 50)
        await asyncio.sleep(200)
        seen = await scraped(world)
        assert at(seen, "te_halted", **ONE) == 1
        assert at(seen, "te_ready") == 0
        assert at(seen, "te_account_ready", account="one") == 0
        assert at(seen, "te_symbol_status", **ONE, status="unreadable") == 1
        assert at(seen, "te_position", **ONE) is None, "what is not known is not shown"
        assert at(seen, "te_difference", **ONE) is None
        assert at(seen, "te_requests_total", account="one", kind="positions", result="NotReady") or 0 > 3
        assert at(seen, "te_events_total", kind="halt") == 1
        assert at(seen, "te_events_total", kind="outage") == 1


@pytest.mark.usefixtures("here")
async def test_only_the_first_order_of_a_signal_is_timed(tmp_path: Path) -> None:
    async with scene(tmp_path) as world:
        world.connection().inject("place_order", Fault(refused=OrderRejected("too busy")), None)
        await world.say("0.5", wait=60)
        await world.edit("symbols.BTCUSDT.weights.tv", 0.5, wait=60)
        seen = await scraped(world)
        assert at(seen, "te_orders_total", account="one", outcome="rejected") == 1
        assert at(seen, "te_orders_total", account="one", outcome="filled") == 2
        assert at(seen, "te_alert_to_order_seconds_count", account="one") == 1, "an edit is not a signal"


@pytest.mark.usefixtures("here")
async def test_breakers_and_what_they_command_are_measured(tmp_path: Path) -> None:
    armed = {"daily_loss": {"percent": 5, "amount": 10_000}, "losing_trades": {"count": 4, "action": "warn"}}
    loss = {"account": "one", "breaker": "daily_loss"}
    streak = {"account": "one", "breaker": "losing_trades"}
    async with bank(tmp_path, accounts__one__breakers=armed, breakers__drawdown={"percent": 50}) as world:
        await world.say("0.5", wait=35, price=D(49_500))
        seen = await scraped(world)
        assert at(seen, "te_signal_slippage_count", account="one") == 1
        assert at(seen, "te_signal_slippage_bucket", account="one", le="0.01") == 0, "500 of 49,500 are more"
        assert 0 < (at(seen, "te_breaker_used", **loss) or 0) < 0.1, "its fee"
        assert at(seen, "te_breaker_tripped", **loss, action="halt") == 0
        assert (
            at(seen, "te_breaker_used", **streak)
            == at(seen, "te_breaker_tripped", **streak, action="warn")
            == 0
        )
        assert at(seen, "te_breaker_tripped", account="", breaker="drawdown", action="halt") == 0
        world.bank().price["BTCUSDT"] = D(47_000)
        await asyncio.sleep(35)
        seen = await scraped(world)
        assert 0.55 < (at(seen, "te_breaker_used", **loss) or 0) < 0.65, "3 % of 5 %, the nearer of the two"
        assert 0.05 < (at(seen, "te_breaker_used", account="", breaker="drawdown") or 0) < 0.07
        world.bank().price["BTCUSDT"] = D(44_000)
        await asyncio.sleep(35)
        seen = await scraped(world)
        assert at(seen, "te_breaker_tripped", **loss, action="halt") == 1
        assert at(seen, "te_standing_commands", topic="halt", state="halted", scope="one") == 1
        assert at(seen, "te_halted", **ONE) == 1
        await world.command(Action.RESUME, "one", reason="seen")
        seen = await scraped(world)
        assert at(seen, "te_breaker_tripped", **loss, action="halt") == 0
        assert at(seen, "te_standing_commands", topic="halt", state="halted", scope="one") is None


@pytest.mark.usefixtures("here")
async def test_request_budgets_are_those_of_the_plugin(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with scene(tmp_path) as world:
        exchange = world.exchange()
        told: dict[Any, Any] = {
            "orders": 0.25,
            "reads": 7,
            "x" * 200: 1,
            "odd": float("nan"),
            3: 0.5,
            "text": "1",
        }
        monkeypatch.setattr(exchange, "request_budgets", lambda: told)
        seen = await scraped(world)
        assert at(seen, "te_request_budget_left", account="one", limit="orders") == 0.25
        assert at(seen, "te_request_budget_left", account="one", limit="reads") == 1
        limits = [dict(labels)["limit"] for name, labels in seen if name == "te_request_budget_left"]
        assert len(limits) == 3
        assert max(map(len, limits)) <= 60
        for defect in (RuntimeError("no"), None):
            monkeypatch.setattr(
                exchange, "request_budgets", Mock(side_effect=defect, return_value="all of it")
            )
            seen = await scraped(world)
            assert not [name for name, _ in seen if name == "te_request_budget_left"]
            assert at(seen, "te_account_ready", account="one") == 1


@pytest.mark.usefixtures("here")
async def test_what_is_scraped_is_in_the_catalogue(tmp_path: Path) -> None:
    names = {metric.name for metric in CATALOGUE}
    async with scene(tmp_path) as world:
        await world.say("0.5", wait=10)
        found = {re.sub(r"_(bucket|sum|count)$", "", name) for name, _ in await scraped(world)}
        assert found <= names


def test_a_plugin_with_endless_kinds_makes_no_endless_series() -> None:
    metrics = Metrics()
    for number in range(10 * MOST_KINDS):
        metrics.event(f"kind_{number}")
    (events,) = [family for family in metrics.registry.collect() if family.name == "te_events"]
    kinds = {sample.labels["kind"] for sample in events.samples if sample.name == "te_events_total"}
    assert len(kinds) == MOST_KINDS + 1
    assert "other" in kinds


@pytest.mark.parametrize(("sign", "got", "worse"), [(1, "101", 1), (-1, "101", 0), (-1, "99", 1)])
def test_slippage_is_above_zero_where_it_is_worse(sign: int, got: str, worse: int) -> None:
    metrics = Metrics()
    metrics.slippage("a", expected=D(100), got=D(got), sign=sign)
    below = metrics.registry.get_sample_value("te_order_slippage_bucket", {"account": "a", "le": "0.0"})
    assert below == 1 - worse
