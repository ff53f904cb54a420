"""KuCoin's signatures, envelopes and refusals, as any client sees them."""

from __future__ import annotations

import time
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from te_emulators.core.clock import ExchangeClock
from te_emulators.core.faults import Fault, FaultKind, FaultScript
from te_emulators.core.modes import PositionMode
from te_emulators.kucoin.client import client
from te_emulators.kucoin.signature import sign, sign_passphrase
from tests.samples.reader import response

pytestmark = pytest.mark.real_clock

BTC = "XBTUSDTM"


@pytest.mark.parametrize(
    ("method", "path", "body", "expected"),
    [
        ("GET", "/api/v1/positions?currency=USDT", b"", "yDdQ9eOuilD5w2wGaaTl+9Uly3Q+DOTSFE9SKUNp0sg="),
        ("POST", "/api/v1/orders", b'{"symbol":"XBTUSDTM"}', "rsrMvIrlrwrXmALJb+zCXTkVXdeMT1n4uNxppO3gaUQ="),
    ],
)
def test_signatures_are_those_of_the_exchange(method: str, path: str, body: bytes, expected: str) -> None:
    assert sign("S", timestamp="1700000000000", method=method, path=path, body=body) == expected


def test_the_passphrase_is_signed_too() -> None:
    assert sign_passphrase("S", "P") == "fQv7SravblumHpqG+O1AOj1c9fC9wYZZUoDPLDYnUZw="


# --- who asks --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["KC-API-KEY", "KC-API-SIGN", "KC-API-TIMESTAMP", "KC-API-PASSPHRASE"])
async def test_every_header_is_needed(name: str) -> None:
    async with client() as kucoin:
        answer = await kucoin.ask("GET", "/api/v1/positions", headers={name: ""})
    assert answer.body == response("kucoin", "missing auth headers")
    assert answer.status == 401


@pytest.mark.parametrize(
    ("part", "code"), [("key", "400003"), ("secret", "400004"), ("passphrase", "400004")]
)
async def test_wrong_credentials(part: str, code: str) -> None:
    async with client() as kucoin:
        setattr(kucoin, part, "wrong")
        assert (await kucoin.ask("GET", "/api/v1/positions")).code == code


async def test_the_signature_covers_query_and_body() -> None:
    async with client() as kucoin:
        signed = kucoin.signed("GET", "/api/v1/account-overview?currency=XBT", "")
        answer = await kucoin.ask("GET", "/api/v1/account-overview?currency=USDT", headers=signed)
        assert (answer.code, answer.status) == ("400005", 401)
        signed = kucoin.signed("POST", "/api/v1/orders", "{}")
        answer = await kucoin.ask("POST", "/api/v1/orders", {"size": 1}, headers=signed)
        assert answer.code == "400005"


async def test_passphrases_of_old_keys_come_in_clear() -> None:
    async with client() as kucoin:
        old = {"KC-API-KEY-VERSION": "", "KC-API-PASSPHRASE": "P"}
        assert (await kucoin.ask("GET", "/api/v1/positions", headers=old)).code == "200000"
        newest = {"KC-API-KEY-VERSION": "3"}
        assert (await kucoin.ask("GET", "/api/v1/positions", headers=newest)).code == "200000"
        wrong = {"KC-API-PASSPHRASE": "P"}
        assert (await kucoin.ask("GET", "/api/v1/positions", headers=wrong)).code == "400004"


@pytest.mark.parametrize(
    ("ahead", "code"), [(4500, "200000"), (-4500, "200000"), (5500, "400002"), (-5500, "400002")]
)
async def test_the_time_window_is_five_seconds_either_way(ahead: int, code: str) -> None:
    async with client() as kucoin:
        kucoin.emulator.exchange.clock.skew_ms = ahead
        assert (await kucoin.ask("GET", "/api/v1/positions")).code == code


async def test_addresses_and_permissions() -> None:
    async with client() as kucoin:
        key = kucoin.emulator.exchange.keys["K"][0]
        key.permissions = frozenset({"read"})
        assert (await kucoin.order()).code == "400007"
        assert (await kucoin.ask("GET", "/api/v1/positions")).code == "200000"
        key.allowed_ips = frozenset({"203.0.113.7"})
        assert (await kucoin.ask("GET", "/api/v1/positions")).code == "400006"


async def test_errors_may_come_with_http_200() -> None:
    async with client() as kucoin:
        kucoin.emulator.always_ok = True
        kucoin.key = "wrong"
        answer = await kucoin.ask("GET", "/api/v1/positions")
        assert (answer.status, answer.code) == (200, "400003")


