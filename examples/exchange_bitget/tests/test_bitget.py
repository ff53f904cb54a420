"""Bitget at a stand-in that checks signatures, client order ids and the margin mode of each order."""

from __future__ import annotations

from pathlib import Path

import pytest

from te_core.testing.conformance import ExchangeConformance
from te_core.testing.real_clock import NEAR
from te_emulators.conformance import EmulatedHarness, near
from te_exchange_bitget.plugin import BITGET, CAPABILITIES

pytestmark = pytest.mark.real_clock


class TestBitget(ExchangeConformance):
    engine = NEAR
    capabilities = near(CAPABILITIES)

    def make_exchange(self, folder: Path) -> EmulatedHarness:
        return EmulatedHarness("bitget", BITGET, folder)
