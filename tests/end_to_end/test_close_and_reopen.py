"""A strategy reverses with two alerts, a close and an opening, that arrive within moments and in either order."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from loguru import logger
from pydantic import BaseModel

from te_core.api import AccountContext, ExchangeAccount, ExchangeSpec, WebhookRequest
from te_core.journal.journal import Journal
from te_core.plugins.registry import Registry
from te_core.runtime.engine import Engine
from te_core.settings.resolution import resolve
from te_core.settings.schema import Settings
from te_core.testing.fake_account import FakeAccount
from te_core.testing.virtual_clock import VirtualClock
from te_signals_tradingview.plugin import te_signal_sources
from tests.end_to_end.engine_process import EngineProcess, te
from tests.end_to_end.home import TOKEN, Home

PRICE = "50000"
HELD = {"symbol": "BTCUSDT.P", "direction": "long", "size": "60/100", "price": PRICE}
CLOSE = {"symbol": "BTCUSDT.P", "direction": "flat", "action": "sell", "price": PRICE}
REOPEN = {"symbol": "BTCUSDT.P", "direction": "short", "action": "sell", "size": "40/100", "price": PRICE}
ORDERS = {"close first": (CLOSE, REOPEN), "opening first": (REOPEN, CLOSE)}
GOAL = "-0.072"
"""10,000 x 0.3 of weight x 0.4 x leverage 3 / 50,000."""


@pytest.mark.real_clock
@pytest.mark.parametrize("killed", [False, True], ids=["running on", "killed between"])
@pytest.mark.parametrize("order", ORDERS)
def test_the_account_ends_on_the_new_side(
    home: Home, start: Callable[[Home], EngineProcess], order: str, killed: bool
) -> None:
    # However long a busy machine takes to restart the engine, it is within the window.
    home.tree["sources"]["tradingview"]["window"] = "10m"
    home.write()
    engine = start(home).until_ready()
    engine.accept(**HELD)
    engine.until_position("BTCUSDT", "0.108")
    first, second = ORDERS[order]

    status, answer = engine.post(first)
    assert (status, answer["status"]) == (200, "accepted"), answer
    if killed:
        engine.kill()
        engine = start(home).until_ready()
    status, answer = engine.post(second)
    assert (status, answer["status"]) == (200, "superseded" if second is CLOSE else "accepted"), answer
    engine.until_position("BTCUSDT", GOAL)
    for again in (first, second, first):
        assert engine.post(again)[1]["status"] == "duplicate"
    engine.wait(engine.at_rest)
    assert engine.position("BTCUSDT") == Decimal(GOAL)

    shown = json.loads(te(home, "signals", "--json").stdout)["signals"]
    assert [signal["rule"] for signal in shown] == ["close_then_open", "arrival", "first"]
    assert [signal["current"] for signal in shown] == [second is not CLOSE, True, True]


# -- the same across midnight, on the virtual clock


class Options(BaseModel):
    """No options."""


class Harness:
    """An engine with the real source and an account in memory; it can be stopped and started on one journal."""

    def __init__(self, folder: Path, clock: VirtualClock) -> None:
        self.account = FakeAccount(clock, BTCUSDT=PRICE)
        self._folder = folder
        self._clock = clock
        self._registry = Registry.of(
            *te_signal_sources(), ExchangeSpec(name="fake", settings=Options, factory=self._account)
        )

    def _account(self, context: AccountContext[Any]) -> ExchangeAccount:
        del context
        return self.account

    async def start(self) -> None:
        self.journal = Journal.open(
            self._folder / "j.sqlite3", clock=self._clock, new_id=lambda: "j", inline=True
        )
        self.engine = Engine(
            journal=self.journal,
            registry=self._registry,
            clock=self._clock,
            log=logger,
            state_dir=self._folder,
        )
        settings: dict[str, Any] = {
            "sources": {
                "tradingview": {"plugin": "tradingview", "token": TOKEN, "symbols": {"BTCUSDT.P": "BTCUSDT"}}
            },
            "accounts": {"one": {"plugin": "fake", "observe": False}},
            "symbols": {"BTCUSDT": {"leverage": 1, "weights": {"tradingview": 1}}},
        }
        await self.engine.start(resolve(Settings.model_validate(settings), self._registry))

    async def stop(self) -> None:
        await self.engine.stop()
        self.journal.close()

    async def post(self, message: dict[str, str]) -> str:
        request = WebhookRequest(
            method="POST",
            tail=(TOKEN,),
            query={},
            headers={},
            body=json.dumps(message).encode(),
            client="203.0.113.7",
            received_at=self._clock.now(),
        )
        response = await self.engine.on_webhook("tradingview", request)
        assert response.status == 200, response.body
        return str(response.body["status"])


@pytest.mark.parametrize("restart", [False, True])
@pytest.mark.parametrize("order", ORDERS)
async def test_midnight_parts_no_pair(tmp_path: Path, order: str, restart: bool) -> None:
    clock = VirtualClock(datetime(2026, 3, 2, 12, tzinfo=UTC))
    harness = Harness(tmp_path, clock)
    await harness.start()
    await asyncio.sleep(1)
    await harness.post(HELD)
    just_before = datetime(2026, 3, 2, 23, 59, 59, 900_000, tzinfo=UTC)
    await asyncio.sleep((just_before - clock.now()).total_seconds())
    sides = []
    for message in ORDERS[order]:
        await harness.post(message)
        await asyncio.sleep(0.2)
        sides.append(harness.account.quantity("BTCUSDT"))
        if restart and len(sides) == 1:
            await harness.stop()
            await harness.start()
            await asyncio.sleep(1)
    assert clock.now() - just_before < timedelta(seconds=3)
    assert clock.now().day == 3
    await asyncio.sleep(2)
    assert harness.account.quantity("BTCUSDT") < 0
    assert [signal.rule for signal in harness.journal.signals(1)] == ["close_then_open"]
    if order == "opening first":
        assert sides[0] < 0, "the first alert did not act at once"
    await harness.stop()