async def test_unknown_paths() -> None:
    async with client() as kucoin:
        answer = await kucoin.ask("GET", "/api/v9/positions")
        assert (answer.status, answer.code) == (404, "404000")


# --- what is refused of orders ---------------------------------------------------------------------------------

REFUSALS: list[tuple[dict[str, Any], str, str]] = [
    ({"clientOid": None}, "400100", "clientOid is missing"),
    ({"clientOid": "x" * 41}, "400100", "clientOid parameter invalid"),
    ({"clientOid": "a b"}, "400100", "clientOid parameter invalid"),
    ({"symbol": "BTCUSDTM"}, "100003", "Contract parameter invalid"),
    ({"side": "long"}, "400100", "side must be one of buy, sell"),
    ({"size": 0}, "400100", "The quantity is below the minimum requirement."),
    ({"size": 1.5}, "400100", "Order size increment invalid."),
    ({"size": 1_000_001}, "300000", "request parameter illegal"),
    ({"size": None}, "400100", "exactly one of size, qty and valueQty must be given"),
    ({"qty": "0.001"}, "400100", "exactly one of size, qty and valueQty must be given"),
    ({"leverage": None}, "100001", "Leverage parameter invalid."),
    ({"leverage": 126}, "300016", "leverage 126 is above 125"),
    ({"marginMode": "CROSS"}, "330005", "The order's margin mode does not match the selected one. "),
    ({"positionSide": "LONG"}, "330011", "The order's position mode does not match your selected mode. "),
    ({"reduceOnly": True}, "300009", "Current position size: 0, unable to close the position."),
    ({"closeOrder": True}, "300009", "Current position size: 0, unable to close the position."),
    ({"size": 1000, "leverage": 5}, "300003", ""),
    ({"type": "limit", "price": "90000"}, "300011", "Order price cannot be higher than 88702.845"),
    (
        {"type": "limit", "price": "70000", "side": "sell"},
        "300012",
        "Order price cannot be lower than 80254.955",
    ),
    ({"symbol": "PROMPTUSDTM", "size": 10_001}, "300000", "request parameter illegal"),
]


@pytest.mark.parametrize(("parts", "code", "text"), REFUSALS, ids=lambda value: str(value)[:40])
async def test_refused_orders(parts: dict[str, Any], code: str, text: str) -> None:
    async with client() as kucoin:
        answer = await kucoin.order(**parts)
        assert (answer.code, answer.text[: len(text)]) == (code, text)
        assert kucoin.emulator.exchange.counts.orders == 0


async def test_a_client_order_id_is_used_once() -> None:
    async with client() as kucoin:
        assert (await kucoin.order()).code == "200000"
        assert (await kucoin.order(side="sell")).code == "300018"
        assert kucoin.emulator.exchange.accounts["main"].size(BTC) == 1


async def test_orders_by_value_and_by_coin() -> None:
    async with client() as kucoin:
        await kucoin.order(size=None, valueQty="1000")
        assert kucoin.emulator.exchange.accounts["main"].size(BTC) == 11  # 1000 / 84.477, cut off
        await kucoin.order(clientOid="c2", size=None, qty="0.0059")
        assert kucoin.emulator.exchange.accounts["main"].size(BTC) == 16


async def test_each_order_brings_its_own_leverage() -> None:
    async with client() as kucoin:
        await kucoin.order(size=2, leverage=2)
        await kucoin.order(clientOid="c2", size=1, leverage=3)
        row = (await kucoin.ask("GET", f"/api/v1/position?symbol={BTC}")).data
        margin = Decimal("84.477") * 2 / 2 + Decimal("84.477") / 3
        assert row["posMargin"] == pytest.approx(float(margin))
        assert row["realLeverage"] == row["leverage"] == 2.25, "of the whole, neither 2 nor 3"


async def test_the_leverage_of_a_position_drifts_with_its_profit() -> None:
    async with client() as kucoin:
        await kucoin.order(leverage=5)
        kucoin.emulator.exchange.set_price(BTC, Decimal(90_000))
        row = (await kucoin.ask("GET", "/api/v1/positions")).data[0]
        assert row["realLeverage"] == pytest.approx(90 / (84.477 / 5 + 90 - 84.477), abs=0.01)


async def test_closing_takes_the_whole_position() -> None:
    async with client() as kucoin:
        await kucoin.order(size=7, side="sell")
        answer = await kucoin.ask(
            "POST", "/api/v1/orders", {"clientOid": "c2", "symbol": BTC, "closeOrder": True, "type": "market"}
        )
        assert answer.code == "200000"
        assert (await kucoin.ask("GET", "/api/v1/positions")).data == []


