"""The books, as properties over any sequence of trades, leverage changes and prices."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from te_core.api import InsufficientMargin, MarginMode, OrderRejected
from te_exchange_paper.funding import payment
from te_exchange_paper.holding import Holding
from te_exchange_paper.ledger import Ledger
from te_exchange_paper.maintenance import Maintenance, Margins

ZERO = Decimal(0)
OPENING = Decimal(10_000)
FEE = Decimal("0.0006")
MAINTENANCE = Margins(Maintenance.flat(Decimal("0.005")))
SYMBOLS = ("BTCUSDT", "ETHUSDT", "XRPUSDT")

ISOLATED = MarginMode.ISOLATED
TIERS = Maintenance.tiered(
    [(ZERO, Decimal("0.005")), (Decimal(50_000), Decimal("0.01")), (Decimal(900_000), Decimal("0.05"))]
)

symbols = st.sampled_from(SYMBOLS)
prices = st.decimals("0.01", "100000", places=2)
quantities = st.decimals("-50", "50", places=3).filter(bool)
leverages = st.integers(1, 100)
modes = st.sampled_from(MarginMode)


def flat_ledger(wallet: Decimal = OPENING) -> Ledger:
    return Ledger(wallet=wallet, holdings={})


def total(ledger: Ledger, part: str, mode: MarginMode | None = None) -> Decimal:
    return sum((getattr(h, part) for h in ledger.holdings.values() if mode in (None, h.margin_mode)), ZERO)


class Books(RuleBasedStateMachine):
    """Trades one ledger and keeps an independent account of the cash that fills, fundings and liquidations moved."""

    margins = MAINTENANCE

    def __init__(self) -> None:
        super().__init__()
        self.ledger = flat_ledger()
        self.checked = self.ledger
        self.filled = dict.fromkeys(SYMBOLS, ZERO)
        self.spent = self.fees = self.realised = self.lost = self.forgiven = self.written_off = ZERO
        self.funding = ZERO

    @rule(symbol=symbols, quantity=quantities, price=prices)
    def trade(self, symbol: str, quantity: Decimal, price: Decimal) -> None:
        before = self.ledger
        try:
            self.ledger, fill = before.traded(
                symbol=symbol, quantity=quantity, price=price, mark=price, fee_rate=FEE
            )
        except InsufficientMargin:
            assert before.holding(symbol).closing_part(quantity) < abs(quantity), "a reduction was refused"
            return
        self.filled[symbol] += quantity
        self.fees += fill.fee
        self.realised += fill.realised
        self.spent += quantity * price
        assert self.ledger.wallet - before.wallet == fill.realised - fill.fee
        unforgiven = total(self.ledger, "cost") - total(before, "cost") - quantity * price
        forgiven = fill.realised - unforgiven
        self.forgiven += forgiven
        assert not forgiven or self.ledger.wallet == total(self.ledger, "margin", MarginMode.ISOLATED)
        if before.holding(symbol).closing_part(quantity) < abs(quantity):
            assert self.ledger.free >= 0, "an increase took margin that was not free"

    @rule(symbol=symbols, price=prices)
    def reduce_all_but_a_crumb(self, symbol: str, price: Decimal) -> None:
        held = self.ledger.holding(symbol).quantity
        if abs(held) > Decimal("0.001"):
            self.trade(symbol, -held + (Decimal("0.001") if held > 0 else Decimal("-0.001")), price)

    @rule(symbol=symbols, price=prices)
    def close(self, symbol: str, price: Decimal) -> None:
        held = self.ledger.holding(symbol).quantity
        if held:
            self.trade(symbol, -held, price)
            holding = self.ledger.holding(symbol)
            assert (holding.quantity, holding.cost, holding.margin) == (ZERO, ZERO, ZERO)

    @rule(symbol=symbols, leverage=leverages, mode=modes)
    def lever(self, symbol: str, leverage: int, mode: MarginMode) -> None:
        before = self.ledger
        try:
            self.ledger = before.levered(symbol, leverage, mode, self.margins)
        except OrderRejected:
            assert before.holding(symbol).quantity, "leverage was refused on a flat symbol"
            return
        holding = self.ledger.holding(symbol)
        assert holding.leverage == leverage
        assert abs(holding.margin * leverage - abs(holding.cost)) < Decimal("0.00001")
        assert self.ledger.wallet == before.wallet

    @precondition(lambda self: any(self.filled.values()))
    @rule(new=st.fixed_dictionaries({}, optional=dict.fromkeys(SYMBOLS, prices)))
    def revalue(self, new: dict[str, Decimal]) -> None:
        seen = self.ledger.marked(new)
        after, liquidations = seen.liquidated(self.margins)
        assert (after, liquidations) == seen.liquidated(self.margins, self.checked)
        for lost in liquidations:
            assert lost.loss >= 0
            assert after.holding(lost.symbol).quantity == 0
            self.filled[lost.symbol] -= lost.quantity
            self.lost += lost.loss
            self.written_off += seen.holding(lost.symbol).cost
        again, more = after.liquidated(self.margins)
        assert not more, "one look leaves nothing that the same prices would take"
        assert again == after
        self.ledger = self.checked = after

    @precondition(lambda self: any(self.filled.values()))
    @rule(symbol=symbols, rate=st.decimals("-0.05", "0.05", places=6))
    def fund(self, symbol: str, rate: Decimal) -> None:
        before, held = self.ledger, self.ledger.holding(symbol)
        asked = payment(held.quantity, held.mark, rate)
        self.ledger, paid = before.funded(symbol, asked)
        self.funding += paid
        assert paid == asked or (
            paid < asked and self.ledger.wallet == total(self.ledger, "margin", ISOLATED)
        )
        others = [h for h in before.holdings.values() if h.symbol != symbol]
        assert all(self.ledger.holding(h.symbol) == h for h in others), "another position paid for it"

    @invariant()
    def the_wallet_is_what_was_realised_less_fees_fundings_and_liquidations(self) -> None:
        assert self.ledger.wallet == OPENING + self.realised - self.fees - self.lost - self.funding

    @invariant()
    def realised_profit_is_the_cash_that_trades_moved(self) -> None:
        cost = total(self.ledger, "cost")
        assert self.realised == cost + self.written_off - self.spent + self.forgiven
        assert self.forgiven >= 0

    @invariant()
    def positions_are_the_sum_of_fills(self) -> None:
        assert {s: self.ledger.holding(s).quantity for s in SYMBOLS} == self.filled

    @invariant()
    def the_wallet_covers_the_margin_of_isolated_positions(self) -> None:
        assert self.ledger.wallet >= total(self.ledger, "margin", MarginMode.ISOLATED) >= 0

    @invariant()
    def totals_are_the_sums_over_all_positions(self) -> None:
        totals, crossed = self.ledger.totals, MarginMode.CROSS
        for mode, margin, profit in (
            (MarginMode.ISOLATED, totals.isolated_margin, totals.isolated_profit),
            (crossed, totals.cross_margin, totals.cross_profit),
        ):
            assert margin == total(self.ledger, "margin", mode)
            assert profit == total(self.ledger, "unrealised", mode)
        assert totals.cross_value == total(self.ledger, "value", crossed)

    @invariant()
    def margins_belong_to_positions(self) -> None:
        for holding in self.ledger.holdings.values():
            assert holding.margin >= 0
            assert bool(holding.quantity) == bool(holding.cost) == bool(holding.mark)
            assert holding.quantity * holding.cost >= 0
            assert holding.margin * holding.leverage - abs(holding.cost) < Decimal("0.0001")


class TieredBooks(Books):
    margins = Margins(TIERS, {"ETHUSDT": Maintenance.flat(Decimal("0.02"))})


TestBooks = Books.TestCase
TestTieredBooks = TieredBooks.TestCase
TestTieredBooks.settings = settings(max_examples=25)


@given(held=quantities, price=prices, entry=prices, leverage=leverages)
def test_an_isolated_position_is_liquidated_beyond_its_price(
    held: Decimal, price: Decimal, entry: Decimal, leverage: int
) -> None:
    ledger = Ledger(wallet=Decimal(10**9), holdings={"BTCUSDT": Holding(symbol="BTCUSDT", leverage=leverage)})
    opened, _ = ledger.traded(symbol="BTCUSDT", quantity=held, price=entry, mark=entry, fee_rate=FEE)
    limit = opened.liquidation_price("BTCUSDT", MAINTENANCE)
    _, taken = opened.marked({"BTCUSDT": price}).liquidated(MAINTENANCE)
    if limit is None:
        assert not taken
    elif abs(price - limit) > Decimal("0.001"):
        assert bool(taken) == ((price < limit) if held > 0 else (price > limit))


@given(
    entry=prices, leaving=prices, held=st.decimals("0.001", "50", places=3), fee=st.sampled_from([ZERO, FEE])
)
def test_a_round_trip_earns_the_difference_less_two_fees(
    entry: Decimal, leaving: Decimal, held: Decimal, fee: Decimal
) -> None:
    wallet = Decimal(10**9)
    opened, first = flat_ledger(wallet).traded(
        symbol="BTCUSDT", quantity=held, price=entry, mark=entry, fee_rate=fee
    )
    closed, second = opened.traded(
        symbol="BTCUSDT", quantity=-held, price=leaving, mark=leaving, fee_rate=fee
    )
    assert closed.wallet == wallet + held * (leaving - entry) - first.fee - second.fee
    assert abs(first.fee - abs(held) * entry * fee) <= Decimal("1E-8")


@given(held=quantities, entry=prices, price=prices, quantity=quantities)
def test_a_flip_is_a_close_and_an_opening(
    held: Decimal, entry: Decimal, price: Decimal, quantity: Decimal
) -> None:
    """One order across zero does what two orders do."""
    opened, _ = flat_ledger(Decimal(10**9)).traded(
        symbol="BTCUSDT", quantity=held, price=entry, mark=entry, fee_rate=ZERO
    )
    other_side = -abs(quantity) if held > 0 else abs(quantity)
    closed, _ = opened.traded(symbol="BTCUSDT", quantity=-held, price=price, mark=price, fee_rate=ZERO)
    reopened, _ = closed.traded(symbol="BTCUSDT", quantity=other_side, price=price, mark=price, fee_rate=ZERO)
    flipped, _ = opened.traded(
        symbol="BTCUSDT", quantity=-held + other_side, price=price, mark=price, fee_rate=ZERO
    )
    assert flipped == reopened


def traded(ledger: Ledger, symbol: str, quantity: int, price: int) -> Ledger:
    return ledger.traded(
        symbol=symbol, quantity=Decimal(quantity), price=Decimal(price), mark=Decimal(price), fee_rate=ZERO
    )[0]


def test_cross_profit_is_not_margin_of_isolated_positions() -> None:
    """It is not in the wallet yet: used as margin, it would be missing once the profit is gone."""
    crossed = flat_ledger().levered("BTCUSDT", 10, MarginMode.CROSS, MAINTENANCE)
    rich = traded(crossed, "BTCUSDT", 1, 5_000).marked({"BTCUSDT": Decimal(50_000)})
    assert rich.free == 10_000 - 500 + 45_000
    with pytest.raises(InsufficientMargin):
        traded(rich, "ETHUSDT", 11, 1_000)
    isolated = traded(rich.levered("ETHUSDT", 2, MarginMode.ISOLATED, MAINTENANCE), "ETHUSDT", 11, 1_000)
    with pytest.raises(InsufficientMargin):
        isolated.levered("ETHUSDT", 1, MarginMode.ISOLATED, MAINTENANCE)
    assert traded(isolated, "BTCUSDT", 1, 50_000).holding("BTCUSDT").quantity == 2, (
        "cross positions may use it"
    )


def test_entry_price_averages_purchases_and_survives_reductions() -> None:
    ledger = traded(traded(flat_ledger(), "ETHUSDT", 1, 1_000), "ETHUSDT", 3, 2_000)
    assert ledger.holding("ETHUSDT").entry_price == 1_750
    reduced = traded(ledger, "ETHUSDT", -2, 3_000)
    assert reduced.holding("ETHUSDT").entry_price == 1_750
    assert reduced.wallet == OPENING + 2 * (3_000 - 1_750)


def test_an_isolated_liquidation_costs_only_its_own_margin() -> None:
    ledger = flat_ledger().levered("ETHUSDT", 10, MarginMode.ISOLATED, MAINTENANCE)
    ledger = traded(traded(ledger, "ETHUSDT", 10, 2_000), "XRPUSDT", 1_000, 1)
    after, (lost,) = ledger.marked({"ETHUSDT": Decimal(1_000)}).liquidated(MAINTENANCE)
    assert (lost.symbol, lost.quantity, lost.loss) == ("ETHUSDT", Decimal(10), Decimal(2_000))
    assert after.wallet == OPENING - 2_000
    assert after.holding("XRPUSDT") == ledger.holding("XRPUSDT")


def cross_pair() -> Ledger:
    ledger = flat_ledger()
    for symbol in ("BTCUSDT", "ETHUSDT"):
        ledger = ledger.levered(symbol, 10, MarginMode.CROSS, MAINTENANCE)
    ledger = ledger.levered("XRPUSDT", 1, MarginMode.ISOLATED, MAINTENANCE)
    return traded(traded(traded(ledger, "BTCUSDT", 1, 30_000), "ETHUSDT", -10, 2_000), "XRPUSDT", 1_000, 1)


def test_cross_positions_carry_each_other() -> None:
    """A loss far beyond the one position's own margin is covered by the other's profit."""
    ledger = cross_pair().marked({"BTCUSDT": Decimal(25_000), "ETHUSDT": Decimal(1_500)})
    assert ledger.liquidated(MAINTENANCE) == (ledger, ())
    assert ledger.free == OPENING - 3_000 - 2_000 - 1_000 - 5_000 + 5_000


def test_cross_positions_fall_together_and_isolated_ones_stay() -> None:
    ledger = cross_pair()
    limit = ledger.liquidation_price("BTCUSDT", MAINTENANCE)
    assert limit is not None
    assert not ledger.marked({"BTCUSDT": limit + 1}).liquidated(MAINTENANCE)[1]
    after, taken = ledger.marked({"BTCUSDT": limit - 1}).liquidated(MAINTENANCE)
    assert {lost.symbol for lost in taken} == {"BTCUSDT", "ETHUSDT"}
    assert after.wallet == after.holding("XRPUSDT").margin == 1_000


def test_a_loss_beyond_all_margin_is_forgiven() -> None:
    """The price jumps between two valuations; a loss beyond the wallet is not charged."""
    ledger = flat_ledger(Decimal(1_000)).levered("ETHUSDT", 50, MarginMode.CROSS, MAINTENANCE)
    crashed = traded(traded(ledger, "ETHUSDT", 20, 2_000), "ETHUSDT", -20, 100)
    assert crashed.wallet == 0


@pytest.mark.parametrize("mode", MarginMode)
def test_margin_mode_changes_only_while_flat(mode: MarginMode) -> None:
    other = next(m for m in MarginMode if m is not mode)
    ledger = traded(flat_ledger().in_mode("ETHUSDT", mode), "ETHUSDT", 1, 2_000)
    assert ledger.in_mode("ETHUSDT", mode) == ledger
    with pytest.raises(OrderRejected, match="only while flat"):
        ledger.in_mode("ETHUSDT", other)
    assert (
        traded(ledger, "ETHUSDT", -1, 2_000).in_mode("ETHUSDT", other).holding("ETHUSDT").margin_mode is other
    )


def test_margin_and_fee_may_take_all_that_is_free_and_no_more() -> None:
    wallet = Decimal("2001.2")
    order: dict[str, Any] = {
        "symbol": "ETHUSDT",
        "price": Decimal(2_000),
        "mark": Decimal(2_000),
        "fee_rate": FEE,
    }
    opened, _ = flat_ledger(wallet).traded(quantity=Decimal(1), **order)
    assert opened.free == 0
    with pytest.raises(InsufficientMargin, match=r"would take 0\.00000001 more"):
        flat_ledger(wallet - Decimal("1E-8")).traded(quantity=Decimal(1), **order)


def test_less_leverage_takes_margin_that_must_be_free() -> None:
    ledger = flat_ledger().levered("ETHUSDT", 10, MarginMode.ISOLATED, MAINTENANCE)
    ledger = traded(ledger, "ETHUSDT", 10, 2_000)
    assert ledger.free == OPENING - 2_000
    assert ledger.levered("ETHUSDT", 2, MarginMode.ISOLATED, MAINTENANCE).free == 0
    with pytest.raises(InsufficientMargin, match=r"takes 18000\.00000000 more margin"):
        ledger.levered("ETHUSDT", 1, MarginMode.ISOLATED, MAINTENANCE)


def test_leverage_that_would_liquidate_at_once_is_refused() -> None:
    ledger = traded(flat_ledger(), "ETHUSDT", 4, 2_000).marked({"ETHUSDT": Decimal(1_900)})
    with pytest.raises(OrderRejected, match="liquidated at once"):
        ledger.levered("ETHUSDT", 50, MarginMode.ISOLATED, MAINTENANCE)
