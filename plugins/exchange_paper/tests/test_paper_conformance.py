"""Paper passes the suite that every exchange passes."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

from loguru import logger

from te_core.testing.conformance import ExchangeConformance
from te_core.testing.virtual_clock import VirtualClock
from te_exchange_paper.plugin import CAPABILITIES
from te_exchange_paper.testing import PaperHarness


class TestPaper(ExchangeConformance):
    capabilities = CAPABILITIES

    def make_exchange(self, folder: Path) -> PaperHarness:
        """Several kinds of instrument: plain, counted in contracts, and with a small largest order."""
        prices = {"BTCUSDT": "64321", "ETHUSDT": "2345.67", "DOGEUSDT": "0.12345", "LTCUSDT": "80"}
        return PaperHarness(
            folder,
            clock=VirtualClock(),
            log=logger,
            market={symbol: Decimal(price) for symbol, price in prices.items()},
            balance=100_000,
            instruments={
                "DOGEUSDT": {"quantity_step": 100, "minimum_quantity": 100, "contract_size": 100},
                "LTCUSDT": {"largest_market_quantity": "33.3"},
            },
        )
