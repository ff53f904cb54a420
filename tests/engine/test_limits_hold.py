"""Limits apply at the current price, even to a goal that was sized long ago."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from te_core.api import Equity, Instrument, Known, NotReady
from te_core.settings.schema import LimitSettings
from te_core.testing.fake_account import FakeAccount
from te_core.testing.faults import Fault, FaultyAccount, scripted
from tests.engine.scene import scene
from tests.engine.worker_harness import Open, blend_for, fail
from tests.querying import queries_of

D = Decimal


def worth(account: FakeAccount, symbol: str = "BTCUSDT") -> Decimal:
    return abs(account.quantity(symbol)) * account.price[symbol]


async def test_a_healing_order_keeps_order_notional_at_todays_price(
    open_harness: Open, account: FakeAccount
) -> None:
    harness = open_harness(drift="heal", limits=LimitSettings(order_notional=D(500)))
    await harness.want("BTCUSDT", "0.5", wait=10)
    assert account.quantity("BTCUSDT") == D("0.1")
    account.requests.clear()
    account.price["BTCUSDT"], account.equity_value = D(100000), D(20000)
    account.hold("BTCUSDT", "0.05")
    await harness.go(60)
    assert account.quantity("BTCUSDT") == D("0.1")
    assert max(order.quantity * 100000 for order in account.requests) <= 500


async def test_what_closes_keeps_to_order_notional_too(open_harness: Open, account: FakeAccount) -> None:
    harness = open_harness(limits=LimitSettings(order_notional=D(500)))
    await harness.want("BTCUSDT", "0.5", wait=10)
    account.requests.clear()
    await harness.want("BTCUSDT", "0", wait=10)
    assert account.quantity("BTCUSDT") == 0
    assert max(order.quantity * 50000 for order in account.requests) <= 500


async def test_a_size_from_another_price_is_limited_at_the_present_one(
    open_harness: Open, account: FakeAccount
) -> None:
    """A failed order is not refused for ever because the price has risen a little since."""
    faults = scripted({"place_order": [Fault(refused=NotReady("busy"))]})
    harness = open_harness(
        account=FaultyAccount(account, faults=faults), limits=LimitSettings(symbol_exposure=D(2000))
    )
    await harness.want("BTCUSDT", "0.5")
    account.price["BTCUSDT"] = D(51000)
    await harness.go(60)
    assert account.quantity("BTCUSDT") == D("0.039")
    assert harness.worker.keepers["BTCUSDT"].confirmed
    assert harness.worker.keepers["BTCUSDT"].status == "limited"
    assert "symbol_exposure" in harness.worker.keepers["BTCUSDT"].limited
    assert harness.worker.keepers["BTCUSDT"].target.revision == 1  # type: ignore[union-attr]


@pytest.mark.parametrize("price", ["80000", "100000", "400000"])
async def test_drift_is_healed_only_as_far_as_limits_leave_room_now(
    open_harness: Open, account: FakeAccount, price: str
) -> None:
    harness = open_harness(drift="heal", limits=LimitSettings(symbol_exposure=D(6000)))
    await harness.want("BTCUSDT", "0.5")
    account.price["BTCUSDT"] = D(price)
    account.hold("BTCUSDT", "0")
    await harness.go(120)
    assert 0 < worth(account) <= 6000
    assert harness.worker.keepers["BTCUSDT"].confirmed
    assert [event.kind for event in harness.events] == ["drift"]


async def test_two_symbols_never_share_one_room_though_a_price_rose(
    open_harness: Open, account: FakeAccount
) -> None:
    faults = scripted({"place_order": [Fault(refused=NotReady("busy"))]})
    harness = open_harness(
        account=FaultyAccount(account, faults=faults), limits=LimitSettings(account_exposure=D(10000))
    )
    await harness.want("BTCUSDT", "0.5")
    account.price["BTCUSDT"] = D(60000)
    await harness.want("ETHUSDT", "0.9", wait=60)
    assert worth(account) + worth(account, "ETHUSDT") <= 10000
    assert worth(account) > 0
    assert worth(account, "ETHUSDT") > 0
    assert all(state.confirmed for state in harness.worker.keepers.values())


async def test_without_a_price_nothing_is_known_to_keep_to_a_limit(
    open_harness: Open, account: FakeAccount
) -> None:
    harness = open_harness(drift="heal", limits=LimitSettings(order_notional=D(6000)))
    await harness.want("BTCUSDT", "0.5")
    price = account.price.pop("BTCUSDT")
    account.hold("BTCUSDT", "0.03")
    await harness.go(60)
    assert account.quantity("BTCUSDT") == D("0.03")
    assert "no recent price" in harness.worker.keepers["BTCUSDT"].reason
    account.price["BTCUSDT"] = price
    await harness.go(240)
    assert account.quantity("BTCUSDT") == D("0.1")


async def test_no_limit_and_no_price_hold_back_a_close(open_harness: Open, account: FakeAccount) -> None:
    harness = open_harness(limits=LimitSettings(order_notional=D(6000), symbol_exposure=D(6000)))
    await harness.want("BTCUSDT", "0.5")
    account.price["BTCUSDT"] = D(900000)
    await harness.go(60)
    assert account.quantity("BTCUSDT") == D("0.1"), "what is held is not touched for its price"
    del account.price["BTCUSDT"]
    harness.worker.retarget({"BTCUSDT": blend_for("BTCUSDT", "0")})
    await harness.go(10)
    assert account.quantity("BTCUSDT") == 0


async def test_the_smallest_order_is_computed_at_the_present_price(
    open_harness: Open, account: FakeAccount
) -> None:
    account.instrument_of = lambda symbol: Instrument(
        symbol=symbol, quantity_step=D("0.001"), minimum_notional=D(100)
    )
    harness = open_harness(drift="heal")
    await harness.want("BTCUSDT", "0.5")
    account.price["BTCUSDT"] = D(25000)
    account.hold("BTCUSDT", "0.097")
    account.requests.clear()
    await harness.go(300)
    assert account.requests == [], "3 steps of it are worth 75 now: the exchange would refuse that for ever"
    assert harness.worker.keepers["BTCUSDT"].status == "drift"
    account.hold("BTCUSDT", "0.09")
    await harness.go(60)
    assert account.quantity("BTCUSDT") == D("0.1")


async def test_a_size_that_fell_below_the_minimum_is_sized_again(
    open_harness: Open, account: FakeAccount
) -> None:
    account.instrument_of = lambda symbol: Instrument(
        symbol=symbol, quantity_step=D("0.001"), minimum_notional=D(100)
    )
    faults = scripted({"place_order": [Fault(refused=NotReady("busy"))]})
    harness = open_harness(account=FaultyAccount(account, faults=faults))
    await harness.want("BTCUSDT", "0.012")
    account.price["BTCUSDT"] = D(40000)
    await harness.go(60)
    assert account.quantity("BTCUSDT") == D("0.003")
    assert harness.worker.keepers["BTCUSDT"].confirmed


async def test_short_margin_is_noticed_at_the_present_price(open_harness: Open, account: FakeAccount) -> None:
    """Reductions go first when margin is short: the size of an increase follows from the current price."""

    async def equity() -> Known[Equity]:
        return Known(value=Equity(wallet=D(10000), total=D(10000), free=D(2000)), as_of=account.clock.now())

    harness = open_harness(drift="heal")
    harness.worker.retarget({s: blend_for(s, "0.3") for s in ("BTCUSDT", "ETHUSDT")})
    await harness.go(10)
    account.requests.clear()
    account.equity = equity  # type: ignore[method-assign]
    account.price["BTCUSDT"] = D(80000)
    account.hold("BTCUSDT", "0")
    await harness.want("ETHUSDT", "0.1")
    assert [order.symbol for order in account.requests] == ["ETHUSDT", "BTCUSDT"]


async def test_drift_that_is_too_small_to_correct_is_reported_as_such(
    open_harness: Open, account: FakeAccount
) -> None:
    account.instrument_of = lambda symbol: Instrument(
        symbol=symbol, quantity_step=D("0.001"), minimum_quantity=D("0.01")
    )
    harness = open_harness(drift="heal")
    await harness.want("BTCUSDT", "0.5", wait=10)
    account.hold("BTCUSDT", "0.095")
    await harness.go(60)
    [told] = [event.text for event in harness.events]
    assert "position is 0.095, confirmed was 0.1" in told
    assert "below the exchange's minimum" in told
    assert "alert" not in told


async def test_what_its_owner_closed_no_longer_takes_room(open_harness: Open, account: FakeAccount) -> None:
    account.hold("ETHUSDT", "3.2")
    harness = open_harness(limits=LimitSettings(account_exposure=D(10000)))
    await harness.want("BTCUSDT", "0.1", wait=5)
    assert harness.worker.foreign == {"ETHUSDT": D("3.2")}
    del account.held["ETHUSDT"]
    await harness.go(60)
    await harness.want("BTCUSDT", "0.9")
    assert worth(account) == 9000


async def test_what_a_limit_holds_back_is_shown_at_once_and_explained(tmp_path: Path) -> None:
    async with scene(tmp_path, limits__symbol_exposure=2000) as world:
        await world.say("0.5", wait=1)
        assert world.held() == D("0.04")
        row = world.row()
        assert (row["status"], row["phase"]) == ("limited", "held"), "without waiting for the next read"
        assert "symbol_exposure" in row["reason"]
        explained = queries_of(world.engine).explain("BTCUSDT")["accounts"]["one"]
        assert explained["limited"] == row["limited"] != ""
        assert explained["sizing"]["quantity"] == "0.1"
        assert explained["confirmed"]["quantity"] == "0.04"


async def test_what_blocks_a_target_is_in_its_explanation(tmp_path: Path) -> None:
    async with scene(tmp_path) as world:
        world.exchange().hold("BTCUSDT", "0.3")
        await world.say("0.5", wait=60)
        explained = queries_of(world.engine).explain("BTCUSDT")["accounts"]["one"]
        assert explained["sizing"] is None
        assert "never opened" in explained["now"]


async def test_additions_towards_a_limited_goal_are_not_too_much(
    open_harness: Open, account: FakeAccount
) -> None:
    harness = open_harness(limits=LimitSettings(symbol_exposure=D(2500)))
    await harness.want("BTCUSDT", "0.5", wait=10)
    assert account.quantity("BTCUSDT") == D("0.05")
    account.hold("BTCUSDT", "0.08")
    await harness.go(60)
    assert account.quantity("BTCUSDT") == D("0.08")
    account.hold("BTCUSDT", "0.12")
    await harness.go(60)
    assert account.quantity("BTCUSDT") == D("0.1"), "beyond the goal of 0.1 it is drift"


async def test_a_smaller_target_is_reached_in_the_old_margin_mode(tmp_path: Path) -> None:
    """A close for the new mode could not be undone, because a limit leaves no room; a reduction in the old mode is
    fine."""
    async with scene(tmp_path) as world:
        await world.say("0.5", wait=60)
        assert world.held() == D("0.1")
        await world.edit("accounts.one.limits.symbol_exposure", 100)
        await world.edit("accounts.one.margin_mode", "cross", wait=60)
        assert world.held() == D("0.1")
        await world.say("0.2", wait=60)
        assert world.held() == D("0.04")
        assert world.exchange().held["BTCUSDT"].margin_mode == "isolated"
        assert "margin mode is isolated instead of cross" in world.row()["reason"]


async def test_limits_clip_and_hold(open_harness: Open, account: FakeAccount) -> None:
    harness = open_harness(limits=LimitSettings(symbol_exposure=D(2000), account_exposure=D(3000)))
    harness.worker.retarget({s: blend_for(s, "0.3") for s in ("BTCUSDT", "ETHUSDT", "SOLUSDT")})
    await harness.go(5)
    notionals = [abs(account.quantity(s)) * account.price[s] for s in ("BTCUSDT", "ETHUSDT", "SOLUSDT")]
    assert notionals == [2000, 1000, 0]


async def test_a_price_far_from_the_signal_holds_an_increase_back(
    open_harness: Open, account: FakeAccount
) -> None:
    harness = open_harness(limits=LimitSettings(price_distance=D("0.01")))
    await harness.want("BTCUSDT", "0.5", price="45000")
    assert account.requests == []
    assert "price_distance" in harness.worker.keepers["BTCUSDT"].reason
    assert set(harness.outcomes().values()) == {"refused"}


async def test_price_distance_uses_the_newest_signal_even_if_repeated(
    open_harness: Open, account: FakeAccount
) -> None:
    harness = open_harness(limits=LimitSettings(price_distance=D("0.01")))
    await harness.want("BTCUSDT", "0.5", price="45000")
    await harness.want("BTCUSDT", "0.5", price="50000", wait=30)
    assert account.quantity("BTCUSDT") == D("0.1")


async def test_what_a_limit_holds_back_is_never_shown_as_possibly_sent(
    open_harness: Open, account: FakeAccount
) -> None:
    harness = open_harness(limits=LimitSettings(price_distance=D("0.01")))
    await harness.want("BTCUSDT", "0.5", price="45000")
    for _ in range(60):
        await harness.go(2)
        assert "recorded before" not in harness.worker.keepers["BTCUSDT"].reason
    account.price["BTCUSDT"] = D("45100")
    await harness.go(120)
    assert list(harness.outcomes().values()).count("filled") == len(account.requests) == 1


async def test_the_price_distance_is_checked_when_the_order_is_sent(
    open_harness: Open, account: FakeAccount
) -> None:
    faults = fail(place_order=[Fault(refused=NotReady("maintenance"))] * 2)
    harness = open_harness(
        account=FaultyAccount(account, faults=faults), limits=LimitSettings(price_distance=D("0.01"))
    )
    await harness.want("BTCUSDT", "0.5", price="50000")
    account.price["BTCUSDT"] = D("60000")
    await harness.go(600)
    assert account.requests == []
    assert "price_distance" in harness.worker.last_error()


async def test_a_runaway_is_stopped_by_orders_per_minute(open_harness: Open, account: FakeAccount) -> None:
    harness = open_harness(limits=LimitSettings(orders_per_minute=3))
    for index in range(1, 8):
        await harness.want("BTCUSDT", f"0.{index}", wait=0.5)
    assert len(account.requests) == 3
    await harness.go(120)
    assert account.quantity("BTCUSDT") == D("0.14")
