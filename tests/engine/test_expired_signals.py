"""A signal that is too old counts as the policy of its source has it."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

from tests.engine.engine_harness import BASE, Trader, changed, running
from tests.querying import queries_of

D = Decimal


async def test_an_expired_signal_follows_the_sources_policy(tmp_path: Path, trader: Trader) -> None:
    settings = changed(BASE, "sources.tv.max_age", "1h")
    settings = changed(settings, "sources.tv.on_expiry", "flat")
    settings = changed(settings, "sources.sn.max_age", "1h")
    async with running(tmp_path, trader, settings) as run:
        await trader.say("tv", "1", time=trader.clock.now() - timedelta(minutes=30))
        await trader.say("sn", "0.4")
        await asyncio.sleep(1790)
        assert trader.held() == D("0.12")
        await asyncio.sleep(20)
        assert trader.held() == D("0.02")
        await asyncio.sleep(3600)
        assert trader.held() == D("0.02")
        assert queries_of(run.engine).state()["sources"]["tv"]["signals"]["BTCUSDT"]["expired"]
        assert [event.kind for event in run.journal.events(10)].count("expired") == 2
        await trader.say("tv", "1")
        await asyncio.sleep(1)
        assert trader.held() == D("0.12")


async def test_an_expiry_that_is_noticed_on_the_way_is_acted_upon(tmp_path: Path, trader: Trader) -> None:
    """Another symbol's signal may arrive at that moment, and the wall clock is adjusted now and then."""
    settings = changed(BASE, "sources.tv.max_age", "1h")
    settings = changed(settings, "sources.tv.on_expiry", "flat")
    async with running(tmp_path, trader, settings) as run:
        await trader.say("tv", "1")
        await asyncio.sleep(3599)
        assert trader.held() == D("0.1")
        trader.clock.shift = timedelta(seconds=1.5)
        await asyncio.sleep(1)
        await trader.say("sn", "0.4", symbol="ETHUSDT")
        await asyncio.sleep(1)
        assert queries_of(run.engine).state()["sources"]["tv"]["signals"]["BTCUSDT"]["expired"]
        assert trader.held() == 0


async def test_a_source_that_fell_silent_is_left_little_by_little(tmp_path: Path, trader: Trader) -> None:
    settings = changed(BASE, "sources.tv.max_age", "1h")
    settings = changed(settings, "sources.tv.on_expiry", "decay")
    async with running(tmp_path, trader, settings) as run:
        await trader.say("tv", "1")
        await asyncio.sleep(3590)
        whole = trader.held()
        await asyncio.sleep(10 + 1800)
        assert whole / 2 * D("0.9") <= trader.held() <= whole / 2 * D("1.1")
        await asyncio.sleep(1810)
        assert trader.held() == 0
        assert [event.kind for event in run.journal.events(10)].count("expired") == 1
