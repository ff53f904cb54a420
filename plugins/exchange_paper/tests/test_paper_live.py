"""A paper account at the prices, rules and tiers of a real exchange, also while that cannot be reached."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from te_core.api import ConfigError, MarginMode, OrderRejected, OrderRequest, Severity
from te_exchange_ccxt.public_data import RiskTier
from te_exchange_paper.options import PaperOptions

D = Decimal
MakeOrder = Callable[..., OrderRequest]


async def test_orders_fill_at_ask_and_bid_and_are_valued_at_the_mark(world: Any, order: MakeOrder) -> None:
    world.quote(60_000, bid=59_990, ask=60_010)
    async with world.run() as account:
        bought = await account.place_order(order("0.1"))
        assert (await world.account.equity()).value.total == 10_000 - 1
        sold = await account.place_order(order("-0.1"))
        assert [bought.average_price, sold.average_price] == [60_010, 59_990]
        assert await world.price() == 60_000


async def test_slippage_is_added_and_rounded_to_the_tick(world: Any, order: MakeOrder) -> None:
    world.quote(60_000, bid=59_990, ask=60_010)
    async with world.run(slippage="0.0001") as account:
        assert (await account.place_order(order("0.1"))).average_price == D("60016.5")


async def test_the_exchanges_rules_hold_and_settings_go_over_them(world: Any, order: MakeOrder) -> None:
    async with world.run(instruments={"BTCUSDT": {"largest_leverage": 5}}) as account:
        (found,) = (await account.instruments(["BTCUSDT", "NOPEUSDT", "ETHUSDT"])).values()
        assert [found.quantity_step, found.minimum_notional, found.largest_leverage] == [D("0.002"), 7, 5]
        with pytest.raises(OrderRejected, match="multiple"):
            await account.place_order(order("0.005"))


async def test_pushed_prices_count_at_once_and_need_no_read(world: Any) -> None:
    async with world.run():
        await asyncio.sleep(1)
        world.public.asked.clear()
        for second in range(60):
            world.push(61_000 + second)
            await asyncio.sleep(1)
            assert await world.price() == 61_000 + second
        assert "quotes" not in world.public.asked


async def test_what_is_not_pushed_is_read(world: Any) -> None:
    async with world.run():
        world.quote(62_000)
        await asyncio.sleep(11)
        assert await world.price() == 62_000


async def test_signal_prices_apply_during_an_outage_of_one_event(world: Any, order: MakeOrder) -> None:
    async with world.run() as account:
        await asyncio.sleep(20)
        world.state(50_000)
        await asyncio.sleep(1)
        assert await world.price() == 60_000, "live prices go first"
        world.public.down()
        await asyncio.sleep(40)
        assert world.told() == ["outage"]
        assert (
            "bybit: no price of BTCUSDT for 15 s (no route to host); using the signals'"
            in world.events[0].text
        )
        assert await world.price() == 60_000, "the live price is newer than the signal's"
        world.state(50_500)
        assert await world.price() == 50_500
        assert (await account.place_order(order("0.1"))).average_price == 50_500
        await asyncio.sleep(600)
        world.public.failing = None
        await asyncio.sleep(10)
        assert await world.price() == 60_000
        assert world.told() == ["outage", "recovery"]


async def test_an_exchange_that_is_down_at_the_start_is_tried_again(world: Any, order: MakeOrder) -> None:
    world.public.down()
    world.state(50_000)
    async with world.run() as account:
        assert (await account.place_order(order("0.1"))).average_price == 50_000, "by the built-in table"
        await asyncio.sleep(60)
        assert world.told() == ["outage"]
        world.public.failing = None
        await asyncio.sleep(120)
        assert await world.price() == 60_000
        assert world.told() == ["outage", "recovery"]
        assert (await account.instruments(["BTCUSDT"]))["BTCUSDT"].quantity_step == D("0.002")


async def test_an_exchange_that_nobody_knows_stops_the_account(world: Any) -> None:
    world.public.failing = ConfigError("ccxt does not support the exchange 'bibyt'")
    with pytest.raises(ConfigError, match="bibyt"):
        async with world.run():
            pass


async def test_a_defect_is_reported_and_what_it_ended_is_tried_again(world: Any) -> None:
    world.public.defect = RuntimeError("a plugin's mistake")
    async with world.run():
        await asyncio.sleep(30)
        assert world.told() == ["outage"]
        assert "a plugin's mistake" in world.events[0].text
        world.public.defect = None
        await asyncio.sleep(60)
        assert world.told() == ["outage", "recovery"]


async def test_a_symbol_the_exchange_does_not_trade_is_not_an_outage(world: Any) -> None:
    async with world.run() as account:
        assert (await account.instruments(["BTCUSDT", "ETHUSDT"])).keys() == {"BTCUSDT"}
        assert (await account.prices(["BTCUSDT", "ETHUSDT"])).value.keys() == {"BTCUSDT"}
        await asyncio.sleep(60)
        assert world.told() == []


async def test_the_doctor_says_what_the_exchange_offers(world: Any) -> None:
    async with world.run() as account:
        (finding,) = await account.diagnose()
        assert (finding.severity, "without pushed prices" in finding.text) == (Severity.WARNING, True)
    world.public.down()
    async with world.run() as account:
        (finding,) = await account.diagnose()
        assert "cannot be reached: no route to host" in finding.text


async def test_an_old_signal_price_liquidates_nothing_at_start(world: Any, order: MakeOrder) -> None:
    world.state(30_000)
    await asyncio.sleep(60)
    async with world.run() as account:
        await account.set_leverage("BTCUSDT", 10, MarginMode.ISOLATED)
        await account.place_order(order("0.1"))
    for broken in (False, True):
        if broken:
            world.public.down()
        async with world.run() as account:
            await asyncio.sleep(30)
            assert (await account.positions()).value["BTCUSDT"].quantity == D("0.1")
            assert await world.price() == 60_000


async def test_a_large_position_is_liquidated_by_its_tier(world: Any, order: MakeOrder) -> None:
    tiered = RiskTier(floor=D(100_000), rate=D("0.05"))
    prices = {}
    for name, risk in (("flat", []), ("tiered", [RiskTier(floor=D(0), rate=D("0.005")), tiered])):
        world.public.risk["BTCUSDT"] = risk
        async with world.run(balance=100_000) as account:
            await asyncio.sleep(2)
            if name == "flat":
                await account.set_leverage("BTCUSDT", 10, MarginMode.ISOLATED)
                await account.place_order(order("10"))
            await asyncio.sleep(2)
            prices[name] = (await account.positions()).value["BTCUSDT"].liquidation_price
    # 600,000 in, 60,000 of margin: 60,000 + 10 p - 600,000 = 0.05 x 10 p - 4,500
    assert prices == {
        "flat": pytest.approx(D(540_000) / D("9.95")),
        "tiered": pytest.approx(D(535_500) / D("9.5")),
    }


async def test_what_live_prices_no_longer_support_is_liquidated(world: Any, order: MakeOrder) -> None:
    async with world.run() as account:
        await account.set_leverage("BTCUSDT", 10, MarginMode.ISOLATED)
        await account.place_order(order("0.1"))
        await asyncio.sleep(1)
        world.push(54_000)
        await asyncio.sleep(1.5)
        world.push(60_000)
        assert (await account.positions()).value["BTCUSDT"].quantity == 0
        assert await world.wallet() == 9_400


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"prices_url": "http://127.0.0.1:1"}, "prices_url has no effect without prices_from"),
        ({"prices_from": "By bit"}, "pattern"),
        ({"prices_from": "bybit", "prices_max_age": "1s"}, "greater than or equal"),
    ],
)
def test_options_that_make_no_sense_are_refused(options: dict[str, Any], reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        PaperOptions.model_validate(options)
