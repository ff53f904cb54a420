"""Profit and loss per symbol of an account, as running sums: a period's result is the difference of two. Pure.

The sums count our fills at their prices, fees, funding, and the open position at the last seen price. The whole account
has the same sums, plus the trading result by the account's value: the difference of the two cannot be attributed.
A price or a fee that was not reported counts as missing; it is never replaced by an estimate.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from decimal import Decimal

from te_core.model.money import Fill, Tally

ZERO, ONE = Decimal(0), Decimal(1)
DIGITS = Decimal("1E-12")
"""The precision to which costs and shares of amounts are rounded; the remainder of a sum goes to the last share."""
LARGE = Decimal("1E+12")
NOBODY = ""
"""The key of results without a source: positions of others, or from before the records."""
SUMS = ("realised", "unrealised", "fees", "funding", "turnover")
COUNTS = ("fills", "unpriced", "unknown_fees", "others")


def hour_of(at: datetime) -> int:
    """Return the number of whole hours since 1970 in UTC."""
    return int(at.timestamp() // 3600)


def traded(before: Tally, fill: Fill, currency: str = "") -> tuple[Tally, Decimal | None]:
    """Count one of our orders. Also returns what it realised by average cost, before its fee; None if unknown.

    ``currency``: the account's; empty if unknown.
    """
    change, price, held = fill.side.sign * fill.quantity, fill.price, before.quantity
    known = held - before.unvalued
    closed = ZERO if held * change >= 0 else min(abs(change), abs(held)).copy_sign(held)
    costed = min(abs(closed), abs(known)).copy_sign(closed)
    left = ONE - costed / known if costed != known else ZERO
    cost = _rounded(before.cost * left)
    unvalued = before.unvalued - (closed - costed)
    gained = fill.realised if price is None or costed != closed else costed * price - (before.cost - cost)
    if price is None:
        unvalued += change + closed
        unrealised = before.unrealised * left
    else:
        cost += (change + closed) * price
        unrealised = (held + change - unvalued) * price - cost
    missing = price is None or (closed and gained is None)
    after = replace(
        before,
        quantity=held + change,
        unvalued=unvalued,
        cost=cost,
        realised=before.realised + (gained or ZERO),
        unrealised=unrealised,
        turnover=before.turnover + fill.quantity * (price or ZERO),
        fills=before.fills + 1,
        unpriced=before.unpriced + bool(missing),
    )
    after = _credited(before, after, before.shares if held else fill.shares)
    after = _with_fee(after, fill, fill.shares or before.shares, currency)
    return _ordered(after, before, fill), gained if closed else ZERO


def _ordered(after: Tally, before: Tally, fill: Fill) -> Tally:
    """Return the tally with the sources' shares of the position that is held now."""
    turned = after.quantity * before.quantity <= 0
    return _summed(
        replace(after, shares=_shares(after, fill.shares or ({} if turned else before.shares)), at=fill.at)
    )


def _shares(tally: Tally, shares: Mapping[str, Decimal]) -> Mapping[str, Decimal]:
    return shares if tally.quantity else {}


def _with_fee(tally: Tally, fill: Fill, shares: Mapping[str, Decimal], currency: str) -> Tally:
    """Count a fee in the account's currency; a fee in another currency counts as unknown."""
    own = fill.fee_currency in ("", currency) if currency else fill.symbol.endswith(fill.fee_currency)
    if fill.fee is None or not own:
        return replace(tally, unknown_fees=tally.unknown_fees + 1)
    return replace(tally, fees=tally.fees + fill.fee, paid=_split(tally.paid, fill.fee, shares))


def funded(before: Tally, amount: Decimal, at: datetime) -> Tally:
    """Count funding: received if positive, paid if negative."""
    after = replace(before, funding=before.funding + amount, at=at)
    return _summed(_credited(before, after, before.shares))


def stands(tally: Tally, quantity: Decimal, price: Decimal | None) -> bool:
    """Return whether an observed position changes nothing: same quantity, at the same price or an unknown one."""
    if quantity != tally.quantity:
        return False
    return price is None or (not tally.unvalued and quantity * price - tally.cost == tally.unrealised)


