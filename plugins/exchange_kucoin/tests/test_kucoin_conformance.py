"""KuCoin passes the suite that every exchange passes, through ccxt and over HTTP, with and without streams."""

from __future__ import annotations

from pathlib import Path

import pytest

from te_core.testing.conformance import ExchangeConformance
from te_core.testing.real_clock import NEAR
from te_emulators.conformance import EmulatedHarness, near
from te_exchange_kucoin.plugin import CAPABILITIES, KUCOIN

pytestmark = pytest.mark.real_clock

SYMBOLS = ("BTCUSDT", "ETHUSDT", "SOLUSDT", "PROMPTUSDT")
"""A market order of PROMPT may be 100 000 coins, about 2000 USDT, at most."""


class TestKucoin(ExchangeConformance):
    capabilities = near(CAPABILITIES)
    engine = NEAR

    def make_exchange(self, folder: Path) -> EmulatedHarness:
        return EmulatedHarness("kucoin", KUCOIN, folder, symbols=SYMBOLS, options={"streams": False})


class TestKucoinWithStreams(TestKucoin):
    capabilities = near(CAPABILITIES, streams=True)

    def make_exchange(self, folder: Path) -> EmulatedHarness:
        return EmulatedHarness("kucoin", KUCOIN, folder, symbols=SYMBOLS)
