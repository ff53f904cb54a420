"""A paper account at live prices, read by ccxt without a key from emulated exchanges."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, closing
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from loguru import logger

from te_core.api import AccountContext, ConfigError, Known, MarginMode, OrderRequest, Side
from te_core.clock import SystemClock
from te_core.model.event import Event
from te_core.testing.fakes import account_context
from te_emulators.venues import running
from te_emulators.wire.server import WireServer
from te_exchange_ccxt.adapter.generic import GenericOptions
from te_exchange_ccxt.public_data import PublicData
from te_exchange_paper import live
from te_exchange_paper.account import PaperAccount
from te_exchange_paper.books import FILE_NAME
from te_exchange_paper.options import PaperOptions
from te_exchange_paper.plugin import PAPER
from tests.exchanges.trading import account, held, quick, spec_of, trading
from tests.querying import queries_of

pytestmark = pytest.mark.real_clock

D = Decimal
EXCHANGES = {"bybit": "bybit", "blofin": "blofin", "kucoinfutures": "kucoin"}
EXCHANGES |= {name: name for name in ("okx", "gate", "binance", "bitget")}


def context(folder: Path, options: Any, events: list[Event] | None = None) -> AccountContext[Any]:
    return account_context(
        name="paper",
        options=options,
        clock=SystemClock(),
        log=logger,
        state_dir=folder,
        signal_price=lambda symbol: Known(value=D(1234), as_of=datetime(2020, 1, 1, tzinfo=UTC)),
        record=(events if events is not None else []).append,
    )


@asynccontextmanager
async def connected(exchange: str, server: WireServer, folder: Path) -> AsyncIterator[PublicData]:
    options = GenericOptions(exchange=exchange, url=server.url, ws_url=server.ws_url)
    data = PublicData(context(folder, options), options)
    try:
        await data.open()
        yield data
    finally:
        await data.close()


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(5):
        while not condition():
            await asyncio.sleep(0.02)


@pytest.mark.parametrize("exchange", EXCHANGES)
async def test_rules_and_prices_of_an_exchange_are_read_without_a_key(exchange: str, tmp_path: Path) -> None:
    async with running(EXCHANGES[exchange]) as server, connected(exchange, server, tmp_path) as data:
        there = server.exchange.market.by_base("BTC")
        found = await data.instruments(["BTCUSDT", "NOPEUSDT"])
        assert found.keys() == {"BTCUSDT"}
        assert found["BTCUSDT"].quantity_step == there.size_step * there.contract_size
        quotes = await data.quotes(["BTCUSDT", "NOPEUSDT"])
        assert {symbol: quote.price for symbol, quote in quotes.items()} == {
            "BTCUSDT": server.exchange.market.mark(there.symbol)
        }


async def test_fundings_and_tiers_are_read_as_the_exchange_has_them(tmp_path: Path) -> None:
    async with running("bybit") as server, connected("bybit", server, tmp_path) as data:
        facts = server.exchange.market.facts["BTCUSDT"]
        facts.next_funding, facts.funding_rate = 1_800_000_000_000, D("-0.00012345")
        facts.past_funding = [(1_700_000_000_000 + hour * 3_600_000, D("0.0001")) for hour in range(250)]
        facts.tiers = [(D(2_000_000), D("0.005"), D(100)), (D(4_000_000), D("0.01"), D(50))]
        ((symbol, rate),) = (await data.funding(["BTCUSDT"])).items()
        assert (symbol, rate.rate, rate.at.timestamp()) == ("BTCUSDT", D("-0.00012345"), 1_800_000_000)
        since = datetime.fromtimestamp(1_700_000_000, UTC)
        past = await data.past_funding("BTCUSDT", since) or []
        assert [rate.at for rate in past] == [since + timedelta(hours=hour) for hour in range(1, 250)]
        tiers = await data.tiers("BTCUSDT")
        assert [(tier.floor, tier.rate) for tier in tiers] == [(D(0), D("0.005")), (D(2_000_000), D("0.01"))]


async def test_tiers_in_contracts_are_turned_into_values(tmp_path: Path) -> None:
    async with running("okx") as server, connected("okx", server, tmp_path) as data:
        rows = [
            {"minNotional": "0", "maintenanceMarginRate": "0.004"},
            {"minNotional": "1001", "maintenanceMarginRate": "0.005"},
        ]

        async def told(_symbol: str) -> list[dict[str, str]]:
            return rows

        data._connection.exchange.fetch_market_leverage_tiers = told
        tiers = await data.tiers("BTCUSDT")
        assert [tier.floor for tier in tiers] == [0, 1001 * D("0.01") * 50_000]
        rows[1]["maintenanceMarginRate"] = ""
        assert not await data.tiers("BTCUSDT"), "half a table is none"


async def test_tiers_that_need_a_key_are_not_asked_for(tmp_path: Path) -> None:
    async with running("binance") as server, connected("binance", server, tmp_path) as data:
        assert not data.offers()["margin tiers"]
        assert not await data.tiers("BTCUSDT")


@asynccontextmanager
async def paper(folder: Path, events: list[Event], **options: Any) -> AsyncIterator[PaperAccount]:
    account = PaperAccount(context(folder, PaperOptions.model_validate(options), events))
    await account.open()
    try:
        yield account
    finally:
        await account.close()


async def test_a_paper_account_lives_by_a_real_exchange(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pushed prices, fills at bid and ask, a tier, fundings in between: all over the wire."""
    for name, seconds in (
        ("REVALUE_EVERY", 0.05),
        ("POLL_EVERY", 0.2),
        ("FUNDING_EVERY", 0.1),
        ("AFTER_FUNDING", 0.05),
    ):
        monkeypatch.setattr(live, name, seconds)
    events: list[Event] = []
    async with running("bybit") as server:
        market = server.exchange.market
        facts = market.facts["BTCUSDT"]
        facts.tiers = [(D(2_000_000), D("0.02"), D(100))]
        where = {"prices_url": server.url, "prices_ws_url": server.ws_url}
        async with paper(tmp_path, events, fee=0, slippage=0, prices_from="bybit", **where) as account:
            (rules,) = (await account.instruments(["BTCUSDT"])).values()
            assert rules.quantity_step == market.instruments["BTCUSDT"].size_step
            server.exchange.set_price("BTCUSDT", D(50_000), spread=D(20))
            quoted = account.books.live.quote  # type: ignore[union-attr]
            await until(lambda: (quote := quoted("BTCUSDT")) and quote.ask == 50_010)
            await account.set_leverage("BTCUSDT", 10, MarginMode.ISOLATED)
            assert (await account.place_order(buy("0.1"))).average_price == 50_010
            await until(lambda: account.books.live.margins.by_symbol)  # type: ignore[union-attr]
            (held,) = (await account.positions()).value.values()
            assert held.liquidation_price == pytest.approx(D("0.9") * 50_010 / D("0.98"))
            before = (await account.equity()).value.wallet
        earlier = datetime.now(UTC) - timedelta(hours=3)
        with closing(sqlite3.connect(tmp_path / FILE_NAME)) as file, file:
            file.execute("UPDATE orders SET at = ?", (earlier.isoformat(),))
            file.execute("UPDATE funding SET settled_until = ?", (earlier.isoformat(),))
        hour = 3_600_000
        facts.past_funding = [(int(earlier.timestamp() * 1000) + n * hour, D("0.001")) for n in (-1, 1, 2, 4)]
        async with paper(tmp_path, events, prices_from="bybit", **where) as account:
            await account.instruments(["BTCUSDT"])
            await until(lambda: account.books.funded["BTCUSDT"].paid)
            assert (await account.equity()).value.wallet == before - 2 * 5
    assert not events


