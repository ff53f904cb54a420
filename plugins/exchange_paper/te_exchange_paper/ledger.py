"""The ledger: wallet and positions, and the effects of orders, leverage changes and prices. Pure.

An isolated position has its own margin. Cross positions share the rest of the wallet and their profits. The wallet
never falls below the margin of the isolated positions: a loss beyond that is forgiven, as by an exchange's insurance
fund.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal

from te_core.api import InsufficientMargin, MarginMode, OrderRejected
from te_exchange_paper.holding import ZERO, Holding, money
from te_exchange_paper.maintenance import Margins
from te_exchange_paper.totals import Totals, counted

_NOT_COUNTED = Totals()


@dataclass(frozen=True, slots=True, kw_only=True)
class Fill:
    """Effect of one order."""

    quantity: Decimal
    """Signed, in base units."""
    price: Decimal
    fee: Decimal
    realised: Decimal
    """Profit without the fee."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Liquidation:
    """A position that was liquidated."""

    symbol: str
    quantity: Decimal
    mark: Decimal
    loss: Decimal
    """What it cost the wallet."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ledger:
    """Wallet balance (without unrealised profit) and the holdings by symbol; treat both as immutable."""

    wallet: Decimal
    holdings: Mapping[str, Holding]
    totals: Totals = field(default=_NOT_COUNTED, compare=False, repr=False)
    """Sums over the holdings, derived from them."""

    def __post_init__(self) -> None:
        if self.totals is _NOT_COUNTED:
            object.__setattr__(self, "totals", counted(self.holdings.values()))

    def holding(self, symbol: str) -> Holding:
        """Return the symbol's holding; by default flat at leverage 1, isolated."""
        return self.holdings.get(symbol) or Holding(symbol=symbol)

    @property
    def unrealised(self) -> Decimal:
        """Profit of all positions at their marks."""
        return self.totals.profit

    @property
    def free(self) -> Decimal:
        """Wallet not bound as margin, with the profit or loss of cross positions; may be negative."""
        return self.wallet - self.totals.margin + self.totals.cross_profit

    @property
    def unbound(self) -> Decimal:
        """Smaller one of free margin and of the wallet without isolated margin; an increase may make neither negative.

        Profit of cross positions is free margin for cross positions only: it is not in the wallet yet.
        """
        return min(self.free, self._shared)

    def traded(
        self, *, symbol: str, quantity: Decimal, price: Decimal, mark: Decimal, fee_rate: Decimal
    ) -> tuple[Ledger, Fill]:
        """Fill a signed quantity: reduce the opposite side, open the rest.

        Raises ``InsufficientMargin`` if margin and fee of the opened part are not free. A reduction is never refused.
        """
        before = self.holding(symbol)
        closing = before.closing_part(quantity)
        opening = quantity - closing if quantity > 0 else quantity + closing
        after, realised = before.reduced(closing, price) if closing else (before, ZERO)
        if opening:
            after = after.increased(opening, price)
        fee = money(abs(quantity) * price * fee_rate)
        held = self._with(replace(after, mark=mark if after.quantity else ZERO))
        paid = replace(held, wallet=held.wallet + realised - fee)
        if opening and paid.unbound < 0:
            missing = f"{-paid.unbound:f} more than the {max(self.unbound, ZERO):f} that are free"
            raise InsufficientMargin(
                f"{symbol}: margin and fee would take {missing}", code="insufficient_margin"
            )
        ledger = paid.solvent()
        forgiven = ledger.wallet - paid.wallet
        return ledger, Fill(quantity=quantity, price=price, fee=fee, realised=realised + forgiven)

    def levered(self, symbol: str, leverage: int, margin_mode: MarginMode, margins: Margins) -> Ledger:
        """Set a symbol's leverage; an open position gets the margin that it then needs.

        Raises ``InsufficientMargin`` if that margin is not free, ``OrderRejected`` if the position is in the other
        margin mode or would be liquidated at once.
        """
        before = self.holding(symbol)
        if before.quantity and before.margin_mode is not margin_mode:
            raise OrderRejected(
                f"{symbol}: the position is {before.margin_mode}, not {margin_mode}", code="margin_mode"
            )
        margin = money(abs(before.cost) / leverage)
        after = self._with(replace(before, leverage=leverage, margin_mode=margin_mode, margin=margin))
        if margin > before.margin and after.unbound < 0:
            raise InsufficientMargin(
                f"{symbol}: leverage {leverage} takes {margin - before.margin:f} more margin, "
                f"{max(self.unbound, ZERO):f} are free",
                code="insufficient_margin",
            )
        after.require_safe(symbol, margins)
        return after

    def in_mode(self, symbol: str, margin_mode: MarginMode) -> Ledger:
        """Set a flat symbol's margin mode. Raises ``OrderRejected`` while a position is open in the other mode."""
        before = self.holding(symbol)
        if before.quantity and before.margin_mode is not margin_mode:
            raise OrderRejected(f"{symbol}: the margin mode changes only while flat", code="margin_mode")
        return self._with(replace(before, margin_mode=margin_mode))

    def marked(self, prices: Mapping[str, Decimal]) -> Ledger:
        """Value the open positions at those prices; the others keep their last mark."""
        seen = [
            replace(holding, mark=price)
            for symbol, price in prices.items()
            if (holding := self.holding(symbol)).quantity and price != holding.mark
        ]
        return self._with(*seen) if seen else self

    def funded(self, symbol: str, payment: Decimal) -> tuple[Ledger, Decimal]:
        """Pay funding for a symbol (negative: receive it); return what was actually paid.

        It comes out of what is not bound as isolated margin, then out of the symbol's own margin; the rest is
        forgiven.
        """
        holding, missing, bound = self.holding(symbol), payment - self._shared, self
        if missing > 0 and holding.margin_mode is MarginMode.ISOLATED and holding.margin:
            bound = self._with(replace(holding, margin=holding.margin - min(missing, holding.margin)))
        ledger = replace(bound, wallet=self.wallet - payment).solvent()
        return ledger, self.wallet - ledger.wallet

    def liquidated(
        self, margins: Margins, checked: Ledger | None = None
    ) -> tuple[Ledger, tuple[Liquidation, ...]]:
        """Liquidate positions without enough margin: each isolated one alone, the cross ones together.

        ``checked``: a ledger without anything to liquidate; isolated positions that are the same there are skipped.
        """
        ledger = self
        taken: list[Liquidation] = []
        for holding in self._lost(margins, checked):
            # The cross positions share one pot: the first of them empties it.
            loss = holding.margin if holding.margin_mode is MarginMode.ISOLATED else ledger._shared
            taken.append(
                Liquidation(symbol=holding.symbol, quantity=holding.quantity, mark=holding.mark, loss=loss)
            )
            flat = replace(holding, quantity=ZERO, cost=ZERO, margin=ZERO, mark=ZERO)
            ledger = replace(ledger._with(flat), wallet=ledger.wallet - loss)
        return ledger, tuple(taken)

    def liquidation_price(self, symbol: str, margins: Margins) -> Decimal | None:
        """Return the mark at which the position is liquidated, all other marks being equal; None if there is none."""
        holding = self.holding(symbol)
        if holding.margin_mode is MarginMode.ISOLATED:
            backing = holding.margin
        else:
            backing = self._spare(self.totals.minus(holding), margins, without=symbol)
        return margins.of(symbol).liquidation_price(holding.quantity, holding.cost, backing)

    def require_safe(self, symbol: str, margins: Margins) -> None:
        """Raise ``OrderRejected`` if the symbol's position would be liquidated at its current mark."""
        holding = self.holding(symbol)
        if not holding.quantity:
            return
        isolated = holding.margin_mode is MarginMode.ISOLATED
        if not (holding.is_safe(margins.of(symbol)) if isolated else self.spare(margins) > 0):
            raise OrderRejected(
                f"{symbol}: the position would be liquidated at once at leverage {holding.leverage}: use a lower one",
                code="would_liquidate",
            )

    @property
    def _shared(self) -> Decimal:
        """What backs the cross positions, without their profit."""
        return self.wallet - self.totals.isolated_margin

    def spare(self, margins: Margins) -> Decimal:
        """Return what the cross positions have above their maintenance margin."""
        return self._spare(self.totals, margins)

    def _spare(self, totals: Totals, margins: Margins, without: str = "") -> Decimal:
        if not margins.by_symbol and margins.usual.is_flat:  # the sum is known already
            needed = margins.usual.margin(totals.cross_value)
        else:
            crossed = (held for held in self.holdings.values() if held.margin_mode is MarginMode.CROSS)
            kept = [margins.of(held.symbol).margin(held.value) for held in crossed if held.symbol != without]
            needed = sum(kept, ZERO)
        return self._shared + totals.cross_profit - needed

    def _lost(self, margins: Margins, checked: Ledger | None) -> list[Holding]:
        known = checked.holdings if checked is not None else {}
        cross_lost = self.spare(margins) <= 0
        return [
            holding
            for symbol, holding in self.holdings.items()
            if (cross_lost or holding is not known.get(symbol))
            and holding.quantity
            and (
                not holding.is_safe(margins.of(symbol))
                if holding.margin_mode is MarginMode.ISOLATED
                else cross_lost
            )
        ]

    def solvent(self) -> Ledger:
        """Forgive what the wallet cannot pay without touching the margin of isolated positions."""
        return replace(self, wallet=self.wallet - min(self._shared, ZERO))

    def _with(self, *changed: Holding) -> Ledger:
        totals = self.totals
        for holding in changed:
            totals = totals.minus(self.holding(holding.symbol)).plus(holding)
        moved = {holding.symbol: holding for holding in changed}
        return replace(self, holdings={**self.holdings, **moved}, totals=totals)
