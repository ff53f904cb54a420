"""The requests of a BloFin account over HTTP, with both forms of unknown behaviour."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from pydantic import ValidationError

from te_core.api import (
    AuthError,
    ConfigError,
    DuplicateClientOrderId,
    MarginMode,
    NotReady,
    OrderRejected,
    OrderStatus,
    Severity,
)
from te_emulators.accounts import order
from te_emulators.blofin.codes import CodedError
from te_emulators.clients import ccxt, credentials, redirect
from te_emulators.core import modes
from te_emulators.core.credentials import ApiKey
from te_emulators.core.faults import Fault, FaultKind
from te_emulators.core.limits import RateLimits
from te_exchange_blofin.adapter import BlofinAdapter
from te_exchange_blofin.options import BlofinOptions
from te_exchange_ccxt.client.client_factory import close_client, create_client
from te_exchange_ccxt.lazy_ccxt import exchange_class

pytestmark = pytest.mark.real_clock

D = Decimal
KEYS = {"api_key": "K", "secret": "S", "passphrase": "P"}


async def test_opening_takes_five_small_requests(at_blofin: Any) -> None:
    async with at_blofin() as harness, harness.account():
        assert harness.paths == [
            "market/mark-price",
            "market/instruments",
            "user/query-apikey",
            "account/position-mode",
            "account/margin-mode",
        ]


async def test_a_pass_reads_each_thing_once(at_blofin: Any) -> None:
    async with at_blofin() as harness, harness.account() as account:
        harness.counts.clear()
        equity, positions, prices = await asyncio.gather(
            account.equity(), account.positions(), account.prices(["BTCUSDT", "ETHUSDT", "NOUSDT"])
        )
        assert harness.counts.requests == {"balance": 1, "positions": 1, "tickers": 1}
        assert (equity.value.wallet, equity.value.total, equity.value.free) == (D(10_000),) * 3
        assert positions.value == {}
        assert prices.value == {"BTCUSDT": D("73355.3"), "ETHUSDT": D("1620.58")}


async def test_an_order_is_one_request_and_found_by_its_id(at_blofin: Any) -> None:
    async with at_blofin() as harness, harness.account() as account:
        harness.counts.clear()
        report = await account.place_order(order("0.0012"))
        assert harness.paths == ["trade/order"]
        assert report.status is OrderStatus.OPEN, "the answer is an acknowledgement"
        found = await account.find_order("BTCUSDT", report.client_order_id)
        assert harness.paths[1:] == ["trade/order-detail"]
        assert (found.status, found.filled, found.average_price) == (
            OrderStatus.FILLED,
            D("0.0012"),
            D("73355.5"),
        )
        assert found.fee == D("0.05281596")
        held = (await account.positions()).value["BTCUSDT"]
        assert (held.quantity, held.leverage, held.margin_mode) == (D("0.0012"), 3, MarginMode.ISOLATED)
        with pytest.raises(DuplicateClientOrderId):
            await account.place_order(order("0.0012"))


async def test_contracts_of_a_tenth_and_no_less(at_blofin: Any) -> None:
    async with at_blofin() as harness, harness.account() as account:
        found = (await account.instruments(["BTCUSDT"]))["BTCUSDT"]
        assert (found.quantity_step, found.minimum_quantity) == (D("0.0001"), D("0.0001"))
        assert (found.contract_size, found.largest_market_quantity) == (D("0.001"), D(100))
        await account.place_order(order("0.0001"))
        assert harness.at("BTC-USDT") == D("0.1")
        with pytest.raises(OrderRejected, match="not a multiple"):
            await account.place_order(order("0.00015", number=2))


async def test_an_order_filled_in_part_is_over(at_blofin: Any) -> None:
    """The state "partially_canceled" is unknown to ccxt."""
    async with at_blofin() as harness, harness.account() as account:
        harness.emulator.faults.add(Fault(kind=FaultKind.PARTIAL_FILL, route="order", fraction=D("0.5")))
        report = await account.place_order(order("0.0020"))
        found = await account.find_order("BTCUSDT", report.client_order_id)
        assert (found.status, found.filled) == (OrderStatus.CANCELLED, D("0.001"))
        assert found.reason == "the exchange ended it as partially_canceled"


class TestNonces:
    async def test_requests_in_one_millisecond_have_their_own(self, at_blofin: Any, monkeypatch: Any) -> None:
        async with at_blofin() as harness, harness.account() as account:
            client = account._connection.exchange
            now = client.milliseconds()
            monkeypatch.setattr(client, "milliseconds", lambda: now)
            await asyncio.gather(*(account.positions() for _ in range(20)))
            assert harness.counts.requests["positions"] == 20

    async def test_ccxt_alone_would_be_refused(self, at_blofin: Any, monkeypatch: Any) -> None:
        async with at_blofin() as harness:
            client = ccxt().blofin(credentials())
            redirect(client.urls["api"], harness.emulator)
            try:
                await client.load_markets()
                now = client.milliseconds()
                monkeypatch.setattr(client, "milliseconds", lambda: now)
                await client.fetch_positions()
                with pytest.raises(Exception, match="Repeated nonce"):
                    await client.fetch_positions()
            finally:
                await client.close()


class TestBroker:
    async def test_ordinary_keys_send_none(self, at_blofin: Any) -> None:
        async with at_blofin() as harness:
            async with harness.account() as account:
                await account.place_order(order("0.001"))
            async with harness.account(broker_id="mine") as account:
                with pytest.raises(AuthError, match="broker_id = "):
                    await account.place_order(order("0.001", number=2))

    async def test_keys_of_an_application_send_its_own(self, at_blofin: Any) -> None:
        async with at_blofin() as harness:
            harness.emulator.brokers["K"] = "ec6dd3a7dd982d0b"
            async with harness.account() as account:
                await account.place_order(order("0.001"))
            async with harness.account(broker_id="") as account:
                with pytest.raises(AuthError, match="set broker_id"):
                    await account.place_order(order("0.001", number=2))
            harness.emulator.brokers["K"] = "other"
            async with harness.account() as account:
                with pytest.raises(AuthError, match="set broker_id to its id"):
                    await account.place_order(order("0.001", number=3))
            async with harness.account(broker_id="other") as account:
                await account.place_order(order("0.001", number=4))


class TestKey:
    async def test_a_read_only_key_is_refused_at_the_start(self, at_blofin: Any) -> None:
        async with at_blofin() as harness:
            harness.exchange.keys["K"][0].permissions = frozenset({"read"})
            with pytest.raises(AuthError, match="permission to trade"):
                async with harness.account():
                    pass

    async def test_hedge_mode_is_refused_at_the_start(self, at_blofin: Any) -> None:
        async with at_blofin() as harness:
            harness.owner.default_position_mode = modes.PositionMode.HEDGE
            with pytest.raises((ConfigError, AuthError), match="one-way mode"):
                async with harness.account():
                    pass

    async def test_what_the_doctor_receives(self, at_blofin: Any) -> None:
        async with at_blofin() as harness, harness.account() as account:
            told = {found.text: found.severity for found in await account.diagnose()}
            assert told["futures, cross margin, one-way, orders with broker id ''"] is Severity.OK
            assert told["may trade contracts"] is Severity.OK
            assert told["works from any address, and such keys expire after 90 days"] is Severity.WARNING
            key = harness.exchange.keys["K"][0]
            key.allowed_ips, key.permissions = frozenset({"127.0.0.1"}), frozenset({"read"})
            found = [finding for finding in await account.diagnose() if finding.check == "key"]
            assert [finding.severity for finding in found] == [Severity.ERROR], (
                "bound to an address, and it cannot trade"
            )
            assert "TRADE" in found[0].remedy


class TestClock:
    async def test_requests_are_dated_on_the_exchanges_clock(self, at_blofin: Any) -> None:
        async with at_blofin() as harness:
            harness.exchange.clock.skew_ms = 200_000
            async with harness.account() as account:
                await account.place_order(order("0.001"))
                harness.exchange.clock.skew_ms = -200_000
                with pytest.raises(NotReady, match="NTP"):
                    await account.equity()
                assert (await account.equity()).value.wallet < 10_000

    @pytest.mark.parametrize("bound", [False, True])
    async def test_the_end_of_a_key_is_reported(self, at_blofin: Any, *, bound: bool) -> None:
        async with at_blofin() as harness:
            key = harness.exchange.keys["K"][0]
            end = key.expires_at = datetime(2026, 12, 8, 3, 20, 45, tzinfo=UTC)
            key.allowed_ips = frozenset({"127.0.0.1"}) if bound else None
            async with harness.account() as account:
                identity = await account.identity()
                assert identity is not None
                assert identity.key_expires_at == (None if bound else end)

    async def test_orders_are_dated_back_and_expire_early(self, at_blofin: Any) -> None:
        """Back-dated by 45 s of the 60 s for which orders are accepted: 16 s late is too late, 14 s is not."""
        async with at_blofin() as harness, harness.account() as account:
            harness.exchange.clock.skew_ms = 14_000
            await account.place_order(order("0.001"))
            harness.exchange.clock.skew_ms = 16_000
            with pytest.raises(NotReady):
                await account.place_order(order("0.001", number=2))
            assert len(harness.owner.orders) == 1

    async def test_without_back_dating_unknown_orders_stay_open_longer(self, at_blofin: Any) -> None:
        async with at_blofin() as harness, harness.account() as account:
            assert await account.find_order("BTCUSDT", "7e99") is None
            harness.exchange.clock.skew_ms = 16_000
            with pytest.raises(NotReady):
                await account.place_order(order("0.001"))
            await account.place_order(order("0.001"))
            with pytest.raises(NotReady, match="would still accept it") as caught:
                await account.find_order("BTCUSDT", "7e99")
            assert 50 < (caught.value.retry_after or 0) <= 62


class TestSettings:
    async def test_leverage_goes_up_to_the_instruments_own_maximum(self, at_blofin: Any) -> None:
        """ccxt would stop at 125."""
        async with at_blofin() as harness, harness.account() as account:
            await account.set_leverage("BTCUSDT", 150, MarginMode.CROSS)
            assert harness.owner.leverage("BTC-USDT", margin_mode=modes.MarginMode.CROSS) == 150
            with pytest.raises(OrderRejected):
                await account.set_leverage("BTCUSDT", 151, MarginMode.CROSS)

    async def test_leverage_that_is_set_already(self, at_blofin: Any) -> None:
        async with at_blofin() as harness, harness.account() as account:
            harness.emulator.unknowns.leverage_unchanged = "110999"
            for _ in range(2):
                await account.set_leverage("BTCUSDT", 5, MarginMode.ISOLATED)
            assert harness.paths[-3:] == [
                "account/set-leverage",
                "account/set-leverage",
                "account/batch-leverage-info",
            ]

    async def test_the_margin_mode_is_switched_once_for_all_symbols(self, at_blofin: Any) -> None:
        async with at_blofin() as harness, harness.account() as account:
            symbols = ["BTCUSDT", "ETHUSDT", "SOLUSDT"]
            await asyncio.gather(*(account.set_margin_mode(name, MarginMode.ISOLATED) for name in symbols))
            assert harness.counts.requests["settings"] == 1
            assert harness.owner.default_margin_mode is modes.MarginMode.ISOLATED

    async def test_an_open_position_elsewhere_does_not_prevent_an_order(self, at_blofin: Any) -> None:
        async with at_blofin() as harness, harness.account() as account:
            await account.place_order(replace(order("0.1", "ETHUSDT"), margin_mode=MarginMode.CROSS))
            await account.set_margin_mode("BTCUSDT", MarginMode.ISOLATED)
            assert harness.owner.default_margin_mode is modes.MarginMode.CROSS, "it could not be changed"
            await account.place_order(order("0.001", number=2))
            held = (await account.positions()).value
            assert {name: found.margin_mode for name, found in held.items()} == {
                "ETHUSDT": MarginMode.CROSS,
                "BTCUSDT": MarginMode.ISOLATED,
            }

    async def test_a_reduction_states_the_positions_own_margin_mode(self, at_blofin: Any) -> None:
        async with at_blofin() as harness, harness.account() as account:
            await account.place_order(replace(order("0.001"), margin_mode=MarginMode.CROSS))
            await account.positions()
            await account.place_order(order("-0.001", number=2, reduce_only=True))
            assert harness.at("BTC-USDT") == 0


class TestLookUp:
    @pytest.mark.parametrize("form", ["null", "empty", "refused"])
    async def test_an_order_that_there_is_not(self, at_blofin: Any, form: Any) -> None:
        async with at_blofin() as harness, harness.account() as account:
            harness.emulator.unknowns.missing_order = form
            assert await account.find_order("BTCUSDT", "7e99") is None

    async def test_should_the_question_be_refused_orders_are_listed(self, at_blofin: Any) -> None:
        async with at_blofin() as harness, harness.account() as account:
            report = await account.place_order(order("0.001"))
            harness.emulator.refusals["lookup"] = CodedError("152002", "Parameter clientOrderId error.")
            found = await account.find_order("BTCUSDT", report.client_order_id)
            assert found.status is OrderStatus.FILLED
            assert harness.paths[-3:] == [
                "trade/order-detail",
                "trade/orders-pending",
                "trade/orders-history",
            ]


class TestSeveralAccounts:
    async def test_each_has_its_own_keys_and_wrong_ones_stop_only_that_one(self, at_blofin: Any) -> None:
        async with at_blofin() as harness:
            other = harness.exchange.open_account(
                "other", key="K2", secret="S2", passphrase="P2", balance=D(500)
            )
            second = {"api_key": "K2", "secret": "S2", "passphrase": "P2"}
            async with harness.account() as one, harness.account(**second) as two:
                await one.place_order(order("0.001"))
                await two.place_order(order("-0.002"))
                assert (harness.at("BTC-USDT"), other.size("BTC-USDT")) == (1, -2)
                del harness.exchange.keys["K2"]
                with pytest.raises(AuthError, match="check api_key"):
                    await two.equity()
                assert (await one.equity()).value.wallet > 9_000

    async def test_orders_keep_within_the_window_of_their_key(self, at_blofin: Any) -> None:
        async with at_blofin() as harness:
            account = harness.exchange.open_account("other", key="K2", secret="S2")
            assert account.keys == [ApiKey(key="K2", secret="S2", passphrase="P")]
            async with harness.account() as one, harness.account(api_key="K2", secret="S2") as two:
                await asyncio.gather(
                    *(each.place_order(order("0.001", number=n)) for each in (one, two) for n in range(32))
                )
                assert harness.counts.orders == 64
                assert harness.counts.refusals == {}

    async def test_the_instruments_are_read_once_for_all(self, at_blofin: Any) -> None:
        async with at_blofin(limits=RateLimits(())) as harness, harness.account(), harness.account():
            assert harness.counts.requests["instruments"] == 1


class TestHosts:
    def test_there_is_no_testnet(self) -> None:
        with pytest.raises(ValidationError, match=r'BloFin has no testnet host.*test = "demo"'):
            BlofinOptions.model_validate({**KEYS, "test": "testnet"})

    @pytest.mark.parametrize("missing", sorted(KEYS))
    def test_what_is_missing_is_named(self, missing: str) -> None:
        given = {name: value for name, value in KEYS.items() if name != missing}
        with pytest.raises(ValidationError, match=f"BloFin needs {missing}"):
            BlofinOptions.model_validate(given)

    @pytest.mark.parametrize(("test", "host"), [(None, "openapi"), ("demo", "demo-trading-openapi")])
    async def test_demo_has_hosts_of_its_own(self, test: str | None, host: str) -> None:
        base: Any = await exchange_class("blofin")
        client = create_client(BlofinAdapter(BlofinOptions.model_validate({**KEYS, "test": test})), base)
        try:
            api = client.urls["api"]
            assert api["rest"] == f"https://{host}.blofin.com"
            assert api["ws"]["swap"]["private"] == f"wss://{host}.blofin.com/ws/private"
        finally:
            await close_client(client)


async def test_what_orders_cost_is_asked_for_in_what_orders_leave(at_blofin: Any) -> None:
    async with at_blofin() as harness, harness.account(rate_limits={"trading": 8}) as account:
        placed = (await account.place_order(order("0.001"))).client_order_id
        asked = [asyncio.create_task(account.order_cost("BTCUSDT", placed)) for _ in range(7)]
        await asyncio.wait(asked, return_when=asyncio.FIRST_COMPLETED)
        async with asyncio.timeout(5):  # the window lasts twice as long
            for number in range(2, 7):
                await account.place_order(order("0.001", number=number))
        assert sum(path.startswith("trade/order-detail") for path in harness.paths) <= 2, (
            "a quarter of the window"
        )
        for one in asked:
            one.cancel()
        await asyncio.gather(*asked, return_exceptions=True)
