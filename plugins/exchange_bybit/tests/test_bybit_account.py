"""What a Bybit account sends and parses, through ccxt over HTTP."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from te_core.api import AuthError, DuplicateClientOrderId, MarginMode, NotReady, OrderRejected, OrderStatus
from te_emulators.accounts import order
from te_emulators.core.faults import Fault, FaultKind
from te_emulators.core.modes import MarginMode as TheirMode
from te_exchange_bybit.adapter import BybitAdapter
from te_exchange_bybit.options import BybitOptions
from te_exchange_ccxt.adapter.response_parsing import MAX_PAGES
from te_exchange_ccxt.client.client_factory import addresses, close_client, create_client
from te_exchange_ccxt.lazy_ccxt import exchange_class

pytestmark = pytest.mark.real_clock

Bybit = Callable[..., Any]
D = Decimal


async def test_opening_asks_for_time_instruments_and_account(bybit: Bybit) -> None:
    async with bybit() as (server, _):
        assert server.exchange.counts.kinds == ["time", "instruments", "instruments", "account"]


async def test_a_pass_over_a_flat_account_takes_six_requests(bybit: Bybit) -> None:
    async with bybit() as (server, account):
        server.exchange.counts.clear()
        await asyncio.gather(
            account.equity(), account.positions(), account.prices(["BTCUSDT", "ETHUSDT", "SOLUSDT"])
        )
        await account.set_leverage("BTCUSDT", 3, MarginMode.ISOLATED)
        await account.place_order(order("0.01"))
        assert sorted(server.exchange.counts.kinds[:4]) == ["account", "balance", "positions", "tickers"]
        assert server.exchange.counts.kinds[4:] == ["leverage", "order"]


async def test_an_order_is_acknowledged_found_and_held(bybit: Bybit) -> None:
    async with bybit() as (_, account):
        sent = order("-0.012")
        report = await account.place_order(sent)
        assert report.status is OrderStatus.OPEN, "Bybit accepts first and rejects later"
        found = await account.find_order("BTCUSDT", sent.client_order_id)
        assert (found.status, found.filled) == (OrderStatus.FILLED, D("0.012"))
        assert found.average_price == D("51444.4")
        held = (await account.positions()).value["BTCUSDT"]
        assert held.quantity == D("-0.012")
        assert held.entry_price == D("51444.4")
        assert held.margin_mode is MarginMode.CROSS


async def test_an_unknown_order_is_none(bybit: Bybit) -> None:
    async with bybit() as (server, account):
        server.exchange.counts.clear()
        assert await account.find_order("BTCUSDT", "7e") is None
        assert len(server.exchange.counts.kinds) == 2, "just finished ones, then the history"


async def test_an_order_that_ended_unfilled_has_a_reason(bybit: Bybit) -> None:
    async with bybit() as (server, account):
        server.faults.add(Fault(kind=FaultKind.REJECTED_LATER, route="order", error="InsufficientMargin"))
        await account.place_order(order("0.01"))
        found = await account.find_order("BTCUSDT", order("0.01").client_order_id)
        assert found.status is OrderStatus.REJECTED
        assert found.reason


async def test_a_partial_fill_is_reported(bybit: Bybit) -> None:
    async with bybit() as (server, account):
        server.faults.add(Fault(kind=FaultKind.PARTIAL_FILL, route="order", fraction=D("0.5")))
        await account.place_order(order("0.01"))
        found = await account.find_order("BTCUSDT", order("0.01").client_order_id)
        assert (found.status, found.filled) == (OrderStatus.CANCELLED, D("0.005"))


async def test_a_duplicate_is_reported_as_such_and_not_executed(bybit: Bybit) -> None:
    async with bybit() as (server, account):
        await account.place_order(order("0.01"))
        with pytest.raises(DuplicateClientOrderId):
            await account.place_order(order("0.01"))
        assert server.exchange.counts.orders == 1


async def test_wallet_and_total_differ_by_what_is_not_realised(bybit: Bybit) -> None:
    async with bybit() as (server, account):
        await account.place_order(order("0.1"))
        server.exchange.set_price("BTCUSDT", D("52444.4"))
        equity = (await account.equity()).value
        assert equity.total - equity.wallet == D(100)
        assert 0 < equity.free < equity.wallet


async def test_leverage_that_is_set_already_is_a_success(bybit: Bybit) -> None:
    async with bybit() as (server, account):
        for _ in range(2):
            await account.set_leverage("BTCUSDT", 7, MarginMode.ISOLATED)
        assert server.exchange.accounts["main"].leverage("BTCUSDT") == 7
        assert server.exchange.counts.kinds.count("leverage") == 2


async def test_leverage_above_the_limit_is_refused(bybit: Bybit) -> None:
    async with bybit() as (_, account):
        with pytest.raises(OrderRejected, match="refuses this leverage"):
            await account.set_leverage("BTCUSDT", 500, MarginMode.ISOLATED)


async def test_the_margin_mode_is_the_accounts(bybit: Bybit) -> None:
    async with bybit() as (server, account):
        await account.set_margin_mode("BTCUSDT", MarginMode.ISOLATED)
        assert server.exchange.accounts["main"].default_margin_mode is TheirMode.ISOLATED
        await account.set_margin_mode("ETHUSDT", MarginMode.ISOLATED)  # unchanged is a success
        await account.place_order(order("0.01"))
        with pytest.raises(OrderRejected, match="while orders or positions are open"):
            await account.set_margin_mode("ETHUSDT", MarginMode.CROSS)


async def test_concurrent_requests_switch_the_margin_mode_once(bybit: Bybit) -> None:
    async with bybit() as (server, account):
        server.exchange.counts.clear()
        symbols = ("BTCUSDT", "ETHUSDT", "SOLUSDT")
        await asyncio.gather(*(account.set_margin_mode(name, MarginMode.ISOLATED) for name in symbols))
        assert server.exchange.counts.kinds == ["settings"]


async def test_a_margin_mode_switched_by_hand_shows_in_the_next_read(bybit: Bybit) -> None:
    """This includes flat symbols: a position opened there would be in the other mode."""
    async with bybit() as (server, account):
        await account.prices(["BTCUSDT", "ETHUSDT"])
        await account.set_margin_mode("BTCUSDT", MarginMode.ISOLATED)
        await account.place_order(order("0.01"))
        for theirs, shown in (
            (TheirMode.ISOLATED, MarginMode.ISOLATED),
            (TheirMode.CROSS, MarginMode.CROSS),
        ):
            server.exchange.accounts["main"].default_margin_mode = theirs
            found = (await account.positions()).value
            assert {name: held.margin_mode for name, held in found.items()} == {
                "BTCUSDT": shown,
                "ETHUSDT": shown,
            }
        server.exchange.counts.clear()
        with pytest.raises(OrderRejected, match="while orders or positions are open"):
            await account.set_margin_mode("ETHUSDT", MarginMode.ISOLATED)
        assert server.exchange.counts.kinds == ["settings"], "an earlier setting does not save the request"


async def test_a_margin_mode_that_cannot_be_read_is_unknown(bybit: Bybit) -> None:
    async with bybit() as (server, account):
        await account.prices(["ETHUSDT"])
        await account.place_order(order("0.01"))
        assert (await account.positions()).value["BTCUSDT"].margin_mode is MarginMode.CROSS
        server.faults.add(Fault(kind=FaultKind.SERVER_ERROR, route="account"))
        found = (await account.positions()).value
        assert found["BTCUSDT"].quantity == D("0.01")
        assert found["BTCUSDT"].margin_mode is None
        assert "ETHUSDT" not in found


async def test_a_key_that_is_refused_for_the_margin_mode_is_refused(bybit: Bybit) -> None:
    async with bybit() as (server, account):
        server.faults.add(Fault(kind=FaultKind.REJECTED, route="account", error="BadKey"))
        with pytest.raises(AuthError):
            await account.positions()


async def test_more_positions_than_a_page_are_all_read(bybit: Bybit, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("te_exchange_bybit.adapter.PAGE", 3)
    async with bybit() as (server, account):
        coins = ["BTC", "ETH", "SOL", "XRP", "ADA", "DOGE", "LTC", "BNB"]
        for coin in coins:
            contract = server.exchange.market.by_base(coin)
            smallest = (10 / contract.price) // contract.size_step * contract.size_step + contract.size_step
            server.exchange.trade_by_hand(server.exchange.accounts["main"], contract.symbol, smallest)
        found = (await account.positions()).value
        assert set(found) == {f"{coin}USDT" for coin in coins}


async def test_pages_without_an_end_are_not_read_for_ever(
    bybit: Bybit, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As if the exchange forgot where a cursor points and returned the first page again."""
    monkeypatch.setattr("te_exchange_bybit.adapter.PAGE", 1)
    asked: list[object] = []

    async def same_page(which: object) -> dict[str, object]:
        asked.append(which)
        return {"retCode": 0, "result": {"list": [{"symbol": "BTCUSDT"}], "nextPageCursor": "first"}}

    async with bybit(streams=False) as (_, account):
        monkeypatch.setattr(account._connection.exchange, "private_get_v5_position_list", same_page)
        with pytest.raises(NotReady, match="do not end"):
            await account.positions()
    assert len(asked) == MAX_PAGES


async def test_one_price_or_many_are_one_request(bybit: Bybit) -> None:
    async with bybit() as (server, account):
        for symbols in (["BTCUSDT"], ["BTCUSDT", "ETHUSDT", "NOSUCHUSDT"]):
            server.exchange.counts.clear()
            prices = (await account.prices(symbols)).value
            assert list(prices) == symbols[:2][: len(prices)]
            assert prices["BTCUSDT"] == D("51444.4")
            assert server.exchange.counts.kinds == ["tickers"]


@pytest.mark.parametrize(
    ("test", "host"), [("testnet", "api-testnet."), ("demo", "api-demo."), (None, "//api.")]
)
async def test_each_host_is_bybits_own(test: str | None, host: str) -> None:
    options = BybitOptions.model_validate({"api_key": "K", "secret": "S", "test": test})
    base: Any = await exchange_class("bybit")
    exchange = create_client(BybitAdapter(options), base)
    try:
        rest = [address for address in addresses(exchange) if address.startswith("https")]
        assert rest
        assert all(host in address for address in rest)
    finally:
        await close_client(exchange)
