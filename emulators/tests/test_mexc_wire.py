"""MEXC's signatures, envelopes and refusals, as any client sees them."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from te_emulators.core.clock import ExchangeClock
from te_emulators.core.faults import Fault, FaultKind, FaultScript
from te_emulators.core.modes import PositionMode
from te_emulators.mexc.client import PRIVATE, PUBLIC, Client, client
from te_emulators.mexc.signature import sign, sorted_query
from te_emulators.mexc.unknowns import Duplicates

pytestmark = pytest.mark.real_clock

ASSETS = f"{PRIVATE}/account/assets"
MODE = f"{PRIVATE}/position/position_mode"
CHANGE_MODE = f"{PRIVATE}/position/change_position_mode"
LEVERAGE = f"{PRIVATE}/position/change_leverage"


@pytest.mark.parametrize(
    ("payload", "expected"),
    [
        (b"page_size=1&symbol=BTC_USDT", "00ba88fcc30530bb155e0b1a5048d1409f2d12f43bb51e175805dcd7d0d0e622"),
        (
            b'{"symbol":"BTC_USDT","vol":1}',
            "c54aa92eb406da14afdf24a9785bb82afdb78c665cb09fdf5ad71dcd7aa85122",
        ),
        (b"", "c4272c150eabaddca4bc088eb6f18a036de6edfd3c0f3e1a465fb915c37d707c"),
    ],
    ids=["query", "body", "login"],
)
def test_signatures_are_those_of_the_exchange(payload: bytes, expected: str) -> None:
    assert sign("S", key="K", timestamp="1700000000000", payload=payload) == expected


def test_the_query_is_signed_sorted() -> None:
    assert sorted_query("symbol=BTC_USDT&page_size=1") == b"page_size=1&symbol=BTC_USDT"
    assert sorted_query("") == b""


# --- who asks --------------------------------------------------------------------------------------------------


async def test_wrong_credentials_are_told_apart() -> None:
    async with client() as mexc:
        mexc.key = "other"
        assert (await mexc.get(ASSETS)).code == 401
        mexc.key, mexc.secret = "K", "other"
        assert (await mexc.get(ASSETS)).code == 602
        mexc.secret = "S"
        mexc.emulator.exchange.keys["K"][0].expired = True
        assert (await mexc.get(ASSETS)).code == 402
        assert (await mexc.get(f"{PUBLIC}/ping")).code == 0, "public routes ask nobody"


async def test_the_signature_covers_query_and_body() -> None:
    async with client() as mexc:
        history = f"{PRIVATE}/order/list/history_orders"
        asked = "symbol=BTC_USDT&page_size=1"
        assert (await mexc.get(history, asked, signs="page_size=1&symbol=BTC_USDT")).code == 0
        assert (await mexc.get(history, asked, signs="page_size=2&symbol=BTC_USDT")).code == 602
        assert (await mexc.post(CHANGE_MODE, {"positionMode": 2}, signs='{"positionMode": 2}')).code == 0
        assert (await mexc.post(CHANGE_MODE, {"positionMode": 1}, signs='{"positionMode": 2}')).code == 602


@pytest.mark.parametrize(
    ("ahead", "window", "code"),
    [
        (9500, "", 0),
        (-9500, "", 0),
        (10500, "", 513),
        (-10500, "", 513),
        (50_000, "60", 0),
        (62_000, "90", 513),
    ],
)
async def test_the_time_window_is_ten_seconds_or_what_the_request_says(
    ahead: int, window: str, code: int
) -> None:
    async with client() as mexc:
        mexc.emulator.exchange.clock.skew_ms = ahead
        mexc.headers = {"Recv-Window": window} if window else {}
        assert (await mexc.get(ASSETS)).code == code


async def test_addresses_and_rights() -> None:
    async with client() as mexc:
        key = mexc.emulator.exchange.keys["K"][0]
        key.allowed_ips = frozenset({"203.0.113.7"})
        assert (await mexc.get(ASSETS)).code == 406
        key.allowed_ips, key.permissions = None, frozenset({"read"})
        assert (await mexc.order()).code == 704
        assert (await mexc.get(ASSETS)).code == 0
        key.permissions = frozenset({"trade"})
        assert (await mexc.get(ASSETS)).code == 701
        assert (await mexc.get(f"{PRIVATE}/position/open_positions")).code == 703


async def test_unknown_paths() -> None:
    async with client() as mexc:
        assert (await mexc.get("/api/v1/private/nothing")).status == 404


# --- orders ----------------------------------------------------------------------------------------------------

REFUSALS: list[tuple[dict[str, Any], int]] = [
    ({"symbol": "XXX_USDT"}, 1001),
    ({"symbol": "BULLCOIN_USDT"}, 1002),
    ({"vol": 0}, 2011),
    ({"vol": 1.5}, 2015),
    ({"vol": 400_001}, 2028),
    ({"vol": 10_000}, 2005),
    ({"side": 5}, 600),
    ({"openType": 3}, 600),
    ({"type": 7}, 600),
    ({"leverage": None}, 600),
    ({"leverage": 0}, 2006),
    ({"leverage": 501}, 2006),
    ({"side": 4}, 2009),
    ({"side": 2}, 2009),
    ({"side": 4, "positionId": 7}, 2009),
    ({"positionMode": 1}, 2022),
    ({"externalOid": "x" * 33}, 2030),
]


@pytest.mark.parametrize(("parts", "code"), REFUSALS, ids=[f"{parts}" for parts, _ in REFUSALS])
async def test_orders_that_are_refused(parts: dict[str, Any], code: int) -> None:
    async with client() as mexc:
        answer = await mexc.order(**parts)
        assert (answer.status, answer.code, answer.body["success"]) == (200, code, False)
        assert answer.text
        assert mexc.account.orders == {}


async def test_orders_that_do_not_fit_the_open_position() -> None:
    async with client() as mexc:
        assert (await mexc.order()).code == 0
        assert (await mexc.order(leverage=6)).code == 2021
        assert (await mexc.order(openType=2)).code == 2027
        assert (await mexc.order(side=4, vol=11)).code == 2008
        assert (await mexc.order(side=2)).code == 2009
        assert mexc.account.size("BTC_USDT") == 10


async def test_an_account_that_may_not_trade() -> None:
    async with client() as mexc:
        mexc.emulator.forbidden.add("main")
        assert (await mexc.order()).code == 6001


@pytest.mark.parametrize(
    ("sides", "held"), [((1, 1), 20), ((3, 2), 0), ((1, 4), 0), ((1, 3), 0), ((3, 3), -20)], ids=str
)
async def test_sides_in_one_way_mode(sides: tuple[int, int], held: int) -> None:
    async with client() as mexc:
        for side in sides:
            assert (await mexc.order(side=side)).code == 0
        assert mexc.account.size("BTC_USDT") == held


async def test_one_order_may_turn_a_position_unless_it_only_reduces() -> None:
    async with client() as mexc:
        await mexc.order(vol=10)
        assert (await mexc.order(side=3, vol=15, reduceOnly=True)).code == 2008
        assert (await mexc.order(side=3, vol=15)).code == 0
        assert mexc.account.size("BTC_USDT") == -5


async def test_both_directions_in_hedge_mode() -> None:
    async with client() as mexc:
        assert (await mexc.post(CHANGE_MODE, {"positionMode": 1})).body == {"success": True, "code": 0}
        assert (await mexc.get(MODE)).data == 1
        await mexc.order(side=1, vol=10)
        await mexc.order(side=3, vol=4)
        assert [(row["positionType"], row["holdVol"]) for row in await mexc.positions()] == [(1, 10), (2, 4)]
        assert (await mexc.post(CHANGE_MODE, {"positionMode": 2})).code == 2019
        assert (await mexc.post(f"{PRIVATE}/position/close_all", {})).body == {"success": True, "code": 0}
        assert await mexc.positions() == []
        assert (await mexc.post(CHANGE_MODE, {"positionMode": 2})).code == 0
        assert mexc.account.default_position_mode is PositionMode.ONE_WAY


async def test_orders_are_found_by_both_ids_open_and_finished() -> None:
    async with client() as mexc:
        resting = (await mexc.order(type=1, price=70_000, externalOid="low")).data["orderId"]
        filled = (await mexc.order(externalOid="now")).data["orderId"]
        assert (await mexc.get(f"{PRIVATE}/order/get/{filled}")).data["state"] == 3
        assert (await mexc.get(f"{PRIVATE}/order/external/BTC_USDT/low")).data["orderId"] == resting
        assert (await mexc.get(f"{PRIVATE}/order/external/ETH_USDT/low")).code == 2040
        opened = (await mexc.get(f"{PRIVATE}/order/list/open_orders", "page_size=100")).data
        assert [(row["orderId"], row["state"]) for row in opened] == [(resting, 2)]
        done = (await mexc.get(f"{PRIVATE}/order/list/history_orders", "states=3&symbol=BTC_USDT")).data
        assert [row["orderId"] for row in done] == [filled]
        both = (await mexc.get(f"{PRIVATE}/order/batch_query", f"order_ids={resting},{filled}")).data
        assert [row["orderId"] for row in both] == [resting, filled]


async def test_each_cancelled_order_has_its_own_answer() -> None:
    async with client() as mexc:
        first = (await mexc.order(type=1, price=70_000)).data["orderId"]
        second = (await mexc.order(type=1, price=70_000, externalOid="low")).data["orderId"]
        answer = await mexc.post(f"{PRIVATE}/order/cancel", [first, first, "7"])
        assert [row["errorCode"] for row in answer.data] == [0, 2041, 2040]
        by_external = {"symbol": "BTC_USDT", "externalOid": "low"}
        assert (await mexc.post(f"{PRIVATE}/order/cancel_with_external", by_external)).code == 0
        assert (await mexc.get(f"{PRIVATE}/order/get/{second}")).data["state"] == 4
        assert (await mexc.post(f"{PRIVATE}/order/cancel_with_external", by_external)).code == 2041


async def test_an_accepted_order_may_end_unfilled() -> None:
    script = FaultScript(
        [
            Fault(kind=FaultKind.REJECTED_LATER, route="order", error="InsufficientMargin"),
            Fault(kind=FaultKind.PARTIAL_FILL, route="order", after=1, fraction=Decimal("0.3")),
        ]
    )
    async with client(faults=script) as mexc:
        endings = []
        for name in ("a", "b"):
            assert (await mexc.order(externalOid=name)).code == 0
            row = (await mexc.get(f"{PRIVATE}/order/external/BTC_USDT/{name}")).data
            endings.append((row["state"], row["errorCode"], row["dealVol"]))
        assert endings == [(5, 2, 0), (4, 0, 3)]


# --- positions and leverage --------------------------------------------------------------------------------------


async def test_every_opening_gives_its_orders_a_new_position_id() -> None:
    async with client() as mexc:
        numbers, orders = [], []
        for side, closing in ((1, 4), (3, 2), (1, 4)):
            orders.append((await mexc.order(side=side)).data["orderId"])
            (row,) = await mexc.positions()
            numbers.append(row["positionId"])
            assert (await mexc.order(side=closing, positionId=row["positionId"] + 1)).code == 2009
            orders.append((await mexc.order(side=closing, positionId=row["positionId"])).data["orderId"])
        assert numbers[0] < numbers[1] < numbers[2]
        named = [(await mexc.get(f"{PRIVATE}/order/get/{order}")).data["positionId"] for order in orders]
        assert named == [number for number in numbers for _ in range(2)]


async def test_a_turned_position_is_another_one() -> None:
    async with client() as mexc:
        await mexc.order(side=1)
        (before,) = await mexc.positions()
        await mexc.order(side=3, vol=15)
        (after,) = await mexc.positions()
        assert (before["positionType"], after["positionType"]) == (1, 2)
        assert after["positionId"] > before["positionId"]


async def test_leverage_of_a_flat_symbol_and_of_a_position() -> None:
    async with client() as mexc:
        flat = {"symbol": "BTC_USDT", "openType": 1, "leverage": 7, "positionType": 1}
        assert (await mexc.post(LEVERAGE, flat)).body == {"success": True, "code": 0}
        both = (await mexc.get(f"{PRIVATE}/position/leverage", "symbol=BTC_USDT")).data
        assert [(row["positionType"], row["openType"], row["leverage"]) for row in both] == [
            (1, 1, 7),
            (2, 1, 7),
        ]
        assert (await mexc.post(LEVERAGE, flat)).code == 0, "unchanged is not an error"
        await mexc.order(leverage=7)
        assert (await mexc.post(LEVERAGE, flat)).code == 2019
        (held,) = await mexc.positions()
        change = {"positionId": held["positionId"], "leverage": 3}
        assert (await mexc.post(LEVERAGE, change)).code == 0
        assert (await mexc.positions())[0]["leverage"] == 3
        assert (await mexc.post(LEVERAGE, change | {"positionId": 7})).code == 2009
        assert (await mexc.post(LEVERAGE, change | {"leverage": 501})).code == 2006


async def test_less_leverage_needs_margin() -> None:
    async with client(balance=Decimal(20)) as mexc:
        assert (await mexc.order(leverage=10)).code == 0
        (held,) = await mexc.positions()
        assert (await mexc.post(LEVERAGE, {"positionId": held["positionId"], "leverage": 1})).code == 2018


# --- what nobody has established ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("what", "code", "size"),
    [(Duplicates.SAME, 0, 10), (Duplicates.REFUSED, 603, 10), (Duplicates.EXECUTED, 0, 20)],
)
async def test_a_second_order_with_one_external_id(what: Duplicates, code: int, size: int) -> None:
    async with client() as mexc:
        mexc.emulator.unknowns.duplicates = what
        first = await mexc.order(externalOid="a")
        second = await mexc.order(externalOid="a")
        assert second.code == code
        assert mexc.account.size("BTC_USDT") == size
        assert (second.body.get("data") or {}).get("orderId") == first.data[
            "orderId"
        ] or what is not Duplicates.SAME
        assert bool(mexc.emulator.exchange.counts.doubled) == (size == 20)


async def test_an_unknown_order_is_an_error_or_nothing() -> None:
    async with client() as mexc:
        for path in ("order/get/7", "order/external/BTC_USDT/none"):
            mexc.emulator.unknowns.missing_order_is_null = False
            assert (await mexc.get(f"{PRIVATE}/{path}")).code == 2040
            mexc.emulator.unknowns.missing_order_is_null = True
            assert (await mexc.get(f"{PRIVATE}/{path}")).body == {"success": True, "code": 0, "data": None}


@pytest.mark.parametrize("types", [{5}, {6}, {5, 6}])
async def test_which_types_are_market_orders(types: set[int]) -> None:
    async with client() as mexc:
        mexc.emulator.unknowns.market_types = frozenset(types)
        assert [(await mexc.order(type=kind)).code for kind in (5, 6)] == [
            0 if k in types else 600 for k in (5, 6)
        ]


async def test_closing_may_need_the_position_id() -> None:
    async with client() as mexc:
        mexc.emulator.unknowns.close_needs_position_id = True
        await mexc.order()
        assert (await mexc.order(side=4)).code == 600
        (held,) = await mexc.positions()
        assert (await mexc.order(side=4, positionId=held["positionId"])).code == 0


async def test_cross_leverage_may_be_fixed() -> None:
    async with client() as mexc:
        await mexc.order(openType=2)
        (held,) = await mexc.positions()
        change = {"positionId": held["positionId"], "leverage": 3}
        mexc.emulator.unknowns.cross_leverage_changes = False
        assert (await mexc.post(LEVERAGE, change)).code == 2026
        mexc.emulator.unknowns.cross_leverage_changes = True
        assert (await mexc.post(LEVERAGE, change)).code == 0


async def test_refusals_may_come_with_an_http_status() -> None:
    async with client() as mexc:
        mexc.emulator.unknowns.http_status_follows_code = True
        mexc.key = "other"
        answer = await mexc.get(ASSETS)
        assert (answer.status, answer.code) == (401, 401)


# --- the service ---------------------------------------------------------------------------------------------------


async def test_each_endpoint_accepts_twenty_requests_in_two_seconds() -> None:
    now = [100.0]
    async with client(clock=ExchangeClock(monotonic=lambda: now[0])) as mexc:
        answers = [await mexc.get(ASSETS) for _ in range(21)]
        assert [answer.code for answer in answers] == 20 * [0] + [510]
        assert (await mexc.positions()) == [], "others go on"
        assert mexc.emulator.exchange.counts.refusals == {"balance": 1}
        now[0] += 2
        assert (await mexc.get(ASSETS)).code == 0


async def test_the_list_of_contracts_is_given_once_in_five_seconds() -> None:
    now = [100.0]
    async with client(clock=ExchangeClock(monotonic=lambda: now[0])) as mexc:
        codes = []
        for wait in (0, 4.9, 0.1):
            now[0] += wait
            codes.append((await mexc.get(f"{PUBLIC}/detail")).code)
        assert codes == [0, 510, 0]


@pytest.mark.parametrize(
    ("kind", "status", "code"),
    [
        (FaultKind.MAINTENANCE, 200, 500),
        (FaultKind.SERVER_ERROR, 500, 500),
        (FaultKind.RATE_LIMITED, 200, 429),
    ],
)
async def test_how_the_service_fails(kind: FaultKind, status: int, code: int) -> None:
    async with client(faults=FaultScript([Fault(kind=kind, route="balance")])) as mexc:
        answer = await mexc.get(ASSETS)
        assert (answer.status, answer.code) == (status, code)
        assert ("maintenance" in answer.text) == (kind is FaultKind.MAINTENANCE)


async def test_any_code_can_be_asked_for() -> None:
    async with client() as mexc:
        mexc.emulator.refusals["order"] = (2037, "Frequent transactions, please try it later")
        assert [(await mexc.order()).code for _ in range(2)] == [2037, 0]


async def test_a_contract_can_be_closed_to_the_api() -> None:
    async with client() as mexc:
        market = mexc.emulator.exchange.market
        market.add(replace(market.by_base("ETH"), tradable=False))
        (row,) = [row for row in await _contracts(mexc) if row["symbol"] == "ETH_USDT"]
        assert row["apiAllowed"] is False
        assert (await mexc.order(symbol="ETH_USDT")).code == 1002


async def _contracts(mexc: Client) -> list[dict[str, Any]]:
    return list((await mexc.get(f"{PUBLIC}/detail")).data)
