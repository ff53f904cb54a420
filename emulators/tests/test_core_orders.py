"""Orders at the emulated exchange: what is accepted, refused, filled and counted."""

from __future__ import annotations

from decimal import Decimal

import pytest

from te_emulators.core import errors, settings
from te_emulators.core.events import Event, Topic
from te_emulators.core.margin import available, equity
from te_emulators.core.modes import MarginMode, PositionMode, PositionSide, Side
from te_emulators.core.order import FillPlan, OrderRequest, OrderStatus, OrderType, TimeInForce
from te_emulators.core.rules import Rules
from te_emulators.core.small_exchange import BTC, order, small_exchange

D = Decimal
BUY, SELL = Side.BUY, Side.SELL


def test_a_flip_realises_its_profit_and_opens_at_the_new_price() -> None:
    exchange, account = small_exchange()
    exchange.place(account, order(BUY, "10"))
    exchange.set_price("XBT", D(51_000))
    exchange.place(account, order(SELL, "25"))
    position = account.position("XBT")
    assert position is not None
    assert (position.size, position.entry_price) == (D(-15), D(51_000))
    assert account.ledger.realised == D(10)  # 10 thousandths of a coin, 1000 USDT each
    assert account.ledger.fees == D("0.0006") * (D("0.010") * 50_000 + D("0.025") * 51_000)


def test_an_average_entry_price_weighs_by_size() -> None:
    exchange, account = small_exchange()
    exchange.place(account, order(BUY, "10"))
    exchange.set_price("XBT", D(53_000))
    exchange.place(account, order(BUY, "20"))
    position = account.position("XBT")
    assert position is not None
    assert position.entry_price == D(52_000)


def test_market_orders_buy_at_the_ask_and_sell_at_the_bid() -> None:
    exchange, account = small_exchange()
    exchange.set_price("XBT", D(50_000), spread=D(20))
    bought = exchange.place(account, order(BUY, "10"))
    sold = exchange.place(account, order(SELL, "10"))
    assert (bought.average, sold.average) == (D(50_010), D(49_990))
    assert account.ledger.realised == D("-0.2")


@pytest.mark.parametrize(
    ("request_", "error"),
    [
        (order(BUY, "0"), errors.BelowMinimum),
        (order(BUY, "1"), errors.BelowNotional),
        (order(BUY, "2.5"), errors.WrongStep),
        (order(BUY, "0.1", symbol="ETH"), errors.BelowMinimum),
        (order(BUY, "0.25", symbol="ETH"), errors.WrongStep),
        (order(BUY, "5001"), errors.AboveMaximum),
        (order(BUY, "3000"), errors.InsufficientMargin),
        (order(BUY, "2", symbol="DOGE"), errors.UnknownSymbol),
        (order(BUY, "2", reduce_only=True), errors.ReduceOnlyRejected),
        (order(BUY, "2", position_side=PositionSide.LONG), errors.PositionModeMismatch),
    ],
)
def test_a_wrong_order_is_refused_and_leaves_no_trace(
    request_: OrderRequest, error: type[errors.DomainError]
) -> None:
    exchange, account = small_exchange()
    with pytest.raises(error):
        exchange.place(account, request_)
    assert not account.orders
    assert not exchange.counts.orders
    assert account.ledger.wallet == D(10_000)


def test_reduce_only_is_cut_to_the_position_and_never_opens() -> None:
    exchange, account = small_exchange()
    exchange.place(account, order(SELL, "10"))
    with pytest.raises(errors.ReduceOnlyRejected):
        exchange.place(account, order(SELL, "5", reduce_only=True))
    closed = exchange.place(account, order(BUY, "50", reduce_only=True))
    assert (closed.filled, closed.status, account.size("XBT")) == (D(10), OrderStatus.FILLED, D(0))


