"""BloFin's wire layer answers as documents and recordings say, over real HTTP."""

from __future__ import annotations

from decimal import Decimal
from typing import Any, cast

import pytest

from te_emulators.blofin.client import BlofinClient
from te_emulators.blofin.instruments import instruments
from te_emulators.blofin.server import STRICT_WINDOWS, BlofinServer
from te_emulators.blofin.signature import LOGIN, sign
from te_emulators.blofin.unknowns import Unknowns
from te_emulators.core.clock import ExchangeClock
from te_emulators.core.faults import Fault, FaultKind
from te_emulators.core.instrument import Instrument
from te_emulators.core.limits import RateLimits
from te_emulators.core.modes import MarginMode, PositionMode
from te_emulators.venues import server
from tests.samples.reader import response

pytestmark = pytest.mark.real_clock

MOMENT = "1700000000000"


@pytest.fixture
def client() -> BlofinClient:
    return BlofinClient(cast("BlofinServer", server("blofin")))


@pytest.mark.parametrize(
    ("path", "method", "nonce", "body", "signature"),
    [
        (
            "/api/v1/account/positions?instId=BTC-USDT",
            "GET",
            MOMENT,
            b"",
            "OTg2MWYzOWRmYTdkNjJjZjQyM2IzMGU0YmUwZGFiMjYzZThhZWU0NWM3MzM3YmE2Mjk5ODliMjUxNDlkMjhmYg==",
        ),
        (
            "/api/v1/trade/order",
            "POST",
            MOMENT,
            b'{"instId":"BTC-USDT"}',
            "OGVlYzZkYzgxMGY2ZGM0YjhlZTQ1MTc5NGMwOTljYmExNWFhMjFlODdhMGRiZDEwOWUwNGZiNGRhZDcyMzU1MQ==",
        ),
        (
            LOGIN,
            "GET",
            f"n_{MOMENT}",
            b"",
            "ODI2MWI5YmI1OWNkNmZkMmY0Y2Q2YWExYmE2MWRkOWE0N2YyMTIwOTI0ODRmMTEzNzYyNGYyZDk1ZGM0NzNjZA==",
        ),
    ],
)
def test_signatures_are_those_of_other_clients(
    path: str, method: str, nonce: str, body: bytes, signature: str
) -> None:
    made = sign("S", path=path, method=method, timestamp=MOMENT, nonce=nonce, body=body)
    assert made == signature


class TestWhoAsks:
    async def test_a_signed_request_is_answered(self, client: BlofinClient) -> None:
        async with client:
            answer = await client.get("account/balance")
            assert answer["code"] == "0"
            assert Decimal(answer["data"]["details"][0]["balance"]) == 10_000

    @pytest.mark.parametrize(
        ("changed", "code"),
        [
            ({"key": "other"}, "152401"),
            ({"passphrase": "wrong"}, "152408"),
            ({"sign": "bm8="}, "152409"),
            ({"sign": ""}, "152001"),
            ({"nonce": ""}, "152001"),
            ({"timestamp": "1700000000"}, "152410"),
            ({"timestamp": "1700000000000"}, "152405"),
        ],
    )
    async def test_what_does_not_prove_the_sender_is_refused(
        self, client: BlofinClient, changed: dict[str, str], code: str
    ) -> None:
        async with client:
            assert (await client.get("account/balance", **changed))["code"] == code
            assert client.status == 200

    @pytest.mark.parametrize(
        ("shift", "code"), [(-59_000, "0"), (59_000, "0"), (-61_000, "152405"), (61_000, "152405")]
    )
    async def test_requests_may_be_dated_a_minute_off(
        self, client: BlofinClient, shift: int, code: str
    ) -> None:
        async with client:
            client.shift_ms = shift
            assert (await client.get("account/balance"))["code"] == code

    async def test_a_nonce_works_once_in_a_minute(self, client: BlofinClient) -> None:
        async with client:
            assert (await client.get("account/balance", nonce="same"))["code"] == "0"
            assert (await client.get("account/balance", nonce="same"))["code"] == "152407"
            client.emulator.exchange.clock.skew_ms = 61_000
            assert (await client.get("account/balance", nonce="same"))["code"] == "0"

    async def test_the_signature_covers_the_bytes_that_are_sent(self, client: BlofinClient) -> None:
        async with client:
            assert (await client.get("account/positions?instId=BTC-USDT"))["code"] == "0"
            client.secret = "another"
            assert (await client.post("account/set-leverage", {}))["code"] == "152409"

    async def test_keys_are_expired_bound_to_addresses_or_read_only(self, client: BlofinClient) -> None:
        async with client:
            key = client.emulator.exchange.keys["K"][0]
            key.permissions = frozenset({"read"})
            assert (await client.order("buy", "1"))["code"] == "152404"
            info = (await client.get("user/query-apikey"))["data"]
            assert (info["readOnly"], info["type"], info["ips"]) == (1, 1, [])
            key.allowed_ips = frozenset({"10.0.0.1"})
            assert (await client.get("account/balance"))["code"] == "152406"
            key.expired = True
            assert (await client.get("account/balance"))["code"] == "152402"

    async def test_unknown_paths(self, client: BlofinClient) -> None:
        async with client:
            assert await client.get("public/time") == {"code": "404", "msg": "not found"}


