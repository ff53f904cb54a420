"""Alerts as TradingView sends them, ready for the wire."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

_PRICES = {"BTCUSDT": "64250.5", "ETHUSDT": "3263.55", "SOLUSDT": "142.07"}
NUMBER = "000000000000"
"""Placeholder for the alert's own number, so that no two messages are identical."""


def alert(symbol: str, *, size: str = "14.08/100", direction: str = "long", **fields: Any) -> dict[str, Any]:
    """Return the usual message of a strategy."""
    return {
        "symbol": symbol,
        "direction": direction,
        "action": "buy" if direction == "long" else "sell",
        "size": size,
        "leverage": "2",
        "price": _PRICES.get(symbol, "100.5"),
        "priority": "",
        "takeprofit": "0.0",
        "trailstop": "0.0",
        "event_id": f"event-{NUMBER}",
        **fields,
    }


def encode(message: dict[str, Any]) -> bytes:
    """Return a message as the body of a request."""
    return json.dumps(message).encode()


@dataclass(frozen=True, slots=True)
class Template:
    """A request split in two at its number."""

    head: bytes
    tail: bytes

    def numbered(self, number: int) -> bytes:
        """Return the request with that number; its length does not change."""
        return b"%b%012d%b" % (self.head, number, self.tail)


def template(path: str, message: dict[str, Any]) -> Template:
    """Build the request of an alert."""
    body = encode(message)
    request = (
        f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json; charset=utf-8\r\n"
        f"User-Agent: Go-http-client/1.1\r\nContent-Length: {len(body)}\r\n\r\n"
    ).encode() + body
    head, _, tail = request.partition(NUMBER.encode())
    return Template(head, tail)


def steady(symbols: Sequence[str]) -> list[dict[str, Any]]:
    """Return alerts that repeat the present position: no target changes."""
    return [alert(symbol) for symbol in symbols]


def turning(symbols: Sequence[str]) -> list[dict[str, Any]]:
    """Return alerts that each ask for another position than the one before on the same symbol."""
    return [alert(symbol, size=f"{size}/100") for size in (10, 20, 15, 25) for symbol in symbols]
