"""A source that publishes less often than expected is reported once, and its signals expire by its policy."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from te_core.api import Publication
from tests.engine.engine_harness import BASE, Trader, changed, running
from tests.querying import queries_of

D = Decimal
HOUR = 3600


def expecting(every: str, policy: str) -> dict[str, Any]:
    return changed(changed(BASE, "sources.tv.expect_every", every), "sources.tv.on_expiry", policy)


def told(run: Any) -> list[str]:
    """Return the kinds of the events about silence, oldest first."""
    return [event.kind for event in reversed(run.journal.events(50)) if event.kind in ("silent", "heard")]


async def test_silence_is_reported_once_and_its_end_once(tmp_path: Path, trader: Trader) -> None:
    async with running(tmp_path, trader, expecting("1h", "flat")) as run:
        await trader.say("tv", "1")
        await trader.say("tv", "1", "ETHUSDT")
        await trader.say("sn", "0.4")
        await asyncio.sleep(HOUR - 10)
        assert trader.held() == D("0.12")
        await asyncio.sleep(20)
        assert trader.held() == D("0.02"), "of the other source, which nobody expects"
        state = queries_of(run.engine).state()["sources"]["tv"]
        assert state["silent_since"] is not None
        assert state["signals"]["BTCUSDT"]["expired"]
        await asyncio.sleep(5 * HOUR)
        assert told(run) == ["silent"]
        [event] = [event for event in run.journal.events(50) if event.kind == "silent"]
        assert event.source == "tv"
        assert "expect_every = 1:00:00" in event.text

        await trader.say("tv", "0.5")
        await asyncio.sleep(2)
        assert trader.held() == D("0.07")
        assert trader.held(symbol="ETHUSDT") != 0, "the source is heard, so its other signals count again"
        assert told(run) == ["silent", "heard"]
        assert queries_of(run.engine).state()["sources"]["tv"]["silent_since"] is None


@pytest.mark.parametrize("sign_of_life", ["superseded", "duplicate"])
async def test_any_message_of_a_source_is_a_sign_of_life(
    tmp_path: Path, trader: Trader, sign_of_life: str
) -> None:
    async with running(tmp_path, trader, expecting("1h", "flat")) as run:
        window = timedelta(minutes=10)
        await trader.say("tv", "1", delivery_id="a", dedupe_for=window)
        await asyncio.sleep(HOUR - 300)
        await trader.say("tv", "0.9", delivery_id="b", dedupe_for=window)
        await asyncio.sleep(200)
        if sign_of_life == "superseded":
            answer = await trader.say("tv", "-1", current=False)
            assert answer is Publication.SUPERSEDED
        else:
            answer = await trader.say("tv", "0.9", delivery_id="b", dedupe_for=window)
            assert answer is Publication.DUPLICATE
        await asyncio.sleep(HOUR - 10)
        assert told(run) == []
        await asyncio.sleep(20)
        assert told(run) == ["silent"]
        assert trader.held() == 0
        await trader.say("tv", "-1", current=False)
        await asyncio.sleep(2)
        assert trader.held() == D("0.09")


async def test_a_silent_source_fades_gradually_if_set_to_decay(tmp_path: Path, trader: Trader) -> None:
    async with running(tmp_path, trader, expecting("1h", "decay")):
        await trader.say("tv", "1")
        await asyncio.sleep(HOUR - 10)
        whole = trader.held()
        await asyncio.sleep(10 + HOUR // 2)
        assert whole / 2 * D("0.9") <= trader.held() <= whole / 2 * D("1.1")
        await asyncio.sleep(HOUR // 2 + 10)
        assert trader.held() == 0


async def test_hold_keeps_the_depth_and_still_reports(tmp_path: Path, trader: Trader) -> None:
    async with running(tmp_path, trader, expecting("1h", "hold")) as run:
        await trader.say("tv", "1")
        await asyncio.sleep(2 * HOUR)
        assert trader.held() == D("0.1")
        assert told(run) == ["silent"]


async def test_a_source_that_never_published_is_silent_too(tmp_path: Path, trader: Trader) -> None:
    async with running(tmp_path, trader, expecting("1h", "flat")) as run:
        await asyncio.sleep(HOUR + 10)
        assert told(run) == ["silent"]
        await run.apply(BASE)
        assert queries_of(run.engine).state()["sources"]["tv"]["silent_since"] is None


async def test_a_restart_does_not_reset_the_count(tmp_path: Path, trader: Trader) -> None:
    async with running(tmp_path, trader, expecting("1h", "flat")):
        await trader.say("tv", "1")
        await asyncio.sleep(HOUR // 2)
    async with running(tmp_path, trader, expecting("1h", "flat")) as run:
        await asyncio.sleep(HOUR // 2 - 60)
        assert told(run) == []
        await asyncio.sleep(70)
        assert told(run) == ["silent"]
        assert trader.held() == 0


async def test_what_comes_first_counts_silence_or_age(tmp_path: Path, trader: Trader) -> None:
    settings = changed(expecting("3h", "flat"), "sources.tv.max_age", "1h")
    async with running(tmp_path, trader, settings) as run:
        await trader.say("tv", "1")
        await asyncio.sleep(HOUR + 10)
        assert trader.held() == 0
        assert told(run) == []


async def test_silence_while_no_engine_ran_is_waited_for_once_more(tmp_path: Path, trader: Trader) -> None:
    async with running(tmp_path, trader, expecting("1h", "flat")):
        await trader.say("tv", "1")
        await asyncio.sleep(HOUR // 2)
    await asyncio.sleep(HOUR)
    async with running(tmp_path, trader, expecting("1h", "flat")) as run:
        await asyncio.sleep(HOUR - 60)
        assert told(run) == []
        assert trader.held() == D("0.1")
        await asyncio.sleep(120)
        assert told(run) == ["silent"]
        assert trader.held() == 0
