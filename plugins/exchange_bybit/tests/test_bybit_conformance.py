"""Bybit passes the suite that every exchange passes, through ccxt and over HTTP, with and without streams."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from te_core.testing.conformance import ExchangeConformance
from te_exchange_bybit.plugin import BYBIT, CAPABILITIES
from tests.emulators.conformance import NEAR, EmulatedVenue, near

pytestmark = pytest.mark.real_clock


class TestBybit(ExchangeConformance):
    capabilities = near(CAPABILITIES)
    engine = NEAR

    def make_venue(self, folder: Path) -> EmulatedVenue:
        return venue(folder, streams=False)


class TestBybitWithStreams(TestBybit):
    capabilities = near(CAPABILITIES, streams=True)

    def make_venue(self, folder: Path) -> EmulatedVenue:
        return venue(folder, streams=True)


def venue(folder: Path, *, streams: bool) -> EmulatedVenue:
    symbols = ("BTCUSDT", "SOLUSDT", "ETHUSDT", "DOGEUSDT")
    return EmulatedVenue(
        "bybit", BYBIT, folder, options={"streams": streams}, symbols=symbols, balance=Decimal(4_600_000)
    )