async def test_resting_orders_are_listed_found_and_cancelled() -> None:
    async with client() as kucoin:
        order_id = (await kucoin.order(type="limit", price="82000")).data["orderId"]
        active = (await kucoin.ask("GET", f"/api/v1/orders?status=active&symbol={BTC}")).data
        assert [row["id"] for row in active["items"]] == [order_id]
        assert (await kucoin.ask("GET", f"/api/v1/orders/{order_id}")).data["clientOid"] == "c1"
        by_client_id = (await kucoin.ask("GET", "/api/v1/orders/byClientOid?clientOid=c1")).data
        assert (by_client_id["id"], by_client_id["isActive"], by_client_id["status"]) == (
            order_id,
            True,
            "open",
        )
        gone = await kucoin.ask("DELETE", f"/api/v1/orders/client-order/c1?symbol={BTC}")
        assert gone.data == {"clientOid": "c1"}
        for path in (f"/api/v1/orders/{order_id}", "/api/v1/orders/1"):
            assert (await kucoin.ask("DELETE", path)).code == "100004"
        done = (await kucoin.ask("GET", "/api/v1/recentDoneOrders")).data
        assert [(row["id"], row["cancelExist"]) for row in done] == [(order_id, True)]
        for version in (1, 3):
            order_id = (await kucoin.order(clientOid=f"again{version}", type="limit", price="82000")).data[
                "orderId"
            ]
            gone = await kucoin.ask("DELETE", f"/api/v{version}/orders?symbol={BTC}")
            assert gone.data == {"cancelledOrderIds": [order_id]}


@pytest.mark.parametrize("null", [False, True])
async def test_an_unknown_order_is_an_error_or_nothing(null: bool) -> None:
    async with client() as kucoin:
        kucoin.emulator.unknown_order_is_null = null
        answer = await kucoin.ask("GET", "/api/v1/orders/byClientOid?clientOid=none")
        expected = {"code": "200000", "data": None}
        assert answer.body == (
            expected if null else {"code": "100001", "msg": "error.getOrder.orderNotExist"}
        )


async def test_order_lists_come_in_pages() -> None:
    async with client() as kucoin:
        for number in range(3):
            await kucoin.order(clientOid=f"c{number}")
        page = (await kucoin.ask("GET", "/api/v1/orders?status=done&pageSize=2&currentPage=2")).data
        assert [row["clientOid"] for row in page["items"]] == ["c0"]
        assert (page["totalNum"], page["totalPage"]) == (3, 2)
        assert (await kucoin.ask("GET", "/api/v1/orders?pageSize=1001")).code == "400100"


# --- settings --------------------------------------------------------------------------------------------------


async def test_the_margin_mode_belongs_to_the_contract() -> None:
    async with client() as kucoin:
        change = {"symbol": BTC, "marginMode": "CROSS"}
        assert (await kucoin.ask("POST", "/api/v2/position/changeMarginMode", change)).data == change
        assert (await kucoin.ask("GET", f"/api/v2/position/getMarginMode?symbol={BTC}")).data == change
        assert (await kucoin.ask("POST", "/api/v2/position/changeMarginMode", change)).code == "200000"
        assert (await kucoin.order()).code == "330005"
        assert (await kucoin.order(marginMode="CROSS", leverage=None)).code == "200000"
        row = (await kucoin.ask("GET", "/api/v1/positions")).data[0]
        assert (row["crossMode"], row["leverage"]) == (True, 3)
        assert "realLeverage" not in row


async def test_the_margin_mode_stays_while_the_contract_is_in_use() -> None:
    async with client() as kucoin:
        await kucoin.order()
        refused = await kucoin.ask(
            "POST", "/api/v2/position/changeMarginMode", {"symbol": BTC, "marginMode": "CROSS"}
        )
        assert refused.body == {"code": "50002", "msg": "exist.order.or.position"}
        several = {"symbols": [BTC, "ETHUSDTM"], "marginMode": "CROSS"}
        answer = await kucoin.ask("POST", "/api/v2/position/batchChangeMarginMode", several)
        assert answer.code == "200000", "the refusal stands inside"
        assert answer.data == {
            "marginMode": {BTC: "ISOLATED", "ETHUSDTM": "CROSS"},
            "errors": [{"code": "50002", "msg": "exist.order.or.position", "symbol": BTC}],
        }


