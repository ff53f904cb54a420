"""Bybit passes the suite that every exchange passes, through ccxt and over HTTP, with and without streams."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from te_core.testing.conformance import ExchangeConformance
from te_core.testing.real_clock import NEAR
from te_emulators.conformance import EmulatedHarness, near
from te_exchange_bybit.plugin import BYBIT, CAPABILITIES

pytestmark = pytest.mark.real_clock


class TestBybit(ExchangeConformance):
    capabilities = near(CAPABILITIES)
    engine = NEAR

    def make_exchange(self, folder: Path) -> EmulatedHarness:
        return exchange(folder, streams=False)


class TestBybitInUsdc(TestBybit):
    """Contracts that settle in USDC, which Bybit calls BTCPERP and so on; with streams."""

    capabilities = near(CAPABILITIES, streams=True)

    def make_exchange(self, folder: Path) -> EmulatedHarness:
        return exchange(folder, streams=True, coin="USDC")


class TestBybitWithStreams(TestBybit):
    capabilities = near(CAPABILITIES, streams=True)

    def make_exchange(self, folder: Path) -> EmulatedHarness:
        return exchange(folder, streams=True)


def exchange(folder: Path, *, streams: bool, coin: str = "USDT") -> EmulatedHarness:
    symbols = [f"{base}{coin}" for base in ("BTC", "SOL", "ETH", "DOGE")]
    options = {"streams": streams, "settle": coin}
    return EmulatedHarness(
        "bybit", BYBIT, folder, options=options, symbols=symbols, balance=Decimal(4_600_000), coin=coin
    )
