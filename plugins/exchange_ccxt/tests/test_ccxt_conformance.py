"""The generic adapter with ccxt's unified calls: at emulated Bybit, and at small stand-ins for four other exchanges."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any, ClassVar

import pytest

from te_core.api import Capabilities
from te_core.testing.conformance import ExchangeConformance
from te_core.testing.real_clock import NEAR
from te_emulators.conformance import EmulatedHarness, near
from te_exchange_ccxt.adapter.generic import GenericOptions
from te_exchange_ccxt.plugin import CAPABILITIES, CCXT

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

    def make_exchange(self, folder: Path) -> EmulatedHarness:
        symbols = ("BTCUSDT", "SOLUSDT", "ETHUSDT", "DOGEUSDT")
        return EmulatedHarness(
            "bybit", CCXT, folder, options=self.options, symbols=symbols, balance=Decimal(4_600_000)
        )


class TestGenericWithStreams(TestGeneric):
    capabilities = near(CAPABILITIES, streams=True)
    options = OPTIONS


def declared(exchange: str, *, streams: bool = False) -> Capabilities:
    """What the plugin declares for one exchange."""
    return near(CCXT.capabilities_of(GenericOptions.model_validate({"exchange": exchange})), streams=streams)


class StandIn(ExchangeConformance):
    """At a small stand-in for one exchange."""

    engine = NEAR
    exchange: ClassVar[str]
    streams: ClassVar[bool] = False
    further: ClassVar[dict[str, str]] = {}

    def make_exchange(self, folder: Path) -> EmulatedHarness:
        options = {"exchange": self.exchange, "streams": self.streams, **self.further}
        return EmulatedHarness(self.exchange, CCXT, folder, options=options)


class TestGenericBinance(StandIn):
    exchange = "binance"
    capabilities = declared("binance")


class TestGenericBitget(StandIn):
    exchange = "bitget"
    capabilities = declared("bitget")


class TestGenericGate(StandIn):
    exchange = "gate"
    capabilities = declared("gate")


class TestGenericOkx(StandIn):
    exchange = "okx"
    capabilities = declared("okx")


class TestGenericOkxWithStreams(StandIn):
    exchange = "okx"
    streams = True
    capabilities = declared("okx", streams=True)


class TestGenericGateWithStreams(StandIn):
    exchange = "gate"
    streams = True
    further: ClassVar[dict[str, str]] = {"uid": "1000001"}
    capabilities = declared("gate", streams=True)
