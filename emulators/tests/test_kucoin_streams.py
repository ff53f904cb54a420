"""KuCoin's WebSocket: tokens, subscriptions, pushes, and both forms of unknown behaviour."""

from __future__ import annotations

from decimal import Decimal

import aiohttp
import pytest

from te_emulators.core.faults import Fault, FaultKind, FaultScript
from te_emulators.kucoin.client import client, stream

pytestmark = pytest.mark.real_clock

ORDERS = "/contractMarket/tradeOrders"


async def test_a_wrong_token_is_answered_and_disconnected() -> None:
    async with client() as kucoin, stream(kucoin, token="made-up") as socket:
        refused = await socket.next()
        assert refused == {"id": "me", "type": "error", "code": 401, "data": "token is invalid"}
        assert (await socket.socket.receive()).type in {aiohttp.WSMsgType.CLOSE, aiohttp.WSMsgType.CLOSED}


async def test_pings_and_subscriptions_are_answered() -> None:
    async with client() as kucoin, stream(kucoin) as socket:
        await socket.send(id="5", type="ping")
        assert (await socket.until(id="5"))["type"] == "pong"
        assert await socket.subscribe(ORDERS, private=True) == {"id": "7", "type": "ack"}
        refused = await socket.subscribe("/contractMarket/nothing")
        assert (refused["type"], refused["code"]) == ("error", 404)
        await socket.send(id="8", type="dance")
        assert (await socket.until(id="8"))["code"] == 415
        await socket.socket.send_str("not json")
        assert (await socket.until(type="error"))["code"] == 400


async def test_private_topics_need_a_private_token() -> None:
    async with client() as kucoin, stream(kucoin, "public") as socket:
        assert (await socket.subscribe(ORDERS, private=True))["code"] == 403


@pytest.mark.parametrize("by_symbol", [False, True])
@pytest.mark.parametrize("opens", [False, True])
async def test_a_market_order_is_matched_and_filled(by_symbol: bool, opens: bool) -> None:
    async with client() as kucoin, stream(kucoin) as socket:
        kucoin.emulator.topics_by_symbol = by_symbol
        kucoin.emulator.announces_open = opens
        await socket.subscribe(ORDERS, private=True)
        await kucoin.order(size=3)
        pushes = [await socket.next() for _ in range(3 if opens else 2)]
        topic = f"{ORDERS}:XBTUSDTM" if by_symbol else ORDERS
        assert {push["topic"] for push in pushes} == {topic}
        told = [(push["data"]["type"], push["data"]["status"], push["data"]["filledSize"]) for push in pushes]
        assert told == [("open", "open", "0")] * opens + [("match", "match", "3"), ("filled", "done", "3")]
        assert pushes[-2]["data"]["matchPrice"] == "84477"
        assert {push["data"]["clientOid"] for push in pushes} == {"c1"}


async def test_what_is_cut_short_is_cancelled() -> None:
    cut = Fault(kind=FaultKind.PARTIAL_FILL, route="order", fraction=Decimal("0.5"))
    async with client(faults=FaultScript([])) as kucoin, stream(kucoin) as socket:
        kucoin.emulator.faults.add(cut)
        await socket.subscribe(f"{ORDERS}:XBTUSDTM", private=True)
        await kucoin.order(size=4)
        pushes = [(await socket.next())["data"] for _ in range(2)]
        assert [(push["type"], push["filledSize"], push["canceledSize"]) for push in pushes] == [
            ("match", "2", "0"),
            ("canceled", "2", "2"),
        ]


async def test_accounts_receive_only_their_own_events() -> None:
    async with client() as kucoin:
        kucoin.emulator.exchange.open_account("other", key="K2", secret="S2", passphrase="P2")
        async with stream(kucoin) as mine:
            await mine.subscribe(ORDERS, private=True)
            await mine.subscribe("/contract/positionAll", private=True)
            kucoin.key, kucoin.secret, kucoin.passphrase = "K2", "S2", "P2"
            await kucoin.order()
            kucoin.key, kucoin.secret, kucoin.passphrase = "K", "S", "P"
            await kucoin.order(clientOid="mine")
            assert (await mine.next())["data"]["clientOid"] == "mine"


async def test_positions_of_one_contract() -> None:
    async with client() as kucoin, stream(kucoin) as socket:
        await socket.subscribe("/contract/position:ETHUSDTM", private=True)
        await kucoin.order()
        await kucoin.order(clientOid="c2", symbol="ETHUSDTM")
        pushed = await socket.next()
        assert (pushed["topic"], pushed["data"]["currentQty"]) == ("/contract/position:ETHUSDTM", 1)


@pytest.mark.parametrize("by_symbol", [False, True])
async def test_positions_of_all_contracts(by_symbol: bool) -> None:
    async with client() as kucoin, stream(kucoin) as socket:
        kucoin.emulator.topics_by_symbol = by_symbol
        await socket.subscribe("/contract/positionAll", private=True)
        await kucoin.order()
        await kucoin.order(clientOid="c3", side="sell")
        pushes = [await socket.next() for _ in range(2)]
        topic = "/contract/position:XBTUSDTM" if by_symbol else "/contract/positionAll"
        assert [push["topic"] for push in pushes] == [topic, topic]
        assert [(push["data"]["currentQty"], push["data"]["isOpen"]) for push in pushes] == [
            (1, True),
            (0, False),
        ]


async def test_tickers_come_at_once_and_with_every_change() -> None:
    async with client() as kucoin, stream(kucoin, "public") as socket:
        assert (await socket.subscribe("/contractMarket/ticker:XBTUSDTM,ETHUSDTM"))["type"] == "ack"
        first = [(await socket.next())["data"] for _ in range(2)]
        assert {row["symbol"]: row["price"] for row in first} == {"XBTUSDTM": "84477", "ETHUSDTM": "1803.29"}
        kucoin.emulator.exchange.set_price("ETHUSDTM", Decimal(1900))
        assert (await socket.next())["data"]["price"] == "1900"
        await socket.send(id="9", type="unsubscribe", topic="/contractMarket/ticker:ETHUSDTM", response=True)
        await socket.until(id="9")
        kucoin.emulator.exchange.set_price("ETHUSDTM", Decimal(1950))
        kucoin.emulator.exchange.set_price("XBTUSDTM", Decimal(85_000))
        assert (await socket.next())["data"]["symbol"] == "XBTUSDTM"
