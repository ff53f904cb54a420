from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from harbor import KEY, Harbor

from te_core.api import NotReady, Side
from te_core.testing.conformance import ExchangeConformance
from te_core.testing.exchange_harness import Ability, Execution
from te_core.testing.fakes import account_context
from te_core.testing.http_harness import HttpFault, HttpHarness
from te_core.testing.real_clock import NEAR
from te_exchange_harbor.plugin import CAPABILITIES, HarborAccount, HarborOptions

pytestmark = pytest.mark.real_clock


class HarborExchange(HttpHarness):
    """The exchange's side."""

    symbols = ("BTCUSDT", "ETHUSDT")
    faults = {
        Ability.RATE_LIMIT: HttpFault(path="/v1/orders", method="POST", status=429),
        Ability.LOSE_ANSWER: HttpFault(path="/v1/orders", method="POST", dropped=True, executed=True),
        Ability.BAD_KEY: HttpFault(status=401, times=None),
        Ability.LOSE_EQUITY: HttpFault(path="/v1/account", status=502, times=None),
        Ability.LOSE_POSITIONS: HttpFault(path="/v1/positions", status=502, times=None),
    }

    def __init__(self, folder: Path) -> None:
        self.harbor = Harbor({"BTCUSDT": Decimal(50_000), "ETHUSDT": Decimal(2_500)})
        self._folder = folder
        super().__init__(self.harbor.application)

    def connect(self) -> HarborAccount:
        options = HarborOptions.model_validate({"url": self.server.url, "api_key": KEY})
        context = account_context(options=options, clock=self.clock, state_dir=self._folder, date=self.date)
        return HarborAccount(context)

    async def position(self, symbol: str) -> Decimal:
        return await self.ask(lambda: self.harbor.held.get(symbol, Decimal(0)))

    async def executed(self) -> Sequence[Execution]:
        orders = await self.ask(lambda: list(self.harbor.orders.values()))
        return [_execution(order) for order in orders]


def _execution(order: dict[str, Any]) -> Execution:
    return Execution(
        client_order_id=order["id"],
        symbol=order["symbol"],
        side=Side.of(Decimal(order["size"])),
        quantity=abs(Decimal(order["filled"])),
        reduce_only=order["reduceOnly"],
    )


class TestHarbor(ExchangeConformance):
    # On this machine an order is lost after half a second; on the internet keep the plugin's own figure.
    capabilities = replace(CAPABILITIES, visibility_window=timedelta(seconds=0.5))
    engine = NEAR

    def make_exchange(self, folder: Path) -> HarborExchange:
        return HarborExchange(folder)


async def test_a_page_instead_of_json_is_not_a_position(tmp_path: Path) -> None:
    exchange = HarborExchange(tmp_path)
    account = exchange.connect()
    try:
        await account.open()
        exchange.server.add(HttpFault(path="/v1/positions", status=200, body=b"<html>maintenance</html>"))
        with pytest.raises(NotReady):
            await account.positions()
        assert (await account.positions()).value == {}
    finally:
        await account.close()
        exchange.close()
