"""Hyperliquid at a stand-in that checks signatures and nonces, and refuses signed actions that were not requested."""

from __future__ import annotations

from pathlib import Path

import pytest

from te_core.testing.conformance import ExchangeConformance
from te_core.testing.real_clock import NEAR
from te_emulators.conformance import EmulatedHarness, near
from te_emulators.standins.hyperliquid import PRIVATE_KEY, WALLET
from te_exchange_hyperliquid.plugin import CAPABILITIES, HYPERLIQUID

pytestmark = pytest.mark.real_clock


class TestHyperliquid(ExchangeConformance):
    engine = NEAR
    capabilities = near(CAPABILITIES)

    def make_exchange(self, folder: Path) -> EmulatedHarness:
        symbols = ("BTCUSDC", "ETHUSDC", "SOLUSDC", "DOGEUSDC")
        options = {"wallet_address": WALLET, "private_key": PRIVATE_KEY}
        return EmulatedHarness(
            "hyperliquid", HYPERLIQUID, folder, options=options, symbols=symbols, coin="USDC"
        )
