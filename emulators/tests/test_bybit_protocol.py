"""Bybit's protocol as the documentation and the recorded answers have it."""

from __future__ import annotations

import json
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from te_emulators.bybit.client import Answer, BybitClient, bybit_client, bybit_socket
from te_emulators.bybit.codes import CODES
from te_emulators.bybit.signature import sign, sign_stream
from te_emulators.core import errors
from te_emulators.core.faults import Fault, FaultKind
from te_emulators.core.modes import MarginMode, PositionMode, PositionSide
from te_emulators.venues import running
from tests.samples import reader as samples

pytestmark = pytest.mark.real_clock
D = Decimal
LINEAR = {"category": "linear"}
BTC = {"category": "linear", "symbol": "BTCUSDT"}


async def test_the_signatures_are_those_of_the_vectors() -> None:
    parts = {"key": "K", "timestamp": "1700000000000", "window": "5000"}
    query = b"settleCoin=USDT&limit=200&category=linear"
    body = b'{"symbol":"BTCUSDT","side":"Buy"}'
    assert (
        sign("S", payload=query, **parts)
        == "81cf3612b5925c3fecccdbd5daf42a1dd63cbc8e2ac55612705abf3a6a2b35b9"
    )
    assert (
        sign("S", payload=body, **parts) == "b8eaa2c39f28a8844d8b131d57de9c2c2f27d7c77fc17cec76540b8590becfde"
    )
    expected = "b031ab8f5684f4d8b918b102a5efdd2a2a24ae237b00741f71ac8921e63a5577"
    assert sign_stream("S", expires="1700000000000") == expected


async def test_the_signature_covers_the_bytes_sent() -> None:
    async with running("bybit") as server, bybit_client(server) as client:
        path = f"{server.url}/v5/position/list?settleCoin=USDT&category=linear"
        headers = client._headers(b"settleCoin=USDT&category=linear")
        for address, code in ((path, 0), (path.replace("USDT&", "USDT&limit=5&"), 10004)):
            async with client.session.get(address, headers=headers) as answer:
                assert (await answer.json())["retCode"] == code
        body = b'{"category": "linear","symbol":"BTCUSDT","side":"Buy","orderType":"Market","qty":"0.01"}'
        headers = client._headers(body)
        for sent, code in ((body.replace(b": ", b":"), 10004), (body, 0)):
            async with client.session.post(
                f"{server.url}/v5/order/create", data=sent, headers=headers
            ) as answer:
                assert (await answer.json())["retCode"] == code


@pytest.mark.parametrize(("offset", "code"), [(-4_000, 0), (-5_500, 10002), (500, 0), (1_500, 10002)])
async def test_the_time_window(offset: int, code: int) -> None:
    async with running("bybit") as server, bybit_client(server) as client:
        client.timestamp = server.exchange.clock.ms() + offset
        answer = await client.get("/v5/account/info")
        assert answer.code == code
        if code:
            assert "req_timestamp" in answer.json["retMsg"]


async def test_what_a_key_is_refused_for() -> None:
    async with running("bybit") as server, bybit_client(server) as client:
        (key,) = server.exchange.accounts["main"].keys

        async def code() -> int:
            return (await client.buy("a")).code

        client.key = "other"
        assert await code() == 10003
        client.key, client.secret = "K", "other"
        assert await code() == 10004
        client.secret, key.expired = "S", True
        assert await code() == 33004
        key.expired, key.allowed_ips = False, frozenset({"10.0.0.1"})
        assert await code() == 10010
        key.allowed_ips, key.permissions = frozenset({"127.0.0.1"}), frozenset({"read"})
        assert await code() == 10005
        assert (await client.get("/v5/account/info")).code == 0
        assert not server.exchange.counts.orders


async def test_unknown_paths_are_not_found() -> None:
    async with running("bybit") as server, bybit_client(server) as client:
        assert (await client.get("/v6/nothing")).status == 404
        assert server.exchange.counts.requests["unknown"] == 1


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"qty": "0.0005"}, 10001),
        ({"qty": "0.0105"}, 10001),
        ({"qty": "0"}, 10001),
        ({"qty": "abc"}, 10001),
        ({"qty": "120"}, 10001),
        ({"symbol": "NOPEUSDT"}, 10001),
        ({"symbol": "DOGEUSDT", "qty": "10"}, 110094),
        ({"qty": "100"}, 110007),
        ({"reduceOnly": True}, 110017),
        ({"positionIdx": 1}, 10001),
        ({"side": "Up"}, 10001),
        ({"category": "spot"}, 10001),
        ({"orderLinkId": "x" * 37}, 10001),
        ({"orderLinkId": "used"}, 110072),
    ],
)
async def test_what_an_order_is_refused_for(changes: dict[str, Any], code: int) -> None:
    async with running("bybit") as server, bybit_client(server) as client:
        await client.buy("used", "0.001")
        await client.post("/v5/order/create", **BTC, side="Sell", orderType="Market", qty="0.001")
        answer = await client.buy("new", **changes)
        assert (answer.status, answer.code) == (200, code), answer.text
        assert server.exchange.counts.orders == 2


