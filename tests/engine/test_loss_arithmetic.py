"""Profit and loss: the effect of fills, prices and funding, never of deposits and withdrawals."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from te_core.rules.profit import Change, Valuation, paid, valued
from tests.engine.counting import CENT, SYMBOLS, Counting, D, Exchange

quantities = st.decimals(min_value="-20", max_value="20", places=2).filter(lambda q: q != 0)
steps = st.one_of(
    st.tuples(st.just("order"), st.sampled_from(SYMBOLS), quantities),
    st.tuples(st.just("price"), st.sampled_from(SYMBOLS), st.decimals("0.7", "1.4", places=3)),
    st.tuples(st.just("deposit"), st.just(""), st.sampled_from([D(2000), D(-1500), D(7000), D(-2500)])),
    st.tuples(st.just("look"), st.just(""), st.just(D(0))),
    st.tuples(st.just("funding"), st.sampled_from(SYMBOLS), st.decimals("-30", "30", places=2)),
)


@given(st.lists(steps, max_size=25), st.booleans())
def test_profit_is_the_change_in_value_less_what_was_paid_in(
    plan: list[tuple[str, str, Decimal]], tells_apart: bool
) -> None:
    exchange = Exchange(tells_apart)
    books = Counting(exchange)
    begun = exchange.total
    for what, symbol, amount in plan:
        match what:
            case "order":
                books.order(symbol, amount, abs(amount) * exchange.prices[symbol] / 1000)
            case "price":
                exchange.prices[symbol] *= amount
            case "deposit":
                exchange.deposit(amount)
            case "look":
                books.look()
            case "funding":
                exchange.cash += amount
                books.note(paid(books.money, symbol, amount))
    books.look()
    assert abs(books.transfers - exchange.paid_in) < CENT, "a deposit is neither profit nor loss"
    assert abs(books.profit - (exchange.total - begun - exchange.paid_in)) < CENT
    assert abs(books.by_symbol - books.profit) < CENT, "sums over fills and payments are what the value did"


@given(st.lists(steps.filter(lambda step: step[0] != "deposit"), max_size=25), st.booleans())
def test_a_loss_is_never_left_out_whatever_the_market_does(
    plan: list[tuple[str, str, Decimal]], told: bool
) -> None:
    """Without transfers nothing counts as one, even if neither price nor fee of orders is reported."""
    exchange = Exchange(tells_apart=True)
    books = Counting(exchange)
    begun = exchange.total
    for what, symbol, amount in plan:
        if what == "order":
            books.order(symbol, amount, abs(amount) * exchange.prices[symbol] / 1000, told=told)
            books.look()
        elif what == "price":
            exchange.prices[symbol] *= amount
            books.look()
    assert books.transfers == 0
    assert abs(books.profit - (exchange.total - begun)) < CENT


def test_a_balance_that_lags_behind_an_order_is_not_a_transfer() -> None:
    exchange = Exchange(tells_apart=True)
    books = Counting(exchange)
    books.order("BTCUSDT", D(20), D(2))
    books.look()
    stale = exchange.seen(books.at)
    exchange.prices["BTCUSDT"] = D(50)
    books.order("BTCUSDT", D(-20), D(1))
    early = Valuation(at=books.at + timedelta(seconds=1), wallet=stale.wallet, total=stale.total, held={})
    assert books.note(valued(books.money, early)) == Change(), (
        "the order lost 1,001; the balance is from before it"
    )
    assert books.look().transfer == 0
    assert books.profit == D(-1003)


@pytest.mark.parametrize("entry_told", [True, False])
def test_an_unreported_price_makes_no_later_close_a_transfer(entry_told: bool) -> None:
    """The reference price replaced it, one percent off: the balance shows the truth once it is closed."""
    exchange = Exchange(tells_apart=True, tells_entry=entry_told)
    books = Counting(exchange)
    books.order("BTCUSDT", D(50), D(5), told=False)
    books.look()
    books.order("BTCUSDT", D(-20), D(2))
    books.look()
    books.order("BTCUSDT", D(-30), D(3))
    books.look()
    assert (books.transfers, books.profit) == (D(0), D(-10))
    assert books.by_symbol == (D(-5) if entry_told else D(-55)), "a fee was not told, nor perhaps the price"


def test_funding_that_is_not_reported_counts_as_trading() -> None:
    exchange = Exchange(tells_apart=True)
    books = Counting(exchange)
    books.order("BTCUSDT", D(50), D(5))
    books.look()
    exchange.cash -= D(5)  # a tenth of a percent of 5,000
    books.look()
    assert (books.transfers, books.profit) == (D(0), D(-10))


@pytest.mark.parametrize(("change", "result"), [(D(-50), D(-2505)), (D(-20), D(-2505))])
def test_what_others_did_to_a_position_counts_as_trading(change: Decimal, result: Decimal) -> None:
    """A liquidation at a bad price is a loss, though no order of ours explains it."""
    exchange = Exchange(tells_apart=True)
    books = Counting(exchange)
    books.order("BTCUSDT", D(50), D(5))
    books.look()
    exchange.prices["BTCUSDT"] = D(50)
    exchange.trade("BTCUSDT", change, D(0))
    books.look()
    assert (books.transfers, books.profit) == (D(0), result)


def test_a_round_trip_ends_flat_or_reversed_less_its_costs() -> None:
    exchange = Exchange(tells_apart=True)
    books = Counting(exchange)
    assert books.order("BTCUSDT", D(10), D(1)).round_trip is None
    assert books.order("BTCUSDT", D(10), D(1)).round_trip is None
    books.note(paid(books.money, "BTCUSDT", D(-3)))
    exchange.prices["BTCUSDT"] = D("100.3")
    ended = books.order("BTCUSDT", D(-30), D(2))
    assert ended.round_trip == ("BTCUSDT", D("-1.0")), "six earned, seven paid"
    exchange.prices["BTCUSDT"] = D(90)
    assert books.order("BTCUSDT", D(10), D(1)).round_trip == ("BTCUSDT", D("102.0"))
    books.order("ETHUSDT", D(1), D(0))
    assert books.order("ETHUSDT", D(-1), D(0), told=False).round_trip is None, "unknown is not a loss"
