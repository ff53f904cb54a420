"""How long an unknown order may still be accepted."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from decimal import Decimal
from typing import Any

import pytest

from te_core.api import NotReady
from te_emulators.accounts import order
from te_emulators.clients import ccxt
from te_exchange_blofin.adapter import BlofinAdapter
from te_exchange_blofin.codes import EXPIRED
from te_exchange_blofin.options import BlofinOptions
from te_exchange_blofin.tpsl import ACCEPTED_FOR
from te_exchange_ccxt.client.client_factory import offline_client
from te_exchange_ccxt.lazy_ccxt import BaseError

MARKET = {"id": "BTC-USDT", "symbol": "BTC/USDT:USDT"}


class Turn:
    """A budget that sends an order 14 s after it was requested."""

    async def __aenter__(self) -> None:
        await asyncio.sleep(14)

    async def __aexit__(self, *_: object) -> None:
        pass


class Unlimited:
    def turn(self, _: object) -> Turn:
        return Turn()


def losing_orders() -> BlofinAdapter:
    """A BloFin where orders that are not back-dated get lost, and are unknown."""
    made = BlofinAdapter(BlofinOptions.model_validate({"api_key": "K", "secret": "S", "passphrase": "P"}))
    client = made.exchange = offline_client(made, ccxt().blofin)
    client.age, client.budget_share, client.request_cost = 0, Unlimited(), made.request_cost
    client.apiKey, client.secret, client.password = "K", "S", "P"

    async def fetch(url: str, *_: object) -> Any:
        if url.endswith("trade/order"):
            raise TimeoutError
        return {"code": "0", "msg": "", "data": None}

    client.fetch = fetch
    client.market = lambda _: MARKET
    client.amount_to_precision = lambda _, amount: amount
    return made


async def test_an_order_that_was_sent_late_may_be_accepted_late() -> None:
    adapter = losing_orders()
    with pytest.raises(TimeoutError):
        await adapter.create_order(order("0.001"), Decimal(1), MARKET)
    adapter.exchange.budget_share = None
    await asyncio.sleep(ACCEPTED_FOR - 1)
    with pytest.raises(NotReady, match="would still accept it"):
        await adapter.find_order("7e1", MARKET)
    await asyncio.sleep(2)
    assert await adapter.find_order("7e1", MARKET) is None


def test_an_order_refused_for_its_date_is_dated_back_less() -> None:
    """Before, BloFin may not accept such dates at all; afterwards it was late for another reason."""
    client = losing_orders().exchange
    client.age = 45_000

    def answered(path: str, code: str) -> None:
        with suppress(BaseError()):
            found = {"code": code, "msg": ""}
            client.handle_errors(200, "OK", f"https://x/api/v1/{path}", "POST", {}, "{}", found, {}, "")

    answered("account/set-leverage", EXPIRED)
    assert client.age == 45_000, "it is not dated back"
    answered("trade/order", "0")
    answered("trade/order", EXPIRED)
    assert client.age == 45_000
    client.aged = False
    answered("trade/order", EXPIRED)
    assert client.age == 0
