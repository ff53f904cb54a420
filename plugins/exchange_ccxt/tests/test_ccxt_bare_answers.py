"""ccxt makes no positions of an answer that holds nothing; what was held is not forgotten for that."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from te_core.testing.virtual_clock import VirtualClock
from te_exchange_ccxt.client import Answer, last_answer
from te_exchange_ccxt.generic import BELIEVED_AFTER, GenericOptions, GenericVenue

HELD = [{"symbol": "BTC/USDT:USDT", "contracts": "2"}]
FLAT = '{"code":0,"data":[]}'
BARE = '{"code":0,"data":null}'


class Acme:
    """Stands for ccxt's client: gives those rows, made of that text."""

    rows: list[Any]
    text: str

    async def fetch_positions(self, *asked: object) -> list[Any]:
        last_answer.set(Answer(200, {}, self.text))
        return self.rows


@pytest.fixture
def venue() -> GenericVenue:
    made = GenericVenue(GenericOptions.model_validate({"exchange": "acme", "api_key": "K", "secret": "S"}))
    made.exchange = Acme()
    return made


async def read(venue: GenericVenue, rows: list[Any], text: str) -> Any:
    venue.exchange.rows, venue.exchange.text = rows, text
    return await venue.fetch_positions()


async def test_an_account_that_held_nothing_may_be_told_so_in_any_way(venue: GenericVenue) -> None:
    assert await read(venue, [], BARE) == []
    assert await read(venue, [{"symbol": "BTC/USDT:USDT", "contracts": "0"}], FLAT) != []
    assert await read(venue, [], BARE) == []


async def test_an_empty_list_is_a_fact(venue: GenericVenue) -> None:
    await read(venue, HELD, "[1]")
    assert await read(venue, [], FLAT) == []


async def test_no_list_at_all_is_none_for_a_minute(venue: GenericVenue) -> None:
    clock = VirtualClock()
    await read(venue, HELD, "[1]")
    with pytest.raises(ValueError, match="without a list of positions, where some were held"):
        await read(venue, [], BARE)
    await asyncio.sleep(BELIEVED_AFTER - 1)
    with pytest.raises(ValueError, match="without a list"):
        await read(venue, [], BARE)
    await asyncio.sleep(1)
    assert clock.monotonic() >= BELIEVED_AFTER
    assert await read(venue, [], BARE) == []


async def test_the_minute_begins_anew_after_an_answer_that_makes_sense(venue: GenericVenue) -> None:
    for _ in range(3):
        await read(venue, HELD, "[1]")
        with pytest.raises(ValueError, match="without a list"):
            await read(venue, [], BARE)
        await asyncio.sleep(BELIEVED_AFTER / 2)
