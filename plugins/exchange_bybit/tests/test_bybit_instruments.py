"""The list of instruments: what is in it, when it is read again, and what serves meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from te_core.api import NotReady, OrderRejected
from te_emulators.accounts import connected, order
from te_emulators.core.faults import Fault, FaultKind
from te_exchange_bybit.plugin import BYBIT
from te_exchange_ccxt.client.exchange_state import _BY_LOOP

pytestmark = pytest.mark.real_clock

Bybit = Callable[..., Any]
D = Decimal


async def test_instruments_are_read_once_for_accounts_and_restarts(bybit: Bybit, tmp_path: Path) -> None:
    async with bybit() as (server, _):
        async with connected(BYBIT, server, tmp_path / "other"):
            pass
        assert server.exchange.counts.kinds.count("instruments") == 2
        _BY_LOOP.clear()  # as a new process
        async with connected(BYBIT, server, tmp_path) as again:
            assert await again.instruments(["BTCUSDT"])
        assert server.exchange.counts.kinds.count("instruments") == 2


async def test_instruments_state_bybits_own_limits(bybit: Bybit) -> None:
    async with bybit() as (_, account):
        found = await account.instruments(["BTCUSDT", "NOSUCHUSDT"])
        assert list(found) == ["BTCUSDT"]
        btc = found["BTCUSDT"]
        assert (btc.quantity_step, btc.minimum_quantity, btc.minimum_notional) == (D("0.001"), D("0.001"), 5)
        assert btc.largest_market_quantity == 119, "of market orders, not of limit orders"
        assert btc.largest_leverage == 100


async def test_a_refused_size_has_instruments_read_in_the_background(
    bybit: Bybit,
) -> None:
    async with bybit() as (server, account):
        btc = server.exchange.market.by_base("BTC")
        row = {**btc.row, "lotSizeFilter": {**btc.row["lotSizeFilter"], "minOrderQty": "0.5"}}
        server.exchange.market.add(replace(btc, min_size=D("0.5"), row=row))
        server.faults.add(Fault(kind=FaultKind.LATENCY, route="instruments", seconds=3))
        with pytest.raises(OrderRejected, match="10001"):
            await account.place_order(order("0.01"))
        assert (await account.instruments(["BTCUSDT"]))["BTCUSDT"].minimum_quantity == D("0.001")
        await account.place_order(order("0.6", number=2))
        assert account._connection.renewing, "the order did not wait for the list"
        async with asyncio.timeout(20):
            while (await account.instruments(["BTCUSDT"]))["BTCUSDT"].minimum_quantity != D("0.5"):
                await asyncio.sleep(0.05)  # until the next look, with real sockets


async def test_the_old_list_of_instruments_serves_while_reads_fail(bybit: Bybit) -> None:
    async with bybit() as (server, account):
        server.faults.add(Fault(kind=FaultKind.MAINTENANCE, route="instruments", times=None))
        server.exchange.counts.clear()
        for number in range(3):
            with pytest.raises(OrderRejected):
                await account.place_order(order("1000", number=number))  # above the largest
            await asyncio.sleep(0.1)  # a renewal in the background gets the time to fail
        await account.place_order(order("0.01", number=9))
        assert (await account.positions()).value["BTCUSDT"].quantity == D("0.01")
        assert server.exchange.counts.requests["instruments"] <= 2, "one try in five minutes"


@pytest.mark.parametrize("quantity", ["0.0105", "0.0001"])
async def test_a_size_off_the_step_is_refused_before_it_is_cut(bybit: Bybit, quantity: str) -> None:
    async with bybit() as (server, account):
        with pytest.raises(OrderRejected, match="multiple of the step"):
            await account.place_order(order(quantity))
        assert server.exchange.counts.requests["order"] == 0


async def test_a_position_in_a_new_contract_reloads_the_list(bybit: Bybit) -> None:
    async with bybit() as (server, account):
        shared = account._connection._state.markets
        shared.markets = shared.markets[:1]
        await account.instruments(["BTCUSDT"])
        async with asyncio.timeout(20):
            while account._connection.renewing:
                await asyncio.sleep(0.05)  # until the next look, with real sockets
        server.exchange.trade_by_hand(server.exchange.accounts["main"], "SOLUSDT", D(1))
        with pytest.raises(NotReady, match="not in the list of instruments"):
            await account.positions()
        found = None
        async with asyncio.timeout(20):
            while found is None:
                with suppress(NotReady):
                    found = (await account.positions()).value
                await asyncio.sleep(0.05)  # until the next look, with real sockets
        assert found["SOLUSDT"].quantity == 1, "no read was answered without it"
