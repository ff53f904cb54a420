"""A running engine follows its settings at once, and only what changed is touched."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from pathlib import Path

import pytest

from te_core.testing.fake_account import FakeAccount
from tests.engine.engine_harness import BASE, Trader, changed, running

D = Decimal


@pytest.mark.parametrize(
    ("path", "value", "one", "two"),
    [
        ("symbols.BTCUSDT.weights.tv", 0.25, "0.05", "0.1"),
        ("symbols.BTCUSDT.leverage", 3, "0.3", "0.2"),
        ("symbols.BTCUSDT", None, "0", "0"),
        ("accounts.one.leverage", 4, "0.4", "0.2"),
        ("accounts.one.enabled", False, "0", "0.2"),
        ("accounts.one", None, "0.1", "0.2"),
        ("sources.tv.enabled", False, "0", "0"),
        ("plugins.fake.enabled", False, "0.1", "0.2"),
        ("limits.symbol_exposure", 1000, "0.1", "0.2"),
        ("engine.resync", 60, "0.1", "0.2"),
    ],
)
async def test_a_settings_change_applies_at_once(
    tmp_path: Path, trader: Trader, path: str, value: object, one: str, two: str
) -> None:
    async with running(tmp_path, trader) as run:
        await trader.say("tv", "1")
        await asyncio.sleep(1)
        await run.apply(changed(BASE, path, value))
        assert (trader.held("one"), trader.held("two")) == (D(one), D(two))
        await run.apply(BASE)
        assert (trader.held("one"), trader.held("two")) == (D("0.1"), D("0.2"))


async def test_what_did_not_change_is_not_touched(tmp_path: Path, trader: Trader) -> None:
    async with running(tmp_path, trader) as run:
        trader.made.clear()
        await run.apply(BASE)
        assert trader.made == []
        await run.apply(changed(BASE, "symbols.BTCUSDT.weights.tv", 0.3))
        await run.apply(changed(BASE, "accounts.one.drift", "alert"))
        assert trader.made == []
        await run.apply(changed(BASE, "sources.tv.symbols", {"XBT": "BTCUSDT"}))
        assert trader.made == ["tv"]
        await run.apply(changed(BASE, "accounts.two.key", "other"))
        assert trader.made == ["tv", "tv", "two"]


async def test_accounts_and_symbols_are_added_while_it_runs(tmp_path: Path, trader: Trader) -> None:
    async with running(tmp_path, trader) as run:
        await trader.say("tv", "1")
        more = changed(BASE, "accounts.three", {"plugin": "fake", "observe": False})
        trader.accounts["three"] = FakeAccount(trader.clock, BTCUSDT="50000", SOLUSDT="100")
        await run.apply(changed(more, "symbols.SOLUSDT", {"weights": {"tv": 0.1}}))
        await trader.say("tv", "1", "SOLUSDT")
        await asyncio.sleep(1)
        assert trader.held("three") == D("0.1")
        assert trader.held("three", "SOLUSDT") == 10


async def test_a_source_that_fails_to_close_is_stopped_all_the_same(tmp_path: Path, trader: Trader) -> None:
    async def fail(_: str) -> None:
        raise OSError("the socket was gone already")

    async with running(tmp_path, trader) as run:
        await trader.say("tv", "1")
        await asyncio.sleep(1)
        trader.closing = fail
        trader.made.clear()
        off = changed(BASE, "sources.sn.enabled", False)
        async with asyncio.timeout(60):
            await run.apply(changed(off, "accounts.one.enabled", False))
        assert trader.held("one") == 0
        await asyncio.sleep(600)
        assert trader.made == [], "what was stopped is not started again"
        trader.closing = None


async def test_a_source_that_never_ends_holds_no_settings_up(tmp_path: Path, trader: Trader) -> None:
    async def hang(_: str) -> None:
        await asyncio.sleep(1e6)

    async with running(tmp_path, trader) as run:
        await trader.say("tv", "1")
        await asyncio.sleep(1)
        trader.closing = hang
        off = changed(BASE, "sources.sn.enabled", False)
        async with asyncio.timeout(60):
            await run.apply(changed(off, "accounts.one.enabled", False))
        assert trader.held("one") == 0, "a disabled account reduces, whatever a source does"
        trader.closing = None


async def test_an_account_that_returns_follows_no_target_from_before(tmp_path: Path, trader: Trader) -> None:
    """This holds even while new settings are still being applied, which can wait for something slow to stop."""

    async def hang(_: str) -> None:
        await asyncio.sleep(1e6)

    async with running(tmp_path, trader) as run:
        await trader.say("tv", "1")
        await asyncio.sleep(1)
        await run.apply(changed(BASE, "accounts.one", None))
        await trader.say("tv", "0")
        trader.accounts["one"].hold("BTCUSDT", "0")
        sent = len(trader.accounts["one"].requests)
        trader.closing = hang
        await run.apply(changed(BASE, "sources.sn.enabled", False), wait=60)
        assert len(trader.accounts["one"].requests) == sent
        assert trader.held("one") == 0
        trader.closing = None
