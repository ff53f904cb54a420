"""The emulated KuCoin responds as recorded: the same fields, and for BTC, ETH, ADA and XRP the same values."""

from __future__ import annotations

from typing import Any

import pytest

from te_emulators.core.credentials import TRADING
from te_emulators.kucoin.client import Client, client, stream
from tests.samples.reader import entries, response

pytestmark = pytest.mark.real_clock

BTC = "XBTUSDTM"


def sample(name: str) -> Any:
    return response("kucoin", name)["data"]


async def test_recorded_contracts_are_answered_as_recorded() -> None:
    async with client() as kucoin:
        rows = {row["symbol"]: row for row in (await kucoin.ask("GET", "/api/v1/contracts/active")).data}
    assert len(rows) == 25
    assert rows[BTC] == sample("contracts active (live")[0]
    for recorded in [sample("contracts active (live")[1], *sample("contracts active (2023-11)")]:
        answered = rows[recorded["symbol"]]
        assert {name: answered[name] for name in recorded} == recorded
    assert all(set(row) == set(rows[BTC]) for row in rows.values()), (
        "and all have the fields of a present row"
    )


async def test_the_recorded_ticker() -> None:
    async with client() as kucoin:
        recorded = sample("ticker (live")
        answered = (await kucoin.ask("GET", f"/api/v1/ticker?symbol={BTC}")).data
        moving = {"sequence", "ts", "bestBidSize", "bestAskSize"}
        assert set(answered) == set(recorded)
        assert {k: v for k, v in answered.items() if k not in moving} == {
            k: v for k, v in recorded.items() if k not in moving
        }
        everything = (await kucoin.ask("GET", "/api/v1/allTickers")).data
        assert set(everything[0]) == set(sample("all tickers")[1])
        assert [row["price"] for row in everything if row["symbol"] == BTC] == [recorded["price"]]


PATHS = {
    "mark price": ("GET", f"/api/v1/mark-price/{BTC}/current"),
    "account overview": ("GET", "/api/v1/account-overview?currency=USDT"),
    "position details": ("GET", f"/api/v1/position?symbol={BTC}"),
    "margin mode": ("GET", f"/api/v2/position/getMarginMode?symbol={BTC}"),
    "cross leverage get": ("GET", f"/api/v2/getCrossUserLeverage?symbol={BTC}"),
    "order by clientOid": ("GET", "/api/v1/orders/byClientOid?clientOid=c1"),
    "order list": ("GET", "/api/v1/orders?status=done"),
    "service status": ("GET", "/api/v1/status"),
    "ws private token": ("POST", "/api/v1/bullet-private"),
    "ws public token": ("POST", "/api/v1/bullet-public"),
    "api key info": ("GET", "/api/v1/user/api-key"),
}


@pytest.mark.parametrize("name", PATHS)
async def test_answers_have_the_recorded_fields(name: str) -> None:
    recorded = next(entry["response"]["data"] for entry in entries("kucoin") if entry["name"] == name)
    async with client() as kucoin:
        key = kucoin.emulator.exchange.keys["K"][0]
        key.allowed_ips = frozenset({"127.0.0.1"})
        await kucoin.order()
        answered = (await kucoin.ask(*PATHS[name])).data
    assert fields(recorded) <= fields(answered)


def fields(value: Any, path: str = "") -> set[str]:
    """Return the paths of all fields; of lists, the first row's."""
    if isinstance(value, list):
        return fields(value[0], path + "[]") if value else {path}
    if isinstance(value, dict):
        return {path}.union(*(fields(part, f"{path}.{name}") for name, part in value.items()))
    return {path}


async def test_positions_have_the_recorded_fields_by_margin_mode() -> None:
    cross, isolated = sample("positions")
    async with client() as kucoin:
        await kucoin.order()
        await kucoin.ask(
            "POST", "/api/v2/position/changeMarginMode", {"symbol": "ETHUSDTM", "marginMode": "CROSS"}
        )
        await kucoin.order(clientOid="c2", symbol="ETHUSDTM", marginMode="CROSS")
        rows = {row["symbol"]: row for row in (await kucoin.ask("GET", "/api/v1/positions")).data}
    assert set(rows[BTC]) >= set(isolated) - {"riskLimitLevel"}
    assert set(rows["ETHUSDTM"]) == set(cross)


async def test_permissions_are_named_as_recorded() -> None:
    async with client() as kucoin:
        key = kucoin.emulator.exchange.keys["K"][0]
        assert key.permissions == TRADING
        shown = (await kucoin.ask("GET", "/api/v1/user/api-key")).data
        assert shown["permission"] == "General,Futures"
        assert set(shown["permission"].split(",")) <= set(sample("api key info")["permission"].split(","))
        assert "ipWhitelist" not in shown


async def _pushed(kucoin: Client, topic: str, subject: str) -> dict[str, Any]:
    async with stream(kucoin) as socket:
        await socket.subscribe(topic, private=True)
        await kucoin.order(clientOid="c9")
        return await socket.until(subject=subject)


PUSHES = {
    "ws position push": ("/contract/position:XBTUSDTM", "position.change", set()),
    "ws wallet push": ("/contractAccount/wallet", "walletBalance.change", {".id", ".userId"}),
    "ws ticker push": ("/contractMarket/ticker:XBTUSDTM", "ticker", {".sn"}),
    "ws tickerV2 push": ("/contractMarket/tickerV2:XBTUSDTM", "tickerV2", {".sn"}),
    "ws mark/index price push": ("/contract/instrument:XBTUSDTM", "mark.index.price", set()),
}


@pytest.mark.parametrize("name", PUSHES)
async def test_pushes_have_the_recorded_fields(name: str) -> None:
    topic, subject, absent = PUSHES[name]
    recorded = response("kucoin", name)
    async with client() as kucoin:
        pushed = await _pushed(kucoin, topic, subject)
    assert fields(recorded) - fields(pushed) <= {*absent, ".userId"}
    assert (pushed["topic"], pushed["type"]) == (recorded["topic"], recorded["type"])


async def test_a_match_has_the_recorded_fields() -> None:
    recorded = response("kucoin", "ws order match push")
    async with client() as kucoin:
        pushed = await _pushed(kucoin, "/contractMarket/tradeOrders", "symbolOrderChange")
    assert set(recorded["data"]) - set(pushed["data"]) <= {"oldSize"}
    assert pushed["data"]["type"] == "match"
