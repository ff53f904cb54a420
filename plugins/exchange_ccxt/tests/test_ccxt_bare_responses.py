"""ccxt parses no positions from an empty response; that does not make held positions flat."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from te_core.testing.virtual_clock import VirtualClock
from te_exchange_ccxt.adapter.generic import EMPTY_TRUSTED_AFTER, GenericAdapter, GenericOptions
from te_exchange_ccxt.responses import Response, last_response

HELD = [{"symbol": "BTC/USDT:USDT", "contracts": "2"}]
FLAT = '{"code":0,"data":[]}'
BARE = '{"code":0,"data":null}'


class Acme:
    """Stands in for ccxt's client: returns those rows, parsed from that text."""

    rows: list[Any]
    text: str

    async def fetch_positions(self, *asked: object) -> list[Any]:
        last_response.set(Response(200, {}, self.text))
        return self.rows


@pytest.fixture
def adapter() -> GenericAdapter:
    made = GenericAdapter(GenericOptions.model_validate({"exchange": "acme", "api_key": "K", "secret": "S"}))
    made.exchange = Acme()
    return made


async def read(adapter: GenericAdapter, rows: list[Any], text: str) -> Any:
    adapter.exchange.rows, adapter.exchange.text = rows, text
    return await adapter.fetch_positions()


async def test_an_empty_account_may_be_reported_in_any_form(adapter: GenericAdapter) -> None:
    assert await read(adapter, [], BARE) == []
    assert await read(adapter, [{"symbol": "BTC/USDT:USDT", "contracts": "0"}], FLAT) != []
    assert await read(adapter, [], BARE) == []


async def test_an_empty_list_is_a_fact(adapter: GenericAdapter) -> None:
    await read(adapter, HELD, "[1]")
    assert await read(adapter, [], FLAT) == []


async def test_no_list_at_all_is_none_for_a_minute(adapter: GenericAdapter) -> None:
    clock = VirtualClock()
    await read(adapter, HELD, "[1]")
    with pytest.raises(ValueError, match="no list of positions, although some were held"):
        await read(adapter, [], BARE)
    await asyncio.sleep(EMPTY_TRUSTED_AFTER - 1)
    with pytest.raises(ValueError, match="no list"):
        await read(adapter, [], BARE)
    await asyncio.sleep(1)
    assert clock.monotonic() >= EMPTY_TRUSTED_AFTER
    assert await read(adapter, [], BARE) == []


async def test_a_valid_answer_restarts_the_minute(adapter: GenericAdapter) -> None:
    for _ in range(3):
        await read(adapter, HELD, "[1]")
        with pytest.raises(ValueError, match="no list"):
            await read(adapter, [], BARE)
        await asyncio.sleep(EMPTY_TRUSTED_AFTER / 2)
