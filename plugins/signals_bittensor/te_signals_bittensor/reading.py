"""From JSON values to the model, one record at a time: what is malformed is counted and left out."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from typing import Any

from te_signals_bittensor import course
from te_signals_bittensor.network import Miner, Order, Position

UNFILLED = frozenset({5, 7, 8, 10, 13, 15, 18})
"""``src`` codes of orders that never changed the position: unfilled or cancelled limit, bracket and stop orders."""

_KINDS = frozenset({"LONG", "SHORT", "FLAT"})
_LARGEST = 1e15


class Malformed(Exception):
    """A record that cannot be used; says which field is wrong."""


def number(record: Mapping[str, Any], name: str) -> float:
    """Read a finite number."""
    value = record.get(name)
    if (type(value) is float or type(value) is int) and -_LARGEST < value < _LARGEST:
        return float(value)
    raise Malformed(f"{name} is no number")


def moment(record: Mapping[str, Any], name: str) -> int:
    """Read an epoch time in ms."""
    value = number(record, name)
    if value <= 0:
        raise Malformed(f"{name} is no time")
    return int(value)


def read_miner(hotkey: str, record: Any, left_out: Counter[str], cache: Mapping[str, Position]) -> Miner:
    """Read one miner. Raises ``Malformed`` where nothing of it can be used.

    ``cache``: its closed positions of the payload before; one that did not change is not read again.
    """
    if not isinstance(record, dict):
        raise Malformed("miner is no object")
    listed = record.get("positions")
    if not isinstance(listed, list):
        raise Malformed("positions is no list")
    recent, ever = number(record, "thirty_day_returns"), number(record, "all_time_returns")
    positions = []
    seen: set[str] = set()
    for entry in listed:
        try:
            position = _remembered(entry, cache) or read_position(entry, left_out)
        except Malformed:
            left_out["positions"] += 1
            continue
        if position.id in seen:
            left_out["positions"] += 1
            continue
        seen.add(position.id)
        positions.append(position)
    return Miner(hotkey=hotkey, recent=recent, ever=ever).with_positions(positions)


def _remembered(entry: Any, cache: Mapping[str, Position]) -> Position | None:
    if not cache or not isinstance(entry, dict):
        return None
    known = cache.get(str(entry.get("position_uuid")))
    if known is None or not known.closed or entry.get("is_closed_position") is not True:
        return None
    orders = entry.get("orders")
    same = (
        entry.get("close_ms") == known.close_ms
        and entry.get("return_at_close") == known.value
        and isinstance(orders, list)
        and len(orders) == known.orders
    )
    return known if same else None


def read_position(entry: Any, left_out: Counter[str]) -> Position:
    """Read one position. Raises ``Malformed``."""
    if not isinstance(entry, dict):
        raise Malformed("position is no object")
    closed, listed, uuid = entry.get("is_closed_position"), entry.get("orders"), entry.get("position_uuid")
    if not isinstance(closed, bool) or not isinstance(listed, list) or not isinstance(uuid, str):
        raise Malformed("position lacks is_closed_position, orders or position_uuid")
    asset, largest = _pair(entry.get("trade_pair"))
    orders = _orders(listed, left_out)
    open_ms = moment(entry, "open_ms")
    net, price = course.holding(orders)
    return Position(
        id=uuid,
        asset=asset,
        max_leverage=largest,
        open_ms=open_ms,
        close_ms=moment(entry, "close_ms") if closed else None,
        closed=closed,
        value=_factor(entry, "return_at_close" if closed else "current_return"),
        stated_net=None if entry.get("net_leverage") is None else number(entry, "net_leverage"),
        orders_net=net,
        orders_price=price,
        parity_drawdown=course.parity_drawdown(orders),
        drawdown=course.drawdown(orders),
        last_ms=max((order.processed_ms for order in orders), default=open_ms),
        orders=len(listed),
    )


def _factor(entry: Mapping[str, Any], name: str) -> float:
    value = number(entry, name)
    if value < 0:
        raise Malformed(f"{name} is below zero")
    return value


def _pair(pair: Any) -> tuple[str, float | None]:
    """Read ``[id, display, fee, min_leverage, max_leverage]``."""
    if not isinstance(pair, list) or not pair or not isinstance(pair[0], str) or not pair[0]:
        raise Malformed("trade_pair has no id")
    largest = pair[4] if len(pair) > 4 else None
    if (type(largest) is float or type(largest) is int) and 0 < largest < math.inf:
        return pair[0], float(largest)
    return pair[0], None


def _orders(listed: list[Any], left_out: Counter[str]) -> list[Order]:
    orders: list[Order] = []
    seen: set[str] = set()
    for entry in listed:
        try:
            uuid = entry["order_uuid"]
            order = _order(entry)
        except (Malformed, TypeError, KeyError):
            left_out["orders"] += 1
            continue
        if uuid not in seen:
            seen.add(uuid)
            orders.append(order)
    return orders


def _order(entry: Mapping[str, Any]) -> Order:
    kind = entry["order_type"]
    if kind not in _KINDS:
        raise Malformed("order_type is none of LONG, SHORT, FLAT")
    leverage, price = number(entry, "leverage"), number(entry, "price")
    flat = kind == "FLAT"
    if price < 0 or (kind == "LONG" and leverage < 0) or (kind == "SHORT" and leverage > 0):
        raise Malformed("price or leverage has the wrong sign")
    return Order(leverage, price, moment(entry, "processed_ms"), flat, entry.get("src") not in UNFILLED)
