"""At Bybit each symbol has a position mode of its own: one in hedge mode stops only itself."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from te_core.api import OrderRejected, Severity
from te_core.rules.decision import Status
from te_emulators.accounts import order
from te_emulators.core import settings
from te_emulators.core.modes import PositionMode, PositionSide
from te_emulators.venues import running
from te_emulators.wire.server import WireServer
from te_exchange_bybit.plugin import BYBIT
from tests.exchanges.trading import account as section
from tests.exchanges.trading import held, quick, trading

pytestmark = pytest.mark.real_clock

D = Decimal
REMEDY = "is in hedge mode: close its positions and switch it to one-way mode"


def hedge(server: WireServer, symbol: str, *sizes: str) -> None:
    """Switch a symbol by hand, and trade its sides: a long one, then a short one."""
    owner = server.exchange.accounts["main"]
    settings.set_position_mode(owner, PositionMode.HEDGE, symbol)
    for size, side in zip(sizes, (PositionSide.LONG, PositionSide.SHORT), strict=False):
        server.exchange.trade_by_hand(owner, symbol, D(size), side)


def one_way(server: WireServer, symbol: str) -> None:
    owner = server.exchange.accounts["main"]
    for position in owner.held(symbol):
        server.exchange.trade_by_hand(owner, symbol, -position.size, position.side)
    settings.set_position_mode(owner, PositionMode.ONE_WAY, symbol)


async def test_a_symbol_in_hedge_mode_is_named_and_counted(bybit: Callable[..., Any]) -> None:
    async with bybit(lambda server: hedge(server, "ETHUSDT", "3", "-1")) as (_, account):
        found = (await account.positions()).value
        assert found["ETHUSDT"].quantity == 2
        assert found["ETHUSDT"].obstacle.startswith("ETHUSDT: this symbol is in hedge mode")


async def test_a_flat_symbol_in_hedge_mode_is_found(bybit: Callable[..., Any]) -> None:
    async with bybit(lambda server: hedge(server, "ETHUSDT")) as (server, account):
        await account.instruments(["BTCUSDT", "ETHUSDT"])
        found = (await account.positions()).value
        assert REMEDY in found["ETHUSDT"].obstacle
        assert "BTCUSDT" not in found
        (mode,) = [one for one in await account.diagnose() if one.check == "position mode"]
        assert (mode.severity, mode.text) == (Severity.WARNING, "in hedge mode, and not traded: ETHUSDT")
        one_way(server, "ETHUSDT")
        assert "ETHUSDT" not in (await account.positions()).value


async def test_modes_are_read_once_per_symbol(bybit: Callable[..., Any]) -> None:
    async with bybit() as (server, account):
        await account.instruments(["BTCUSDT", "ETHUSDT"])
        await account.instruments(["BTCUSDT", "ETHUSDT", "SOLUSDT"])
        asked = [one for one in server.exchange.counts.log if one.kind == "positions"]
        assert len(asked) == 3


async def test_an_order_shows_a_mode_that_changed(bybit: Callable[..., Any]) -> None:
    async with bybit() as (server, account):
        await account.instruments(["ETHUSDT"])
        hedge(server, "ETHUSDT")
        with pytest.raises(OrderRejected, match=REMEDY):
            await account.place_order(order("1", "ETHUSDT"))
        assert REMEDY in (await account.positions()).value["ETHUSDT"].obstacle


async def test_only_the_symbol_in_hedge_mode_is_held(tmp_path: Path) -> None:
    """A foreign position stays foreign, a configured symbol waits for the operator, and the others trade."""
    symbols = {f"{base}USDT": {"weights": {"said": 1}} for base in ("BTC", "ETH")}
    async with running("bybit") as server:
        hedge(server, "SOLUSDT", "3", "-1")
        hedge(server, "ETHUSDT", "1")
        settings_of = {
            "symbols": symbols,
            "accounts": {"main": section("bybit", server, margin_mode="cross")},
        }
        async with trading(tmp_path, settings_of, quick(BYBIT)) as harness:
            await harness.say({"BTCUSDT": "0.2", "ETHUSDT": "0.2"}, leverage=1)
            states = {state.symbol: state for state in harness.states()}
            await harness.until(lambda: states["BTCUSDT"].confirmed, "BTC to be held")
            await harness.until(lambda: states["ETHUSDT"].status is Status.BLOCKED, "ETH to be blocked")
            assert states["ETHUSDT"].reason.startswith("ETHUSDT: this symbol is in hedge mode")
            assert held(server, "BTCUSDT") > 0
            assert harness.engine.accounts["main"].worker.foreign == {"SOLUSDT": 2, "ETHUSDT": 1}
            one_way(server, "ETHUSDT")
            await harness.until_confirmed()
            assert held(server, "ETHUSDT") > 0
            assert server.exchange.accounts["main"].size("SOLUSDT", PositionSide.LONG) == 3