def test_reductions_need_no_minimum_and_split_as_the_rules_say() -> None:
    exchange, account = small_exchange(balance="1000000")
    exchange.place(account, order(BUY, "5000"))
    exchange.place(account, order(BUY, "1001"))
    exchange.place(account, order(SELL, "1", reduce_only=True))
    with pytest.raises(errors.AboveMaximum):
        exchange.place(account, order(SELL, "6000", reduce_only=True))
    exchange.rules = Rules(splits_reducing=True)
    exchange.place(account, order(SELL, "6000", reduce_only=True))
    assert account.size("XBT") == 0


def test_a_client_order_id_is_executed_once() -> None:
    exchange, account = small_exchange()
    exchange.place(account, order(BUY, "2", client_id="a"))
    with pytest.raises(errors.DuplicateClientOrderId):
        exchange.place(account, order(BUY, "2", client_id="a"))
    assert exchange.counts.executed == {("main", "a"): 1}
    assert exchange.counts.doubled == []


def test_double_executions_with_repeatable_ids_are_counted() -> None:
    exchange, account = small_exchange(rules=Rules(unique_client_ids=False))
    exchange.place(account, order(BUY, "2", client_id="a"))
    exchange.place(account, order(BUY, "2", client_id="a"))
    assert exchange.counts.doubled == [("main", "a")]


def test_a_partial_fill_leaves_the_rest_cancelled() -> None:
    exchange, account = small_exchange()
    placed = exchange.place(account, order(BUY, "10"), FillPlan(immediate=D("0.55")))
    assert (placed.status, placed.filled) == (OrderStatus.CANCELLED, D(5))
    assert account.size("XBT") == 5
    assert not account.open_orders


def test_a_late_fill_comes_after_so_many_requests() -> None:
    exchange, account = small_exchange()
    placed = exchange.place(account, order(BUY, "10"), FillPlan(immediate=D(0), rest=True, after_requests=2))
    sizes = []
    for _ in range(4):
        exchange.request_passed()
        sizes.append(account.size("XBT"))
    assert sizes == [0, 0, 10, 10]
    assert placed.status is OrderStatus.FILLED


def test_an_order_filled_in_parts_is_executed_once() -> None:
    exchange, account = small_exchange()
    plan = FillPlan(immediate=D("0.5"), rest=True)
    placed = exchange.place(account, order(BUY, "10", client_id="a"), plan)
    exchange.fill(account, placed, D(2))
    exchange.fill(account, placed)
    assert (placed.status, placed.filled, account.size("XBT")) == (OrderStatus.FILLED, D(10), D(10))
    assert exchange.counts.executed == {("main", "a"): 1}


def test_a_late_fill_after_a_cancellation_does_nothing() -> None:
    exchange, account = small_exchange()
    placed = exchange.place(account, order(BUY, "10"), FillPlan(immediate=D("0.5"), rest=True))
    assert placed.status is OrderStatus.PARTIALLY_FILLED
    exchange.cancel(account, placed)
    exchange.fill(account, placed)
    assert (account.size("XBT"), placed.status) == (D(5), OrderStatus.CANCELLED)
    with pytest.raises(errors.OrderFinished):
        exchange.cancel(account, placed)


def test_a_late_reduction_finds_less_to_reduce_than_there_was() -> None:
    exchange, account = small_exchange()
    exchange.place(account, order(BUY, "10"))
    late = exchange.place(account, order(SELL, "10", reduce_only=True), FillPlan(immediate=D(0), rest=True))
    exchange.trade_by_hand(account, "XBT", D(-7))
    exchange.fill(account, late)
    assert account.size("XBT") == 0
    assert (late.filled, late.status) == (D(3), OrderStatus.CANCELLED)
    assert not account.open_orders


def test_an_order_may_be_accepted_first_and_rejected_afterwards() -> None:
    exchange, account = small_exchange()
    plan = FillPlan(immediate=D(0), rejected="InsufficientMargin")
    placed = exchange.place(account, order(BUY, "10", client_id="a"), plan)
    assert placed.status is OrderStatus.REJECTED
    assert exchange.find_order(account, client_id="a") is placed
    assert not exchange.counts.executed