async def test_settings_and_their_refusals() -> None:
    async with running("bybit") as server, bybit_client(server) as client:
        account = server.exchange.accounts["main"]

        async def leverage(buy: str, sell: str | None = None) -> int:
            found = await client.post(
                "/v5/position/set-leverage", **BTC, buyLeverage=buy, sellLeverage=sell or buy
            )
            return found.code

        assert [await leverage("5"), await leverage("5"), await leverage("101")] == [0, 110043, 110013]
        assert await leverage("0.5") == 10001
        assert await leverage("3", "4") == 10001
        assert account.leverage("BTCUSDT") == 5

        async def margin(mode: str) -> Answer:
            return await client.post("/v5/account/set-margin-mode", setMarginMode=mode)

        async def switch(mode: int, **where: object) -> int:
            return (await client.post("/v5/position/switch-mode", **LINEAR, mode=mode, **where)).code

        assert (await margin("ISOLATED_MARGIN")).code == 0
        assert (await margin("ISOLATED_MARGIN")).code == 110026
        assert account.default_margin_mode is MarginMode.ISOLATED
        assert await switch(0, coin="USDT") == 110025
        await client.buy("a")
        refused = await margin("REGULAR_MARGIN")
        assert refused.code == 3400045
        assert refused.json["result"]["reasons"]
        assert await switch(3, symbol="BTCUSDT") == 110024
        assert await switch(3, symbol="ETHUSDT") == 0
        assert account.position_mode("ETHUSDT") is PositionMode.HEDGE
        assert account.position_mode("BTCUSDT") is PositionMode.ONE_WAY


async def test_hedge_mode() -> None:
    async with running("bybit") as server, bybit_client(server) as client:
        await client.post("/v5/position/switch-mode", **LINEAR, mode=3, coin="USDT")
        assert (await client.buy("a")).code == 10001
        assert (await client.buy("b", positionIdx=1)).code == 0
        assert (await client.buy("c", positionIdx=2, side="Sell")).code == 0
        rows = (await client.get("/v5/position/list", **BTC)).json["result"]["list"]
        assert [(r["positionIdx"], r["side"], r["size"]) for r in rows] == [
            (1, "Buy", "0.01"),
            (2, "Sell", "0.01"),
        ]
        assert (await client.buy("d", positionIdx=1, side="Sell", reduceOnly=True)).code == 0
        assert server.exchange.accounts["main"].size("BTCUSDT", PositionSide.LONG) == 0
        assert (await client.buy("e", positionIdx=1, side="Sell")).code == 110017


async def test_a_zero_quantity_with_close_on_trigger_closes_everything() -> None:
    async with running("bybit") as server, bybit_client(server) as client:
        await client.buy("a")
        answer = await client.buy("b", "0", side="Sell", reduceOnly=True, closeOnTrigger=True)
        assert answer.code == 0
        assert server.exchange.accounts["main"].size("BTCUSDT") == 0


async def test_flat_positions_are_rows_by_symbol_and_absent_in_lists() -> None:
    async with running("bybit") as server, bybit_client(server) as client:
        rows = (await client.get("/v5/position/list", **BTC)).json["result"]["list"]
        assert [(row["side"], row["size"], row["avgPrice"]) for row in rows] == [("", "0", "0")]
        listed = await client.get("/v5/position/list", **LINEAR, settleCoin="USDT")
        assert listed.json["result"]["list"] == []
        assert (await client.get("/v5/position/list", **LINEAR)).code == 10001


