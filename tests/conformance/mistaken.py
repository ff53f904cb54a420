"""An exchange at which the mistakes of these files are met: each is an account built on paper."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

from loguru import logger

from te_core.api import AccountContext, Known, Position
from te_core.testing import virtual_clock
from te_core.testing.faults import FaultyAccount
from te_exchange_paper.account import PaperAccount
from te_exchange_paper.testing import PaperConnection, PaperHarness

Positions = Known[Mapping[str, Position]]


class Mistaken(PaperHarness):
    """A venue whose plugin has a fault: in the account itself, or in how it interprets the exchange's responses."""

    def __init__(self, mistake: type[Any], folder: Path) -> None:
        self.mistake = mistake
        prices = {"BTCUSDT": "50000", "ETHUSDT": "2000", "DOGEUSDT": "0.125", "LTCUSDT": "80"}
        super().__init__(
            folder,
            clock=virtual_clock.VirtualClock(),
            log=logger,
            market={symbol: Decimal(price) for symbol, price in prices.items()},
            balance=100_000,
            fee="0.0006",
            instruments={
                "BTCUSDT": {"minimum_notional": 200},
                "DOGEUSDT": {"quantity_step": 100, "minimum_quantity": 100, "contract_size": 100},
                "LTCUSDT": {"largest_market_quantity": 300},
            },
        )

    def make_paper(self, context: AccountContext[Any]) -> PaperAccount:
        made = self.mistake(context) if issubclass(self.mistake, PaperAccount) else PaperAccount(context)
        assert isinstance(made, PaperAccount)
        return made

    def connect(self) -> FaultyAccount:
        account = super().connect()
        if issubclass(self.mistake, PaperConnection):
            self.account = self.mistake(account.inner, self)
        return self.account
