"""MEXC passes the suite that every exchange passes, through ccxt and over HTTP, with and without streams."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import cast

import pytest

from te_core.settings.schema import EngineSettings
from te_core.testing.conformance import ExchangeConformance
from te_exchange_mexc.plugin import CAPABILITIES, MEXC
from tests.emulators.conformance import EmulatedVenue
from tests.emulators.mexc.server import MexcServer
from tests.emulators.mexc.unknowns import Duplicates, Unknowns
from tests.emulators.wire.server import WireServer

pytestmark = pytest.mark.real_clock


class TestMexc(ExchangeConformance):
    capabilities = CAPABILITIES
    engine = EngineSettings(
        resync=timedelta(seconds=0.5), backoff_first=timedelta(seconds=0.5), backoff_last=timedelta(seconds=2)
    )

    def make_venue(self, folder: Path) -> EmulatedVenue:
        return EmulatedVenue("mexc", MEXC, folder, options={"streams": False})


class TestMexcWithStreams(TestMexc):
    def make_venue(self, folder: Path) -> EmulatedVenue:
        return EmulatedVenue("mexc", MEXC, folder)


class TestMexcAsItMayBeToo(TestMexc):
    """The other form of everything that nobody has established."""

    def make_venue(self, folder: Path) -> EmulatedVenue:
        def otherwise(server: WireServer) -> None:
            cast("MexcServer", server).unknowns = Unknowns(
                duplicates=Duplicates.EXECUTED,
                missing_order_is_null=True,
                close_needs_position_id=True,
                market_types=frozenset({6}),
                http_status_follows_code=True,
            )

        return EmulatedVenue(
            "mexc", MEXC, folder, options={"streams": False, "market_order_type": 6}, prepare=otherwise
        )
