"""Records in upstream's shape, made by hand."""

from __future__ import annotations

from typing import Any

from te_core.testing.virtual_clock import START

NOW_MS = int(START.timestamp() * 1000)
DAY_MS = 86_400_000
ASSETS = {"BTCUSD": "BTCUSDT", "ETHUSD": "ETHUSDT"}
PAIR = ["BTCUSD", "BTC/USD", 0.003, 0.01, 0.5]


def hotkey(number: int) -> str:
    """Return an address of the right length and alphabet."""
    digits = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
    tail = ""
    for _ in range(6):
        number, digit = divmod(number, len(digits))
        tail = digits[digit] + tail
    return "5" + "C" * 41 + tail


def order(
    uuid: str, leverage: float, price: float, ms: int, kind: str | None = None, **more: Any
) -> dict[str, Any]:
    return {
        "order_uuid": uuid,
        "order_type": kind or ("LONG" if leverage > 0 else "SHORT"),
        "leverage": leverage,
        "price": price,
        "processed_ms": ms,
        "src": 0,
        **more,
    }


def closed(
    uuid: str, factor: float, *, open_ms: int, lasts: int = 3_600_000, size: float = 0.1, **more: Any
) -> dict[str, Any]:
    """Return a position that was opened and closed at one price, and so has no drawdown by parity's rule."""
    orders = [
        order(f"{uuid}-1", size, 100.0, open_ms),
        order(f"{uuid}-2", -size, 100.0, open_ms + lasts, "FLAT"),
    ]
    return {
        "position_uuid": uuid,
        "open_ms": open_ms,
        "close_ms": open_ms + lasts,
        "is_closed_position": True,
        "position_type": "FLAT",
        "net_leverage": 0.0,
        "current_return": factor,
        "return_at_close": factor,
        "orders": orders,
        "trade_pair": PAIR,
        **more,
    }


def held(
    uuid: str, net: float, *, factor: float = 1.001, open_ms: int, price: float = 100.0, **more: Any
) -> dict[str, Any]:
    return {
        "position_uuid": uuid,
        "open_ms": open_ms,
        "close_ms": 0,
        "is_closed_position": False,
        "position_type": "LONG" if net > 0 else "SHORT",
        "net_leverage": net,
        "current_return": factor,
        "return_at_close": factor,
        "orders": [order(f"{uuid}-1", net, price, open_ms)],
        "trade_pair": PAIR,
        **more,
    }


def miner(positions: list[Any], *, recent: float = 1.2, ever: float = 1.2) -> dict[str, Any]:
    return {
        "positions": positions,
        "thirty_day_returns": recent,
        "all_time_returns": ever,
        "n_positions": len(positions),
        "percentage_profitable": 0.7,
        "tier": 100,
    }


def history(name: str, factors: list[float], net: float, *, gaps: list[int]) -> dict[str, Any]:
    """Return a miner that closed one position after the other and now holds one. ``gaps``: ms before each next one."""
    start = NOW_MS - 10 * DAY_MS
    positions = []
    for index, factor in enumerate(factors):
        positions.append(closed(f"{name}{index}", factor, open_ms=start, lasts=1_000_000))
        start += 1_000_000 + gaps[index % len(gaps)]
    positions.append(held(f"{name}-open", net, open_ms=start))
    return miner(positions, recent=0.9, ever=0.9)


def worked_example() -> dict[str, Any]:
    """Return the network of the predecessor's worked example: A, B and C."""
    return {
        hotkey(1): history("a", [1.01] * 8 + [0.995] * 2, 0.3, gaps=[3_600_000]),
        hotkey(2): history("b", [1.02] * 9 + [0.99] * 3, -0.1, gaps=[1_000_000, 9_000_000]),
        hotkey(3): history("c", [1.005] * 10, 0.5, gaps=[100_000, 30_000_000]),
    }
