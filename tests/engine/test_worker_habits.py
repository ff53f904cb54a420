"""Exchanges differ in what they show, when they fill and what they accept, and change it while the engine runs."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal

import pytest

from te_core.api import (
    Capabilities,
    Known,
    MarginMode,
    NotReady,
    OrderRejected,
    OrderReport,
    OrderRequest,
    OrderStatus,
    Position,
)
from te_core.testing.fake_account import FakeAccount
from te_core.testing.faults import Fault, FaultyAccount
from tests.engine.worker_harness import Open, blend_for

D = Decimal


class Particular(FakeAccount):
    """Refuses what exchanges refuse, and shows leverage and margin mode only as configured."""

    shows_mode = shows_leverage = shows_flat = True
    leverage_in_order = False

    async def positions(self) -> Known[Mapping[str, Position]]:
        known = await super().positions()
        shown = {s: p for s, p in known.value.items() if p.quantity or self.shows_flat}
        if not self.shows_leverage:
            shown = {s: replace(p, leverage=None) for s, p in shown.items()}
        if not self.shows_mode:
            shown = {s: replace(p, margin_mode=None) for s, p in shown.items()}
        return replace(known, value=shown)

    async def set_leverage(self, symbol: str, leverage: int, margin_mode: MarginMode) -> None:
        held = self.held.get(symbol)
        if held and held.quantity and held.margin_mode != margin_mode:
            raise OrderRejected("the margin mode changes only while flat")
        if leverage > (self.instrument_of(symbol).largest_leverage or 100):
            raise OrderRejected("too much leverage")
        await super().set_leverage(symbol, leverage, margin_mode)

    def fill(self, order: OrderRequest, share: Decimal = Decimal(1)) -> OrderReport:
        instrument, flat = self.instrument_of(order.symbol), not self.quantity(order.symbol)
        if order.quantity % instrument.quantity_step:
            raise OrderRejected("not a multiple of the step")
        if order.quantity > (instrument.largest_market_quantity or 100):
            raise OrderRejected("too large")
        report = super().fill(order, share)
        if flat and self.leverage_in_order:
            held = self.held[order.symbol]
            levered = replace(held, leverage=Decimal(order.leverage), margin_mode=order.margin_mode)
            self.held[order.symbol] = levered
        return report


@pytest.fixture
def account(account: FakeAccount) -> Particular:
    return Particular(account.clock, BTCUSDT="50000")


def lists(account: FakeAccount, **changed: object) -> None:
    """Change the rules of a symbol from now on."""
    now = replace(account.instrument_of("BTCUSDT"), **changed)  # type: ignore[arg-type]
    account.instrument_of = lambda symbol: now


@pytest.mark.parametrize("changed", [{"quantity_step": D("0.01")}, {"largest_market_quantity": D("0.05")}])
async def test_instruments_are_read_again_when_an_order_is_refused(
    open_harness: Open, account: Particular, changed: dict[str, object]
) -> None:
    harness = open_harness()
    await harness.want("BTCUSDT", "0.01")
    lists(account, **changed)
    await harness.want("BTCUSDT", "0.535", wait=20)
    assert account.quantity("BTCUSDT") in (D("0.1"), D("0.102"), D("0.107"))
    assert harness.worker.keepers["BTCUSDT"].confirmed


async def test_a_foreign_position_is_closed_by_the_current_rules(
    open_harness: Open, account: Particular
) -> None:
    harness = open_harness()
    await harness.want("BTCUSDT", "0.01")
    await harness.want("BTCUSDT", "0")
    lists(account, largest_market_quantity=D("0.05"))
    account.hold("BTCUSDT", "0.12")
    await harness.go(40)
    assert account.quantity("BTCUSDT") == 0
    assert max(order.quantity for order in account.requests) <= D("0.05")


async def test_a_goal_is_sized_again_when_its_leverage_is_unavailable(
    open_harness: Open, account: Particular
) -> None:
    harness = open_harness()
    await harness.want("BTCUSDT", "0.01", leverage=1)
    lists(account, largest_leverage=3)
    await harness.want("BTCUSDT", "0.1", leverage=5, wait=20)
    assert account.quantity("BTCUSDT") == D("0.06")
    assert account.held["BTCUSDT"].leverage == 3
    assert harness.worker.keepers["BTCUSDT"].confirmed


class Acknowledges(Particular):
    """Accepts orders at once and fills them three seconds later."""

    async def place_order(self, order: OrderRequest) -> OrderReport:
        asyncio.get_running_loop().call_later(3, self.fill, order)
        return OrderReport(client_order_id=order.client_order_id, status=OrderStatus.OPEN)

    async def find_order(self, symbol: str, client_order_id: str) -> OrderReport | None:
        return self.orders.get(client_order_id) or OrderReport(
            client_order_id=client_order_id, status=OrderStatus.OPEN
        )


@pytest.mark.parametrize("drift", ["heal", "alert"])
async def test_a_close_for_a_new_margin_mode_waits_until_it_shows(
    open_harness: Open, account: Particular, drift: str
) -> None:
    """The position is at its goal before the close, and must be there again after the opening."""
    slow = Acknowledges(account.clock, BTCUSDT="50000")
    harness = open_harness(account=slow, drift=drift)
    await harness.want("BTCUSDT", "0.5", wait=30)
    harness.configure(margin_mode="cross", drift=drift)
    await harness.go(60)
    assert slow.quantity("BTCUSDT") == D("0.1")
    assert slow.held["BTCUSDT"].margin_mode == "cross"
    assert harness.worker.keepers["BTCUSDT"].confirmed
    assert [event.kind for event in harness.events] == []


class FillsAShare(Particular):
    """Accepts orders without reporting their fill; the first one fills to 40 %, with a fee."""

    async def place_order(self, order: OrderRequest) -> OrderReport:
        self.fill(order, D(1) if self.requests else D("0.4"))
        self.equity_value -= 10
        return OrderReport(client_order_id=order.client_order_id, status=OrderStatus.OPEN)


async def test_a_partial_fill_of_our_order_is_not_a_change_by_others(
    open_harness: Open, account: Particular
) -> None:
    """The read that shows it arrives before its outcome is known."""
    one = FillsAShare(account.clock, equity="10000", BTCUSDT="50000")
    harness = open_harness(account=one)
    await harness.want("BTCUSDT", "0.5", wait=5)
    assert [order.quantity for order in one.requests] == [D("0.1"), D("0.06")]
    assert one.quantity("BTCUSDT") == D("0.1"), "sized once"
    assert harness.worker.keepers["BTCUSDT"].confirmed


@pytest.mark.parametrize("fault", [Fault(stale=True), None], ids=["stale", "lagging"])
async def test_a_read_from_before_our_orders_confirms_nothing(
    open_harness: Open, account: Particular, fault: Fault | None
) -> None:
    faulty = FaultyAccount(account)
    harness = open_harness(account=faulty, drift="alert")
    await harness.want("BTCUSDT", "0.5")
    if fault is None:
        faulty.inject("place_order", Fault(lag=3))
    faulty.inject("positions", None, fault)
    harness.configure(margin_mode="cross", drift="alert")
    await harness.go(60)
    assert account.quantity("BTCUSDT") == D("0.1")
    assert [event.kind for event in harness.events] == []


async def test_a_close_that_the_exchange_cancels_is_tried_again_soon(
    open_harness: Open, account: Particular
) -> None:

    class Cancels(Acknowledges):
        cancels = 0

        def fill(self, order: OrderRequest, share: Decimal = Decimal(1)) -> OrderReport:
            if order.reduce_only and self.cancels:
                self.cancels -= 1
                self.orders[order.client_order_id] = OrderReport(
                    client_order_id=order.client_order_id, status=OrderStatus.CANCELLED, filled=D(0)
                )
                return self.orders[order.client_order_id]
            return super().fill(order, share)

    slow = Cancels(account.clock, BTCUSDT="50000")
    faulty = FaultyAccount(slow)
    harness = open_harness(account=faulty)
    await harness.want("BTCUSDT", "0.5", wait=30)
    slow.cancels = 6
    faulty.inject("set_leverage", *[Fault(refused=NotReady("busy"))] * 6)
    await harness.want("BTCUSDT", "-0.5", leverage=2, wait=120)
    assert slow.quantity("BTCUSDT") <= 0


async def test_leverage_changed_by_the_owner_is_set_though_hidden(
    open_harness: Open, account: Particular
) -> None:
    account.shows_flat = False
    harness = open_harness()
    await harness.want("BTCUSDT", "0.5", leverage=3, wait=10)
    account.hold("BTCUSDT", "0.004")
    account.held["BTCUSDT"] = replace(account.held["BTCUSDT"], leverage=D(1))
    harness.worker.retarget({"BTCUSDT": blend_for("BTCUSDT", "0", 3)})
    await harness.go(5)
    await harness.want("BTCUSDT", "0.5", leverage=3)
    assert account.held["BTCUSDT"].leverage == 3


@pytest.mark.parametrize("restart", [False, True])
async def test_leverage_changed_with_a_close_by_hand_is_set_again(
    open_harness: Open, account: Particular, restart: bool
) -> None:
    account.shows_flat = False
    harness = open_harness(drift="heal")
    await harness.want("BTCUSDT", "0.5", leverage=3, wait=10)
    account.hold("BTCUSDT", "0")
    account.held["BTCUSDT"] = replace(account.held["BTCUSDT"], leverage=D(1))
    if restart:
        await harness.restart()
    await harness.want("BTCUSDT", "0.5", leverage=3, wait=60)
    assert account.quantity("BTCUSDT") == D("0.3")
    assert account.held["BTCUSDT"].leverage == 3


async def test_after_a_restart_a_hidden_margin_mode_is_still_known(
    open_harness: Open, account: Particular
) -> None:
    account.shows_mode = False
    harness = open_harness()
    await harness.want("BTCUSDT", "0.5")
    await harness.restart()
    await harness.want("BTCUSDT", "0.5", wait=10)
    harness.configure(margin_mode="cross")
    await harness.go(60)
    assert account.held["BTCUSDT"].margin_mode == "cross"
    assert account.quantity("BTCUSDT") == D("0.1")


async def test_leverage_of_an_order_is_remembered_where_not_shown(
    open_harness: Open, account: Particular
) -> None:
    account.shows_leverage, account.leverage_in_order = False, True
    harness = open_harness()
    harness.capabilities = Capabilities(leverage_in_order=True)
    await harness.restart()
    await harness.want("BTCUSDT", "0.5", leverage=2)
    await harness.want("BTCUSDT", "0.1", leverage=1)
    await harness.want("BTCUSDT", "0", leverage=1)
    await harness.want("BTCUSDT", "0.2", leverage=3)
    await harness.want("BTCUSDT", "0.9", leverage=1)
    assert account.held["BTCUSDT"].leverage == 1


async def test_leverage_is_unknown_while_its_request_has_no_response(
    open_harness: Open, account: Particular
) -> None:
    account.shows_leverage = False
    faulty = FaultyAccount(account)
    harness = open_harness(account=faulty)
    await harness.want("BTCUSDT", "0.5", leverage=1)
    faulty.inject("set_leverage", Fault(answer_delay=60))
    await harness.want("BTCUSDT", "0.6", leverage=3, wait=20)
    assert account.held["BTCUSDT"].leverage == 3
    await harness.want("BTCUSDT", "0.7", leverage=1)
    assert account.held["BTCUSDT"].leverage == 1


async def test_a_symbol_at_rest_stays_so_after_an_older_read(open_harness: Open, account: Particular) -> None:
    faulty = FaultyAccount(account)
    harness = open_harness(account=faulty)
    await harness.want("BTCUSDT", "0.5")
    harness.configure(enabled=False)
    faulty.inject("positions", None, None, Fault(stale=True))
    await harness.go(0.001)
    harness.worker.wake()
    await harness.go(300)
    assert account.quantity("BTCUSDT") == 0
    assert harness.worker.keepers["BTCUSDT"].status == "at_target"


async def test_an_order_overtaken_by_a_stop_is_not_left_open(open_harness: Open, account: Particular) -> None:
    """A refused key stops the account while another symbol's order is being journaled."""
    account.price["ETHUSDT"] = D(2500)
    faulty = FaultyAccount(account)
    harness = open_harness(account=faulty)
    await harness.go(1)
    append = harness.journal.append

    def stopping(*entries: object, **how: bool) -> object:
        done = append(*entries, **how)  # type: ignore[arg-type]
        if how.get("awaited", True):
            harness.task.cancel()
        return done

    harness.journal.append = stopping  # type: ignore[assignment]
    harness.worker.retarget({"BTCUSDT": blend_for("BTCUSDT", "0.5")})
    await asyncio.wait([harness.task])
    await asyncio.sleep(1)
    assert faulty.sent == []
    assert set(harness.outcomes().values()) == {"unsent"}


async def test_after_a_restart_a_tied_confirmation_proves_nothing(
    open_harness: Open, account: Particular
) -> None:
    faulty = FaultyAccount(account)
    harness = open_harness(account=faulty)
    await harness.go(1)
    faulty.inject("positions", None, Fault(refused=NotReady("down")))
    faulty.inject("place_order", None, Fault(lag=3))
    await harness.want("BTCUSDT", "0.2", wait=0.3)
    await harness.want("BTCUSDT", "0.5", wait=0.3)
    assert len(account.requests) == 2
    await harness.restart()
    await harness.want("BTCUSDT", "0.5", wait=30)
    assert account.quantity("BTCUSDT") == D("0.1")
    assert len(account.requests) == 2
