"""MEXC passes the suite that every exchange passes, through ccxt and over HTTP, with and without streams."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import cast

import pytest

from te_core.testing.conformance import ExchangeConformance
from te_core.testing.real_clock import NEAR
from te_emulators.conformance import EmulatedHarness, near
from te_emulators.mexc.server import MexcServer
from te_emulators.mexc.unknowns import Duplicates, Unknowns
from te_emulators.wire.server import WireServer
from te_exchange_mexc.plugin import CAPABILITIES, MEXC

pytestmark = pytest.mark.real_clock

SYMBOLS = ("BTCUSDT", "ETHUSDT", "SOLUSDT", "TUTUSDT")
"""The largest market order of TUT is worth about 1 000 USDT, as recorded."""


class TestMexc(ExchangeConformance):
    capabilities = near(CAPABILITIES)
    engine = NEAR

    def make_exchange(self, folder: Path) -> EmulatedHarness:
        return self.exchange(folder, streams=False)

    def exchange(
        self, folder: Path, *, prepare: Callable[[WireServer], None] = lambda server: None, **options: object
    ) -> EmulatedHarness:
        return EmulatedHarness(
            "mexc", MEXC, folder, options=options, symbols=SYMBOLS, balance=Decimal(10_000), prepare=prepare
        )


class TestMexcWithStreams(TestMexc):
    capabilities = near(CAPABILITIES, streams=True)

    def make_exchange(self, folder: Path) -> EmulatedHarness:
        return self.exchange(folder)


class TestMexcAsItMayBeToo(TestMexc):
    """The other form of all unknown behaviour."""

    def make_exchange(self, folder: Path) -> EmulatedHarness:
        def otherwise(server: WireServer) -> None:
            cast("MexcServer", server).unknowns = Unknowns(
                duplicates=Duplicates.EXECUTED,
                missing_order_is_null=True,
                close_needs_position_id=True,
                market_types=frozenset({6}),
                http_status_follows_code=True,
            )

        return self.exchange(folder, prepare=otherwise, streams=False, market_order_type=6)
