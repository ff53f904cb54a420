"""An account's profit or loss, separated from deposits and withdrawals. Pure.

An exchange's balance (without unrealised profit) changes with our fills, with funding and with transfers. What the
fills explain is trading; the remainder is funding if it is small, else a transfer, which is neither profit nor
loss. The value (with unrealised profit) minus all transfers is the trading result.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from decimal import Decimal

from te_core.model.money import Fill

ZERO = Decimal(0)
CENT = Decimal("0.01")
FUNDING = Decimal("0.005")
"""Share of the gross position value up to which a balance change that no fill explains counts as funding."""
ROUNDING = Decimal("0.0005")
"""Share of the balance up to which any change counts as trading."""
READ_APART = Decimal("0.01")
"""Share of the gross position value that prices may move between the reads of value and positions."""
UNPRICED = Decimal("0.05")
"""Share of an order's value by which its reference price may differ from the price that was not reported."""
SUSPECT = timedelta(seconds=10)
"""How long an unexplained change must persist before it counts: balances lag behind fills."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Holding:
    """A position at one time; None for what is unknown."""

    quantity: Decimal
    entry: Decimal | None = None
    price: Decimal | None = None
    unrealised: Decimal | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Valuation:
    """An account at a time when none of our orders was under way."""

    at: datetime
    wallet: Decimal
    total: Decimal
    held: Mapping[str, Holding]
    """Every position that is not flat."""

    @property
    def balance(self) -> Decimal | None:
        """The value without unrealised profit; None if the exchange does not separate them."""
        if self.wallet != self.total or not self.held:
            return self.wallet
        unrealised = [one.unrealised for one in self.held.values()]
        known = [one for one in unrealised if one is not None]
        return self.total - sum(known, ZERO) if len(known) == len(unrealised) else None

    @property
    def gross(self) -> Decimal:
        """The absolute value of all positions, as far as prices are known."""
        prices = ((one.quantity, one.price or one.entry or ZERO) for one in self.held.values())
        return sum((abs(quantity) * price for quantity, price in prices), ZERO)


@dataclass(frozen=True, slots=True, kw_only=True)
class SymbolMoney:
    """The running result of one symbol."""

    quantity: Decimal = ZERO
    cost: Decimal | None = ZERO
    """Of the position, with the sign of the quantity; None if unknown."""
    realised: Decimal = ZERO
    """Everything so far, minus fees, including funding."""
    opened_with: Decimal = ZERO
    """The value of ``realised`` when the symbol was last flat."""
    price: Decimal | None = None
    """The last price that it was valued at."""
    guessed: bool = False
    """Whether the cost includes a reference price in place of one that was not reported."""

    @property
    def result(self) -> Decimal:
        """The result so far, with the position at the last price."""
        if not self.quantity or self.cost is None or self.price is None:
            return self.realised
        return self.realised + self.quantity * self.price - self.cost


FLAT = SymbolMoney()


@dataclass(frozen=True, slots=True, kw_only=True)
class Money:
    """An account's running sums."""

    total: Decimal | None = None
    """As last accepted, like ``balance``; None before the first valuation."""
    balance: Decimal | None = None
    expected: Decimal | None = ZERO
    """How much fills and reported payments since then should change the balance; None if unknown."""
    slack: Decimal = ZERO
    """The possible error of ``expected``."""
    told: Decimal = ZERO
    """Transfers that the exchange has reported since then."""
    suspect_at: datetime | None = None
    """Since when the balance has differed without an explanation."""
    symbols: Mapping[str, SymbolMoney] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """The effect of a fill, a payment or a valuation."""

    result: Decimal = ZERO
    """The trading result, by which the account's profit changes."""
    transfer: Decimal = ZERO
    """A deposit, or a withdrawal below zero: neither profit nor loss."""
    untold: Decimal = ZERO
    """The part of the transfer that the exchange did not report."""
    symbols: Mapping[str, Decimal] = field(default_factory=dict)
    """How much each symbol's result changed."""
    round_trip: tuple[str, Decimal] | None = None
    """Symbol and result of a round trip that ended."""


NOTHING = Change()


def filled(money: Money, fill: Fill, *, reference: Decimal) -> tuple[Money, Change]:
    """Count one of our orders. ``reference`` replaces a price that was not reported, for checking the balance only."""
    before = money.symbols.get(fill.symbol, FLAT)
    price = fill.price if fill.price is not None else reference
    after, gained = _traded(before, fill.side.sign * fill.quantity, price)
    fee = fill.fee or ZERO
    after = replace(after, realised=after.realised - fee, price=price)
    slack = ZERO if fill.price is not None else UNPRICED * fill.quantity * price
    if before.guessed:
        slack += UNPRICED * min(fill.quantity, abs(before.quantity)) * price
    if fill.fee is None:
        slack += fill.quantity * price / 500  # no exchange takes more than 0.2 %
    ended = before.quantity and (after.quantity == 0 or (after.quantity > 0) != (before.quantity > 0))
    trip = None
    if ended:
        if before.cost is not None and fill.price is not None:
            trip = (fill.symbol, after.realised - before.opened_with)
        after = replace(after, opened_with=after.realised)
    guessed = fill.price is None or (before.guessed and not ended)
    after = replace(after, guessed=guessed and bool(after.quantity))
    unsure = money.expected is None or gained is None
    changed = replace(
        money,
        expected=None if unsure else (money.expected or ZERO) + (gained or ZERO) - fee,
        slack=money.slack + slack,
        symbols={**money.symbols, fill.symbol: after},
    )
    moved = after.result - before.result
    return changed, Change(symbols={fill.symbol: moved} if moved else {}, round_trip=trip)


