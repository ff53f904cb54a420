"""Notifiers hear about orders, positions and refusals, which are not journaled a second time for them."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from te_core.api import Event, Notifier, NotifierSpec, NotReady, OrderRejected
from te_core.reporting.summary import read_since, summary, summary_lines
from te_core.rules.hours import next_time_of_day
from te_core.testing.faults import Fault, no_faults
from tests.engine.banked import Bank, bank
from tests.querying import queries_of

D = Decimal


class Options(BaseModel):
    """No options."""


class Phone(Notifier):
    """Records the notices that it receives."""

    def __init__(self) -> None:
        self.told: list[Event] = []

    async def notify(self, event: Event) -> None:
        self.told.append(event)

    def heard(self, *kinds: str) -> list[str]:
        return [f"{one.headline}: {one.text}" for one in self.told if not kinds or one.kind in kinds]


async def listening(world: Bank, **section: Any) -> Phone:
    phone = Phone()
    world.engine.registry.notifiers["phone"] = NotifierSpec(
        name="phone", settings=Options, factory=lambda _: phone
    )
    await world.edit("notifiers", {"phone": {"plugin": "phone", "kinds": ["*"], "gather": 0, **section}})
    return phone


async def test_fills_sizes_and_refusals_are_sent_and_journaled_once(tmp_path: Path) -> None:
    async with bank(tmp_path) as world:
        phone = await listening(world)
        await world.say("0.5", wait=3)
        await world.say("-0.25", wait=3)
        assert phone.heard("filled") == [
            "filled one BTCUSDT: bought 0.1 at 50000, fee 5 USDT",
            "filled one BTCUSDT: sold 0.1 at 50000, fee 5 USDT",
            "filled one BTCUSDT: sold 0.049 at 50000, fee 2.45 USDT",
        ]
        assert phone.heard("position_changed") == [
            "position_changed one BTCUSDT: long 0.1",
            "position_changed one BTCUSDT: short 0.049 (was long 0.1)",
        ]
        refusals = [Fault(refused=OrderRejected("the contract is being delisted"))] * 5
        world.connection().inject("place_order", *refusals)
        await world.say("0.1", "ETHUSDT", wait=30)
        (refused,) = phone.heard("refused")
        assert refused.startswith("refused one ETHUSDT: the exchange refused to buy 0.")
        assert "the contract is being delisted; see te explain ETHUSDT" in refused
        kinds = {event.kind for event in world.journal.events(999)}
        assert not kinds & {"filled", "position_changed", "refused"}
        await world.restart()
        phone = await listening(world)
        await asyncio.sleep(60)
        assert phone.heard("position_changed") == ["position_changed one ETHUSDT: long 0.399"]
        await world.say("0", wait=3)
        assert phone.heard("position_changed")[1:] == ["position_changed one BTCUSDT: flat (was short 0.049)"]


async def test_fills_and_sizes_are_notified_only_on_request(tmp_path: Path) -> None:
    async with bank(tmp_path) as world:
        phone = await listening(world, kinds=[])
        await world.say("0.5", wait=10)
        assert world.at_target()
        assert not phone.told


async def test_a_network_that_is_gone_is_one_notice_per_account(tmp_path: Path) -> None:
    """Everything fails for ten minutes while orders are due: one notice when it starts, one when it is over."""
    async with bank(tmp_path) as world:
        phone = await listening(world, kinds=["outage", "recovery"])
        down = Fault(refused=NotReady("no route to host"))
        world.connection().faults = lambda method, _: down if method == "place_order" else None
        for symbol in ("BTCUSDT", "ETHUSDT", "SOLUSDT"):
            await world.say("0.2", symbol)
        world.connection().faults = lambda _method, _call: down
        await asyncio.sleep(600)
        world.connection().faults = no_faults
        await asyncio.sleep(600)
        assert world.at_target()
        assert [one.kind for one in phone.told] == ["outage", "recovery"], phone.heard()
        events = [one.kind for one in world.events() if one.kind in {"outage", "recovery"}]
        assert len(events) > 4, "the journal has each of them"


async def test_last_notices_are_sent_although_they_would_be_grouped(tmp_path: Path) -> None:
    async with bank(tmp_path) as world:
        phone = await listening(world, gather="1h", per_hour=1)
        for kind in ("started", "stopped"):
            world.engine.record(Event(at=world.clock.now(), kind=kind, text="it did"))
        await asyncio.sleep(60)
        assert not phone.told
    assert [one.kind for one in phone.told] == ["started", "stopped"]


async def test_a_summary_shows_results_and_what_needs_attention(tmp_path: Path) -> None:
    async with bank(tmp_path) as world:
        began = world.clock.now()
        await world.say("0.5", wait=400)
        world.bank().deposit("2000")
        world.bank().price["BTCUSDT"] = D(52_000)
        await asyncio.sleep(400)
        before = read_since(world.journal, {"one": world.engine.accounts["one"].worker.book}, began)
        found = summary(world.engine, queries_of(world.engine).readiness(), before)
        account = found["accounts"]["one"]
        worth = world.bank().worth()
        assert account["equity"] == f"{worth.normalize():f}"
        assert D(account["profit"]) == worth - D(10_000) - D(2000) == D(195)
        assert (account["moved"], account["positions"], account["gross"]) == ("2000", 1, "5200")
        (line, rest) = summary_lines(found)
        assert line.startswith("one: 12,195.00, profit +195.00 since 01 Jan 00:0")
        assert line.endswith("+2,000.00 paid in; 1 position, exposure 5,200.00 (net +5,200.00)")
        assert rest == "nothing needs attention"
        world.bank()._set("ETHUSDT", D(1))
        await asyncio.sleep(60)
        await world.edit("sources.tv.expect_every", "5m")
        world.connection().inject("positions", *[Fault(refused=NotReady("down"))] * 99)
        await asyncio.sleep(400)
        found = summary(world.engine, queries_of(world.engine).readiness(), before)
        assert any("one" in line and "down" in line for line in found["attention"]), found["attention"]
        assert "source tv: silent since 01 Jan 00:00 UTC" in found["attention"]
        assert "account one: holds what the engine never opened: ETHUSDT" in found["attention"]
        unknown = summary(world.engine, queries_of(world.engine).readiness(), {})
        assert unknown["accounts"]["one"]["profit"] is None
        assert "profit not known" in summary_lines(unknown)[0]


def test_a_time_of_day_follows_its_zone_through_summer_time() -> None:
    from datetime import UTC, datetime

    def after(text: str) -> str:
        found = next_time_of_day("07:30", "Europe/Berlin", datetime.fromisoformat(text).replace(tzinfo=UTC))
        return f"{found:%d %H:%M}"

    assert after("2026-03-28T06:29:59") == "28 06:30"
    assert after("2026-03-28T06:30:00") == "29 05:30"
    assert after("2026-10-24T23:00:00") == "25 06:30"
    assert next_time_of_day("02:30", "Europe/Berlin", datetime(2026, 3, 28, 20, tzinfo=UTC)).day == 29
