"""Applies the operator's limits (I6); the exposure ledger holds the current sums and calls this module.

A limit only holds back increases: it never leaves less than what is both held and wanted on the held side (I17).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal

from te_core.model.instrument import Instrument
from te_core.model.policy import Limits

ZERO = Decimal(0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ceiling:
    """The largest notional that the limits allow for a symbol, and which limit that is."""

    notional: Decimal
    limit: str
    why: str = ""
    """The text to show instead of the limit's name and room."""


def halted(why: str) -> Ceiling:
    """Return the ceiling of a symbol that the operator halted: no more than what is held."""
    return Ceiling(notional=ZERO, limit="halt", why=why)


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """What limits allow of a wanted quantity."""

    quantity: Decimal
    limit: str = ""
    """The limit that cut it; empty if none did."""
    cut: str = ""
    """How it was cut, for people; empty if it was not."""


def hold_back(
    want: Decimal,
    *,
    held: Decimal,
    ceiling: Ceiling | None,
    price: Decimal | None,
    instrument: Instrument | None,
) -> Held:
    """Return how much of ``want`` (signed base units) the limits allow now, given the position ``held``.

    On the held side, the result is never below the smaller of the two. Room is rounded toward zero to the step.
    """
    same_side = min(abs(held), abs(want)) if held * want > 0 else ZERO
    if ceiling is None or abs(want) <= same_side:
        return Held(quantity=want)
    if ceiling.why:
        left = same_side.copy_sign(want) + ZERO
        return Held(quantity=left, limit=ceiling.limit, cut=f"{ceiling.why} ({left:f} of {want:f})")
    if price is None or price <= 0:
        return Held(
            quantity=same_side.copy_sign(want) + ZERO,
            limit=ceiling.limit,
            cut=f"no recent price to apply limit {ceiling.limit}",
        )
    if abs(want) * price <= ceiling.notional:
        return Held(quantity=want)
    room = ceiling.notional / price
    if instrument is not None:
        room = instrument.round_quantity(room)
    left = max(room, same_side)
    return Held(
        quantity=left.copy_sign(want) + ZERO,
        limit=ceiling.limit,
        cut=f"limit {ceiling.limit} leaves {ceiling.notional:f} ({left:f} of {abs(want):f})",
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Exposure:
    """Absolute notionals in quote currency, without the symbol in question."""

    account_others: Decimal = ZERO
    """Of the account's other symbols."""
    total_others: Decimal = ZERO
    """Of all accounts, without this symbol."""
    side_others: Decimal = ZERO
    """Of the account's other symbols on the wanted side."""
    group_others: Mapping[str, Decimal] = field(default_factory=dict)
    """Of the account's other symbols, by each group that the symbol belongs to."""


def ceiling(limits: Limits, exposure: Exposure, *, equity: Decimal | None = None) -> Ceiling | None:
    """Return the largest notional that a symbol may have now; None if nothing limits it.

    ``equity``: in quote currency, None if unknown; then a limit that is a share of it allows no increase.
    """
    candidates = []
    if limits.symbol_exposure is not None:
        candidates.append((limits.symbol_exposure, "symbol_exposure"))
    if limits.account_exposure is not None:
        candidates.append((limits.account_exposure - exposure.account_others, "account_exposure"))
    if limits.total_exposure is not None:
        candidates.append((limits.total_exposure - exposure.total_others, "total_exposure"))
    shares = _shares(limits, exposure)
    if shares and equity is None:
        name = shares[0][2]
        return Ceiling(notional=ZERO, limit=name, why=f"no recent equity to apply limit {name}")
    candidates += [(share * max(equity or ZERO, ZERO) - others, name) for share, others, name in shares]
    if not candidates:
        return None
    notional, limit = min(candidates)
    return Ceiling(notional=max(notional, ZERO), limit=limit)


def _shares(limits: Limits, exposure: Exposure) -> list[tuple[Decimal, Decimal, str]]:
    """Return the limits that are shares of the equity, each with the other symbols' use of it, and its name."""
    found = []
    if limits.symbol_share is not None:
        found.append((limits.symbol_share, ZERO, "symbol_share"))
    if limits.direction_share is not None:
        found.append((limits.direction_share, exposure.side_others, "direction_share"))
    for group, others in exposure.group_others.items():
        if group in limits.group_share:
            found.append((limits.group_share[group], others, f"group_share.{group}"))
    return found


def stricter(one: Ceiling | None, other: Ceiling | None) -> Ceiling | None:
    """Return the lower ceiling."""
    if one is None or other is None:
        return one or other
    return min(one, other, key=lambda ceiling: ceiling.notional)


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderCheck:
    """The input of the last check before the wire. Notionals are in quote currency, at the current price."""

    notional: Decimal
    notional_after: Decimal
    reduce_only: bool
    enabled: bool
    leverage: int
    price: Decimal | None
    """The current price; None if unknown: then the notionals are at the goal's own price."""
    signal_price: Decimal | None
    orders_last_minute: int
    exposure: Exposure
    side: int = 0
    """The side of the position after the order: 1 for long, -1 for short."""
    equity: Decimal | None = None
    """In quote currency; None if unknown."""
    liquidation: Ceiling | None = None
    """What ``liquidation_distance`` allows; None if it does not limit."""
    halted: str = ""
    """Why only reductions are allowed now; empty if increases are allowed, too."""


def refusal(check: OrderCheck, limits: Limits) -> str | None:
    """Return why an order must not be sent, or None. Reductions are never held back."""
    if check.reduce_only:
        return None
    if check.halted or not check.enabled:
        return f"{check.halted or 'the account is disabled'}; reductions only"
    if check.price is None and limits.by_notional is not None:
        return f"no recent price to check limit {limits.by_notional}"
    if limits.order_notional is not None and check.notional > limits.order_notional:
        return f"notional {check.notional:f} is above limit order_notional = {limits.order_notional:f}"
    if limits.leverage is not None and check.leverage > limits.leverage:
        return f"leverage {check.leverage} is above limit leverage = {limits.leverage}"
    if limits.orders_per_minute is not None and check.orders_last_minute >= limits.orders_per_minute:
        return (
            f"{check.orders_last_minute} orders in the last minute, "
            f"limit orders_per_minute = {limits.orders_per_minute}"
        )
    top = stricter(ceiling(limits, check.exposure, equity=check.equity), check.liquidation)
    if top is not None and check.notional_after > top.notional:
        return (
            top.why
            or f"notional would be {check.notional_after:f}: limit {top.limit} leaves {top.notional:f}"
        )
    return _too_far(check, limits)


def _too_far(check: OrderCheck, limits: Limits) -> str | None:
    if limits.price_distance is None or check.signal_price is None:
        return None
    if check.price is None:
        return "no recent price to check limit price_distance"
    distance = abs(check.price - check.signal_price) / check.signal_price
    if distance <= limits.price_distance:
        return None
    return (
        f"price {check.price:f} is {distance:.2%} away from the signal's {check.signal_price:f}: "
        f"limit price_distance = {limits.price_distance:f}"
    )