def buy(quantity: str) -> OrderRequest:
    return OrderRequest(
        client_order_id="one",
        symbol="BTCUSDT",
        side=Side.BUY,
        quantity=D(quantity),
        reduce_only=False,
        leverage=10,
        margin_mode=MarginMode.ISOLATED,
        reference_price=D(50_000),
    )


async def test_no_key_is_needed_and_impossible_settings_are_refused(tmp_path: Path) -> None:
    for options, reason in (
        ({"prices_from": "bybitt"}, "did you mean 'bybit'"),
        ({"prices_from": "bybit", "prices_proxy": "socks5://u:secret-word@127.0.0.1:1"}, "prices_proxy: "),
    ):
        with pytest.raises(ConfigError, match=reason) as caught:
            async with paper(tmp_path, [], **options):
                pass
        assert "secret-word" not in str(caught.value)


async def test_an_unresponsive_exchange_keeps_no_account_from_opening(tmp_path: Path) -> None:
    events: list[Event] = []
    async with running("bybit") as server:
        where = {"prices_url": server.url, "prices_ws_url": server.ws_url}
    async with paper(tmp_path, events, prices_from="bybit", **where) as account:
        assert (await account.prices(["BTCUSDT"])).value == {"BTCUSDT": 1234}
        (finding,) = await account.diagnose()
        assert "cannot be reached" in finding.text


async def test_shadows_follow_their_account_each_with_its_own_change(tmp_path: Path) -> None:
    """The live account trades at the exchange; its shadow and a changed one next to it, at the same prices."""
    async with running("bybit") as server:
        shadow = {
            "plugin": "paper",
            "shadow_of": "main",
            "prices_from": "bybit",
            "prices_url": server.url,
            "prices_ws_url": server.ws_url,
        }
        main = account("bybit", server, leverage=2, limits={"symbol_exposure": 4000})
        settings = {
            "accounts": {"main": main, "same": shadow, "bolder": {**shadow, "leverage": 3}},
            "symbols": {"BTCUSDT": {"weights": {"said": 1}}, "ETHUSDT": {"weights": {"said": 1}}},
            "limits": {"total_exposure": 6000},
        }
        async with trading(tmp_path, settings, quick(spec_of("bybit")), PAPER) as harness:
            await harness.say({"BTCUSDT": "0.1", "ETHUSDT": "-0.25"})

            def on_paper(name: str) -> list[Decimal]:
                keepers = harness.engine.accounts[name].worker.keepers
                known = [keepers[symbol].confirmation for symbol in ("BTCUSDT", "ETHUSDT")]
                return [one.quantity if one else D(0) for one in known]

            await harness.until_confirmed()
            live = [held(server, "BTCUSDT"), held(server, "ETHUSDT")]
            assert live[0] > 0 > live[1], "also the others' positions leave room in total_exposure"
            assert on_paper("same") == live
            shown = queries_of(harness.engine).state()["accounts"]
            assert [shown[name]["shadow_of"] for name in ("main", "same")] == [None, "main"]
            bolder = on_paper("bolder")
            assert bolder[0] > live[0], "three times leverage"
            assert abs(bolder[1]) * 3000 <= 4000, "the account's own limits hold for its shadow"
