"""Gate at a stand-in that checks signatures, client order ids and the id of the user who subscribes."""

from __future__ import annotations

from pathlib import Path

import pytest

from te_core.testing.conformance import ExchangeConformance
from te_core.testing.real_clock import NEAR
from te_emulators.conformance import EmulatedHarness, near
from te_exchange_gate.plugin import CAPABILITIES, GATE

pytestmark = pytest.mark.real_clock


class TestGate(ExchangeConformance):
    engine = NEAR
    capabilities = near(CAPABILITIES, streams=True)

    def make_exchange(self, folder: Path) -> EmulatedHarness:
        return EmulatedHarness("gate", GATE, folder)
