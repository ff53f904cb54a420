"""Accounts at an emulated MEXC."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any, cast

import pytest
from loguru import logger

from te_core.api import ExchangeAccount, MarginMode, OrderRequest, Side
from te_core.clock import SystemClock
from te_core.testing.fakes import account_context
from te_emulators.core.account import Account
from te_emulators.core.limits import RateLimits
from te_emulators.mexc.server import MexcServer
from te_emulators.venues import running
from te_exchange_mexc.plugin import MEXC


class Harness:
    """An emulated MEXC, and accounts at it. ``limits`` of the real exchange are off unless asked for."""

    def __init__(self, emulator: MexcServer, folder: Path) -> None:
        self.emulator = emulator
        self.unknowns = emulator.unknowns
        self.counts = emulator.exchange.counts
        self._folder = folder

    @property
    def owner(self) -> Account:
        """The exchange's side of the account of key K."""
        return self.emulator.exchange.accounts["main"]

    @asynccontextmanager
    async def account(self, name: str = "main", **options: Any) -> AsyncIterator[ExchangeAccount]:
        """An open account; options as in its settings."""
        given = {"url": self.emulator.url, "api_key": "K", "secret": "S", "streams": False, **options}
        account = MEXC.factory(
            account_context(
                name=name,
                options=MEXC.settings.model_validate(given),
                clock=SystemClock(),
                log=logger.bind(account=name),
                state_dir=self._folder / name,
                signal_price=lambda symbol: None,
                http=_no_http,
            )
        )
        try:
            await account.open()
            yield account
        finally:
            await account.close()


def order(quantity: str, *, name: str = "7e01", reduce_only: bool = False, **parts: Any) -> OrderRequest:
    """A signed quantity of BTC, by default isolated at leverage 5."""
    size = Decimal(quantity)
    made = {
        "client_order_id": name,
        "symbol": "BTCUSDT",
        "side": Side.of(size),
        "quantity": abs(size),
        "reduce_only": reduce_only,
        "leverage": 5,
        "margin_mode": MarginMode.ISOLATED,
        "reference_price": Decimal("77150.1"),
    }
    return OrderRequest(**{**made, **parts})


MakeOrder = Callable[..., OrderRequest]
AtMexc = Callable[..., AbstractAsyncContextManager[Harness]]


@pytest.fixture
def make_order() -> MakeOrder:
    """Return an order."""
    return order


@pytest.fixture
def at_mexc(tmp_path: Path) -> AtMexc:
    """Run an emulated MEXC."""

    @asynccontextmanager
    async def run(**options: Any) -> AsyncIterator[Harness]:
        async with running("mexc", **{"limits": RateLimits(()), **options}) as emulator:
            yield Harness(cast("MexcServer", emulator), tmp_path)

    return run


def _no_http() -> Any:
    raise RuntimeError("the plugin has its own session")
