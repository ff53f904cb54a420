"""BloFin's streams: login, subscriptions, pushes in the recorded forms, heartbeats and limits."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from typing import Any, cast

import aiohttp
import pytest

from te_emulators.blofin import streams
from te_emulators.blofin.client import BlofinClient, BlofinSocket
from te_emulators.blofin.server import BlofinServer
from te_emulators.core.clock import ExchangeClock
from te_emulators.core.faults import Fault, FaultKind
from te_emulators.venues import server
from tests.samples.reader import response

pytestmark = pytest.mark.real_clock


@pytest.fixture
def client(blofin: BlofinClient, monkeypatch: pytest.MonkeyPatch) -> BlofinClient:
    monkeypatch.setattr(streams, "BETWEEN_CONNECTIONS", 0.0)
    return blofin


async def follow(client: BlofinClient, *channels: str) -> BlofinSocket:
    socket = await client.stream()
    assert (await socket.login())["event"] == "login"
    for channel in channels:
        assert await socket.ask("subscribe", {"channel": channel}) == {
            "event": "subscribe",
            "arg": {"channel": channel},
        }
    return socket


async def test_a_login_is_answered_as_documented(client: BlofinClient) -> None:
    async with client:
        socket = await client.stream()
        assert await socket.login() == response("blofin", "ws login ok")


async def test_a_wrong_login_is_refused_and_opens_nothing(client: BlofinClient) -> None:
    async with client:
        socket = await client.stream()
        refused = {"event": "error", "code": "60009", "msg": "Login failed."}
        assert await socket.login(secret="another") == refused
        assert (await socket.ask("subscribe", {"channel": "orders"}))["event"] == "error"
        client.shift_ms = 61_000
        assert await socket.login() == refused


async def test_heartbeats_are_plain_text(client: BlofinClient) -> None:
    async with client:
        for kind in ("public", "private"):
            socket = await client.stream(kind)
            await socket.socket.send_str("ping")
            assert await socket.next() == "pong"


async def test_what_makes_no_sense_is_refused(client: BlofinClient) -> None:
    async with client:
        socket = await follow(client)
        answer = await socket.ask("subscribe", {"channel": "nothing"})
        assert (answer["event"], answer["code"]) == ("error", response("blofin", "ws error")["code"])
        await socket.socket.send_str("{}")
        assert (await socket.next())["code"] == "60012"
        public = await client.stream("public")
        assert (await public.login())["code"] == "60012"


async def test_an_order_is_pushed_as_order_position_and_account(client: BlofinClient) -> None:
    async with client:
        client.emulator.unknowns.snapshots = frozenset()
        socket = await follow(client, "orders", "positions", "account")
        await client.order("buy", "1.5", clientOrderId="mine")
        order, position, account = [await socket.next() for _ in range(3)]
        for message, sample in (
            (order, "ws orders push"),
            (position, "ws positions push (2026"),
            (account, "ws account push"),
        ):
            recorded = response("blofin", sample)
            assert set(message) == set(recorded)
            assert message["arg"] == recorded["arg"]
            assert set(_first(message)) == set(_first(recorded))
        assert (order["data"][0]["clientOrderId"], order["data"][0]["state"]) == ("mine", "filled")
        assert (position["data"][0]["positions"], position["data"][0]["initialMargin"]) == ("1.5", "")
        assert Decimal(_first(account)["balance"]) < 10_000


def _first(message: dict[str, Any]) -> dict[str, Any]:
    data = message["data"]
    found: dict[str, Any] = data[0] if isinstance(data, list) else data["details"][0]
    return found


async def test_other_accounts_see_nothing(client: BlofinClient) -> None:
    async with client:
        exchange = client.emulator.exchange
        other = exchange.open_account("other", key="K2", secret="S2")
        socket = await follow(client, "orders")
        exchange.trade_by_hand(other, "BTC-USDT", Decimal(1))
        await client.order("buy", "2", clientOrderId="mine")
        assert (await socket.next())["data"][0]["clientOrderId"] == "mine"


async def test_one_instrument_may_be_subscribed(client: BlofinClient) -> None:
    async with client:
        socket = await follow(client)
        await socket.ask("subscribe", {"channel": "orders", "instId": "ETH-USDT"})
        await client.order("buy", "1", "BTC-USDT")
        await client.order("buy", "1", "ETH-USDT")
        message = await socket.next()
        assert message["arg"] == {"channel": "orders", "instId": "ETH-USDT"}
        assert message["data"][0]["instId"] == "ETH-USDT"


async def test_positions_are_pushed_on_subscription_the_rest_perhaps(client: BlofinClient) -> None:
    async with client:
        await client.order("sell", "1", "BTC-USDT")
        await client.order("buy", "2", "ETH-USDT")
        socket = await follow(client, "positions")
        rows = (await socket.next())["data"]
        assert {(row["instId"], row["positions"]) for row in rows} == {("BTC-USDT", "-1"), ("ETH-USDT", "2")}
        client.emulator.unknowns.snapshots = frozenset({"account"})
        socket = await follow(client, "positions", "account")
        assert (await socket.next())["arg"] == {"channel": "account"}


@pytest.mark.parametrize("pushed", [True, False])
async def test_a_closed_position_is_pushed_with_nothing_or_not_at_all(
    client: BlofinClient, pushed: bool
) -> None:
    async with client:
        client.emulator.unknowns.closed_pushed = pushed
        await client.order("buy", "2", "ETH-USDT")
        await client.order("sell", "1", "BTC-USDT")
        socket = await follow(client, "positions")
        assert len((await socket.next())["data"]) == 2
        await client.order("buy", "1", "BTC-USDT", reduceOnly="true")
        rows = (await socket.next())["data"]
        shown = [(row["instId"], row["positions"]) for row in rows]
        assert shown == ([("BTC-USDT", "0")] if pushed else [("ETH-USDT", "2")])


async def test_pushes_at_intervals(client: BlofinClient) -> None:
    async with client:
        client.emulator.unknowns.push_seconds = 0.05
        client.emulator.unknowns.snapshots = frozenset()
        socket = await follow(client, "account")
        for _ in range(2):
            assert (await socket.next())["arg"] == {"channel": "account"}


async def test_tickers_are_pushed_on_subscription_and_every_change(client: BlofinClient) -> None:
    async with client:
        socket = await client.stream("public")
        await socket.ask("subscribe", {"channel": "tickers", "instId": "BTC-USDT"})
        first = await socket.next()
        assert set(first["data"][0]) == set(response("blofin", "ws tickers push")["data"][0])
        client.emulator.exchange.set_price("ETH-USDT", Decimal(2000))
        client.emulator.exchange.set_price("BTC-USDT", Decimal(70_000))
        assert (await socket.next())["data"][0]["last"] == "70000"


async def test_no_more_after_unsubscribing(client: BlofinClient) -> None:
    async with client:
        socket = await client.stream("public")
        btc = {"channel": "tickers", "instId": "BTC-USDT"}
        await socket.ask("subscribe", btc)
        await socket.next()
        assert await socket.ask("unsubscribe", btc) == {"event": "unsubscribe", "arg": btc}
        client.emulator.exchange.set_price("BTC-USDT", Decimal(70_000))
        await socket.socket.send_str("ping")
        assert await socket.next() == "pong"


async def test_stream_faults(client: BlofinClient) -> None:
    async with client:
        socket = await follow(client, "orders")
        client.emulator.faults.add(
            Fault(kind=FaultKind.STREAM_GAP), Fault(kind=FaultKind.STREAM_DUPLICATE, after=1)
        )
        for name in ("lost", "twice"):
            await client.order("buy", "1", clientOrderId=name)
        assert [(await socket.next())["data"][0]["clientOrderId"] for _ in range(2)] == ["twice"] * 2


async def test_an_address_opens_one_connection_in_a_second() -> None:
    now = [100.0]
    emulator = server("blofin", clock=ExchangeClock(monotonic=lambda: now[0]))
    async with BlofinClient(cast("BlofinServer", emulator)) as client:
        first = await client.stream("public")
        second = await client.stream("private")
        assert (await second.socket.receive(timeout=20)).type in {
            aiohttp.WSMsgType.CLOSED,
            aiohttp.WSMsgType.ERROR,
        }
        now[0] += 1
        third = await client.stream("private")
        for admitted in (first, third):
            await admitted.socket.send_str("ping")
            assert await admitted.next() == "pong"
        assert client.emulator.exchange.counts.refusals == {"connections": 1}


async def test_silent_connections_break(client: BlofinClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "IDLE", 1.0)
    loop = asyncio.get_running_loop()
    async with client:
        socket = await client.stream("public")
        await asyncio.sleep(0.3)
        spoke_at = loop.time()
        await socket.socket.send_str("ping")
        assert await socket.next() == "pong"
        ended = await socket.socket.receive(timeout=20)
        assert loop.time() - spoke_at >= 0.99, "a ping keeps the connection"
        assert ended.type in {aiohttp.WSMsgType.CLOSED, aiohttp.WSMsgType.ERROR}
