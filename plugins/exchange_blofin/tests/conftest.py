"""Accounts at an emulated BloFin."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any, cast

import pytest

from te_core.api import ExchangeAccount
from te_emulators.accounts import connected
from te_emulators.blofin.server import BlofinServer
from te_emulators.core.account import Account
from te_emulators.venues import running
from te_exchange_blofin.plugin import BLOFIN


class Harness:
    """An emulated BloFin, and accounts at it."""

    def __init__(self, emulator: BlofinServer, folder: Path) -> None:
        self.emulator = emulator
        self.exchange = emulator.exchange
        self.counts = emulator.exchange.counts
        self._folder = folder

    @property
    def owner(self) -> Account:
        """The exchange's side of the account of key K."""
        return self.exchange.accounts["main"]

    @property
    def paths(self) -> list[str]:
        """The requests since the counts were cleared."""
        return [request.path.removeprefix("/api/v1/") for request in self.counts.log]

    @asynccontextmanager
    async def account(self, **options: Any) -> AsyncIterator[ExchangeAccount]:
        """Open an account with loaded instruments; options as in its settings."""
        async with connected(BLOFIN, self.emulator, self._folder, **options) as account:
            await account.instruments(["BTCUSDT"])
            yield account

    def at(self, symbol: str) -> Decimal:
        """Return the true position, in contracts."""
        return self.owner.size(symbol)


AtBlofin = Callable[..., AbstractAsyncContextManager[Harness]]


@pytest.fixture
def at_blofin(tmp_path: Path) -> AtBlofin:
    """Run an emulated BloFin."""

    @asynccontextmanager
    async def run(**options: Any) -> AsyncIterator[Harness]:
        async with running("blofin", **options) as emulator:
            yield Harness(cast("BlofinServer", emulator), tmp_path)

    return run
