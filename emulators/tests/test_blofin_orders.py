"""BloFin's orders: acknowledged, found, refused, cancelled and filled, in the forms that were recorded."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from te_emulators.blofin.client import BlofinClient
from te_emulators.blofin.unknowns import Unknowns
from tests.samples.reader import response

pytestmark = pytest.mark.real_clock


async def test_the_acknowledgement_is_the_recorded_one(blofin: BlofinClient) -> None:
    async with blofin:
        answer = await blofin.order("buy", "1.2", clientOrderId="20241014022135830998")
        recorded = response("blofin", "order ack")
        order_id = answer["data"][0]["orderId"]
        item = {**recorded["data"][0], "orderId": order_id}
        assert answer == {**recorded, "data": [item]}


async def test_an_order_is_found_by_both_ids_in_every_state(blofin: BlofinClient) -> None:
    async with blofin:
        resting = await blofin.order("buy", "2", orderType="limit", price="50000", clientOrderId="a1")
        pending = (await blofin.get("trade/orders-pending?instId=BTC-USDT"))["data"]
        assert [set(row) for row in pending] == [set(response("blofin", "orders pending")["data"][0])]
        assert [(row["state"], row["clientOrderId"]) for row in pending] == [("live", "a1")]
        order_id = resting["data"][0]["orderId"]
        by_id = await blofin.get(f"trade/order-detail?instId=BTC-USDT&orderId={order_id}")
        by_own = await blofin.get("trade/order-detail?instId=BTC-USDT&clientOrderId=a1")
        assert by_id == by_own
        assert by_id["data"] == pending[0]
        done = await blofin.post("trade/cancel-order", {"instId": "BTC-USDT", "clientOrderId": "a1"})
        assert done["data"] == {"orderId": order_id, "clientOrderId": "a1", "msg": None, "code": "0"}
        found = await blofin.get("trade/order-detail?instId=BTC-USDT&clientOrderId=a1")
        assert found["data"]["state"] == "canceled"


async def test_the_history_has_the_recorded_form_and_pages(blofin: BlofinClient) -> None:
    async with blofin:
        for size in range(1, 25):
            await blofin.order("buy", str(size), "ETH-USDT", clientOrderId=f"o{size}")
        rows = (await blofin.get("trade/orders-history?instId=ETH-USDT"))["data"]
        recorded = response("blofin", "orders history")["data"][0]
        assert [set(row) == set(recorded) for row in rows] == [True] * 20
        assert [row["clientOrderId"] for row in rows[:2]] == ["o24", "o23"]
        oldest = rows[-1]["orderId"]
        rows = (await blofin.get(f"trade/orders-history?instId=ETH-USDT&after={oldest}&limit=3"))["data"]
        assert [row["clientOrderId"] for row in rows] == ["o4", "o3", "o2"]
        assert (await blofin.get("trade/orders-history?limit=101"))["code"] == "152002"
        assert (await blofin.get("trade/orders-history?state=canceled"))["data"] == []


async def test_a_reduce_only_order_is_cut_to_the_position(blofin: BlofinClient) -> None:
    async with blofin:
        await blofin.order("buy", "2")
        assert (await blofin.order("sell", "5", reduceOnly="true", clientOrderId="r"))["code"] == "0"
        row = (await blofin.get("trade/order-detail?instId=BTC-USDT&clientOrderId=r"))["data"]
        assert row["reduceOnly"] == "true"
        assert Decimal(row["filledSize"]) == 2
        assert blofin.emulator.exchange.accounts["main"].held() == []


async def test_fills_have_the_recorded_form(blofin: BlofinClient) -> None:
    async with blofin:
        await blofin.order("buy", "2", "ETH-USDT")
        (row,) = (await blofin.get("trade/fills-history?instId=ETH-USDT"))["data"]
        assert set(row) == set(response("blofin", "fills history")["data"][0])
        assert Decimal(row["fillPrice"]) == Decimal("1620.58")


async def test_close_position_takes_all_of_it(blofin: BlofinClient) -> None:
    async with blofin:
        await blofin.order("sell", "7.3")
        body = {"instId": "BTC-USDT", "marginMode": "isolated"}
        answer = await blofin.post("trade/close-position", body)
        assert answer == {
            **response("blofin", "close position"),
            "data": {**answer["data"], "instId": "BTC-USDT"},
        }
        assert blofin.emulator.exchange.accounts["main"].held() == []
        assert (await blofin.post("trade/close-position", body))["data"][0]["code"] == "102005"


@pytest.mark.parametrize(
    ("more", "code"),
    [
        ({"instId": "NO-USDT"}, "152014"),
        ({"size": "0.05"}, "152002"),
        ({"size": "0.15"}, "152002"),
        ({"size": ""}, "152001"),
        ({"marginMode": "both"}, "152002"),
        ({"orderType": "stop"}, "152002"),
        ({"clientOrderId": "has-dashes"}, "152009"),
        ({"clientOrderId": "x" * 33}, "152009"),
        ({"brokerId": "ec6dd3a7dd982d0b"}, "152011"),
    ],
)
async def test_orders_refused_before_matching(blofin: BlofinClient, more: dict[str, str], code: str) -> None:
    async with blofin:
        body = {
            "symbol": more.get("instId", "BTC-USDT"),
            **{k: v for k, v in more.items() if k != "instId"},
        }
        size = body.pop("size", "1")
        answer = await blofin.order("buy", size, **body)
        assert answer["code"] == code
        assert "data" not in answer


@pytest.mark.parametrize(
    ("order", "code"),
    [
        ({"size": "100001"}, "102015"),
        ({"size": "100000"}, "103003"),
        ({"size": "100000001", "orderType": "limit", "price": "1"}, "102014"),
        ({"size": "1", "reduceOnly": "true"}, "102022"),
        ({"size": "1", "positionSide": "long"}, "102089"),
        ({"size": "1", "clientOrderId": "used"}, "102002"),
    ],
)
@pytest.mark.parametrize("form", ["outer", "inner", "object", "plain"])
async def test_orders_refused_by_matching(
    blofin: BlofinClient, order: dict[str, str], code: str, form: Any
) -> None:
    async with blofin:
        await blofin.order("buy", "1", "ETH-USDT", clientOrderId="used")
        blofin.emulator.unknowns.rejections = form
        more = {name: value for name, value in order.items() if name != "size"}
        answer = await blofin.order("buy", order["size"], **more)
        assert blofin.status == 200
        outer = {"outer": "1", "inner": "0", "object": "0", "plain": code}[form]
        assert answer["code"] == outer
        if form == "plain":
            assert "data" not in answer
            return
        item = answer["data"] if form == "object" else answer["data"][0]
        assert (item["code"], item["orderId"]) == (code, None)


async def test_the_constructed_refusal_of_the_samples(blofin: BlofinClient) -> None:
    async with blofin:
        answer = await blofin.order("buy", "100000")
        constructed = response("blofin", "order rejected")
        assert (answer["code"], answer["msg"]) == (constructed["code"], constructed["msg"])
        assert set(answer["data"][0]) == set(constructed["data"][0])


async def test_keys_of_a_broker(blofin: BlofinClient) -> None:
    async with blofin:
        blofin.emulator.brokers["K"] = "ours"
        assert (await blofin.order("buy", "1"))["code"] == "152012"
        assert (await blofin.order("buy", "1", brokerId="theirs"))["code"] == "152013"
        assert (await blofin.order("buy", "1", brokerId="ours"))["code"] == "0"
        assert (await blofin.get("user/query-apikey"))["data"]["type"] == 2


@pytest.mark.parametrize(("accepted", "code"), [(True, "0"), (False, "152011")])
async def test_a_broker_of_null(blofin: BlofinClient, accepted: bool, code: str) -> None:
    async with blofin:
        blofin.emulator.unknowns.null_broker = accepted
        body = {
            "instId": "BTC-USDT",
            "marginMode": "cross",
            "side": "buy",
            "orderType": "market",
            "size": "1",
        }
        assert (await blofin.post("trade/order", {**body, "brokerId": None}))["code"] == code


@pytest.mark.parametrize("form", ["null", "empty", "refused"])
async def test_an_order_that_there_is_not(blofin: BlofinClient, form: Any) -> None:
    async with blofin:
        blofin.emulator.unknowns.missing_order = form
        answer = await blofin.get("trade/order-detail?instId=BTC-USDT&clientOrderId=never")
        shown: dict[str, object] = {"null": None, "empty": {}}
        if form in shown:
            assert answer == {"code": "0", "msg": "success", "data": shown[form]}
        else:
            assert answer["code"] == "102067"


async def test_a_finished_order_is_not_cancelled(blofin: BlofinClient) -> None:
    async with blofin:
        await blofin.order("buy", "1", clientOrderId="done")
        for own in ("done", "never"):
            answer = await blofin.post("trade/cancel-order", {"instId": "BTC-USDT", "clientOrderId": own})
            assert answer["data"][0]["code"] == "102068"


@pytest.mark.parametrize("as_list", [True, False])
async def test_a_cancellation_is_answered_by_an_object_or_a_list(blofin: BlofinClient, as_list: bool) -> None:
    async with blofin:
        blofin.emulator.unknowns.cancel_as_list = as_list
        await blofin.order("buy", "2", orderType="limit", price="50000", clientOrderId="a1")
        answer = await blofin.post("trade/cancel-order", {"instId": "BTC-USDT", "clientOrderId": "a1"})
        assert isinstance(answer["data"], list) is as_list


async def test_order_types(blofin: BlofinClient) -> None:
    async with blofin:
        for kind, state in (("ioc", "canceled"), ("fok", "canceled"), ("post_only", "live")):
            await blofin.order("buy", "1", orderType=kind, price="50000", clientOrderId=kind)
            row = (await blofin.get(f"trade/order-detail?instId=BTC-USDT&clientOrderId={kind}"))["data"]
            assert (row["orderType"], row["state"]) == (kind, state)


async def test_batches(blofin: BlofinClient) -> None:
    async with blofin:
        body = {
            "instId": "ETH-USDT",
            "marginMode": "cross",
            "positionSide": "net",
            "side": "buy",
            "orderType": "limit",
            "price": "1000",
            "size": "1",
        }
        made = await blofin.post("trade/batch-orders", [{**body, "clientOrderId": f"b{n}"} for n in (1, 2)])
        assert [item["clientOrderId"] for item in made["data"]] == ["b1", "b2"]
        ids = [{"instId": "ETH-USDT", "orderId": item["orderId"]} for item in made["data"]]
        assert len((await blofin.post("trade/cancel-batch-orders", ids))["data"]) == 2
        assert (await blofin.post("trade/batch-orders", [body] * 21))["code"] == "152006"
        assert (await blofin.post("trade/batch-orders", body))["code"] == "152004"


async def test_hedge_mode_has_two_positive_positions(blofin: BlofinClient) -> None:
    async with blofin:
        await blofin.post("account/set-position-mode", {"positionMode": "long_short_mode"})
        assert (await blofin.order("buy", "1"))["data"][0]["code"] == "102089"
        for side, position in (("buy", "long"), ("sell", "short")):
            assert (await blofin.order(side, "2", positionSide=position))["code"] == "0"
        rows = (await blofin.get("account/positions"))["data"]
        assert {(row["positionSide"], row["positions"]) for row in rows} == {
            ("long", "2"),
            ("short", "2"),
        }


@pytest.mark.parametrize(
    ("switch", "more"),
    [
        (Unknowns(position_side_required=True), {"positionSide": ""}),
        (Unknowns(margin_mode_must_match=True), {}),
    ],
)
async def test_stricter_forms_of_what_is_not_known(
    blofin: BlofinClient, switch: Unknowns, more: dict[str, str]
) -> None:
    async with blofin:
        assert (await blofin.order("buy", "1", "ETH-USDT", **more))["code"] == "0"
        blofin.emulator.unknowns = switch
        assert (await blofin.order("buy", "1", **more))["code"] in {"152001", "152002"}