def test_limit_orders_rest_until_the_price_comes() -> None:
    exchange, account = small_exchange()
    request = OrderRequest(symbol="XBT", side=BUY, size=D(10), type=OrderType.LIMIT, price=D(49_000))
    placed = exchange.place(account, request)
    bound = available(account, exchange.market)
    assert (placed.status, bound) == (OrderStatus.NEW, D(10_000) - D(49))
    exchange.set_price("XBT", D(48_500))
    assert (placed.status, placed.average) == (OrderStatus.FILLED, D(49_000))
    assert account.ledger.fees == D("0.0002") * D(490)


@pytest.mark.parametrize(
    ("kind", "price", "status"),
    [
        (TimeInForce.IOC, "49000", OrderStatus.CANCELLED),
        (TimeInForce.IOC, "50000", OrderStatus.FILLED),
        (TimeInForce.FOK, "49000", OrderStatus.CANCELLED),
        (TimeInForce.POST_ONLY, "50000", OrderStatus.CANCELLED),
        (TimeInForce.POST_ONLY, "49000", OrderStatus.NEW),
    ],
)
def test_time_in_force(kind: TimeInForce, price: str, status: OrderStatus) -> None:
    exchange, account = small_exchange()
    request = OrderRequest(
        symbol="XBT", side=BUY, size=D(10), type=OrderType.LIMIT, price=D(price), time_in_force=kind
    )
    assert exchange.place(account, request).status is status


def test_in_hedge_mode_long_and_short_are_held_together() -> None:
    exchange, account = small_exchange()
    settings.set_position_mode(account, PositionMode.HEDGE)
    exchange.place(account, order(BUY, "10", position_side=PositionSide.LONG))
    exchange.place(account, order(SELL, "4", position_side=PositionSide.SHORT))
    assert account.size("XBT", PositionSide.LONG) == 10
    assert account.size("XBT", PositionSide.SHORT) == -4
    exchange.place(account, order(SELL, "99", position_side=PositionSide.LONG))
    assert [p.size for p in account.held("XBT")] == [D(-4)]
    with pytest.raises(errors.PositionModeMismatch):
        exchange.place(account, order(BUY, "10"))


def test_settings_are_refused_while_positions_or_orders_are_open() -> None:
    exchange, account = small_exchange()
    exchange.place(account, order(BUY, "10"))
    with pytest.raises(errors.PositionExists):
        settings.set_position_mode(account, PositionMode.HEDGE)
    with pytest.raises(errors.PositionExists):
        settings.set_margin_mode(account, MarginMode.ISOLATED, "XBT")
    settings.set_margin_mode(account, MarginMode.ISOLATED, "ETH")
    exchange.place(account, order(SELL, "10"))
    resting = OrderRequest(symbol="XBT", side=BUY, size=D(10), type=OrderType.LIMIT, price=D(49_000))
    exchange.place(account, resting)
    with pytest.raises(errors.OrdersExist):
        settings.set_margin_mode(account, MarginMode.ISOLATED, "XBT")


def test_unchanged_settings_are_reported() -> None:
    exchange, account = small_exchange()
    with pytest.raises(errors.MarginModeNotModified):
        settings.set_margin_mode(account, MarginMode.CROSS)
    with pytest.raises(errors.PositionModeNotModified):
        settings.set_position_mode(account, PositionMode.ONE_WAY)
    with pytest.raises(errors.LeverageNotModified):
        settings.set_leverage(exchange, account, "XBT", D(10))


