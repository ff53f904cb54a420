"""Stops at BloFin: TP/SL orders, which become other orders; the engine treats both as one."""

from __future__ import annotations

import json
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from te_core.api import (
    MarginMode,
    NotReady,
    OrderRejected,
    OrderReport,
    OrderStatus,
    Side,
    StopKind,
    StopRequest,
)
from te_emulators.accounts import order
from te_emulators.blofin.server import BlofinServer
from te_emulators.core.order import FillPlan
from te_emulators.wire.call import Call
from te_exchange_blofin import tpsl
from te_exchange_blofin.options import BlofinOptions
from te_exchange_blofin.plugin import BLOFIN

pytestmark = pytest.mark.real_clock

D = Decimal
BTC = "BTC-USDT"
KEYS = {"api_key": "K", "secret": "S", "passphrase": "P"}


def stop(trigger: Decimal, *, number: int = 1, kind: StopKind = StopKind.LOSS) -> StopRequest:
    """A stop of a long position of 0.002 BTC."""
    return StopRequest(
        client_order_id=f"7e5{number:029x}",
        symbol="BTCUSDT",
        kind=kind,
        side=Side.SELL,
        quantity=D("0.002"),
        trigger=trigger,
        leverage=2,
        margin_mode=MarginMode.CROSS,
    )


def moved(harness: Any, *, last: Decimal | None = None, mark: Decimal | None = None) -> None:
    """Move one of the prices of BTC."""
    quote = harness.exchange.market.quotes[BTC]
    harness.exchange.set_quote(replace(quote, last=last or quote.last, mark=mark or quote.mark))


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The bodies of the requests that change something."""
    found: list[Any] = []
    authenticate = BlofinServer.authenticate

    def remembered(self: BlofinServer, call: Call) -> None:
        if call.body:
            found.append((call.path.removeprefix("/api/v1/trade/"), json.loads(call.body)))
        authenticate(self, call)

    monkeypatch.setattr(BlofinServer, "authenticate", remembered)
    return found


async def test_what_is_sent_is_what_is_documented(at_blofin: Any, sent: list[Any]) -> None:
    async with at_blofin() as harness, harness.account() as account:
        await account.place_order(replace(order("0.002"), margin_mode=MarginMode.CROSS))
        sent.clear()
        price = harness.exchange.market.quotes[BTC].last // 1
        await account.place_stop(stop(price - 1000))
        await account.place_stop(stop(price + 1000, number=2, kind=StopKind.PROFIT))
        await account.cancel_stop("BTCUSDT", stop(price).client_order_id)
        common = {"instId": BTC, "marginMode": "cross", "positionSide": "net", "side": "sell", "size": "2"}
        loss = {"slTriggerPrice": str(price - 1000), "slOrderPrice": "-1", "reduceOnly": "true"}
        profit = {"tpTriggerPrice": str(price + 1000), "tpOrderPrice": "-1", "reduceOnly": "true"}
        one, two = (f"7e5{number:029x}" for number in (1, 2))
        assert sent == [
            ("order-tpsl", {**common, **loss, "clientOrderId": one}),
            ("order-tpsl", {**common, **profit, "clientOrderId": two}),
            ("cancel-tpsl", [{"instId": BTC, "clientOrderId": one}]),
        ]
        assert [one.client_order_id for one in await account.stops()] == [two]


async def test_the_last_price_triggers(at_blofin: Any) -> None:
    async with at_blofin() as harness, harness.account() as account:
        await account.place_order(replace(order("0.002"), margin_mode=MarginMode.CROSS))
        price = harness.exchange.market.quotes[BTC].last // 1
        wanted = stop(price - 1000)
        await account.place_stop(wanted)
        moved(harness, mark=price - 2000)
        assert await found(account, wanted) == (OrderStatus.OPEN, None)
        assert harness.at(BTC) == 2
        moved(harness, last=price - 2000)
        assert await found(account, wanted) == (OrderStatus.FILLED, D("0.002"))
        assert harness.at(BTC) == 0
        report = await account.order_cost("BTCUSDT", wanted.client_order_id)
        assert report.average_price is not None
        assert report.fee > 0
        assert report.client_order_id == wanted.client_order_id
        assert await account.find_order("BTCUSDT", wanted.client_order_id) is None, "it is another order"


async def found(account: Any, wanted: StopRequest) -> tuple[OrderStatus, Decimal | None]:
    """Return the look-up of a stop."""
    report: OrderReport = await account.find_stop(wanted.symbol, wanted.client_order_id)
    return report.status, report.filled


async def test_how_a_stop_may_end(at_blofin: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Cancelled, partly filled, with nothing to reduce, unknown; and triggered without a visible order."""
    monkeypatch.setattr(tpsl, "CHILD_LOOKUP_DELAYS", (0.0, 0.01))
    async with at_blofin() as harness, harness.account() as account:
        price = harness.exchange.market.quotes[BTC].last // 1
        await account.place_order(replace(order("0.004"), margin_mode=MarginMode.CROSS))
        below = [stop(price - 1000, number=number) for number in (11, 12, 13, 14)]
        for one in below:
            await account.place_stop(one)
        for _ in range(2):  # the second time there is nothing to cancel, which is fine, too
            await account.cancel_stop("BTCUSDT", below[0].client_order_id)
        assert await found(account, below[0]) == (OrderStatus.CANCELLED, D(0))
        harness.exchange.stop_plan = FillPlan(immediate=D("0.5"))
        moved(harness, last=price - 2000)
        assert await found(account, below[1]) == (OrderStatus.CANCELLED, D("0.001"))
        assert await found(account, below[2]) == (OrderStatus.FILLED, D("0.002"))
        assert await found(account, below[3]) == (OrderStatus.CANCELLED, D("0.001")), (
            "it closed what was left"
        )
        await account.place_order(replace(order("0.002", number=2), margin_mode=MarginMode.CROSS))
        last = stop(price - 5000, number=15)
        await account.place_stop(last)
        await account.place_order(
            replace(order("-0.002", number=3, reduce_only=True), margin_mode=MarginMode.CROSS)
        )
        moved(harness, last=price - 6000)
        assert await found(account, last) == (OrderStatus.REJECTED, D(0))
        harness.emulator.unknowns.children_shown = False
        assert await found(account, below[2]) == (OrderStatus.FILLED, None), "the position tells how much"
        assert await account.find_stop("BTCUSDT", "7e" + "f" * 30) is None
        await account.place_order(replace(order("0.002", number=4), margin_mode=MarginMode.CROSS))
        with pytest.raises(OrderRejected, match="SL trigger price should be lower"):
            await account.place_stop(stop(price, number=16))