async def test_lists_are_paged() -> None:
    async with running("bybit", balance=D(10_000_000)) as server, bybit_client(server) as client:
        account = server.exchange.accounts["main"]
        for instrument in server.exchange.market.instruments.values():
            server.exchange.trade_by_hand(account, instrument.symbol, instrument.min_size * 200)

        async def pages(path: str, name: str, **parameters: object) -> list[list[str]]:
            found, cursor = [], ""
            while True:
                answer = await client.get(path, **LINEAR, **parameters, cursor=cursor)
                found.append([row[name] for row in answer.json["result"]["list"]])
                cursor = answer.json["result"]["nextPageCursor"]
                if not cursor:
                    return found

        everything = list(server.exchange.market.instruments)
        for path, parameters in (
            ("/v5/position/list", {"settleCoin": "USDT"}),
            ("/v5/market/instruments-info", {"limit": 20}),
            ("/v5/order/history", {}),
        ):
            found = await pages(path, "symbol", **parameters)
            assert [len(page) for page in found] == [20, 5]
            assert sorted(found[0] + found[1]) == sorted(everything)
        assert (await client.get("/v5/market/instruments-info", **LINEAR, limit=2000)).code == 10001


async def test_orders_are_found_by_client_id_and_in_history() -> None:
    async with running("bybit") as server, bybit_client(server) as client:
        server.faults.add(Fault(kind=FaultKind.LATE_FILL, route="order"))
        await client.buy("open")
        await client.buy("done")

        async def links(path: str, **parameters: object) -> list[str]:
            answer = await client.get(path, **BTC, **parameters)
            return [row["orderLinkId"] for row in answer.json["result"]["list"]]

        assert await links("/v5/order/realtime") == ["open"]
        assert await links("/v5/order/realtime", orderLinkId="done") == ["done"]
        assert await links("/v5/order/realtime", orderLinkId="never") == []
        assert await links("/v5/order/history") == ["done"]
        assert await links("/v5/order/history", orderStatus="Cancelled") == []
        cancelled = await client.post("/v5/order/cancel", **BTC, orderLinkId="open")
        assert (cancelled.code, cancelled.json["result"]["orderLinkId"]) == (0, "open")
        assert await links("/v5/order/history", orderStatus="Cancelled") == ["open"]
        for link in ("open", "done", "never"):
            assert (await client.post("/v5/order/cancel", **BTC, orderLinkId=link)).code == 110001
        for link in ("first", "second"):
            await client.buy(link, orderType="Limit", price="30000")
        cancelled = await client.post("/v5/order/cancel-all", category="linear", settleCoin="USDT")
        assert [row["orderLinkId"] for row in cancelled.json["result"]["list"]] == ["first", "second"]
        assert await links("/v5/order/realtime") == []


# --- shapes -----------------------------------------------------------------------------------------------------


def shape(value: object) -> object:
    """Return names and JSON types, recursively; of a list, its first element."""
    if isinstance(value, dict):
        return {name: shape(part) for name, part in sorted(value.items())}
    if isinstance(value, list):
        return [shape(value[0])] if value else []
    return type(value).__name__


def row(answer: Any) -> Any:
    return answer["result"]["list"][0]


def last_coin(wallet: dict[str, Any]) -> dict[str, Any]:
    return {**wallet, "coin": wallet["coin"][-1:]}


SHAPES: list[tuple[str, str, dict[str, str], Callable[[Any], Any]]] = [
    ("instruments.linear (6", "/v5/market/instruments-info", BTC, row),
    ("tickers.linear BTCUSDT", "/v5/market/tickers", BTC, row),
    ("positions LTC long", "/v5/position/list", BTC, row),
    ("position LTC flat", "/v5/position/list", {**LINEAR, "symbol": "ETHUSDT"}, row),
    ("order history: two filled", "/v5/order/history", LINEAR, row),
    ("account info", "/v5/account/info", {}, lambda answer: answer["result"]),
    ("server time", "/v5/market/time", {}, lambda answer: answer),
    (
        "balance UTA (availableToWithdraw empty)",
        "/v5/account/wallet-balance",
        {"accountType": "UNIFIED"},
        lambda answer: last_coin(row(answer)),
    ),
]


@pytest.mark.parametrize(("name", "path", "parameters", "part"), SHAPES, ids=[case[0] for case in SHAPES])
async def test_an_answer_has_the_shape_of_the_recorded_one(
    name: str, path: str, parameters: dict[str, str], part: Callable[[Any], Any]
) -> None:
    async with running("bybit") as server, bybit_client(server) as client:
        await client.buy("a")
        answer = (await client.get(path, **parameters)).json
        recorded = samples.response("bybit", name)
        assert shape(part(answer)) == shape(part(recorded))
        assert set(answer) == {"retCode", "retMsg", "result", "retExtInfo", "time"} >= set(recorded)


@pytest.mark.parametrize("symbol", ["BTCUSDT", "ETHUSDT", "LTCUSDT", "ADAUSDT", "XRPUSDT", "DOGEUSDT"])
async def test_contracts_that_were_recorded_are_answered_as_recorded(symbol: str) -> None:
    recorded = samples.response("bybit", "instruments.linear (6")["result"]["list"]
    async with running("bybit") as server, bybit_client(server) as client:
        answer = await client.get("/v5/market/instruments-info", **LINEAR, symbol=symbol)
        assert row(answer.json) == next(found for found in recorded if found["symbol"] == symbol)


