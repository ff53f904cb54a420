"""From JSON values to the network, one record at a time. Malformed records are counted and left out."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from operator import attrgetter
from typing import Any

from te_signals_bittensor import position_math
from te_signals_bittensor.network import Miner, Order, Position, Row

UNFILLED = frozenset({5, 7, 8, 10, 13, 15, 18})
"""``src`` codes of orders that never changed the position: unfilled or cancelled limit, bracket and stop orders."""

_KINDS = frozenset({"LONG", "SHORT", "FLAT"})
_LARGEST = 1e15
_NUMBERS = frozenset({int, float})
_by_time = attrgetter("processed_ms")


class Malformed(Exception):
    """A record that cannot be used; the message names the wrong field."""


def number(record: Mapping[str, Any], name: str) -> float:
    """Return a field that is a finite number."""
    value: Any = record.get(name)
    if type(value) in _NUMBERS and -_LARGEST < value < _LARGEST:
        return float(value)
    raise Malformed(f"{name} is not a number")


def epoch_ms(record: Mapping[str, Any], name: str) -> int:
    """Return a field that is an epoch time in ms."""
    value = number(record, name)
    if value <= 0:
        raise Malformed(f"{name} is not a time")
    return int(value)


def parse_returns(record: Mapping[str, Any]) -> tuple[float, float]:
    """Return upstream's two products of returns. Raises ``Malformed``."""
    return number(record, "thirty_day_returns"), number(record, "all_time_returns")


def parse_miner(hotkey: str, record: Any, left_out: Counter[str]) -> Miner:
    """Parse one miner. Raises ``Malformed`` if nothing of it can be used."""
    if not isinstance(record, dict):
        raise Malformed("miner is not an object")
    listed = record.get("positions")
    if not isinstance(listed, list):
        raise Malformed("positions is not a list")
    recent, ever = parse_returns(record)
    positions: dict[str, Position] = {}
    for entry in listed:
        try:
            position = parse_position(entry, left_out)
        except Malformed:
            left_out["positions"] += 1
            continue
        if position.id in positions:
            left_out["positions"] += 1
            continue
        positions[position.id] = position
    return Miner(hotkey=hotkey, recent=recent, ever=ever).with_positions(positions.values())


def parse_position(entry: Any, left_out: Counter[str], cached_math: Row | None = None) -> Position:
    """Parse one position. Raises ``Malformed``.

    ``cached_math``: what its orders amount to, if that is cached; the orders are then not parsed.
    """
    if not isinstance(entry, dict):
        raise Malformed("position is not an object")
    closed, listed, uuid = entry.get("is_closed_position"), entry.get("orders"), entry.get("position_uuid")
    if not isinstance(closed, bool) or not isinstance(listed, list) or not isinstance(uuid, str):
        raise Malformed("position lacks is_closed_position, orders or position_uuid")
    asset, largest = _pair(entry.get("trade_pair"))
    open_ms = epoch_ms(entry, "open_ms")
    size = _positive(entry.get("account_size"))
    orders_math = _math_of(listed, open_ms, size, left_out) if cached_math is None else cached_math
    row = (
        uuid,
        asset,
        largest,
        open_ms,
        epoch_ms(entry, "close_ms") if closed else None,
        closed,
        _factor(entry, "return_at_close" if closed else "current_return"),
        None if entry.get("net_leverage") is None else number(entry, "net_leverage"),
        *orders_math,
        None if closed else size,
        not closed and entry.get("is_hl") is True,
    )
    return Position._make(row)


def _math_of(listed: list[Any], open_ms: int, size: float | None, left_out: Counter[str]) -> Row:
    """Return what orders amount to: the fields of a position from ``orders_net`` to ``orders``."""
    orders = _orders(listed, size, left_out)
    by_time = sorted(orders, key=_by_time)
    return (
        *position_math.holding(by_time),
        position_math.parity_drawdown(orders),
        position_math.drawdown(by_time),
        by_time[-1].processed_ms if by_time else open_ms,
        len(listed),
    )


def _factor(entry: Mapping[str, Any], name: str) -> float:
    value = number(entry, name)
    if value < 0:
        raise Malformed(f"{name} is below zero")
    return value


def _pair(pair: Any) -> tuple[str, float | None]:
    """Parse ``[id, display, fee, min_leverage, max_leverage]``; return the id and the largest leverage."""
    if not isinstance(pair, list) or not pair or not isinstance(pair[0], str) or not pair[0]:
        raise Malformed("trade_pair has no id")
    return pair[0], _positive(pair[4] if len(pair) > 4 else None)


def _positive(value: Any) -> float | None:
    """Return a number above zero; None for anything else."""
    return float(value) if type(value) in _NUMBERS and 0 < value < math.inf else None


def _orders(listed: list[Any], size: float | None, left_out: Counter[str]) -> list[Order]:
    orders: list[Order] = []
    seen: set[str] = set()
    for entry in listed:
        try:
            uuid = entry["order_uuid"]
            order = _order(entry, size)
        except (Malformed, TypeError, KeyError):
            left_out["orders"] += 1
            continue
        if uuid not in seen:
            seen.add(uuid)
            orders.append(order)
    return orders


def _order(entry: Mapping[str, Any], size: float | None) -> Order:
    kind, leverage, price = entry["order_type"], entry["leverage"], entry["price"]
    if kind not in _KINDS:
        raise Malformed("order_type is none of LONG, SHORT, FLAT")
    if leverage is None:
        leverage, price = _sized_by_value(entry, size)
    if not (type(leverage) in _NUMBERS and -_LARGEST < leverage < _LARGEST):
        raise Malformed("leverage is not a number")
    if not (type(price) in _NUMBERS and 0 <= price < _LARGEST):
        raise Malformed("price is not a number from 0 on")
    if (leverage < 0 and kind == "LONG") or (leverage > 0 and kind == "SHORT"):
        raise Malformed("leverage has the wrong sign")
    processed_ms = entry["processed_ms"]
    if not (type(processed_ms) in _NUMBERS and 0 < processed_ms < _LARGEST):
        raise Malformed("processed_ms is not a time")
    return Order(
        float(leverage), float(price), int(processed_ms), kind == "FLAT", entry.get("src") not in UNFILLED
    )


def _sized_by_value(entry: Mapping[str, Any], size: float | None) -> tuple[float, float]:
    """Return leverage and price of an order that states its value (USD) and quantity (units) instead.

    Upstream serves a price of 0 with such an order. ``size`` is that of the account, in USD. Raises ``Malformed`` if
    leverage and price do not follow from them.
    """
    price = number(entry, "price")
    if entry["order_type"] == "FLAT" and entry.get("value") is None:
        return 0.0, price
    value = number(entry, "value")
    if size is None:
        raise Malformed("leverage is null, and the account's size is not stated")
    sign = -1.0 if entry["order_type"] == "SHORT" or (entry["order_type"] == "FLAT" and value < 0) else 1.0
    if price == 0:
        quantity = abs(number(entry, "quantity"))
        rate = _positive(entry.get("quote_usd_rate")) or 1.0
        if quantity == 0:
            raise Malformed("price and quantity are 0")
        price = abs(value) / (quantity * rate)
    return sign * abs(value) / size, price
