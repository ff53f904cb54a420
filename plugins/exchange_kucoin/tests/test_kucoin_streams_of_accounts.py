"""KuCoin accounts pass on their streams' messages, with a new token for each connection."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from te_emulators.conformance import EmulatedHarness
from te_emulators.core.faults import Fault, FaultKind
from te_emulators.kucoin.streams import KucoinStream
from te_exchange_ccxt.streams import account_streams
from te_exchange_kucoin.plugin import KUCOIN

pytestmark = pytest.mark.real_clock

BTC, SYMBOLS = "XBTUSDTM", ["BTCUSDT", "ETHUSDT"]


async def until(done: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not done():
            await asyncio.sleep(0.02)


async def test_prices_orders_and_wallet_are_pushed_without_extra_reads(open_harness: Any) -> None:
    async with open_harness(streams=True) as harness, harness.following() as seen:
        harness.kucoin.exchange.set_price(BTC, Decimal(85_000))
        await until(lambda: seen.prices.get("BTCUSDT") == 85_000)
        harness.forget()
        await harness.account.place_order(harness.order())
        await until(lambda: ("7e01", "BTCUSDT") in seen.orders)
        await until(
            lambda: bool(seen.equities) and seen.equities[-1].wallet == harness.exchange.owner.ledger.wallet
        )
        assert harness.requests == {"order": 1}
        assert not seen.unannounced


@pytest.mark.parametrize("by_symbol", [False, True], ids=["one topic", "topic by symbol"])
@pytest.mark.parametrize("opens", [False, True], ids=["match first", "open first"])
async def test_what_others_trade_is_passed_on(open_harness: Any, by_symbol: bool, opens: bool) -> None:
    async with open_harness(streams=True) as harness:
        harness.kucoin.topics_by_symbol = by_symbol
        harness.kucoin.announces_open = opens
        async with harness.following() as seen:
            harness.kucoin.exchange.trade_by_hand(harness.exchange.owner, BTC, Decimal(7))
            await until(lambda: bool(seen.orders))
            assert {symbol for _, symbol in seen.orders} == {"BTCUSDT"}
            assert (await harness.account.positions()).value["BTCUSDT"].quantity == Decimal("0.007")


async def test_the_pushed_wallet_is_exact(open_harness: Any) -> None:
    async with open_harness(streams=True) as harness, harness.following() as seen:
        harness.kucoin.exchange.deposit(harness.exchange.owner, Decimal("0.123456789"))
        await until(lambda: bool(seen.equities))
        assert seen.equities[-1].wallet == Decimal("100000.123456789")


async def test_lost_connections_are_reopened_with_new_tokens(open_harness: Any) -> None:
    async with open_harness(streams=True) as harness, harness.following() as seen:
        tokens = set(harness.kucoin.tokens)
        harness.kucoin.tokens.clear()
        for connection in list(harness.kucoin.connections):
            connection.abort()
        await until(lambda: not seen.live)
        await until(lambda: {bool(key) for key in harness.kucoin.tokens.values()} == {True, False})
        assert not tokens & set(harness.kucoin.tokens)
        await harness.live(seen)
        harness.kucoin.exchange.set_price(BTC, Decimal(86_000))
        await until(lambda: seen.prices.get("BTCUSDT") == 86_000)


async def test_streams_are_pinged_as_often_as_silence_is_measured(open_harness: Any) -> None:
    async with open_harness(streams=True) as harness, harness.following():
        exchange = harness.account.inner._connection.exchange
        pauses = {client.keepAlive for client in exchange.clients.values()}
        assert pauses == {5000}, "KuCoin's tokens name 18 s, more than a silent stream is trusted"


async def test_two_accounts_share_markets_and_keep_their_own(open_harness: Any, tmp_path: Any) -> None:
    async with open_harness() as harness:
        exchange = harness.kucoin.exchange
        other = exchange.open_account("second", key="K2", secret="S2", passphrase="P2", balance=Decimal(500))
        settings = {"streams": False, "api_key": "K2", "secret": "S2", "password": "P2"}
        second = EmulatedHarness("kucoin", KUCOIN, tmp_path / "second", options=settings)
        second.server, second._serving = harness.kucoin, asyncio.create_task(asyncio.sleep(60))
        second._started.set()
        account = second.connect()
        harness.forget()
        await account.open()
        assert "instruments" not in harness.requests, "the list was read for the first one"
        await asyncio.gather(
            harness.account.place_order(harness.order()), account.place_order(harness.order("0.001"))
        )
        assert (harness.held.size, other.size(BTC)) == (5, 1)
        assert (await account.equity()).value.total < 501 < (await harness.account.equity()).value.total
        await account.close()


@pytest.mark.parametrize("refused", ["tradeOrders", "ticker"])
async def test_a_subscription_refused_for_hours_leaks_no_connections(
    open_harness: Any, monkeypatch: pytest.MonkeyPatch, refused: str
) -> None:
    """Each attempt has its own token, and so its own address: ccxt would keep the previous connection, too."""
    monkeypatch.setattr(account_streams, "FIRST_PAUSE", 0.005)
    monkeypatch.setattr(account_streams, "LAST_PAUSE", 0.02)
    change = KucoinStream._change

    def refusing(stream: KucoinStream, answer_id: str, wanted: str, topic: str, answered: bool) -> None:
        change(stream, answer_id, wanted, "nothing" if refused in topic else topic, answered)

    async with open_harness(streams=True) as harness, harness.following() as seen:
        before = set(harness.kucoin.tokens)
        monkeypatch.setattr(KucoinStream, "_change", refusing)
        harness.kucoin.abort_connections()
        await until(lambda: len(harness.kucoin.tokens) > len(before) + 20)
        assert len(harness.kucoin.connections) <= 4, "of each kind one, and perhaps one that is being closed"
        assert len(harness.account.inner._connection.exchange.clients) <= 2
        monkeypatch.undo()
        await harness.live(seen)


async def test_a_connection_given_up_while_it_is_made_is_closed(
    open_harness: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(account_streams, "FIRST_PAUSE", 0.005)
    monkeypatch.setattr(account_streams, "LAST_PAUSE", 0.02)
    async with open_harness(streams=True) as harness, harness.following() as seen:
        adapter = harness.account.inner._adapter
        harness.kucoin.latency = 0.02
        harness.kucoin.abort_connections()
        for _ in range(10):
            await until(adapter.connecting)
            adapter.disconnect(private=True)
            adapter.disconnect(private=False)
        harness.kucoin.latency = 0.0
        await harness.live(seen)
        await until(lambda: len(harness.kucoin.connections) == 2)


async def test_connections_that_fail_for_hours_leak_nothing(
    open_harness: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(account_streams, "FIRST_PAUSE", 0.005)
    monkeypatch.setattr(account_streams, "LAST_PAUSE", 0.02)
    async with open_harness(streams=True) as harness, harness.following() as seen:
        before = set(harness.kucoin.tokens)
        harness.kucoin.faults.add(Fault(kind=FaultKind.SERVER_ERROR, route="connect", times=None))
        harness.kucoin.abort_connections()
        await until(lambda: len(harness.kucoin.tokens) > len(before) + 20)
        exchange = harness.account.inner._connection.exchange
        assert len(exchange.clients) <= 2
        assert len(exchange.ws_dial_backoff) <= 2
        harness.kucoin.faults.clear()
        await harness.live(seen)
