"""BloFin passes the suite that every exchange passes, through ccxt and over HTTP, with and without streams."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import cast

import pytest

from te_core.api import ExchangeAccount, OrderReport, OrderRequest
from te_core.testing.conformance import ExchangeConformance
from te_core.testing.real_clock import NEAR
from te_core.testing.worker_harness import WorkerHarness
from te_emulators.blofin.server import WINDOWS, BlofinServer
from te_emulators.blofin.unknowns import Unknowns
from te_emulators.conformance import EmulatedHarness, near
from te_emulators.core.limits import RateLimits
from te_emulators.wire.server import WireServer
from te_exchange_blofin.adapter import BlofinAdapter
from te_exchange_blofin.options import BlofinOptions
from te_exchange_blofin.plugin import BLOFIN, CAPABILITIES, capabilities_by

pytestmark = pytest.mark.real_clock

SYMBOLS = ("BTCUSDT", "ETHUSDT", "SOLUSDT", "LTCUSDT")
KEYS = {"api_key": "K", "secret": "S", "passphrase": "P"}
BALANCE = Decimal(1_000_000)
"""0.4 of it is more than the 3500 LTC of a largest market order."""


GRANTED = {"rate_limits": {"trading": 300}}


def grant(server: WireServer) -> None:
    """Allow a key ten times the trading requests: with the usual 30 in 10 s, cases about stops would wait."""
    windows = [replace(one, capacity=300) if one.name == "trading" else one for one in WINDOWS]
    server.limits = RateLimits(windows)


class TestBlofin(ExchangeConformance):
    capabilities = near(CAPABILITIES)
    engine = NEAR

    @pytest.fixture(autouse=True)
    def _short_pause(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(BlofinAdapter, "rate_pause", 0.5)

    def make_exchange(self, folder: Path) -> EmulatedHarness:
        return EmulatedHarness(
            "blofin",
            BLOFIN,
            folder,
            options={"streams": False, **GRANTED},
            symbols=SYMBOLS,
            balance=BALANCE,
            prepare=grant,
        )


class TestBlofinWithStreams(TestBlofin):
    capabilities = near(CAPABILITIES, streams=True)

    def make_exchange(self, folder: Path) -> EmulatedHarness:
        return EmulatedHarness(
            "blofin", BLOFIN, folder, symbols=SYMBOLS, balance=BALANCE, options=GRANTED, prepare=grant
        )


class CopyTradingHarness(EmulatedHarness):
    """Its books give closing orders an id, which the requests cannot: only the account knows whose they are."""

    def __init__(self, folder: Path, unknowns: Unknowns) -> None:
        super().__init__(
            "blofin",
            BLOFIN,
            folder,
            options={"account_type": "copy_trading", **GRANTED},
            symbols=SYMBOLS,
            balance=BALANCE,
            prepare=grant,
        )
        self.closing: dict[str, str] = {}
        blofin = cast("BlofinServer", self.server)
        blofin.copy_traders.add("main")
        blofin.unknowns = unknowns
        blofin.closing_id = self.closing.get

    async def _connect(self) -> ExchangeAccount:
        account = await super()._connect()
        place_order = account.place_order

        async def named(order: OrderRequest) -> OrderReport:
            if order.reduce_only:
                self.closing[self.contract(order.symbol).symbol] = order.client_order_id
            return await place_order(order)

        account.place_order = named  # type: ignore[method-assign]  # of this one
        return account


class TestBlofinCopyTrading(TestBlofin):
    """A lead trader's account, with separate routes."""

    capabilities = near(
        capabilities_by(BlofinOptions.model_validate({**KEYS, "account_type": "copy_trading"}))
    )
    unknowns = Unknowns(copy_client_ids=True, copy_broker="any")

    def make_exchange(self, folder: Path) -> EmulatedHarness:
        return CopyTradingHarness(folder, self.unknowns)


class TestBlofinCopyTradingAsDocumented(TestBlofinCopyTrading):
    """Orders are shown without their client order ids."""

    unknowns = Unknowns()

    @pytest.mark.parametrize("executed", [False], ids=["never sent"])  # otherwise test_blofin_copy_trading.py
    async def test_e16_restart_with_an_open_intent(self, harness: WorkerHarness, executed: bool) -> None:
        await super().test_e16_restart_with_an_open_intent(harness, executed)


class TestBlofinAsItMayBe(TestBlofin):
    """Unrecorded behaviour, each in the other form than above."""

    capabilities = near(CAPABILITIES, streams=True)

    def make_exchange(self, folder: Path) -> EmulatedHarness:
        return EmulatedHarness(
            "blofin",
            BLOFIN,
            folder,
            symbols=SYMBOLS,
            balance=BALANCE,
            options=GRANTED,
            prepare=self.other_forms,
        )

    @staticmethod
    def other_forms(server: WireServer) -> None:
        grant(server)
        blofin = cast("BlofinServer", server)
        blofin.brokers["K"] = "ec6dd3a7dd982d0b"
        blofin.unknowns = Unknowns(
            rejections="object",
            missing_order="refused",
            leverage_unchanged="110999",
            position_side_required=True,
            margin_mode_must_match=True,
            snapshots=frozenset({"account"}),
            push_seconds=0.7,
            closed_pushed=False,
            children_named=False,
        )