class TestMarket:
    async def test_contracts_are_the_recorded_ones(self, client: BlofinClient) -> None:
        async with client:
            rows = {row["instId"]: row for row in (await client.public("market/instruments"))["data"]}
            recorded = {row["instId"]: row for row in response("blofin", "instruments (BTC")["data"]}
            assert len(rows) == 25
            for name in ("ETH-USDT", "LTC-USDT", "ADA-USDT"):
                assert rows[name] == recorded[name]
            assert rows["BTC-USDT"] == {**recorded["BTC-USDT"], "minSize": "0.1", "lotSize": "0.1"}
            assert set(rows["SOL-USDT"]) == set(rows["ETH-USDT"]) - {"thresholdX", "thresholdY", "thresholdZ"}

    async def test_suspended_contracts_say_so(self, client: BlofinClient) -> None:
        async with client:
            market = client.emulator.exchange.market
            old = market.by_base("XLM")
            names = Instrument.__dataclass_fields__
            market.add(Instrument(**{**{name: getattr(old, name) for name in names}, "tradable": False}))
            rows = (await client.public("market/instruments?instId=XLM-USDT"))["data"]
            assert [row["state"] for row in rows] == ["suspend"]
            assert (await client.order("buy", "1", "XLM-USDT"))["code"] == "152014"

    async def test_the_ticker_is_the_recorded_one(self, client: BlofinClient) -> None:
        async with client:
            rows = (await client.public("market/tickers?instId=BTC-USDT"))["data"]
            recorded = response("blofin", "tickers BTC")["data"][0]
            assert [{**row, "ts": ""} for row in rows] == [{**recorded, "ts": ""}]
            client.emulator.exchange.set_price("BTC-USDT", Decimal("70000.5"))
            rows = (await client.public("market/tickers"))["data"]
            assert len(rows) == 25
            assert next(row["last"] for row in rows if row["instId"] == "BTC-USDT") == "70000.5"

    async def test_mark_prices_and_unknown_instruments(self, client: BlofinClient) -> None:
        async with client:
            row = (await client.public("market/mark-price?instId=ETH-USDT"))["data"][0]
            assert set(row) == set(response("blofin", "mark price")["data"][0])
            assert row["markPrice"] == "1620.58"
            assert (await client.public("market/tickers?instId=NO-USDT"))["code"] == "152014"

    def test_there_is_one_contract_per_coin(self) -> None:
        assert len({i.symbol for i in instruments()}) == 25


