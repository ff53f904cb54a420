"""A second implementation of the predecessor's rules, from the raw JSON, as plain as possible: for comparison only."""

from __future__ import annotations

import statistics
from math import e, inf, log
from typing import Any

DEFAULTS = {
    "min_trades": 10,
    "max_drawdown_threshold": -0.5,
    "min_profitable_rate": 0.6,
    "min_total_return": 0.0,
    "drawdown_exponent": 6,
    "sharpe_exponent": 2,
    "profitable_rate_exponent": 5,
    "position_count_divisor": 5,
    "min_trades_per_asset": 0,
    "max_trade_age_days": 14,
}


def net_and_price(orders: list[dict[str, Any]]) -> tuple[float, float]:
    for o in orders:
        if o["order_type"] == "FLAT":
            return 0.0, 0.0
    net, cost = 0.0, 0.0
    for o in sorted(orders, key=lambda o: o["processed_ms"]):
        q, p = o["leverage"], o["price"]
        if q == 0:
            continue
        if (net > 0 and q > 0) or (net < 0 and q < 0):
            cost = (net * cost + q * p) / (net + q)
            net = net + q
        elif abs(q) > abs(net):
            net = net + q
            cost = p
        else:
            net = net + q
            if abs(net) < 1e-15:
                net, cost = 0.0, 0.0
    return net, cost


def position_drawdown(orders: list[dict[str, Any]]) -> float:
    total = 0.0
    value = 0.0
    largest = 0.0
    for o in orders:
        if o["leverage"] == 0 or o["price"] == 0:
            continue
        total += o["leverage"]
        if total == 0:
            continue
        value += o["leverage"] * o["price"]
        average = value / total
        dd = abs((o["price"] - average) / average) * abs(total)
        largest = max(largest, dd)
    return -largest


def percentile(values: list[float], index: int) -> float:
    if len(values) == 1:
        return 1.0
    better = sum(v > values[index] for v in values)
    earlier = sum(v == values[index] for v in values[:index])
    return 1 - (better + earlier) / (len(values) - 1)


def pull(
    record: dict[str, Any], assets: dict[str, str], cfg: dict[str, Any], now_ms: float
) -> list[Any] | None:
    if record["thirty_day_returns"] <= 0 or record["all_time_returns"] <= 0:
        return None
    if cfg["min_trades_per_asset"] > 0:
        for asset in assets:
            if (
                len([p for p in record["positions"] if p["trade_pair"][0] == asset])
                < cfg["min_trades_per_asset"]
            ):
                return None
    kept = [p for p in record["positions"] if p["trade_pair"][0] in assets]
    if cfg["max_trade_age_days"] < inf:
        newest = 0
        for p in kept:
            if p["is_closed_position"]:
                newest = max(newest, p["close_ms"])
        if newest < now_ms - cfg["max_trade_age_days"] * 24 * 3600 * 1000:
            return None
    return kept or None


def measured(positions: list[Any], cfg: dict[str, Any]) -> dict[str, float] | None:
    mdd = min(position_drawdown(p["orders"]) for p in positions)
    r = [(p["return_at_close"] if p["is_closed_position"] else p["current_return"]) - 1 for p in positions]
    win = len([x for x in r if x > 0]) / len(r)
    if mdd < cfg["max_drawdown_threshold"] or len(r) < cfg["min_trades"] or win < cfg["min_profitable_rate"]:
        return None
    if sum(r) <= cfg["min_total_return"]:
        return None
    deviation = statistics.pstdev(r)
    ordered = sorted(positions, key=lambda p: p["open_ms"])
    gaps = [ordered[i]["open_ms"] - ordered[i - 1]["close_ms"] for i in range(1, len(ordered))]
    consistency = 0.0
    if gaps:
        average = sum(gaps) / len(gaps)
        consistency = 1 - (statistics.pstdev(gaps) / average if average else 0)
    return {
        "mdd": mdd,
        "n": len(r),
        "win": win,
        "R": sum(r),
        "sharpe": sum(r) / len(r) / deviation if len(r) > 1 and deviation else 0.0,
        "cons": consistency,
    }


def depths(
    network: dict[str, Any], assets: dict[str, str], now_ms: float, **changes: Any
) -> tuple[dict[str, float], dict[str, float], list[str]]:
    """Return depth and price per symbol, and the hotkeys from best to worst."""
    cfg = {**DEFAULTS, **changes}
    rows = []
    for key, record in network.items():
        positions = pull(record, assets, cfg, now_ms)
        found = measured(positions, cfg) if positions else None
        if found:
            rows.append((key, positions, found))
    columns = {name: [row[2][name] for row in rows] for name in ("sharpe", "n", "cons")}
    scored = []
    for i, (key, positions, m) in enumerate(rows):
        score = (
            ((1 + m["mdd"]) ** 2) ** cfg["drawdown_exponent"]
            + percentile(columns["sharpe"], i) ** cfg["sharpe_exponent"]
            + (1 + m["R"])
            + m["win"] ** cfg["profitable_rate_exponent"]
            + percentile(columns["n"], i) * log(1 + m["n"], e) / cfg["position_count_divisor"]
            + percentile(columns["cons"], i)
        )
        scored.append((score, -i, key, positions))
    scored.sort(key=lambda row: (row[0], row[1]), reverse=True)
    count = len(scored)
    total: dict[str, float] = dict.fromkeys(assets.values(), 0.0)
    upper, lower = dict(total), dict(total)
    for place, (_, _, _, positions) in enumerate(scored, start=1):
        weight = (count + 1 - place) / (count * (count + 1) / 2)
        for p in positions or []:
            net, cost = net_and_price(p["orders"])
            symbol = assets[p["trade_pair"][0]]
            total[symbol] += weight * net
            upper[symbol] += cost * abs(weight * net)
            lower[symbol] += abs(weight * net)
    clamped = {symbol: max(-1.0, min(1.0, value)) for symbol, value in total.items()}
    prices = {symbol: upper[symbol] / lower[symbol] if lower[symbol] else 0.0 for symbol in assets.values()}
    return clamped, prices, [key for _, _, key, _ in scored]
