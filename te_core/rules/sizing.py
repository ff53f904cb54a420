"""Sizes a target: converts it to a signed quantity, using one snapshot's equity and one price."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from typing import Literal

from te_core.model.instrument import Instrument
from te_core.model.target import TAKEN_TO_CLOSE, Goal, Target

ZERO = Decimal(0)


def smallest_quantity(instrument: Instrument, price: Decimal) -> Decimal:
    """Return the smallest order that both exchange and operator accept at a price, a multiple of the step."""
    value = max(instrument.minimum_notional, instrument.own_minimum)
    by_notional = value / price if price > 0 else ZERO
    needed = max(instrument.quantity_step, instrument.minimum_quantity, by_notional)
    rounded = instrument.round_quantity(needed)
    return rounded if rounded >= needed else rounded + instrument.quantity_step


def whose_minimum(instrument: Instrument, price: Decimal) -> str:
    """Return whether the exchange or the operator's ``minimum_order`` determines the smallest order, for messages."""
    theirs = smallest_quantity(replace(instrument, own_minimum=ZERO), price)
    return "the exchange's" if smallest_quantity(instrument, price) == theirs else "minimum_order's"


def size(
    target: Target,
    *,
    equity: Decimal,
    price: Decimal,
    instrument: Instrument,
    now: datetime,
    below_minimum: Literal["skip", "raise"] = "skip",
) -> Goal:
    """Size a target: equity x depth x leverage / price, rounded toward zero to the step.

    ``equity`` and ``price`` in quote currency, both > 0. A size below the minimum becomes flat ("skip") or
    the minimum ("raise"). Limits do not clip a goal: they restrict the way there (``te_core.rules.limits.hold_back``).
    """
    notes: list[str] = []
    leverage = target.leverage
    if instrument.largest_leverage is not None and leverage > instrument.largest_leverage:
        notes.append(f"leverage {leverage} lowered to the exchange's largest, {instrument.largest_leverage}")
        leverage = instrument.largest_leverage
    unrounded = equity * target.depth * leverage / price
    quantity = instrument.round_quantity(abs(unrounded))
    if target.depth != 0:
        quantity = _above_minimum(quantity, price, instrument, below_minimum, notes)
    return Goal(
        account=target.account,
        symbol=target.symbol,
        revision=target.revision,
        quantity=quantity if target.depth > 0 else -quantity + ZERO,
        leverage=leverage,
        margin_mode=target.margin_mode,
        depth=target.depth,
        equity=equity,
        price=price,
        unrounded=unrounded,
        contract_size=instrument.contract_size,
        quantity_step=instrument.quantity_step,
        sized_at=now,
        notes=tuple(notes),
    )


def _above_minimum(
    quantity: Decimal,
    price: Decimal,
    instrument: Instrument,
    below_minimum: Literal["skip", "raise"],
    notes: list[str],
) -> Decimal:
    smallest = smallest_quantity(instrument, price)
    if quantity >= smallest:
        return quantity
    whose = whose_minimum(instrument, price)
    minimum = f"{whose} smallest order is {smallest:f} ({smallest * price:f} in quote currency)"
    if below_minimum == "raise":
        notes.append(f"{quantity:f} raised to the minimum: {minimum}")
        return smallest
    notes.append(f"{quantity:f} is below the minimum, so flat: {minimum}")
    return ZERO


def flat(target: Target, *, now: datetime, price: Decimal | None = None) -> Goal:
    """Return the goal of a target of depth 0: it needs neither equity nor price."""
    return Goal(
        account=target.account,
        symbol=target.symbol,
        revision=target.revision,
        quantity=ZERO,
        leverage=target.leverage,
        margin_mode=target.margin_mode,
        depth=ZERO,
        equity=ZERO,
        price=price or ZERO,
        unrounded=ZERO,
        contract_size=Decimal(1),
        quantity_step=ZERO,
        sized_at=now,
        notes=("flat", TAKEN_TO_CLOSE) if target.reason == TAKEN_TO_CLOSE else ("flat",),
    )
