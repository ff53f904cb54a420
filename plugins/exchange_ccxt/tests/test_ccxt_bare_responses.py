"""ccxt makes no positions of an answer that holds nothing; what was held is not forgotten for that."""

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
    """Stands for ccxt's client: gives those rows, made of that text."""

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


async def test_an_account_that_held_nothing_may_be_told_so_in_any_way(adapter: GenericAdapter) -> None:
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


async def test_the_minute_begins_anew_after_an_answer_that_makes_sense(adapter: GenericAdapter) -> None:
    for _ in range(3):
        await read(adapter, HELD, "[1]")
        with pytest.raises(ValueError, match="no list"):
            await read(adapter, [], BARE)
        await asyncio.sleep(EMPTY_TRUSTED_AFTER / 2)