def test_leverage_moves_the_margin_of_an_open_position() -> None:
    exchange, account = small_exchange(MarginMode.ISOLATED)
    exchange.place(account, order(BUY, "100"))
    position = account.position("XBT")
    assert position is not None
    assert position.margin == 500
    settings.set_leverage(exchange, account, "XBT", D(5))
    assert (position.margin, position.leverage) == (D(1000), D(5))
    with pytest.raises(errors.LeverageTooHigh):
        settings.set_leverage(exchange, account, "XBT", D(101))
    exchange.place(account, order(BUY, "800"))
    with pytest.raises(errors.InsufficientMargin):
        settings.set_leverage(exchange, account, "XBT", D(2))


def test_an_isolated_liquidation_costs_its_margin_and_no_more() -> None:
    exchange, account = small_exchange(MarginMode.ISOLATED)
    exchange.place(account, order(BUY, "100"))
    position = account.position("XBT")
    assert position is not None
    price = position.liquidation_price()
    assert price is not None
    exchange.set_price("XBT", price + 1)
    assert account.size("XBT") == 100
    exchange.set_price("XBT", price - D("0.01"))
    assert account.size("XBT") == 0
    assert account.ledger.wallet == D(10_000) - D(500) - account.ledger.fees
    assert [o.liquidation for o in account.orders.values()] == [False, True]


def test_cross_positions_are_liquidated_together() -> None:
    exchange, account = small_exchange(balance="1000")
    exchange.place(account, order(BUY, "150"))
    exchange.place(account, order(SELL, "5", symbol="ETH"))
    exchange.set_price("XBT", D(43_800))
    assert account.held()
    exchange.set_price("XBT", D(43_000))
    assert not account.held()
    assert account.ledger.wallet == 0
    assert account.ledger.insured > 0


def test_the_insurance_pays_again_and_again() -> None:
    exchange, account = small_exchange(balance="1000")
    for _ in range(2):
        exchange.set_price("XBT", D(50_000))
        exchange.place(account, order(BUY, "150"))
        exchange.set_price("XBT", D(40_000))
        assert account.ledger.wallet == 0
        exchange.deposit(account, D(1000))
    assert account.ledger.insured == 2 * (D(1500) - 1000) + account.ledger.fees


def test_a_leverage_that_would_liquidate_at_once_is_refused() -> None:
    exchange, account = small_exchange(MarginMode.ISOLATED)
    exchange.place(account, order(BUY, "100"))
    settings.set_leverage(exchange, account, "XBT", D(2))
    exchange.set_price("XBT", D(40_000))
    with pytest.raises(errors.InsufficientMargin):
        settings.set_leverage(exchange, account, "XBT", D(5))
    assert account.size("XBT") == 100


def test_a_reduction_frees_its_share_of_isolated_margin() -> None:
    exchange, account = small_exchange(MarginMode.ISOLATED)
    exchange.place(account, order(BUY, "100"))
    exchange.place(account, order(SELL, "25"))
    position = account.position("XBT")
    assert position is not None
    assert position.margin == 375


def test_a_hundred_times_the_margin_is_refused_to_the_last_bit() -> None:
    exchange, account = small_exchange(balance="1000")
    fee = BTC.taker_fee
    most = int(D(1000) / (D(50) * (D("0.1") + fee)))
    with pytest.raises(errors.InsufficientMargin):
        exchange.place(account, order(BUY, str(most + 1)))
    exchange.place(account, order(BUY, str(most)))
    assert available(account, exchange.market) >= 0
    assert equity(account, exchange.market) == D(1000) - account.ledger.fees


def test_events_come_in_order_and_are_snapshots() -> None:
    exchange, account = small_exchange()
    seen: list[Event] = []
    exchange.listeners.append(seen.append)
    exchange.place(account, order(BUY, "10", client_id="a"))
    exchange.place(account, order(SELL, "10", client_id="b"))
    assert [event.topic for event in seen] == 2 * [Topic.EXECUTION, Topic.ORDER, Topic.POSITION, Topic.WALLET]
    assert [event.sequence for event in seen] == list(range(1, 9))
    assert [event.position.size for event in seen if event.position] == [D(10), D(0)]
