"""A step of the wall clock expires nothing and revives nothing: signals age by elapsed time."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from te_core.api import Publication
from te_core.model.control import Action
from tests.engine.engine_harness import BASE, Running, Trader, changed, running
from tests.engine.scene import scene
from tests.querying import queries_of

D = Decimal
HOUR = 3600
STEPS = [timedelta(hours=3), timedelta(hours=-3), timedelta(days=400)]


def keys(**tv: str) -> dict[str, Any]:
    settings = BASE
    for key, value in tv.items():
        settings = changed(settings, f"sources.tv.{key}", value)
    return settings


def kinds(run: Running, *wanted: str) -> list[str]:
    return [event.kind for event in reversed(run.journal.events(99)) if event.kind in wanted]


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("rule", [{"expect_every": "1h"}, {"max_age": "1h"}])
async def test_a_wall_clock_wrong_for_two_minutes_changes_no_position(
    tmp_path: Path, trader: Trader, rule: dict[str, str], step: timedelta
) -> None:
    async with running(tmp_path, trader, keys(on_expiry="flat", **rule)) as run:
        await trader.say("tv", "1")
        await asyncio.sleep(2)
        trader.clock.shift += step
        for _ in range(120):
            await asyncio.sleep(1)
            assert trader.held() == D("0.1")
        trader.clock.shift -= step
        for _ in range(120):
            await asyncio.sleep(1)
            assert trader.held() == D("0.1")
        assert kinds(run, "silent", "expired") == []
        orders = len(trader.accounts["one"].requests)
        assert orders == 1
        assert kinds(run, "clock") == ["clock", "clock"], "once when it steps, once when it is right again"


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("rule", [{"expect_every": "1h"}, {"max_age": "1h"}])
async def test_signals_expire_in_time_whatever_the_wall_clock_does(
    tmp_path: Path, trader: Trader, rule: dict[str, str], step: timedelta
) -> None:
    async with running(tmp_path, trader, keys(on_expiry="flat", **rule)):
        await trader.say("tv", "1")
        await asyncio.sleep(HOUR // 2)
        trader.clock.shift += step
        await asyncio.sleep(HOUR // 2 - 30)
        assert trader.held() == D("0.1")
        await asyncio.sleep(60)
        assert trader.held() == 0
        trader.clock.shift -= step
        await asyncio.sleep(HOUR)
        assert trader.held() == 0


@pytest.mark.parametrize("hours", [3, -3])
async def test_a_signal_from_before_a_restart_is_not_aged_by_a_step(
    tmp_path: Path, trader: Trader, hours: int
) -> None:
    settings = keys(on_expiry="flat", max_age="1h")
    async with running(tmp_path, trader, settings):
        await trader.say("tv", "1")
    async with running(tmp_path, trader, settings):
        trader.clock.shift += timedelta(hours=hours)
        await asyncio.sleep(120)
        assert trader.held() == D("0.1")
        trader.clock.shift -= timedelta(hours=hours)
        await asyncio.sleep(HOUR - 150)
        assert trader.held() == D("0.1")
        await asyncio.sleep(60)
        assert trader.held() == 0


@pytest.mark.parametrize("hours", [3, -3])
async def test_a_step_revives_no_signal_that_had_expired(tmp_path: Path, trader: Trader, hours: int) -> None:
    settings = keys(on_expiry="flat", max_age="1h")
    async with running(tmp_path, trader, settings):
        await trader.say("tv", "1")
        await asyncio.sleep(2 * HOUR)
    async with running(tmp_path, trader, settings):
        assert trader.held() == 0
        trader.clock.shift += timedelta(hours=hours)
        await asyncio.sleep(120)
        trader.clock.shift -= timedelta(hours=hours)
        await asyncio.sleep(120)
        assert trader.held() == 0


async def test_what_a_wrong_clock_closed_at_the_start_returns_with_it(tmp_path: Path, trader: Trader) -> None:
    settings = keys(on_expiry="flat", max_age="1h")
    async with running(tmp_path, trader, settings):
        await trader.say("tv", "1")
        await asyncio.sleep(1)
    trader.clock.shift = timedelta(hours=3)
    async with running(tmp_path, trader, settings) as run:
        assert trader.held() == 0
        trader.clock.shift = timedelta(0)
        await asyncio.sleep(600)
        assert trader.held() == D("0.1"), "the target follows from the state"
        assert kinds(run, "clock") == ["clock", "clock"], "it stepped, and that has lasted"
        state = queries_of(run.engine).state()["sources"]["tv"]
        assert not state["signals"]["BTCUSDT"]["expired"]
        await asyncio.sleep(HOUR)
        assert trader.held() == 0
        assert kinds(run, "expired") == ["expired", "expired"]


async def test_a_message_dated_in_the_future_counts_from_its_arrival(tmp_path: Path, trader: Trader) -> None:
    async with running(tmp_path, trader, keys(on_expiry="flat", max_age="1h")):
        await trader.say("tv", "1", time=trader.clock.now() + timedelta(hours=5))
        await asyncio.sleep(HOUR - 10)
        assert trader.held() == D("0.1")
        await asyncio.sleep(20)
        assert trader.held() == 0


async def test_an_alert_resent_under_a_wrong_clock_is_the_same_alert(tmp_path: Path, trader: Trader) -> None:
    window = timedelta(minutes=5)
    async with running(tmp_path, trader):
        await trader.say("tv", "1", delivery_id="a", dedupe_for=window)
        await trader.say("tv", "-1", delivery_id="b", dedupe_for=window)
        trader.clock.shift = timedelta(hours=3)
        again = await trader.say("tv", "1", delivery_id="a", dedupe_for=window)
        assert again is Publication.DUPLICATE
        await asyncio.sleep(2)
        assert trader.held() == D("-0.1")


async def test_a_longer_expectation_ends_a_silence(tmp_path: Path, trader: Trader) -> None:
    async with running(tmp_path, trader, keys(on_expiry="flat", expect_every="1h")) as run:
        await trader.say("tv", "1")
        await asyncio.sleep(2 * HOUR)
        assert trader.held() == 0
        await run.apply(keys(on_expiry="flat", expect_every="3h"))
        assert trader.held() == D("0.1")
        assert queries_of(run.engine).state()["sources"]["tv"]["silent_since"] is None
        assert kinds(run, "silent", "heard") == ["silent", "heard"]
        await asyncio.sleep(HOUR + 10)
        assert trader.held() == 0
        assert kinds(run, "silent", "heard") == ["silent", "heard", "silent"]


async def test_a_manual_depth_outlasts_a_clock_wrong_for_two_minutes(tmp_path: Path) -> None:
    async with scene(tmp_path) as world:
        command = {"symbol": "BTCUSDT", "depth": D("0.5"), "lasts": timedelta(hours=1)}
        await world.command(Action.TARGET, "one", wait=30, **command)
        assert world.held() == D("0.1")
        world.clock.shift += timedelta(hours=3)
        await world.edit("symbols.SOLUSDT.leverage", 2, wait=120)  # every target is checked again
        assert world.held() == D("0.1"), "its hour is not over"
        world.clock.shift -= timedelta(hours=3)
        await asyncio.sleep(3600)
        assert world.held() == 0, "now it is"


async def test_a_clock_set_back_between_orders_restores_nothing(tmp_path: Path) -> None:
    """The confirmation is ordered by steps, not by the clock, by which the increase was later."""
    async with scene(tmp_path) as world:
        world.clock.shift += timedelta(hours=3)
        await world.say("0.5", wait=60, sequence="1")
        world.clock.shift -= timedelta(hours=3)
        await world.say("0.3", wait=60, sequence="2")
        assert world.held() == D("0.06")
        world.exchange().hold("BTCUSDT", "0")
        await asyncio.sleep(60)
        await world.restart(wait=60)
        await asyncio.sleep(120)
        assert world.held() == 0
        assert len(world.sent()) == 2