def paid(money: Money, symbol: str | None, amount: Decimal) -> tuple[Money, Change]:
    """Count funding that the exchange reported before the balance showed it, or at the same time."""
    expected = None if money.expected is None else money.expected + amount
    if symbol is None:
        return replace(money, expected=expected), NOTHING
    known = money.symbols.get(symbol, FLAT)
    after = replace(known, realised=known.realised + amount)
    return (
        replace(money, expected=expected, symbols={**money.symbols, symbol: after}),
        Change(symbols={symbol: amount}),
    )


def transferred(money: Money, amount: Decimal) -> Money:
    """Record a deposit (or a withdrawal below zero) that the exchange reported; it counts once the balance shows it."""
    return replace(money, told=money.told + amount)


def unexplained(money: Money, seen: Valuation, *, funding_told: bool) -> Decimal:
    """Return by how much the balance differs from what known events explain; zero if the rest counts as trading."""
    balance = seen.balance
    if money.balance is None or balance is None or money.expected is None or _changed_by_others(money, seen):
        return ZERO
    left = balance - money.balance - money.expected
    bound = CENT + ROUNDING * max(abs(balance), abs(money.balance)) + money.slack
    if not funding_told:
        bound += FUNDING * seen.gross
    if seen.wallet == seen.total:
        bound += READ_APART * seen.gross
    return left if abs(left) > bound else ZERO


def valued(money: Money, seen: Valuation, *, funding_told: bool = False) -> tuple[Money, Change]:
    """Count the account's current value. An unexplained change counts only after it has persisted (``SUSPECT``)."""
    transfer = unexplained(money, seen, funding_told=funding_told)
    if transfer and (money.suspect_at is None or not seen.at - money.suspect_at >= SUSPECT):
        if money.suspect_at is None or seen.at < money.suspect_at:
            return replace(money, suspect_at=seen.at), NOTHING
        return money, NOTHING
    aligned = {symbol: _aligned(one, seen.held.get(symbol)) for symbol, one in money.symbols.items()}
    aligned |= {
        symbol: _aligned(FLAT, one) for symbol, one in seen.held.items() if symbol not in money.symbols
    }
    moved = {
        symbol: one.result - money.symbols[symbol].result
        for symbol, one in aligned.items()
        if symbol in money.symbols
    }
    result = seen.total - money.total - transfer if money.total is not None else ZERO
    held = {
        symbol: one for symbol, one in aligned.items() if one.quantity
    }  # flat symbols affect nothing any more
    after = Money(total=seen.total, balance=seen.balance, symbols=held)
    return after, Change(
        result=result,
        transfer=transfer,
        untold=transfer - money.told if transfer else ZERO,
        symbols={symbol: one for symbol, one in moved.items() if one},
    )


def estimated(money: Money, prices: Mapping[str, Decimal | None]) -> Change:
    """Return how prices alone changed the positions' value since the last valuation; nothing is counted."""
    moved = {
        symbol: one.quantity * (price - one.price)
        for symbol, one in money.symbols.items()
        if one.quantity and one.price is not None and (price := prices.get(symbol)) is not None
    }
    return Change(result=sum(moved.values(), ZERO), symbols=moved)


def _changed_by_others(money: Money, seen: Valuation) -> bool:
    symbols = dict.fromkeys([*money.symbols, *seen.held])
    return any(_held(seen, symbol) != money.symbols.get(symbol, FLAT).quantity for symbol in symbols)


def _held(seen: Valuation, symbol: str) -> Decimal:
    return seen.held[symbol].quantity if symbol in seen.held else ZERO


def _aligned(known: SymbolMoney, held: Holding | None) -> SymbolMoney:
    """Return a symbol's result valued at its current price; if others changed the position, counting restarts now."""
    quantity = held.quantity if held is not None else ZERO
    if quantity == known.quantity:
        if held is not None and held.entry is not None and known.guessed:
            known = replace(known, cost=quantity * held.entry, guessed=False)
        moved = held is not None and held.price is not None and held.price != known.price
        return replace(known, price=held.price) if moved and held is not None else known
    if held is None or not quantity:
        end = known.result  # at the last price: theirs is unknown
        return replace(known, quantity=ZERO, cost=ZERO, realised=end, opened_with=end, price=None)
    cost = None if held.entry is None else quantity * held.entry
    fresh = SymbolMoney(quantity=quantity, cost=cost, realised=known.result, price=held.price or held.entry)
    already = fresh.result - known.result  # its result from before counting began
    realised = known.result - already
    return replace(fresh, realised=realised, opened_with=realised)


def _traded(known: SymbolMoney, change: Decimal, price: Decimal) -> tuple[SymbolMoney, Decimal | None]:
    """Return a symbol after a trade, and what that realised; None if the cost of the position was unknown."""
    quantity = known.quantity + change
    if known.quantity * change >= 0:
        cost = None if known.cost is None else known.cost + change * price
        return replace(known, quantity=quantity, cost=cost), ZERO
    closed = min(abs(change), abs(known.quantity)) * (1 if known.quantity > 0 else -1)
    left = known.quantity - closed
    opened = change + closed
    if known.cost is None:
        cost = ZERO if not left else None
        return replace(known, quantity=quantity, cost=opened * price if opened else cost), None
    part = known.cost * closed / known.quantity if left else known.cost
    gained = closed * price - part
    cost = known.cost - part + opened * price
    return (
        replace(
            known, quantity=quantity, cost=ZERO if not quantity else cost, realised=known.realised + gained
        ),
        gained,
    )