async def test_the_recorded_ticker_s_price_is_where_btc_starts() -> None:
    recorded = row(samples.response("bybit", "tickers.linear BTCUSDT"))
    async with running("bybit") as server, bybit_client(server) as client:
        answer = row((await client.get("/v5/market/tickers", **BTC)).json)
        assert D(answer["lastPrice"]) == D(recorded["lastPrice"])


async def test_there_are_twenty_five_contracts_that_can_be_traded() -> None:
    async with running("bybit", balance=D(10_000_000)) as server:
        account = server.exchange.accounts["main"]
        for instrument in server.exchange.market.instruments.values():
            size = max(
                instrument.min_size, D(6) / instrument.price // instrument.size_step * instrument.size_step
            )
            size += instrument.size_step * (instrument.notional(size, instrument.price) < 5)
            server.exchange.trade_by_hand(account, instrument.symbol, size)
        assert len(account.held()) == 25


async def test_isolated_accounts_have_no_account_wide_rates() -> None:
    async with running("bybit") as server, bybit_client(server) as client:
        await client.post("/v5/account/set-margin-mode", setMarginMode="ISOLATED_MARGIN")
        await client.buy("a")
        wallet = row((await client.get("/v5/account/wallet-balance", accountType="UNIFIED")).json)
        assert (wallet["accountIMRate"], wallet["totalInitialMargin"]) == ("", "")
        assert wallet["coin"][0]["totalPositionIM"] == "51.4444"
        position = row((await client.get("/v5/position/list", **BTC)).json)
        assert (position["positionIM"], position["positionBalance"]) == ("51.4444", "51.4444")


async def test_equity_and_profit_follow_the_mark() -> None:
    async with running("bybit") as server, bybit_client(server) as client:
        await client.buy("a")
        server.exchange.set_price("BTCUSDT", D("51544.40"))
        wallet = row((await client.get("/v5/account/wallet-balance", accountType="UNIFIED")).json)
        fee = D("514.444") * D("0.00055")
        assert D(wallet["coin"][0]["unrealisedPnl"]) == 1
        assert D(wallet["coin"][0]["equity"]) == round(10_001 - fee, 8)
        assert D(wallet["coin"][0]["walletBalance"]) == round(10_000 - fee, 8)


async def test_permissions_and_addresses_of_the_key_are_reported() -> None:
    async with running("bybit") as server, bybit_client(server) as client:
        (key,) = server.exchange.accounts["main"].keys
        key.permissions = frozenset({"read", "trade", "withdraw"})
        info = (await client.get("/v5/user/query-api")).json["result"]
        recorded = samples.response("bybit", "api key info")["result"]
        assert info["permissions"]["ContractTrade"] == ["Order", "Position"]
        assert "Withdraw" in info["permissions"]["Wallet"]
        assert (info["readOnly"], info["ips"]) == (0, ["*"])
        assert {name: type(value) for name, value in info.items()}.items() <= {
            name: type(value) for name, value in recorded.items()
        }.items()


# --- streams ----------------------------------------------------------------------------------------------------


async def test_pushes_have_the_shape_of_the_recorded_ones() -> None:
    topics = {"position": "ws position push", "execution": "ws execution push", "wallet": "ws wallet push"}
    async with (
        running("bybit") as server,
        bybit_client(server) as client,
        bybit_socket(server, "/v5/private", "position", "order", "execution", "wallet") as socket,
    ):
        await client.buy("a")
        pushed: dict[str, Any] = {}
        while len(pushed) < 4:
            message = await socket.receive_json()
            pushed[message["topic"]] = message
        for topic, name in topics.items():
            recorded = samples.response("bybit", name)
            assert set(pushed[topic]) == set(recorded)
            assert set(pushed[topic]["data"][0]) >= set(recorded["data"][0]) - {"accountIMRateByMp"}
        order = pushed["order"]["data"][0]
        assert (order["category"], order["orderStatus"], order["orderLinkId"]) == ("linear", "Filled", "a")
        assert pushed["position"]["data"][0]["entryPrice"] == "51444.4"