class TestAccount:
    async def test_the_balance_has_the_recorded_form(self, client: BlofinClient) -> None:
        async with client:
            recorded = response("blofin", "futures account balance")["data"]
            data = (await client.get("account/balance"))["data"]
            assert set(data) == set(recorded)
            assert set(data["details"][0]) == set(recorded["details"][0])

    async def test_isolated_margin_is_frozen_and_part_of_the_wallet(self, client: BlofinClient) -> None:
        """As in the documented balance: frozen - orderFrozen = isolatedEquity - isolatedUnrealizedPnl."""
        async with client:
            await client.order("buy", "100")
            client.emulator.exchange.set_price("BTC-USDT", Decimal("73000"))
            row = (await client.get("account/balance"))["data"]["details"][0]
            numbers = {name: Decimal(value) for name, value in row.items() if name not in {"currency", "ts"}}
            margin = Decimal("73355.5") * Decimal("0.1") / 3
            assert numbers["frozen"] == pytest.approx(margin)
            assert numbers["isolatedUnrealizedPnl"] == Decimal("-35.55")
            assert numbers["isolatedEquity"] == numbers["frozen"] + numbers["isolatedUnrealizedPnl"]
            assert numbers["equity"] == numbers["balance"] + numbers["isolatedUnrealizedPnl"]
            assert numbers["available"] == numbers["balance"] - numbers["frozen"]

    async def test_balances_of_the_other_accounts(self, client: BlofinClient) -> None:
        async with client:
            rows = (await client.get("asset/balances?accountType=futures"))["data"]
            recorded = response("blofin", "asset balances")["data"][0]
            assert [set(row) for row in rows] == [set(recorded)]
            assert (await client.get("asset/balances?accountType=funding"))["data"] == []
            assert (await client.get("asset/balances"))["code"] == "152001"

    @pytest.mark.parametrize(
        ("mode", "sample"), [("cross", "position LTC cross long"), ("isolated", "positions isolated long")]
    )
    async def test_positions_have_the_recorded_form(
        self, client: BlofinClient, mode: str, sample: str
    ) -> None:
        async with client:
            assert (await client.get("account/positions"))["data"] == []
            await client.order("sell", "1.5", marginMode=mode)
            rows = (await client.get("account/positions"))["data"]
            assert [set(row) for row in rows] == [set(response("blofin", sample)["data"][0])]
            assert (rows[0]["positions"], rows[0]["marginMode"], rows[0]["leverage"]) == ("-1.5", mode, "3")
            assert (await client.get("account/positions?instId=ETH-USDT"))["data"] == []

    async def test_leverage_is_set_per_margin_mode(self, client: BlofinClient) -> None:
        async with client:
            body = {"leverage": 5, "marginMode": "isolated", "instId": "BTC-USDT"}
            assert (await client.post("account/set-leverage", body))["data"] == {
                "leverage": "5",
                "marginMode": "isolated",
                "instId": "BTC-USDT",
                "positionSide": "net",
            }
            rows = await client.get(
                "account/batch-leverage-info?instId=BTC-USDT,ETH-USDT&marginMode=isolated"
            )
            assert [row["leverage"] for row in rows["data"]] == ["5", "3"]
            row = await client.get("account/leverage-info?instId=BTC-USDT&marginMode=cross")
            assert row["data"]["leverage"] == "3"

    @pytest.mark.parametrize("leverage", ["0", "151", "2.5", "many"])
    async def test_leverages_that_make_no_sense(self, client: BlofinClient, leverage: str) -> None:
        async with client:
            body = {"leverage": leverage, "marginMode": "isolated", "instId": "BTC-USDT"}
            assert (await client.post("account/set-leverage", body))["code"] == "152002"

    async def test_setting_a_leverage_again_may_be_refused(self, client: BlofinClient) -> None:
        async with client:
            body = {"leverage": "5", "marginMode": "isolated", "instId": "BTC-USDT"}
            codes = [(await client.post("account/set-leverage", body))["code"] for _ in range(2)]
            assert codes == ["0", "0"]
            client.emulator.unknowns.leverage_unchanged = "110999"
            assert (await client.post("account/set-leverage", body))["code"] == "110999"

    async def test_leverage_with_pending_cross_orders(self, client: BlofinClient) -> None:
        async with client:
            await client.order("buy", "1", orderType="limit", price="50000", marginMode="cross")
            body = {"leverage": "5", "marginMode": "cross", "instId": "BTC-USDT"}
            assert (await client.post("account/set-leverage", body))["code"] == "110006"
            assert (await client.post("account/set-leverage", {**body, "marginMode": "isolated"}))[
                "code"
            ] == "0"

    async def test_modes_belong_to_the_account_and_change_while_it_is_empty(
        self, client: BlofinClient
    ) -> None:
        async with client:
            assert (await client.get("account/margin-mode"))["data"] == {"marginMode": "cross"}
            assert (await client.get("account/position-mode"))["data"] == {"positionMode": "net_mode"}
            for _ in range(2):
                done = await client.post("account/set-margin-mode", {"marginMode": "isolated"})
                assert done["data"] == {"marginMode": "isolated"}
            await client.order("buy", "1")
            assert (await client.post("account/set-margin-mode", {"marginMode": "cross"}))["code"] == "110019"
            body = {"positionMode": "long_short_mode"}
            assert (await client.post("account/set-position-mode", body))["code"] == "110019"
            await client.order("sell", "1")
            assert (await client.post("account/set-position-mode", body))["data"] == body
            account = client.emulator.exchange.accounts["main"]
            assert account.default_position_mode is PositionMode.HEDGE
            assert account.default_margin_mode is MarginMode.ISOLATED


