"""Requests stay within Bybit's limits, a refusal holds everyone back, and connections are kept warm."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from loguru import logger

from te_core.api import RateLimited
from te_emulators.accounts import connected, order
from te_emulators.core.faults import Fault, FaultKind
from te_exchange_bybit.plugin import BYBIT

pytestmark = pytest.mark.real_clock

Bybit = Callable[..., Any]


async def test_a_rate_limit_refusal_holds_everyone_back_once(bybit: Bybit, tmp_path: Path) -> None:
    async with bybit() as (server, account), connected(BYBIT, server, tmp_path / "other") as other:
        server.faults.add(Fault(kind=FaultKind.RATE_LIMITED, route="order"))
        with pytest.raises(RateLimited) as caught:
            await account.place_order(order("0.01"))
        assert caught.value.retry_after
        await asyncio.gather(*(one.equity() for one in (account, other)))
        refused, *later = list(server.exchange.counts.log)[-3:]
        assert (refused.kind, {one.kind for one in later}) == ("order", {"balance"})
        assert min(one.at for one in later) - refused.at >= 0.9 * caught.value.retry_after


async def test_requests_that_are_refused_together_are_reported_once(bybit: Bybit, tmp_path: Path) -> None:
    told: list[str] = []
    sink = logger.add(lambda line: told.append(str(line)), level="WARNING", format="{message}")
    async with bybit() as (server, account), connected(BYBIT, server, tmp_path / "other") as other:
        server.faults.add(Fault(kind=FaultKind.RATE_LIMITED, route="balance", times=6))
        reads = [one.equity() for one in (account, other) for _ in range(3)]
        found = await asyncio.gather(*reads, return_exceptions=True)
    logger.remove(sink)
    assert all(isinstance(one, RateLimited) for one in found)
    assert len([line for line in told if "all requests paused" in line]) == 1


async def test_requests_follow_a_raised_limit(bybit: Bybit) -> None:
    """The emulator does not grant it, so it refuses; without the setting nothing would be refused."""
    async with bybit(rate_limits={"orders": 100}) as (server, account):
        orders = (account.place_order(order("0.001", number=number)) for number in range(1, 26))
        found = await asyncio.gather(*orders, return_exceptions=True)
    assert any(isinstance(one, RateLimited) for one in found)
    assert server.exchange.counts.refusals["order"]


async def test_as_many_connections_are_kept_warm_as_were_needed(
    bybit: Bybit, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("te_exchange_ccxt.client.connection.IDLE_AFTER", 0.2)
    async with bybit() as (server, account):
        await asyncio.gather(*(account.place_order(order("0.001", number=number)) for number in range(1, 6)))
        server.exchange.counts.clear()
        while server.exchange.counts.kinds.count("time") < 5:
            await account.equity()  # one request after the other keeps only one connection in use
            await asyncio.sleep(0.05)  # until the next look, with real sockets


async def test_a_ban_of_the_address_is_reported_and_nothing_is_sent(bybit: Bybit) -> None:
    async with bybit() as (server, account):
        server.faults.add(Fault(kind=FaultKind.HTML, status=403))
        with pytest.raises(RateLimited):
            await account.equity()
        server.exchange.counts.clear()
        account._connection._state.budget.back_off(60, "test")
        with pytest.raises(RateLimited) as caught:
            await account.place_order(order("0.01"))
        assert caught.value.retry_after == pytest.approx(60, abs=2)
        assert server.exchange.counts.kinds == []


async def test_a_burst_of_orders_stays_within_the_limits(bybit: Bybit) -> None:
    async with bybit() as (server, account):
        await asyncio.gather(*(account.place_order(order("0.001", number=number)) for number in range(1, 26)))
        assert server.exchange.counts.orders == 25
        assert not server.exchange.counts.refusals


async def test_an_idle_connection_is_kept_warm(bybit: Bybit, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("te_exchange_ccxt.client.connection.IDLE_AFTER", 0.1)
    async with bybit() as (server, _):
        server.exchange.counts.clear()
        while len(server.exchange.counts.kinds) < 3:
            await asyncio.sleep(0.05)  # until the next look, with real sockets
        assert set(server.exchange.counts.kinds) == {"time"}
