"""Every fault: what a client sees, and its effect at the exchange."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
from decimal import Decimal
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from te_emulators.bybit.client import BybitClient, bybit_client, bybit_socket
from te_emulators.core.fault_files import fault_of, faults_of_file, faults_of_seed
from te_emulators.core.faults import Fault, FaultKind, FaultScript
from te_emulators.venues import VENUES, running
from te_emulators.wire.server import WireServer

pytestmark = pytest.mark.real_clock
D = Decimal


def size(server: WireServer) -> Decimal:
    return server.exchange.accounts["main"].size("BTCUSDT")


LONG = 30
"""Seconds after which a test gives up; none of them waits that long."""


async def attempt(client: BybitClient, timeout: float = LONG) -> str:
    """Send one order and return how it ended for the client, whose time-out starts once the exchange has it."""
    requests = client.server.exchange.counts.requests
    before = requests["order"]
    sent = asyncio.create_task(client.buy("a"))
    while requests["order"] == before and not sent.done():
        await asyncio.sleep(0.001)
    try:
        async with asyncio.timeout(timeout):
            answer = await sent
    except TimeoutError:
        return "timeout"
    except aiohttp.ClientError:
        return "connection"
    try:
        return f"{answer.status} {answer.code}"
    except (ValueError, KeyError):
        return f"{answer.status} {answer.headers['Content-Type'].split(';')[0]}"


@pytest.mark.parametrize(
    ("fault", "seen", "executed"),
    [
        ({"kind": "dropped"}, "connection", False),
        ({"kind": "dropped", "accepted": True}, "connection", True),
        ({"kind": "refused", "seconds": 0.2}, "connection", False),
        ({"kind": "timed out", "seconds": 0.2}, "connection", False),
        ({"kind": "timed out", "seconds": 60}, "timeout", False),
        ({"kind": "timed out", "seconds": 60, "accepted": True}, "timeout", True),
        ({"kind": "server error"}, "500 text/plain", False),
        ({"kind": "server error", "status": 503, "accepted": True}, "503 text/plain", True),
        ({"kind": "html"}, "502 text/html", False),
        ({"kind": "html", "status": 200, "accepted": True}, "200 text/html", True),
        ({"kind": "truncated"}, "200 application/json", True),
        ({"kind": "rate limited"}, "200 10006", False),
        ({"kind": "maintenance"}, "200 10016", False),
        ({"kind": "rejected", "error": "InsufficientMargin"}, "200 110007", False),
        ({"kind": "duplicate answer"}, "200 0", True),
        ({"kind": "repeated"}, "200 110072", True),
    ],
)
async def test_a_fault_of_an_answer(fault: dict[str, Any], seen: str, executed: bool) -> None:
    script = FaultScript([fault_of({"route": "order", **fault})])
    async with running("bybit", faults=script) as server, bybit_client(server) as client:
        client.session._timeout = aiohttp.ClientTimeout(total=LONG)
        assert await attempt(client, 0.3 if seen == "timeout" else LONG) == seen
        assert size(server) == (D("0.01") if executed else 0)
        assert sum(server.exchange.counts.executed.values()) == int(executed)
        assert server.exchange.counts.faults == {fault["kind"]: 1}
        assert not script.pending
        await server.listen()
        assert await attempt(client) == ("200 110072" if executed else "200 0")


async def test_connections_are_refused_until_their_time_is_over() -> None:
    fault = Fault(kind=FaultKind.REFUSED, seconds=3600)
    async with running("bybit", faults=FaultScript([fault])) as server, bybit_client(server) as client:
        assert await attempt(client) == "connection"
        with pytest.raises(aiohttp.ClientConnectorError):
            await client.get("/v5/market/time")
        assert not server.exchange.counts.requests["time"]


async def test_refused_connections_are_accepted_again_after_their_time() -> None:
    fault = Fault(kind=FaultKind.REFUSED, seconds=0.2)
    async with running("bybit", faults=FaultScript([fault])) as server, bybit_client(server) as client:
        assert await attempt(client) == "connection"
        async with asyncio.timeout(LONG):
            while await attempt(client) == "connection":
                await asyncio.sleep(0.05)


async def test_the_port_stays_reserved_while_connections_are_refused() -> None:
    async with running("bybit") as server, bybit_client(server) as client:
        await server.refuse()
        with socket.socket() as other, pytest.raises(OSError, match="in use"):
            other.bind(("127.0.0.1", server.port))
        await server.listen()
        assert (await client.get("/v5/market/time")).code == 0


async def test_a_duplicate_answer_does_not_reach_the_next_request() -> None:
    fault = Fault(kind=FaultKind.DUPLICATE_ANSWER, route="order")
    async with running("bybit", faults=FaultScript([fault])) as server, bybit_client(server) as client:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        body = b"{}"
        writer.write(b"POST /v5/order/create HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n" + body)
        raw = b""
        while raw.count(b"HTTP/1.1 200") < 2:
            raw += await reader.read(4096)
        writer.close()
        assert (await client.get("/v5/market/time")).code == 0


async def test_latency_is_added_on_the_route_it_is_for() -> None:
    fault = Fault(kind=FaultKind.LATENCY, route="tickers", seconds=60, times=None)
    async with running("bybit", faults=FaultScript([fault])) as server, bybit_client(server) as client:
        assert (await client.get("/v5/market/time")).code == 0
        client.session._timeout = aiohttp.ClientTimeout(total=0.3)
        with pytest.raises(TimeoutError):
            await client.get("/v5/market/tickers", category="linear")


async def test_a_fault_waits_for_its_turn_and_spends_itself() -> None:
    fault = Fault(kind=FaultKind.MAINTENANCE, route="positions", after=1, times=2)
    async with running("bybit", faults=FaultScript([fault])) as server, bybit_client(server) as client:
        codes = []
        for _ in range(4):
            await client.get("/v5/account/wallet-balance", accountType="UNIFIED")
            answer = await client.get("/v5/position/list", category="linear", settleCoin="USDT")
            codes.append(answer.code)
        assert codes == [0, 10016, 10016, 0]


async def test_a_fault_may_be_for_one_key_only() -> None:
    fault = Fault(kind=FaultKind.MAINTENANCE, key="K2", times=None)
    async with running("bybit", faults=FaultScript([fault])) as server, bybit_client(server) as client:
        server.exchange.open_account("second", key="K2", secret="S2")
        second = BybitClient(client.session, server, key="K2", secret="S2")
        assert (await client.buy("a")).code == 0
        assert (await second.buy("a")).code == 10016


@pytest.mark.parametrize(
    ("fault", "status", "filled", "held"),
    [
        ({"kind": "partial fill", "fraction": "0.4"}, "Cancelled", "0.004", "0.004"),
        ({"kind": "partial fill", "fraction": "0.4", "rest": True}, "PartiallyFilled", "0.004", "0.004"),
        ({"kind": "partial fill"}, "Cancelled", "0", "0"),
        ({"kind": "late fill"}, "New", "0", "0"),
        ({"kind": "late fill", "fraction": "0.5", "requests": 0}, "Filled", "0.01", "0.01"),
        ({"kind": "rejected later", "error": "InsufficientMargin"}, "Rejected", "0", "0"),
    ],
)
async def test_a_fault_of_a_fill(fault: dict[str, Any], status: str, filled: str, held: str) -> None:
    script = FaultScript([fault_of(fault)])
    async with running("bybit", faults=script) as server, bybit_client(server) as client:
        assert (await client.buy("a")).code == 0
        answer = await client.get("/v5/order/realtime", category="linear", symbol="BTCUSDT", orderLinkId="a")
        (row,) = answer.json["result"]["list"]
        assert (row["orderStatus"], row["cumExecQty"], row["qty"]) == (status, filled, "0.01")
        assert size(server) == D(held)


async def test_a_late_fill_comes_after_seconds_or_requests() -> None:
    script = FaultScript([Fault(kind=FaultKind.LATE_FILL, requests=1)])
    async with running("bybit", faults=script) as server, bybit_client(server) as client:
        await client.buy("a")
        assert size(server) == 0
        await client.get("/v5/market/time")
        assert size(server) == D("0.01")
        script.add(Fault(kind=FaultKind.LATE_FILL, seconds=0.2))
        await client.buy("b")
        assert size(server) == D("0.01")
        async with asyncio.timeout(LONG):
            while size(server) == D("0.01"):
                await asyncio.sleep(0.05)
        assert size(server) == D("0.02")
        assert server.exchange.counts.executed == {("main", "a"): 1, ("main", "b"): 1}


async def test_others_change_and_liquidate_positions_before_a_response() -> None:
    async with running("bybit") as server, bybit_client(server) as client:

        async def held() -> str:
            answer = await client.get("/v5/position/list", category="linear", symbol="BTCUSDT")
            return str(answer.json["result"]["list"][0]["size"])

        await client.buy("a")
        server.faults.add(
            Fault(kind=FaultKind.POSITION_CHANGED, route="positions", symbol="BTC", size=D("0.05"))
        )
        assert [await held(), await held()] == ["0.06", "0.06"]
        server.faults.add(Fault(kind=FaultKind.LIQUIDATION, route="positions", symbol="BTC"))
        assert await held() == "0"
        assert server.exchange.counts.faults == {"position changed": 1, "liquidation": 1}


async def test_a_skewed_clock_refuses_times_that_were_right() -> None:
    script = FaultScript([Fault(kind=FaultKind.CLOCK_SKEW, route="time", seconds=30)])
    async with running("bybit", faults=script) as server, bybit_client(server) as client:
        real = server.exchange.clock.ms()
        before = (await client.get("/v5/market/time")).json["time"]
        client.timestamp = real
        refused = await client.get("/v5/account/wallet-balance", accountType="UNIFIED")
        assert before - real >= 30_000
        assert refused.code == 10002
        client.timestamp = None
        assert (await client.get("/v5/account/wallet-balance", accountType="UNIFIED")).code == 0


# --- streams ---------------------------------------------------------------------------------------------------


async def pushes(socket: aiohttp.ClientWebSocketResponse, timeout: float = LONG) -> list[str]:
    """Sizes of the position messages up to now; how the connection ended is reported as such."""
    seen: list[str] = []
    with contextlib.suppress(ConnectionError):
        await socket.send_json({"op": "ping"})
    while True:
        try:
            async with asyncio.timeout(timeout):
                message = await socket.receive()
        except TimeoutError:
            return [*seen, "silence"]
        if message.type is not aiohttp.WSMsgType.TEXT:
            return [*seen, "closed"]
        data = json.loads(message.data)
        if data.get("op") == "pong":
            return seen
        seen.append(data["data"][0]["size"])


@pytest.mark.parametrize(
    ("kind", "seen"),
    [
        (FaultKind.STREAM_GAP, ["0.01", "0.03", "0.04"]),
        (FaultKind.STREAM_REORDER, ["0.01", "0.03", "0.02", "0.04"]),
        (FaultKind.STREAM_DUPLICATE, ["0.01", "0.02", "0.02", "0.03", "0.04"]),
        (FaultKind.STREAM_CLOSED, ["0.01", "closed"]),
        (FaultKind.STREAM_SILENT, ["0.01", "silence"]),
    ],
)
async def test_a_fault_of_a_stream(kind: FaultKind, seen: list[str]) -> None:
    script = FaultScript([Fault(kind=kind, after=1, topic="position")])
    async with (
        running("bybit", faults=script) as server,
        bybit_client(server) as client,
        bybit_socket(server, "/v5/private", "position") as socket,
    ):
        for link in "abcd":
            await client.buy(link)
        assert await pushes(socket, 0.5 if "silence" in seen else LONG) == seen
        assert server.exchange.counts.faults == {kind: 1}


async def test_a_silent_stream_does_not_even_answer_pings() -> None:
    script = FaultScript([Fault(kind=FaultKind.STREAM_SILENT)])
    async with (
        running("bybit", faults=script) as server,
        bybit_client(server) as client,
        bybit_socket(server, "/v5/private", "position") as socket,
    ):
        assert await pushes(socket) == []
        await client.buy("a")
        assert await pushes(socket, 0.5) == ["silence"]


async def test_a_message_held_back_is_sent_when_no_other_comes() -> None:
    script = FaultScript([Fault(kind=FaultKind.STREAM_REORDER, topic="position")])
    async with (
        running("bybit", faults=script) as server,
        bybit_client(server) as client,
        bybit_socket(server, "/v5/private", "position") as socket,
    ):
        await client.buy("a")
        async with asyncio.timeout(LONG):
            assert (await socket.receive_json())["data"][0]["size"] == "0.01"


async def test_opening_a_stream_and_its_login_can_fail() -> None:
    script = FaultScript(
        [
            Fault(kind=FaultKind.SERVER_ERROR, route="connect", status=503),
            Fault(kind=FaultKind.REJECTED, route="login", error="BadKey"),
        ]
    )
    async with running("bybit", faults=script) as server:
        with pytest.raises(aiohttp.WSServerHandshakeError):
            async with bybit_socket(server, "/v5/private"):
                pass
        with pytest.raises(AssertionError, match="10003"):
            async with bybit_socket(server, "/v5/private"):
                pass
        async with bybit_socket(server, "/v5/private"):
            pass


@pytest.mark.parametrize("venue", VENUES)
async def test_a_request_travels_half_the_latency_each_way(venue: str) -> None:
    async with running(venue, latency=0.2) as server, aiohttp.ClientSession() as session:
        path = next(route.path for route in server.routes() if route.kind == "tickers")
        loop = asyncio.get_running_loop()
        begin = loop.time()
        async with session.get(server.url + path):
            assert loop.time() - begin >= 0.19
        (arrived,) = server.exchange.counts.log
        assert 0.09 <= arrived.at - begin <= loop.time() - begin - 0.09


async def test_messages_travel_half_the_latency_and_stay_in_order() -> None:
    async with (
        running("bybit", latency=0.2) as server,
        bybit_socket(server, "/v5/private", "position") as socket,
    ):
        loop = asyncio.get_running_loop()
        begin = loop.time()
        assert await pushes(socket) == []
        assert loop.time() - begin >= 0.19
        account = server.exchange.accounts["main"]
        for _ in range(5):
            server.exchange.trade_by_hand(account, "BTCUSDT", D("0.01"))
        assert await pushes(socket) == ["0.01", "0.02", "0.03", "0.04", "0.05"]


# --- scripts ----------------------------------------------------------------------------------------------------


async def test_faults_come_from_a_file(tmp_path: Path) -> None:
    file = tmp_path / "faults.json"
    file.write_text('[{"kind": "timed out", "route": "order", "accepted": true, "seconds": 2.5}]')
    assert faults_of_file(file) == [
        Fault(kind=FaultKind.TIMED_OUT, route="order", accepted=True, seconds=2.5)
    ]
    with pytest.raises(ValueError, match="a fault has no colour"):
        fault_of({"kind": "dropped", "colour": "red"})
    with pytest.raises(ValueError, match="is not a valid FaultKind"):
        fault_of({"kind": "boredom"})


async def test_a_seed_repeats_its_faults_and_seeds_cover_all_kinds() -> None:
    assert faults_of_seed(7) == faults_of_seed(7)
    assert faults_of_seed(7) != faults_of_seed(8)
    kinds = {fault.kind for seed in range(20) for fault in faults_of_seed(seed)}
    assert kinds == set(FaultKind)