def marked(before: Tally, quantity: Decimal, price: Decimal | None, at: datetime) -> Tally:
    """Value the position at a price. A quantity that our orders do not explain was caused by others.

    What others closed counts at the previously seen price; what they opened counts from this price on.
    """
    after = before
    if quantity != before.quantity:
        after = _changed_by_others(before, quantity)
    if price is not None:
        cost = after.cost + after.unvalued * price
        after = replace(after, cost=cost, unvalued=ZERO, unrealised=quantity * price - cost)
    return _summed(
        replace(_credited(before, after, before.shares), shares=_shares(after, after.shares), at=at)
    )


def _changed_by_others(before: Tally, quantity: Decimal) -> Tally:
    seen = bool(before.fills or before.quantity)
    after = replace(before, quantity=quantity, others=before.others + seen)
    if before.quantity * quantity > 0 and abs(quantity) > abs(before.quantity):
        return replace(after, unvalued=before.unvalued + quantity - before.quantity)
    left = quantity / before.quantity if before.quantity * quantity > 0 else ZERO
    kept = before.unrealised * left
    return replace(
        after,
        unvalued=before.unvalued * left if left else quantity,
        cost=before.cost * left,
        unrealised=kept,
        realised=before.realised + before.unrealised - kept,
        shares=before.shares if left else {},
    )


def gathered(whole: Tally, before: Tally, after: Tally) -> Tally:
    """Return a whole account's sums after those of one of its symbols changed; the unattributed part stays."""
    names = (*SUMS, *COUNTS)
    return replace(
        whole,
        **{name: getattr(whole, name) + getattr(after, name) - getattr(before, name) for name in names},
        result=whole.result + explained(after) - explained(before),
        earned=_added(whole.earned, after.earned, before.earned),
        paid=_added(whole.paid, after.paid, before.paid),
        at=after.at,
    )


def valued(whole: Tally, result: Decimal, at: datetime) -> Tally:
    """Return a whole account after a valuation. ``result``: the trading result since the previous one."""
    sums = explained(whole)
    untold = result - (sums - whole.counted)
    return replace(whole, result=whole.result + untold, counted=sums, at=at)


def explained(tally: Tally) -> Decimal:
    """Return the result explained by fills, fees, funding and prices."""
    return _gross(tally) - tally.fees


def _credited(before: Tally, after: Tally, shares: Mapping[str, Decimal]) -> Tally:
    """Distribute the change of the result, before fees, among the sources."""
    came = _gross(after) - _gross(before)
    return replace(after, earned=_split(after.earned, came, shares)) if came else after


def _gross(tally: Tally) -> Decimal:
    return tally.realised + tally.unrealised + tally.funding


def _summed(tally: Tally) -> Tally:
    return replace(tally, result=explained(tally))


def _split(
    sums: Mapping[str, Decimal], amount: Decimal, shares: Mapping[str, Decimal]
) -> Mapping[str, Decimal]:
    """Add an amount to sums by shares; the whole amount, whatever the shares add up to."""
    parts = {source: _rounded(amount * share) for source, share in shares.items()}
    last = next(reversed(parts), NOBODY)
    parts[last] = amount - sum((part for source, part in parts.items() if source != last), ZERO)
    return _added(sums, parts, {})


def _rounded(amount: Decimal) -> Decimal:
    """Round an amount to ``DIGITS``; return one that is too large for that many digits unchanged."""
    return amount.quantize(DIGITS) if abs(amount) < LARGE else amount


def _added(
    sums: Mapping[str, Decimal], more: Mapping[str, Decimal], less: Mapping[str, Decimal]
) -> Mapping[str, Decimal]:
    names = dict.fromkeys([*sums, *more, *less])
    added = {name: sums.get(name, ZERO) + more.get(name, ZERO) - less.get(name, ZERO) for name in names}
    return {name: amount for name, amount in added.items() if amount}
