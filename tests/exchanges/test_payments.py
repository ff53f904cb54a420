"""Payments at the four exchanges: every page of them, and nothing twice."""

from __future__ import annotations

import importlib
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from te_core.api import FlowKind
from te_core.clock import SystemClock
from te_emulators.accounts import connected, order
from te_emulators.venues import running
from tests.exchanges.trading import PLUGINS, spec_of

pytestmark = pytest.mark.real_clock

D = Decimal
PAGES = {"bybit": None, "blofin": "adapter", "kucoin": "adapter", "mexc": "adapter"}
"""The name of each plugin's page size; Bybit's is part of its request, and has a test of its own."""


@pytest.mark.parametrize("exchange", PLUGINS)
async def test_every_page_of_payments_is_read(
    exchange: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = spec_of(exchange)
    if (module := PAGES[exchange]) is not None:
        monkeypatch.setattr(importlib.import_module(f"te_exchange_{exchange}.{module}"), "PAGE", 2)
    async with running(exchange) as emulator, connected(spec, emulator, tmp_path) as account:
        owner, began = emulator.exchange.accounts["main"], SystemClock().now() - timedelta(hours=1)
        await account.instruments(["BTCUSDT"])
        await account.positions()
        await account.place_order(order("0.01"))
        await account.positions()
        symbol = emulator.exchange.market.by_base("BTC").symbol
        now = emulator.exchange.clock.ms
        monkeypatch.setattr(emulator.exchange.clock, "ms", lambda: now() + len(owner.payments))
        for step in range(5):
            emulator.exchange.pay_funding(owner, symbol, D("0.0001") * (step - 2))
            emulator.exchange.deposit(owner, D(10 * (step - 2)) or D(7))
        found = await account.cash_flows(began)
        by_kind = {kind: [flow for flow in found if flow.kind is kind] for kind in FlowKind}
        assert len({flow.key for flow in found}) == len(found)
        assert sum(flow.amount for flow in by_kind[FlowKind.DEPOSIT]) == 7 + 10 + 20
        assert sum(flow.amount for flow in by_kind[FlowKind.WITHDRAWAL]) == -20 - 10
        assert {flow.symbol for flow in by_kind[FlowKind.DEPOSIT]} == {None}
        if FlowKind.FUNDING in spec.capabilities.cash_flows:
            assert {flow.symbol for flow in by_kind[FlowKind.FUNDING]} == {"BTCUSDT"}
            told = sorted(flow.amount for flow in by_kind[FlowKind.FUNDING])
            assert told == sorted(paid.amount for paid in owner.payments if paid.symbol)
        else:
            assert not by_kind[FlowKind.FUNDING]
        assert await account.cash_flows(SystemClock().now() + timedelta(hours=1)) == []
        assert await account.cash_flows(began) == found, "keys and figures stay"
