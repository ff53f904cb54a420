"""A MEXC account with streams: no read before an order while they live, reads whenever they do not."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from loguru import logger

from te_core.api import ExchangeAccount, OrderStatus
from tests.emulators.core.faults import Fault, FaultKind

pytestmark = pytest.mark.real_clock

D = Decimal
WANTED = ["BTCUSDT", "ETHUSDT"]


async def until(done: Callable[[], bool], what: str) -> None:
    try:
        async with asyncio.timeout(20):
            while not done():
                await asyncio.sleep(0.02)
    except TimeoutError:
        pytest.fail(f"waited in vain for {what}")


async def state(account: ExchangeAccount) -> tuple[Decimal, dict[str, Decimal], dict[str, Decimal]]:
    """What a pass wants to know."""
    equity, positions, prices = await asyncio.gather(
        account.equity(), account.positions(), account.prices(WANTED)
    )
    held = {symbol: position.quantity for symbol, position in positions.value.items() if position.quantity}
    return equity.value.wallet, held, dict(prices.value)


async def lives(desk: Any, account: ExchangeAccount) -> None:
    """Wait until nothing has to be read."""
    async with asyncio.timeout(20):
        while True:
            desk.counts.clear()
            await state(account)
            if not desk.counts.requests:
                return
            await asyncio.sleep(0.1)


async def test_no_read_stands_before_an_order(at_mexc: Any, make_order: Any) -> None:
    async with at_mexc() as desk, desk.account(streams=True) as account:
        await account.instruments(WANTED)
        await lives(desk, account)
        desk.emulator.exchange.set_price("ETH_USDT", D(3100))
        await until(lambda: account._live.memory.prices["ETHUSDT"] == 3100, "the price to be pushed")
        desk.counts.clear()
        assert await state(account) == (D(10_000), {}, {"BTCUSDT": D("77150.1"), "ETHUSDT": D(3100)})
        await account.place_order(make_order("0.01"))
        assert desk.counts.requests == {"order": 1}


async def test_after_an_order_of_ours_the_state_is_read_anew(at_mexc: Any, make_order: Any) -> None:
    async with at_mexc() as desk, desk.account(streams=True) as account:
        await account.instruments(WANTED)
        await lives(desk, account)
        await account.place_order(make_order("0.01"))
        wallet, held, _ = await state(account)
        assert held == {"BTCUSDT": D("0.01")}
        assert wallet == desk.owner.ledger.wallet
        found = await account.find_order("BTCUSDT", "7e01")
        assert found is not None
        assert found.status is OrderStatus.FILLED


async def test_a_change_by_hand_is_told(at_mexc: Any) -> None:
    async with at_mexc() as desk, desk.account(streams=True) as account:
        await account.instruments(WANTED)
        told: list[None] = []
        watching = asyncio.create_task(account.watch(lambda: told.append(None)))
        await lives(desk, account)
        desk.emulator.exchange.trade_by_hand(desk.owner, "BTC_USDT", D(50))
        await until(lambda: bool(told), "the change to be told")
        assert (await state(account))[1] == {"BTCUSDT": D("0.005")}
        watching.cancel()


async def test_a_refused_login_is_told_once_and_everything_is_read(at_mexc: Any) -> None:
    lines: list[str] = []
    sink = logger.add(lambda line: lines.append(str(line)), level="WARNING")
    try:
        async with at_mexc() as desk, desk.account(streams=True) as account:
            desk.emulator.faults.add(
                Fault(kind=FaultKind.REJECTED, route="login", error="BadSignature", times=None)
            )
            await account.instruments(WANTED)
            await state(account)
            await until(lambda: desk.counts.requests["login"] >= 3, "logins to be tried again")
            desk.counts.clear()
            assert (await state(account))[0] == 10_000
            assert desk.counts.requests["positions"] == desk.counts.requests["balance"] == 1
            refused = [line for line in lines if "stream of orders" in line]
            assert len(refused) == 1
            desk.emulator.faults.clear()
            await lives(desk, account)
    finally:
        logger.remove(sink)


async def test_a_login_that_is_never_answered_counts_for_nothing_although_prices_come(at_mexc: Any) -> None:
    async with at_mexc() as desk, desk.account(streams=True) as account:
        desk.emulator.faults.add(Fault(kind=FaultKind.TIMED_OUT, route="login", times=None))
        await account.instruments(WANTED)
        async with asyncio.timeout(20):
            while True:
                desk.counts.clear()
                await state(account)
                if not desk.counts.requests["tickers"]:
                    break
                await asyncio.sleep(0.1)
        await asyncio.sleep(2.5)
        for _ in range(5):
            desk.counts.clear()
            await state(account)
            assert desk.counts.requests == {"positions": 1, "balance": 1}
            await asyncio.sleep(0.2)


@pytest.mark.parametrize("kind", [FaultKind.STREAM_CLOSED, FaultKind.STREAM_SILENT])
async def test_a_stream_that_ends_is_followed_again(at_mexc: Any, kind: FaultKind) -> None:
    async with at_mexc() as desk, desk.account(streams=True) as account:
        await account.instruments(WANTED)
        await lives(desk, account)
        desk.emulator.faults.add(Fault(kind=kind, topic="order"))
        desk.emulator.exchange.trade_by_hand(desk.owner, "BTC_USDT", D(50))

        async def held() -> dict[str, Decimal]:
            return (await state(account))[1]

        async with asyncio.timeout(20):
            while await held() != {"BTCUSDT": D("0.005")}:
                await asyncio.sleep(0.1)


async def test_without_streams_there_is_no_connection(at_mexc: Any) -> None:
    async with at_mexc() as desk, desk.account() as account:
        await state(account)
        assert desk.emulator.connections == set()