async def test_tickers_are_a_snapshot_and_then_what_changed() -> None:
    async with (
        running("bybit") as server,
        bybit_socket(server, "/v5/public/linear", "tickers.BTCUSDT", login=False) as socket,
    ):
        first = await socket.receive_json()
        assert (first["type"], first["data"]["markPrice"]) == ("snapshot", "51444.4")
        server.exchange.set_price("ETHUSDT", D(3_100))
        server.exchange.set_price("BTCUSDT", D(52_000))
        second = await socket.receive_json()
        assert (second["type"], second["data"]["markPrice"]) == ("delta", "52000")
        assert "fundingRate" not in second["data"]
        assert second["cs"] > first["cs"]


async def test_streams_refuse_what_they_do_not_know() -> None:
    async with running("bybit") as server, bybit_socket(server, "/v5/private", login=False) as socket:
        for topic in ("position", "weather"):
            await socket.send_json({"op": "subscribe", "args": [topic]})
            answer = await socket.receive_json()
            assert (answer["success"], answer["ret_msg"]) == (False, f"Invalid topic: {topic}")
        await socket.send_str("nonsense")
        assert (await socket.receive_json())["success"] is False


async def test_streams_are_for_their_own_account_only() -> None:
    async with (
        running("bybit") as server,
        bybit_client(server) as client,
        bybit_socket(server, "/v5/private", "order") as socket,
    ):
        server.exchange.open_account("second", key="K2", secret="S2")
        await BybitClient(client.session, server, key="K2", secret="S2").buy("theirs")
        await client.buy("mine")
        assert (await socket.receive_json())["data"][0]["orderLinkId"] == "mine"


@pytest.mark.parametrize(
    ("key", "secret", "offset", "code"),
    [("K", "S", 1_000, None), ("K", "S", -1, 10002), ("K", "no", 1_000, 10004), ("no", "S", 1_000, 10003)],
)
async def test_what_a_login_is_refused_for(key: str, secret: str, offset: int, code: int | None) -> None:
    async with running("bybit") as server, bybit_socket(server, "/v5/private", login=False) as socket:
        expires = str(server.exchange.clock.ms() + offset)
        arguments = [key, expires, sign_stream(secret, expires=expires)]
        await socket.send_json({"op": "auth", "args": arguments, "req_id": "7"})
        answer = await socket.receive_json()
        assert (answer["success"], answer.get("retCode"), answer["req_id"]) == (code is None, code, "7")


async def test_an_order_over_the_trade_stream() -> None:
    async with (
        running("bybit") as server,
        bybit_socket(server, "/v5/trade") as socket,
    ):

        async def create(link: str, *, offset: int = 0) -> Any:
            now = str(server.exchange.clock.ms() + offset)
            order = {**BTC, "side": "Buy", "orderType": "Market", "qty": "0.01", "orderLinkId": link}
            header = {"X-BAPI-TIMESTAMP": now, "X-BAPI-RECV-WINDOW": "5000"}
            request = {"reqId": link, "op": "order.create", "args": [order], "header": header}
            await socket.send_json(request)
            return await socket.receive_json()

        accepted = await create("a")
        assert (accepted["retCode"], accepted["reqId"], accepted["data"]["orderLinkId"]) == (0, "a", "a")
        assert (await create("a"))["retCode"] == 110072
        assert (await create("b", offset=-9_000))["retCode"] == 10002
        server.faults.add(Fault(kind=FaultKind.SERVER_ERROR, route="order", accepted=True))
        assert (await create("c"))["retCode"] == 10016
        assert server.exchange.accounts["main"].size("BTCUSDT") == D("0.02")
        assert server.exchange.counts.requests["order"] == 4


async def test_every_error_of_the_core_has_a_code() -> None:
    kinds = {
        kind
        for kind in vars(errors).values()
        if isinstance(kind, type) and issubclass(kind, errors.DomainError) and not kind.__subclasses__()
    }
    foreign = {
        errors.BadPassphrase,
        errors.RepeatedNonce,
        errors.MarginModeMismatch,
        errors.LeverageMismatch,
        errors.PositionNotFound,
        errors.UnknownRoute,
    }
    assert kinds - set(CODES) == foreign
    assert json.dumps([code for code, _ in CODES.values()])


async def test_answers_name_no_account_but_the_caller_s() -> None:
    async with running("bybit") as server, bybit_client(server) as client:
        server.exchange.open_account("second", key="K2", secret="S2", balance=D(500))
        second = BybitClient(client.session, server, key="K2", secret="S2")
        await client.buy("a")
        positions = await second.get("/v5/position/list", **LINEAR, settleCoin="USDT")
        assert positions.json["result"]["list"] == []
        assert (
            row((await second.get("/v5/account/wallet-balance", accountType="UNIFIED")).json)["totalEquity"]
            == "500"
        )
        assert (await second.buy("a", "0.001")).code == 0
