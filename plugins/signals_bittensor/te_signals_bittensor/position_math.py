"""What the orders of one position amount to. Pure; each function walks the orders once, sorted by time."""

from __future__ import annotations

from collections.abc import Sequence

from te_signals_bittensor.network import Holding, Order

DUST = 1e-15
"""A net leverage below this is rounding of the additions."""

NOTHING = Holding(0.0, 0.0)


def holding(orders: Sequence[Order]) -> Holding:
    """Return net leverage and average entry price: additions average, reductions keep it, a flip has the new price."""
    net = cost = 0.0
    for change, price, _, flat, _ in orders:
        if flat:
            return NOTHING
        if change == 0:
            continue
        if net * change > 0:
            cost = (net * cost + change * price) / (net + change)
            net += change
        elif abs(change) > abs(net):
            net += change
            cost = price
        else:
            net += change
            if abs(net) < DUST:  # the predecessor checks for dust only here, not after a flip
                net = cost = 0.0
    return Holding(net, cost)


def parity_drawdown(orders: Sequence[Order]) -> float:
    """Return the predecessor's drawdown: distance from the average of *signed* orders, either way, times leverage.

    Unlike the others it walks the orders as they are listed.
    """
    total = value = worst = 0.0
    for change, price, _, _, _ in orders:
        if change == 0 or price == 0:
            continue
        total += change
        if total == 0:
            continue
        value += change * price
        average = value / total
        if average == 0:
            continue
        worst = min(worst, -abs((price - average) / average) * abs(total))
    return worst


def drawdown(orders: Sequence[Order]) -> float:
    """Return the worst loss at any order, including the closing one, as a share of the account: -1 … 0.

    Measured from the average entry price of what was open before that order; gains do not count.
    """
    net = cost = worst = 0.0
    for change, price, _, flat, counted in orders:
        if not counted or price <= 0:
            continue
        if net != 0 and cost > 0:
            worst = min(worst, (price - cost) / cost * net)
        if flat:
            net = cost = 0.0
            continue
        if net * change >= 0 and net + change != 0:
            cost = (net * cost + change * price) / (net + change)
        elif abs(change) > abs(net):
            cost = price
        net += change
        if abs(net) < DUST:
            net = cost = 0.0
    return max(-1.0, worst)
