"""The stops of a position as pure rules: levels, orders, what is placed and cancelled."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from te_core.model.exits import Exit, Exits, ExitUnit
from te_core.model.instrument import Instrument
from te_core.model.order import Intent, Side, StopKind
from te_core.model.policy import StopPolicy
from te_core.model.position import MarginMode
from te_core.model.target import Target, Term
from te_core.rules.stops import (
    Levels,
    StopOrder,
    changes,
    crossed,
    follows,
    holds_back,
    levels,
    wanted_orders,
)

D = Decimal
NOW = datetime(2026, 3, 1, tzinfo=UTC)
BTC = Instrument(
    symbol="BTCUSDT", quantity_step=D("0.001"), price_tick=D("0.1"), largest_market_quantity=D(5)
)


def percent(value: str) -> Exit:
    return Exit(value=D(value), unit=ExitUnit.PERCENT)


def at(value: str, share: str | None = None) -> Exit:
    return Exit(value=D(value), unit=ExitUnit.PRICE, share=None if share is None else D(share))


def found(exits: Exits, quantity: str = "1", entry: str = "100", best: str | None = None) -> Levels:
    return levels(exits, quantity=D(quantity), entry=D(entry), best=D(best or entry), tick=D("0.1"))


@pytest.mark.parametrize(
    ("exits", "quantity", "best", "loss", "profit"),
    [
        ({"stop_loss": percent("3")}, "1", None, "97", None),
        ({"stop_loss": percent("3")}, "-1", None, "103", None),
        ({"stop_loss": Exit(value=D(5), unit=ExitUnit.DISTANCE)}, "1", None, "95", None),
        ({"stop_loss": at("96.04"), "take_profit": (percent("6"),)}, "1", None, "96", "106"),
        ({"stop_loss": at("104"), "take_profit": (percent("6"),)}, "-1", None, "104", "94"),
        ({"trailing_stop": percent("2")}, "1", "110", "107.8", None),
        ({"trailing_stop": percent("2")}, "-1", "90", "91.8", None),
        ({"stop_loss": percent("3"), "trailing_stop": percent("5")}, "1", "101", "97", None),
        ({"trailing_stop": percent("2"), "activation": percent("5")}, "1", "104.9", None, None),
        ({"trailing_stop": percent("2"), "activation": percent("5")}, "1", "105", "102.9", None),
        ({"stop_loss": percent("3"), "break_even": percent("1")}, "1", "100.9", "97", None),
        ({"stop_loss": percent("3"), "break_even": percent("1")}, "1", "101", "100", None),
        ({"stop_loss": percent("3"), "break_even": percent("1")}, "-1", "99", "100", None),
    ],
)
def test_levels(exits: Any, quantity: str, best: str | None, loss: str | None, profit: str | None) -> None:
    shown = found(Exits(**exits), quantity, best=best)
    assert (shown.loss, shown.profit) == (loss and D(loss), profit and D(profit))
    assert not shown.notes


def test_levels_on_the_wrong_side_are_reported_and_omitted() -> None:
    wrong = found(Exits(stop_loss=at("105"), take_profit=(at("95"),)))
    assert (wrong.loss, wrong.profit) == (None, None)
    assert len(wrong.notes) == 2
    part = found(Exits(take_profit=(at("105", "0.5"), at("110"))))
    assert part.profit == 110
    assert part.notes == ("take profit 105 for 0.5, a part of the position, is ignored",)


def test_partial_closes_are_noted_and_positions_close_whole() -> None:
    stated = Exits(take_profit=(at("105"), at("110"), at("115", "1")), stop_loss=at("95", "0.5"))
    shown = found(stated)
    assert (shown.loss, shown.profit) == (D(95), D(105))
    assert shown.notes == (
        "take profit 110 is ignored: the one at 105 closes everything",
        "take profit 115 for 1 is ignored: the one at 105 closes everything",
        "stop 95 for 0.5, a part of the position, closes all of it",
    )
    steps = found(Exits(take_profit=(at("105", "0.5"), at("110", "0.5"))))
    assert steps.profit is None
    assert len(steps.notes) == 2


@given(
    quantity=st.sampled_from([D(1), D(-1)]),
    prices=st.lists(st.integers(80, 120).map(D), min_size=1, max_size=20),
    trail=st.integers(1, 10),
)
def test_a_trailing_stop_never_moves_back(quantity: Decimal, prices: list[Decimal], trail: int) -> None:
    exits = Exits(trailing_stop=percent(str(trail)), stop_loss=percent("12"))
    sign, best, last = int(quantity), D(100), None
    for price in prices:
        if follows(exits, sign=sign, entry=D(100), best=best, price=price):
            best = price
        level = levels(exits, quantity=quantity, entry=D(100), best=best, tick=D("0.01")).loss
        assert level is not None
        assert (level - best) * sign < 0
        assert last is None or (level - last) * sign >= 0
        last = level


def test_orders_close_a_position_in_pieces_of_allowed_size() -> None:
    orders = wanted_orders(Levels(loss=D(97), profit=D(106)), D("-12"), BTC)
    assert {(order.side, order.kind) for order in orders} == {
        (Side.BUY, StopKind.LOSS),
        (Side.BUY, StopKind.PROFIT),
    }
    assert [order.quantity for order in orders if order.kind is StopKind.LOSS] == [5, 5, 2]
    assert wanted_orders(Levels(), D(1), BTC) == ()


def resting(order: StopOrder, name: str = "7e1", **more: Any) -> Intent:
    values = {
        "client_order_id": name,
        "account": "a",
        "symbol": "BTCUSDT",
        "revision": 1,
        "step": 2,
        "chunk": 0,
        "side": order.side,
        "quantity": order.quantity,
        "reduce_only": True,
        "leverage": 1,
        "margin_mode": MarginMode.ISOLATED,
        "reference_price": order.trigger,
        "created_at": NOW,
        "stop": order.kind,
    }
    return Intent(**{**values, **more})


def test_what_rests_as_it_should_is_left_alone() -> None:
    (order,) = wanted_orders(Levels(loss=D(97)), D(1), BTC)
    assert not changes([order], [resting(order)])
    assert not changes([order], [resting(replace(order, trigger=D("97.01")))]), (
        "an entry read with other digits"
    )
    for other in (replace(order, trigger=D(98)), replace(order, quantity=D(2))):
        made = changes([order], [resting(other)])
        assert (made.place, made.cancel) == ((order,), (resting(other),))
    twice = [resting(order), resting(order, "7e2")]
    assert changes([order], twice).cancel == (twice[1],), "one too many"
    assert changes([], twice).cancel == tuple(twice)


@pytest.mark.parametrize(
    ("quantity", "price", "kind"),
    [
        ("1", "97", StopKind.LOSS),
        ("1", "97.1", None),
        ("1", "106", StopKind.PROFIT),
        ("-1", "106", StopKind.LOSS),
        ("-1", "97", StopKind.PROFIT),
        ("-1", "100", None),
    ],
)
def test_passed_levels(quantity: str, price: str, kind: StopKind | None) -> None:
    low, high = D(97), D(106)
    long = D(quantity) > 0
    shown = Levels(loss=low if long else high, profit=high if long else low)
    assert crossed(shown, D(quantity), D(price)) is kind


def test_a_newer_target_on_its_way_goes_before_an_older_stop() -> None:
    stop = resting(wanted_orders(Levels(loss=D(97)), D(1), BTC)[0])
    target = Target(
        account="a",
        symbol="BTCUSDT",
        revision=2,
        depth=D("-0.1"),
        leverage=1,
        margin_mode=MarginMode.ISOLATED,
        reason="",
        created_at=NOW,
    )

    def heard(seconds: int) -> Target:
        at = NOW + timedelta(seconds=seconds)
        return replace(target, terms=(Term(source="s", weight=D(1), depth=D(1), heard_at=at),))

    assert holds_back(stop, heard(1), confirmed=True), "it is held: what the stop closed is closed"
    assert not holds_back(stop, heard(1), confirmed=False)
    assert holds_back(stop, heard(-1), confirmed=False), "an edit of the settings is not a signal"
    assert holds_back(stop, None, confirmed=False)


def test_stops_of_signal_override_symbol_and_account_key_by_key() -> None:
    policy = StopPolicy(
        account=Exits(stop_loss=percent("3"), trailing_stop=percent("2"), activation=percent("1")),
        symbols={"BTCUSDT": Exits(take_profit=(percent("6"),), trailing_stop=percent("4"))},
    )
    shown = policy.of("BTCUSDT", Exits(stop_loss=at("95")))
    assert shown == Exits(
        stop_loss=at("95"), take_profit=(percent("6"),), trailing_stop=percent("4"), activation=None
    )
    assert policy.of("ETHUSDT", None) == policy.account
    assert replace(policy, at="off").of("BTCUSDT", Exits(stop_loss=at("95"))) is None
