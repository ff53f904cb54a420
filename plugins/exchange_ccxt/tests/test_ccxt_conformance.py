"""Any exchange, by ccxt's unified calls alone: the generic plugin at emulated Bybit, with and without streams."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any, ClassVar

import pytest

from te_core.testing.conformance import ExchangeConformance
from te_exchange_ccxt.plugin import CAPABILITIES, CCXT
from tests.emulators.conformance import NEAR, EmulatedVenue, near

pytestmark = pytest.mark.real_clock

OPTIONS = {
    "exchange": "bybit",
    "config": {
        "options": {"enableUnifiedMargin": False, "enableUnifiedAccount": True, "unifiedMarginStatus": 6}
    },
}


class TestGeneric(ExchangeConformance):
    capabilities = near(CAPABILITIES)
    engine = NEAR
    options: ClassVar[dict[str, Any]] = {**OPTIONS, "streams": False}

    def make_venue(self, folder: Path) -> EmulatedVenue:
        symbols = ("BTCUSDT", "SOLUSDT", "ETHUSDT", "DOGEUSDT")
        return EmulatedVenue(
            "bybit", CCXT, folder, options=self.options, symbols=symbols, balance=Decimal(4_600_000)
        )


class TestGenericWithStreams(TestGeneric):
    capabilities = near(CAPABILITIES, streams=True)
    options = OPTIONS