class TestOrders:
    async def test_the_acknowledgement_is_the_recorded_one(self, client: BlofinClient) -> None:
        async with client:
            answer = await client.order("buy", "1.2", clientOrderId="20241014022135830998")
            recorded = response("blofin", "order ack")
            order_id = answer["data"][0]["orderId"]
            item = {**recorded["data"][0], "orderId": order_id}
            assert answer == {**recorded, "data": [item]}

    async def test_an_order_is_found_by_both_ids_in_every_state(self, client: BlofinClient) -> None:
        async with client:
            resting = await client.order("buy", "2", orderType="limit", price="50000", clientOrderId="a1")
            pending = (await client.get("trade/orders-pending?instId=BTC-USDT"))["data"]
            assert [set(row) for row in pending] == [set(response("blofin", "orders pending")["data"][0])]
            assert [(row["state"], row["clientOrderId"]) for row in pending] == [("live", "a1")]
            order_id = resting["data"][0]["orderId"]
            by_id = await client.get(f"trade/order-detail?instId=BTC-USDT&orderId={order_id}")
            by_own = await client.get("trade/order-detail?instId=BTC-USDT&clientOrderId=a1")
            assert by_id == by_own
            assert by_id["data"] == pending[0]
            done = await client.post("trade/cancel-order", {"instId": "BTC-USDT", "clientOrderId": "a1"})
            assert done["data"] == {"orderId": order_id, "clientOrderId": "a1", "msg": None, "code": "0"}
            found = await client.get("trade/order-detail?instId=BTC-USDT&clientOrderId=a1")
            assert found["data"]["state"] == "canceled"

    async def test_the_history_has_the_recorded_form_and_pages(self, client: BlofinClient) -> None:
        async with client:
            for size in range(1, 25):
                await client.order("buy", str(size), "ETH-USDT", clientOrderId=f"o{size}")
            rows = (await client.get("trade/orders-history?instId=ETH-USDT"))["data"]
            recorded = response("blofin", "orders history")["data"][0]
            assert [set(row) == set(recorded) for row in rows] == [True] * 20
            assert [row["clientOrderId"] for row in rows[:2]] == ["o24", "o23"]
            oldest = rows[-1]["orderId"]
            rows = (await client.get(f"trade/orders-history?instId=ETH-USDT&after={oldest}&limit=3"))["data"]
            assert [row["clientOrderId"] for row in rows] == ["o4", "o3", "o2"]
            assert (await client.get("trade/orders-history?limit=101"))["code"] == "152002"
            assert (await client.get("trade/orders-history?state=canceled"))["data"] == []

    async def test_a_reduce_only_order_is_cut_to_the_position(self, client: BlofinClient) -> None:
        async with client:
            await client.order("buy", "2")
            assert (await client.order("sell", "5", reduceOnly="true", clientOrderId="r"))["code"] == "0"
            row = (await client.get("trade/order-detail?instId=BTC-USDT&clientOrderId=r"))["data"]
            assert row["reduceOnly"] == "true"
            assert Decimal(row["filledSize"]) == 2
            assert client.emulator.exchange.accounts["main"].held() == []

    async def test_fills_have_the_recorded_form(self, client: BlofinClient) -> None:
        async with client:
            await client.order("buy", "2", "ETH-USDT")
            (row,) = (await client.get("trade/fills-history?instId=ETH-USDT"))["data"]
            assert set(row) == set(response("blofin", "fills history")["data"][0])
            assert Decimal(row["fillPrice"]) == Decimal("1620.58")

    async def test_close_position_takes_all_of_it(self, client: BlofinClient) -> None:
        async with client:
            await client.order("sell", "7.3")
            body = {"instId": "BTC-USDT", "marginMode": "isolated"}
            answer = await client.post("trade/close-position", body)
            assert answer == {
                **response("blofin", "close position"),
                "data": {**answer["data"], "instId": "BTC-USDT"},
            }
            assert client.emulator.exchange.accounts["main"].held() == []
            assert (await client.post("trade/close-position", body))["data"][0]["code"] == "102005"

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
    async def test_orders_refused_before_matching(
        self, client: BlofinClient, more: dict[str, str], code: str
    ) -> None:
        async with client:
            body = {
                "symbol": more.get("instId", "BTC-USDT"),
                **{k: v for k, v in more.items() if k != "instId"},
            }
            size = body.pop("size", "1")
            answer = await client.order("buy", size, **body)
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
        self, client: BlofinClient, order: dict[str, str], code: str, form: Any
    ) -> None:
        async with client:
            await client.order("buy", "1", "ETH-USDT", clientOrderId="used")
            client.emulator.unknowns.rejections = form
            more = {name: value for name, value in order.items() if name != "size"}
            answer = await client.order("buy", order["size"], **more)
            assert client.status == 200
            outer = {"outer": "1", "inner": "0", "object": "0", "plain": code}[form]
            assert answer["code"] == outer
            if form == "plain":
                assert "data" not in answer
                return
            item = answer["data"] if form == "object" else answer["data"][0]
            assert (item["code"], item["orderId"]) == (code, None)

    async def test_the_constructed_refusal_of_the_samples(self, client: BlofinClient) -> None:
        async with client:
            answer = await client.order("buy", "100000")
            constructed = response("blofin", "order rejected")
            assert (answer["code"], answer["msg"]) == (constructed["code"], constructed["msg"])
            assert set(answer["data"][0]) == set(constructed["data"][0])

    async def test_keys_of_a_broker(self, client: BlofinClient) -> None:
        async with client:
            client.emulator.brokers["K"] = "ours"
            assert (await client.order("buy", "1"))["code"] == "152012"
            assert (await client.order("buy", "1", brokerId="theirs"))["code"] == "152013"
            assert (await client.order("buy", "1", brokerId="ours"))["code"] == "0"
            assert (await client.get("user/query-apikey"))["data"]["type"] == 2

    @pytest.mark.parametrize(("accepted", "code"), [(True, "0"), (False, "152011")])
    async def test_a_broker_of_null(self, client: BlofinClient, accepted: bool, code: str) -> None:
        async with client:
            client.emulator.unknowns.null_broker = accepted
            body = {
                "instId": "BTC-USDT",
                "marginMode": "cross",
                "side": "buy",
                "orderType": "market",
                "size": "1",
            }
            assert (await client.post("trade/order", {**body, "brokerId": None}))["code"] == code

    @pytest.mark.parametrize("form", ["null", "empty", "refused"])
    async def test_an_order_that_there_is_not(self, client: BlofinClient, form: Any) -> None:
        async with client:
            client.emulator.unknowns.missing_order = form
            answer = await client.get("trade/order-detail?instId=BTC-USDT&clientOrderId=never")
            shown: dict[str, object] = {"null": None, "empty": {}}
            if form in shown:
                assert answer == {"code": "0", "msg": "success", "data": shown[form]}
            else:
                assert answer["code"] == "102067"

    async def test_a_finished_order_is_not_cancelled(self, client: BlofinClient) -> None:
        async with client:
            await client.order("buy", "1", clientOrderId="done")
            for own in ("done", "never"):
                answer = await client.post("trade/cancel-order", {"instId": "BTC-USDT", "clientOrderId": own})
                assert answer["data"][0]["code"] == "102068"

    @pytest.mark.parametrize("as_list", [True, False])
    async def test_a_cancellation_is_answered_by_an_object_or_a_list(
        self, client: BlofinClient, as_list: bool
    ) -> None:
        async with client:
            client.emulator.unknowns.cancel_as_list = as_list
            await client.order("buy", "2", orderType="limit", price="50000", clientOrderId="a1")
            answer = await client.post("trade/cancel-order", {"instId": "BTC-USDT", "clientOrderId": "a1"})
            assert isinstance(answer["data"], list) is as_list

    async def test_order_types(self, client: BlofinClient) -> None:
        async with client:
            for kind, state in (("ioc", "canceled"), ("fok", "canceled"), ("post_only", "live")):
                await client.order("buy", "1", orderType=kind, price="50000", clientOrderId=kind)
                row = (await client.get(f"trade/order-detail?instId=BTC-USDT&clientOrderId={kind}"))["data"]
                assert (row["orderType"], row["state"]) == (kind, state)

    async def test_batches(self, client: BlofinClient) -> None:
        async with client:
            body = {
                "instId": "ETH-USDT",
                "marginMode": "cross",
                "positionSide": "net",
                "side": "buy",
                "orderType": "limit",
                "price": "1000",
                "size": "1",
            }
            made = await client.post(
                "trade/batch-orders", [{**body, "clientOrderId": f"b{n}"} for n in (1, 2)]
            )
            assert [item["clientOrderId"] for item in made["data"]] == ["b1", "b2"]
            ids = [{"instId": "ETH-USDT", "orderId": item["orderId"]} for item in made["data"]]
            assert len((await client.post("trade/cancel-batch-orders", ids))["data"]) == 2
            assert (await client.post("trade/batch-orders", [body] * 21))["code"] == "152006"
            assert (await client.post("trade/batch-orders", body))["code"] == "152004"

    async def test_hedge_mode_has_two_positive_positions(self, client: BlofinClient) -> None:
        async with client:
            await client.post("account/set-position-mode", {"positionMode": "long_short_mode"})
            assert (await client.order("buy", "1"))["data"][0]["code"] == "102089"
            for side, position in (("buy", "long"), ("sell", "short")):
                assert (await client.order(side, "2", positionSide=position))["code"] == "0"
            rows = (await client.get("account/positions"))["data"]
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
        self, client: BlofinClient, switch: Unknowns, more: dict[str, str]
    ) -> None:
        async with client:
            assert (await client.order("buy", "1", "ETH-USDT", **more))["code"] == "0"
            client.emulator.unknowns = switch
            assert (await client.order("buy", "1", **more))["code"] in {"152001", "152002"}