async def test_resting_stops_are_read_page_by_page(at_blofin: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tpsl, "PAGE", 2)
    async with at_blofin() as harness, harness.account() as account:
        await account.place_order(replace(order("0.01"), margin_mode=MarginMode.CROSS))
        price = harness.exchange.market.quotes[BTC].last // 1
        names = set()
        for number in range(5):
            names.add(stop(price - 1000 - number, number=number).client_order_id)
            await account.place_stop(stop(price - 1000 - number, number=number))
        assert {one.client_order_id for one in await account.stops()} == names


async def test_a_stop_that_may_still_be_accepted_is_not_lost(at_blofin: Any) -> None:
    """Like orders: if BloFin accepts no back-dated ones, an unknown one may arrive for up to a minute."""
    async with at_blofin() as harness, harness.account() as account:
        await account.place_order(replace(order("0.002"), margin_mode=MarginMode.CROSS))
        account._connection.exchange.age = 0
        with pytest.raises(NotReady, match="would still accept it"):
            await account.find_stop("BTCUSDT", "7e" + "f" * 30)
        assert harness.at(BTC) == 2


def test_a_copy_trading_account_leaves_stops_to_the_engine() -> None:
    futures, copied = (
        BlofinOptions.model_validate({**KEYS, "account_type": kind}) for kind in ("futures", "copy_trading")
    )
    assert BLOFIN.capabilities_of(futures).stops
    assert not BLOFIN.capabilities_of(copied).stops
