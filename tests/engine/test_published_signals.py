"""What reaches a source becomes positions on every account, once it is durable and once only."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from te_core.api import NotReady, Publication, Signal, WebhookRequest
from te_core.errors import JournalError
from te_core.journal.committer import Done
from tests.engine.engine_harness import BASE, Trader, changed, running
from tests.querying import queries_of

D = Decimal


async def test_weighted_sources_make_one_position_on_every_account(tmp_path: Path, trader: Trader) -> None:
    async with running(tmp_path, trader):
        assert await trader.say("tv", "1") is Publication.ACCEPTED
        await trader.say("sn", "-0.4")
        await asyncio.sleep(1)
        assert trader.held("one") == D("0.08")
        assert trader.held("two") == D("0.16")


async def test_opposite_sources_net_out(tmp_path: Path, trader: Trader) -> None:
    async with running(tmp_path, trader):
        await trader.say("tv", "0.5")
        await trader.say("sn", "-1")
        await asyncio.sleep(1)
        assert trader.held() == 0


def full_disk(done: Done, entry: object) -> None:
    assert isinstance(entry, Signal)
    done.get_loop().call_soon(done.set_exception, JournalError("disk full"))


async def test_a_signal_takes_effect_only_when_it_is_durable(
    tmp_path: Path, trader: Trader, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with running(tmp_path, trader) as run:
        monkeypatch.setattr(run.journal, "stream", full_disk)
        with pytest.raises(JournalError):
            await trader.say("tv", "1", delivery_id="x", dedupe_for=timedelta(seconds=30))
        await asyncio.sleep(60)
        assert trader.held() == 0
        assert trader.sources["tv"].latest("BTCUSDT") is trader.sources["tv"].arrived("BTCUSDT") is None
        monkeypatch.undo()
        again = await trader.say("tv", "1", delivery_id="x", dedupe_for=timedelta(seconds=30))
        assert again is Publication.ACCEPTED


async def test_what_was_not_persisted_leaves_the_last_arrival_alone(
    tmp_path: Path, trader: Trader, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with running(tmp_path, trader) as run:
        await trader.say("tv", "1")
        await trader.say("tv", "0.5", current=False, rule="sequence")
        before = trader.sources["tv"].arrived("BTCUSDT")
        monkeypatch.setattr(run.journal, "stream", full_disk)
        with pytest.raises(JournalError):
            await trader.say("tv", "-1")
        assert trader.sources["tv"].arrived("BTCUSDT") is before is not None
        assert before.depth == D("0.5")


async def test_a_delivery_counts_once_within_its_window_over_restarts(tmp_path: Path, trader: Trader) -> None:
    window = timedelta(seconds=30)
    async with running(tmp_path, trader):
        await trader.say("tv", "1", delivery_id="x", dedupe_for=window)
        await trader.say("tv", "0.5", delivery_id="y", dedupe_for=window)
        assert await trader.say("tv", "1", delivery_id="x", dedupe_for=window) is Publication.DUPLICATE
    async with running(tmp_path, trader):
        assert await trader.say("tv", "1", delivery_id="x", dedupe_for=window) is Publication.DUPLICATE
        await asyncio.sleep(1)
        assert trader.held() == D("0.05")
        await asyncio.sleep(31)
        assert await trader.say("tv", "1", delivery_id="x", dedupe_for=window) is Publication.ACCEPTED
        await asyncio.sleep(1)
        assert trader.held() == D("0.1")


async def test_a_wall_clock_that_steps_back_merges_no_distinct_alerts(tmp_path: Path, trader: Trader) -> None:
    window = timedelta(seconds=30)
    async with running(tmp_path, trader):
        await trader.say("tv", "1", delivery_id="x", dedupe_for=window)
        await asyncio.sleep(60)
        trader.clock.shift = timedelta(seconds=-50)
        assert await trader.say("tv", "1", delivery_id="x", dedupe_for=window) is Publication.ACCEPTED


async def test_a_sender_who_hangs_up_does_not_undo_a_durable_signal(tmp_path: Path, trader: Trader) -> None:
    async with running(tmp_path, trader):
        waiting = asyncio.create_task(trader.say("tv", "1"))
        await asyncio.sleep(0)
        waiting.cancel()
        await asyncio.sleep(2)
        assert trader.held() == D("0.1")


async def test_a_superseded_signal_is_recorded_and_changes_nothing(tmp_path: Path, trader: Trader) -> None:
    async with running(tmp_path, trader) as run:
        await trader.say("tv", "1")
        assert await trader.say("tv", "-1", current=False, rule="sequence") is Publication.SUPERSEDED
        latest, arrived = (getattr(trader.sources["tv"], name)("BTCUSDT") for name in ("latest", "arrived"))
        assert (latest.depth, arrived.depth) == (D(1), D(-1))
        await asyncio.sleep(2)
        assert trader.held() == D("0.1")
        assert len(run.journal.signals(10)) == 2


async def test_a_restart_continues_where_it_stopped(tmp_path: Path, trader: Trader) -> None:
    async with running(tmp_path, trader):
        await trader.say("tv", "1")
        await asyncio.sleep(1)
    orders = len(trader.accounts["one"].requests)
    async with running(tmp_path, trader) as run:
        await asyncio.sleep(60)
        assert trader.held() == D("0.1")
        assert len(trader.accounts["one"].requests) == orders
        assert queries_of(run.engine).state()["accounts"]["one"]["targets"]["BTCUSDT"]["confirmed"]


async def test_webhooks_reach_their_source(tmp_path: Path, trader: Trader) -> None:
    def request() -> WebhookRequest:
        return WebhookRequest(
            method="POST",
            tail=(),
            query={},
            headers={},
            body=b"",
            client="127.0.0.1",
            received_at=trader.clock.now(),
        )

    async with running(tmp_path, trader) as run:
        assert (await run.engine.on_webhook("tv", request())).body == {"to": "tv"}
        assert (await run.engine.on_webhook("nobody", request())).status == 404
        trader.failing["tv"] = NotReady("down")
        await run.apply(changed(BASE, "sources.tv.key", "new"))
        answer = await run.engine.on_webhook("tv", request())
        assert (answer.status, answer.retry_after) == (503, 5)
        await run.apply(changed(BASE, "sources.tv.enabled", False))
        assert (await run.engine.on_webhook("tv", request())).status == 503, "it is configured"
