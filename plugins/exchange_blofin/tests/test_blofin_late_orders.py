"""How long an order that nobody knows may still be taken."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from typing import Any

import pytest

from te_core.api import NotReady
from te_exchange_blofin.plugin import BlofinOptions
from te_exchange_blofin.venue import EXPIRY, Blofin
from tests.emulators.accounts import order


class Busy:
    """A client whose orders are not dated back, and wait for the budget until they leave and get lost."""

    age = 0

    async def private_post_trade_order(self, _: object) -> Any:
        await asyncio.sleep(14)
        raise TimeoutError

    async def private_get_trade_order_detail(self, _: object) -> Any:
        return {"code": "0", "msg": "", "data": None}


async def test_an_order_that_left_late_may_be_taken_late() -> None:
    venue = Blofin(BlofinOptions.model_validate({"api_key": "K", "secret": "S", "passphrase": "P"}))
    venue.exchange = Busy()
    with pytest.raises(TimeoutError):
        await venue.create_order(order("0.001"), Decimal(1), {"id": "BTC-USDT"})
    await asyncio.sleep(EXPIRY - 1)
    with pytest.raises(NotReady, match="would still take it"):
        await venue.find_order("7e1", {"id": "BTC-USDT"})
    await asyncio.sleep(2)
    assert await venue.find_order("7e1", {"id": "BTC-USDT"}) is None
