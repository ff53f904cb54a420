"""A complete alert, printed by ``te run`` and used in the documentation."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_PRICES = {"BTC": "64000", "ETH": "3200", "SOL": "150"}


def example_message(symbol: str) -> Mapping[str, Any]:
    """Return an alert that opens a long position on one of the source's spellings, at an invented price."""
    ticker = symbol.rpartition(":")[2]
    price = next((price for coin, price in _PRICES.items() if ticker.startswith(coin)), "100")
    return {
        "symbol": symbol,
        "direction": "long",
        "action": "buy",
        "size": "50/100",
        "leverage": "3",
        "price": price,
    }