class TestLimits:
    async def test_thirty_trading_requests_in_ten_seconds_of_all_keys_of_a_user(
        self, client: BlofinClient
    ) -> None:
        async with client:
            exchange = client.emulator.exchange
            exchange.add_key(
                exchange.accounts["main"], type(exchange.keys["K"][0])(key="K2", secret="S", passphrase="P")
            )
            for number in range(30):
                client.key = ("K", "K2")[number % 2]
                assert (await client.order("buy", "0.1"))["code"] == "0"
            assert await client.order("buy", "0.1") == {"code": "429", "msg": "Too Many Requests"}
            assert client.status == 429
            assert (await client.get("account/balance"))["code"] == "0"
            assert client.emulator.exchange.counts.refusals == {"trading": 1}

    async def test_reads_may_count_as_trading(self, client: BlofinClient) -> None:
        async with client:
            client.emulator.limits = RateLimits(STRICT_WINDOWS)
            for _ in range(30):
                await client.get("account/balance")
            await client.get("account/positions")
            assert client.status == 429

    @pytest.mark.parametrize("page", [True, False])
    async def test_an_address_is_banned_for_five_minutes(self, page: bool) -> None:
        now = [0.0]
        made = server("blofin", clock=ExchangeClock(monotonic=lambda: now[0]))
        async with BlofinClient(cast("BlofinServer", made)) as client:
            client.emulator.unknowns.ban_page = page
            for _ in range(500):
                assert (await client.public("market/mark-price?instId=BTC-USDT"))["code"] == "0"
            for at, banned in ((59, True), (59 + 299, True), (59 + 301, False)):
                now[0] = at
                answer = await client.get("account/balance")
                assert client.status == ((403 if page else 429) if banned else 200)
                assert ("<html>" in answer) is (page and banned)


class TestFaults:
    async def test_answers_of_the_troubled_exchange(self, client: BlofinClient) -> None:
        async with client:
            client.emulator.faults.add(
                Fault(kind=FaultKind.SERVER_ERROR, status=500),
                Fault(kind=FaultKind.MAINTENANCE, after=1),
                Fault(kind=FaultKind.RATE_LIMITED, after=2),
            )
            seen = [(await client.get("account/balance"), client.status) for _ in range(4)]
            assert [status for _, status in seen] == [500, 503, 429, 200]
            assert [str(answer["code"]) for answer, _ in seen] == ["500", "500", "429", "0"]
