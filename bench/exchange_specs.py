"""The exchanges that have an emulator and a plugin of their own."""

from __future__ import annotations

import importlib
from typing import Any

from te_core.api import ExchangeSpec

EXCHANGES = ("bybit", "blofin", "kucoin", "mexc")


def spec_of(exchange: str) -> ExchangeSpec[Any]:
    """Return the spec of an exchange's plugin."""
    (spec,) = importlib.import_module(f"te_exchange_{exchange}.plugin").te_exchanges()
    found: ExchangeSpec[Any] = spec
    return found
