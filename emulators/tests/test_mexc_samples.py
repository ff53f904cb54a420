"""The emulated MEXC responds as recorded: the same fields, and for BTC, ETH, SOL, XRP and TUT the same values."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from te_emulators.mexc.client import PRIVATE, PUBLIC, client, stream
from tests.samples.reader import response

pytestmark = pytest.mark.real_clock

NEWER = ("BTC_USDT", "XRP_USDT")
"""Contracts of which both an older and a newer row were recorded."""


def sample(name: str) -> Any:
    return response("mexc", name)["data"]


async def test_recorded_contracts_are_answered_as_recorded() -> None:
    async with client() as mexc:
        rows = {row["symbol"]: row for row in (await mexc.get(f"{PUBLIC}/detail")).data}
    tradable = [row for row in rows.values() if row["quoteCoin"] == row["settleCoin"] and row["apiAllowed"]]
    assert len(tradable) == 26, "25 coins and TUT"
    for recorded in sample("contract detail, current"):
        assert {name: rows[recorded["symbol"]][name] for name in recorded} == recorded
    for recorded in sample("contract detail BTC"):
        symbol = recorded["symbol"]
        newer = {row["symbol"]: row for row in sample("contract detail, current")}.get(
            symbol, {"apiAllowed": True}
        )
        assert {name: rows[symbol][name] for name in recorded} == recorded | newer
    fields = set(sample("contract detail BTC")[0])
    assert all(set(row) >= fields for row in tradable)
    assert rows["BULLCOIN_USDT"]["apiAllowed"] is False


async def test_the_recorded_ticker() -> None:
    async with client() as mexc:
        one = (await mexc.get(f"{PUBLIC}/ticker", "symbol=BTC_USDT")).data
        every = (await mexc.get(f"{PUBLIC}/ticker")).data
    recorded = sample("ticker BTC_USDT (2026")[0]
    assert set(one) == set(sample("tickers")[0])
    assert one["lastPrice"] == recorded["lastPrice"]
    assert len(every) == 26
    assert [row["lastPrice"] for row in every if row["symbol"] == "BTC_USDT"] == [recorded["lastPrice"]]


@pytest.mark.parametrize(
    ("name", "path", "query"),
    [
        ("account assets", "account/assets", ""),
        ("open positions", "position/open_positions", ""),
        ("order by externalOid", "order/external/ETH_USDT/a", ""),
        ("order detail", "order/get/{id}", ""),
    ],
)
async def test_reads_have_the_documented_fields(name: str, path: str, query: str) -> None:
    async with client() as mexc:
        placed = await mexc.order(symbol="ETH_USDT", externalOid="a")
        answered = (await mexc.get(f"{PRIVATE}/{path.format(id=placed.data['orderId'])}", query)).data
    documented = sample(name)
    if isinstance(documented, list):
        answered, documented = answered[0], documented[0]
    assert set(answered) == set(documented)


async def test_acknowledgements_have_the_documented_form() -> None:
    async with client() as mexc:
        acknowledged = await mexc.order()
        assert set(acknowledged.data) == set(sample("order ack (order/create)"))
        assert isinstance(acknowledged.data["orderId"], str)
        older = {"symbol": "BTC_USDT", "vol": 1, "side": 1, "type": 5, "openType": 1, "leverage": 5}
        assert isinstance((await mexc.post(f"{PRIVATE}/order/submit", older)).data, int)
        items = (await mexc.post(f"{PRIVATE}/order/cancel", ["1"])).data
        assert set(items[0]) == set(sample("cancel orders")[0])
        leverage = (await mexc.get(f"{PRIVATE}/position/leverage", "symbol=BTC_USDT")).data
        assert set(leverage[0]) >= set(sample("leverage info")[0])
        assert (await mexc.get(f"{PRIVATE}/position/position_mode")).data == 2


@pytest.mark.parametrize(
    "name", ["ws order push", "ws asset push", "ws order deal push", "ws position push", "ws ticker push"]
)
async def test_pushes_have_the_documented_fields(name: str) -> None:
    documented = response("mexc", name)
    async with client() as mexc, stream(mexc) as socket:
        await socket.login(mexc)
        await socket.send("sub.ticker", symbol="BTC_USDT")
        await mexc.order(externalOid="a")
        pushed = await socket.until(documented["channel"])
    assert set(pushed) == set(documented)
    assert set(pushed["data"]) >= set(documented["data"]) - {"contractId"}


async def test_the_list_of_tickers_lacks_bid_and_ask() -> None:
    async with client() as mexc, stream(mexc) as socket:
        await socket.send("sub.tickers")
        pushed = await socket.until("push.tickers")
    assert len(pushed["data"]) == 26
    assert set(pushed["data"][0]) >= set(response("mexc", "ws tickers push")["data"][0])
    assert "bid1" not in pushed["data"][0]


async def test_a_closed_position_is_pushed_with_how_it_was_closed() -> None:
    async with client() as mexc, stream(mexc) as socket:
        await socket.login(mexc)
        await mexc.order()
        opened = (await socket.until("push.personal.position"))["data"]
        mexc.emulator.exchange.set_price("BTC_USDT", Decimal(80_000))
        await mexc.order(side=4)
        closed = (await socket.until("push.personal.position"))["data"]
    assert (opened["state"], opened["holdVol"]) == (1, 10)
    assert (closed["state"], closed["holdVol"], closed["closeVol"]) == (3, 0, 10)
    assert (closed["openAvgPrice"], closed["closeAvgPrice"]) == (77150.1, 80_000)
    assert closed["positionId"] == opened["positionId"]
    assert closed["realised"] == pytest.approx(10 * 0.0001 * (80_000 - 77150.1) - 0.0002 * 0.001 * 157150.1)
