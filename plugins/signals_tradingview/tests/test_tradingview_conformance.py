"""The suite for sources, with alerts as Pine strategies send them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from te_core.testing.source_conformance import SourceConformance
from te_core.testing.source_harness import GARBAGE, SourceHarness
from te_signals_tradingview.plugin import te_signal_sources

TOKEN = "canary-0123456789abcdefghij"
SYMBOLS = {"BTCUSDT.P": "BTCUSDT", "ETHUSDT": "ETHUSDT"}


class TradingViewHarness(SourceHarness):
    """Posts alerts that state a position in percent, and when they fired."""

    (spec,) = te_signal_sources()
    symbols = SYMBOLS
    unmapped = "DOGEUSDT"
    states_time = True
    calm = 1
    garbage = (
        *GARBAGE,
        b'{"symbol": "BTCUSDT.P", "direction": "long"}',
        b'{"symbol": "BTCUSDT.P", "direction": "upwards", "size": "50/100"}',
        b'{"symbol": "BTCUSDT.P", "direction": "long", "size": "NaN/100"}',
        b'{"symbol": "BTCUSDT.P", "direction": "long", "size": "50/0"}',
    )

    def options(self) -> Mapping[str, Any]:
        return {"token": TOKEN}

    async def send(self, spelling: str, depth: Decimal, sent: datetime | None = None) -> None:
        direction = "flat" if not depth else "long" if depth > 0 else "short"
        alert = {
            "symbol": spelling,
            "direction": direction,
            "action": "sell" if depth < 0 else "buy",
            "size": f"{100 * depth}/100",
            "price": "64000",
            "timenow": (sent or self.clock.now()).isoformat(timespec="seconds"),
        }
        await self.post(json.dumps(alert).encode())


class TestTradingView(SourceConformance):
    def make_source(self, folder: Path) -> SourceHarness:
        return TradingViewHarness()
