"""MEXC's WebSocket: login, filters, subscriptions, silence."""

from __future__ import annotations

import asyncio
from decimal import Decimal

import aiohttp
import pytest

from te_emulators.core.faults import Fault, FaultKind, FaultScript
from te_emulators.mexc import stream as mexc_stream
from te_emulators.mexc.client import client, stream

pytestmark = pytest.mark.real_clock


async def test_a_login_is_confirmed_or_refused() -> None:
    async with client() as mexc, stream(mexc) as socket:
        assert (await socket.login(mexc))["channel"] == "rs.login"
    for part in ("key", "secret"):
        async with client() as mexc, stream(mexc) as socket:
            setattr(mexc, part, "other")
            assert (await socket.login(mexc))["channel"] == "rs.error"
            await socket.send("ping")
            assert (await socket.next())["channel"] == "pong"
    async with client() as mexc, stream(mexc) as socket:
        mexc.emulator.exchange.clock.skew_ms = 11_000
        assert (await socket.login(mexc))["channel"] == "rs.error"


async def test_after_a_login_all_of_the_account_is_pushed_in_order() -> None:
    async with client() as mexc, stream(mexc) as socket:
        other = mexc.emulator.exchange.open_account("other", key="K2", secret="S2")
        await socket.login(mexc)
        mexc.emulator.exchange.trade_by_hand(other, "BTC_USDT", Decimal(1))
        await mexc.order(externalOid="a", vol=7)
        pushes = [await socket.next() for _ in range(4)]
        channels = [push["channel"].removeprefix("push.personal.") for push in pushes]
        assert channels == ["order.deal", "order", "position", "asset"]
        assert pushes[0]["data"]["vol"] == 7
        assert (pushes[1]["data"]["state"], pushes[1]["data"]["externalOid"]) == (3, "a")
        assert pushes[2]["data"]["holdVol"] == 7


async def test_nothing_of_the_account_is_pushed_without_a_login() -> None:
    async with client() as mexc, stream(mexc) as socket:
        await mexc.order()
        await socket.send("ping")
        assert (await socket.next())["channel"] == "pong"


async def test_personal_channels_can_be_filtered() -> None:
    async with client() as mexc, stream(mexc) as socket:
        await socket.login(mexc)
        await socket.send("personal.filter", filters=[{"filter": "position"}])
        assert (await socket.next())["channel"] == "rs.personal.filter"
        await mexc.order()
        assert (await socket.next())["channel"] == "push.personal.position"
        await socket.send("personal.filter", filters=[])
        await socket.until("rs.personal.filter")
        await mexc.order()
        assert (await socket.next())["channel"] == "push.personal.order.deal"


async def test_tickers_come_at_once_with_every_change_and_every_second(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with client() as mexc, stream(mexc) as socket:
        await socket.send("sub.ticker", symbol="BTC_USDT")
        assert (await socket.next())["channel"] == "rs.sub.ticker"
        first = await socket.until("push.ticker")
        assert (first["symbol"], first["data"]["symbol"]) == ("BTC_USDT", "BTC_USDT")
        mexc.emulator.exchange.set_price("BTC_USDT", Decimal(80_000))
        assert (await socket.until("push.ticker"))["data"]["fairPrice"] == 80_000
        monkeypatch.setattr(mexc_stream, "TICK", 0.01)
        assert (await socket.until("push.ticker"))["data"]["fairPrice"] == 80_000
        await socket.send("unsub.ticker", symbol="BTC_USDT")
        await socket.until("rs.unsub.ticker")


@pytest.mark.parametrize(
    "text",
    ["nonsense", "[]", "{}", '{"method":"sub.nothing"}', '{"method":"sub.ticker","param":{"symbol":"X"}}'],
)
async def test_what_is_not_understood_is_an_error(text: str) -> None:
    async with client() as mexc, stream(mexc) as socket:
        await socket.socket.send_str(text)
        assert (await socket.next())["channel"] == "rs.error"


async def test_pongs_contain_the_time() -> None:
    async with client() as mexc, stream(mexc) as socket:
        await socket.send("ping")
        pong = await socket.next()
        assert abs(pong["data"] - mexc.emulator.exchange.clock.ms()) < 60_000


async def test_who_never_pings_is_hung_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mexc_stream, "TICK", 0.01)
    monkeypatch.setattr(mexc_stream, "LONGEST_SILENCE", 0.05)
    async with client() as mexc, stream(mexc) as socket:
        async with asyncio.timeout(20):
            ended = await socket.socket.receive()
        assert ended.type in {aiohttp.WSMsgType.CLOSE, aiohttp.WSMsgType.CLOSED, aiohttp.WSMsgType.ERROR}


async def test_faults_act_on_pushes_only() -> None:
    script = FaultScript([Fault(kind=FaultKind.STREAM_GAP, topic="order")])
    async with client(faults=script) as mexc, stream(mexc) as socket:
        await socket.login(mexc)
        await mexc.order()
        channels = [(await socket.next())["channel"] for _ in range(3)]
        assert channels == ["push.personal.order.deal", "push.personal.position", "push.personal.asset"]