async def test_cross_leverage_is_set_per_contract() -> None:
    async with client() as kucoin:
        change = {"symbol": BTC, "leverage": "7"}
        assert (await kucoin.ask("POST", "/api/v2/changeCrossUserLeverage", change)).data is True
        assert (await kucoin.ask("GET", f"/api/v2/getCrossUserLeverage?symbol={BTC}")).data == change
        assert (await kucoin.ask("POST", "/api/v2/changeCrossUserLeverage", change)).data is True
        refused = await kucoin.ask("POST", "/api/v2/changeCrossUserLeverage", change | {"leverage": "126"})
        assert (refused.code, refused.text) == ("300016", "The leverage cannot be greater than 125.")


async def test_hedge_mode_holds_two_positions() -> None:
    async with client() as kucoin:
        answer = await kucoin.ask("POST", "/api/v2/position/switchPositionMode", {"positionMode": "1"})
        assert answer.data == {"positionMode": 1}
        assert (await kucoin.order()).code == "330011"
        assert (await kucoin.order(positionSide="LONG")).code == "200000"
        assert (await kucoin.order(clientOid="c2", positionSide="SHORT", side="sell")).code == "200000"
        rows = (await kucoin.ask("GET", "/api/v1/positions")).data
        assert [(row["positionSide"], row["currentQty"]) for row in rows] == [("LONG", 1), ("SHORT", -1)]
        back = await kucoin.ask("POST", "/api/v2/position/switchPositionMode", {"positionMode": "0"})
        assert back.code == "50002"
        assert kucoin.emulator.exchange.accounts["main"].default_position_mode is PositionMode.HEDGE


# --- limits and trouble ----------------------------------------------------------------------------------------


async def test_a_pool_is_empty_until_its_thirty_seconds_are_over() -> None:
    now = [1000.0]
    async with client(clock=ExchangeClock(time.time, lambda: now[0])) as kucoin:
        first = await kucoin.ask("GET", "/api/v1/allTickers")
        assert first.headers["gw-ratelimit-limit"] == "2000"
        assert first.headers["gw-ratelimit-remaining"] == "1995"
        now[0] += 29.0
        for _ in range(399):
            await kucoin.ask("GET", "/api/v1/allTickers")
        refused = await kucoin.ask("GET", "/api/v1/allTickers")
        assert (refused.status, refused.code) == (429, "429000")
        assert refused.headers["gw-ratelimit-remaining"] == "0"
        assert int(refused.headers["gw-ratelimit-reset"]) == pytest.approx(1000, abs=1)
        assert (await kucoin.order()).code == "200000", "other pools are not touched"
        now[0] += 1.5
        again = await kucoin.ask("GET", "/api/v1/allTickers")
        assert again.headers["gw-ratelimit-remaining"] == "1995", "the whole pool is back at once"


async def test_requests_have_their_weights() -> None:
    async with client() as kucoin:
        answer = await kucoin.order()
        assert answer.headers["gw-ratelimit-remaining"] == "1998"
        answer = await kucoin.ask("GET", "/api/v1/account-overview?currency=USDT")
        assert answer.headers["gw-ratelimit-remaining"] == "1993"
        answer = await kucoin.ask("GET", "/api/v1/positions")
        assert answer.headers["gw-ratelimit-remaining"] == "1991"


async def test_an_overloaded_exchange_states_no_limits() -> None:
    async with client(faults=FaultScript([Fault(kind=FaultKind.RATE_LIMITED)])) as kucoin:
        answer = await kucoin.ask("GET", "/api/v1/positions")
        assert (answer.status, answer.code) == (429, "429000")
        assert "gw-ratelimit-reset" not in answer.headers


async def test_maintenance_and_server_errors() -> None:
    faults = [Fault(kind=FaultKind.MAINTENANCE, times=2), Fault(kind=FaultKind.SERVER_ERROR)]
    async with client(faults=FaultScript(faults)) as kucoin:
        kucoin.emulator.faults.clear()
        kucoin.emulator.faults.add(faults[0])
        assert (await kucoin.order()).code == "300002"
        assert (await kucoin.ask("GET", "/api/v1/positions")).status == 503
        kucoin.emulator.faults.add(faults[1])
        answer = await kucoin.ask("GET", "/api/v1/positions")
        assert (answer.status, answer.code) == (500, "500000")


async def test_halted_contracts_accept_no_orders() -> None:
    async with client() as kucoin:
        market = kucoin.emulator.exchange.market
        market.add(replace(market.instrument(BTC), tradable=False))
        assert (await kucoin.order()).code == "300002"
        rows = (await kucoin.ask("GET", "/api/v1/contracts/active")).data
        assert {row["status"] for row in rows if row["symbol"] == BTC} == {"Paused"}
