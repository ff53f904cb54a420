"""Accounts with USDC contracts, at every exchange: ids come from the markets, equity is in that coin."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from te_core.api import OrderStatus
from te_emulators.accounts import connected, order
from te_emulators.venues import running
from tests.exchanges.trading import PLUGINS, account, held, quick, spec_of, trading

pytestmark = pytest.mark.real_clock

CONTRACTS = {"bybit": "BTCPERP", "blofin": "BTC-USDC", "kucoin": "XBTUSDCM", "mexc": "BTC_USDC"}


@pytest.mark.parametrize("exchange", PLUGINS)
async def test_an_account_in_usdc_trades_its_contracts(exchange: str, tmp_path: Path) -> None:
    async with (
        running(exchange, coin="USDC") as server,
        connected(spec_of(exchange), server, tmp_path, settle="USDC") as found,
    ):
        offered = await found.instruments(["BTCUSDC", "BTCUSDT"])
        assert list(offered) == ["BTCUSDC"]
        assert (await found.equity()).value.wallet == Decimal(10_000)
        assert spec_of(exchange).currency_of(found._context.options) == "USDC"
        sent = order("0.01", "BTCUSDC")
        await found.place_order(sent)
        report = await found.find_order("BTCUSDC", sent.client_order_id)
        assert (report.status, report.filled) == (OrderStatus.FILLED, Decimal("0.01"))
        assert (await found.positions()).value["BTCUSDC"].quantity == Decimal("0.01")
        owner = server.exchange.accounts["main"]
        assert [position.symbol for position in owner.held()] == [CONTRACTS[exchange]]


@pytest.mark.parametrize("exchange", PLUGINS)
async def test_an_engine_keeps_an_account_in_usdc(exchange: str, tmp_path: Path) -> None:
    async with running(exchange, coin="USDC") as server:
        settings = {
            "symbols": {"BTCUSDC": {"weights": {"said": 1}}},
            "accounts": {"main": account(exchange, server, settle="USDC")},
        }
        async with trading(tmp_path, settings, quick(spec_of(exchange))) as harness:
            for depth in ("0.3", "-0.2", "0"):
                await harness.say({"BTCUSDC": depth}, leverage=1)
                await harness.until_confirmed()
                share = held(server, "BTCUSDC") * server.exchange.market.quotes[CONTRACTS[exchange]].mark
                assert share / 10_000 == pytest.approx(Decimal(depth), abs=Decimal("0.02"))
