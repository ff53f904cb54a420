"""A BloFin account with streams: no read before an order while they live, reads whenever they do not."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from decimal import Decimal
from typing import Any

import pytest
from loguru import logger

from te_core.api import ExchangeAccount
from tests.emulators.accounts import order
from tests.emulators.blofin.unknowns import Unknowns
from tests.emulators.core.faults import Fault, FaultKind

pytestmark = pytest.mark.real_clock

D = Decimal
WANTED = ["BTCUSDT", "ETHUSDT"]
OTHER_FORMS = {
    "as documented": Unknowns(),
    "no snapshots, closed ones missing": Unknowns(snapshots=frozenset(), closed_pushed=False),
    "everything pushed often": Unknowns(snapshots=frozenset({"positions", "account"}), push_seconds=0.1),
}


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


@asynccontextmanager
async def followed(at_blofin: Any, unknowns: Unknowns | None = None) -> AsyncIterator[tuple[Any, Any]]:
    """An account whose streams live."""
    async with at_blofin() as desk:
        desk.emulator.unknowns = unknowns or Unknowns()
        async with desk.account(streams=True) as account:
            await lives(desk, account)
            yield desk, account


@pytest.fixture
def warnings() -> Any:
    lines: list[str] = []
    sink = logger.add(lambda line: lines.append(str(line)), level="WARNING")
    yield lines
    logger.remove(sink)


@pytest.mark.parametrize("form", OTHER_FORMS)
async def test_no_read_stands_before_an_order(at_blofin: Any, form: str) -> None:
    async with followed(at_blofin, OTHER_FORMS[form]) as (desk, account):
        desk.exchange.set_price("ETH-USDT", D(1700))
        await until(lambda: account._live.memory.prices["ETHUSDT"] == 1700, "the price to be pushed")
        desk.counts.clear()
        assert await state(account) == (D(10_000), {}, {"BTCUSDT": D("73355.3"), "ETHUSDT": D(1700)})
        await account.place_order(order("0.001"))
        assert desk.paths == ["trade/order"]


@pytest.mark.parametrize("form", OTHER_FORMS)
async def test_after_orders_of_ours_the_state_is_the_true_one(at_blofin: Any, form: str) -> None:
    async with followed(at_blofin, OTHER_FORMS[form]) as (desk, account):
        for number, (quantity, held) in enumerate((("0.002", {"BTCUSDT": D("0.002")}), ("-0.002", {}))):
            await account.place_order(order(quantity, number=number, reduce_only=number == 1))
            for _ in range(3):
                wallet, found, _ = await state(account)
                assert (found, wallet) == (held, desk.owner.ledger.wallet)
                await asyncio.sleep(0.3)


@pytest.mark.parametrize("form", OTHER_FORMS)
async def test_changes_by_hand_are_told(at_blofin: Any, form: str) -> None:
    async with followed(at_blofin, OTHER_FORMS[form]) as (desk, account):
        told: list[None] = []
        watching = asyncio.create_task(account.watch(lambda: told.append(None)))
        for change, held in ((D(50), {"BTCUSDT": D("0.05")}), (D(-50), {})):
            told.clear()
            desk.exchange.trade_by_hand(desk.owner, "BTC-USDT", change)
            await until(lambda: bool(told), "the change to be told")
            assert (await state(account))[1] == held
            await lives(desk, account)
        watching.cancel()


async def test_a_refused_login_is_told_once_and_everything_is_read(
    at_blofin: Any, warnings: list[str]
) -> None:
    """ccxt would wait for ever, and never ask again on this connection."""
    async with at_blofin() as desk, desk.account(streams=True) as account:
        refused = Fault(kind=FaultKind.REJECTED, route="login", error="BadSignature", times=None)
        desk.emulator.faults.add(refused)
        await until(lambda: desk.counts.requests["login"] >= 3, "logins to be tried again")
        desk.counts.clear()
        assert (await state(account))[0] == 10_000
        assert desk.counts.requests["positions"] == desk.counts.requests["balance"] == 1
        assert len([line for line in warnings if "stream of orders" in line]) == 1
        desk.emulator.faults.clear()
        await lives(desk, account)


@pytest.mark.parametrize("kind", [FaultKind.STREAM_CLOSED, FaultKind.STREAM_SILENT, FaultKind.STREAM_GAP])
@pytest.mark.parametrize("topic", ["order", "position", "wallet"])
async def test_whatever_a_stream_loses_is_read(at_blofin: Any, kind: FaultKind, topic: str) -> None:
    async with followed(at_blofin) as (desk, account):
        desk.emulator.faults.add(Fault(kind=kind, topic=topic))
        report = await account.place_order(order("0.002"))
        assert (await state(account))[1] == {"BTCUSDT": D("0.002")}
        assert (await account.find_order("BTCUSDT", report.client_order_id)) is not None
        async with asyncio.timeout(20):
            while (await state(account))[0] != desk.owner.ledger.wallet:
                await asyncio.sleep(0.1)


async def test_accounts_open_their_connections_one_after_the_other(at_blofin: Any) -> None:
    """BloFin allows one per second and address."""
    async with at_blofin() as desk, AsyncExitStack() as stack:
        for number in range(3):
            name = f"more{number}"
            desk.exchange.open_account(name, key=name, secret="S")
            await stack.enter_async_context(desk.account(api_key=name, streams=True))
        await until(lambda: len(desk.emulator.connections) == 3, "all to be connected")
        assert desk.counts.refusals == {}


async def test_the_next_connection_waits_until_the_one_before_was_taken(at_blofin: Any) -> None:
    """BloFin counts when it takes a connection, which may be long after it was asked for."""
    async with at_blofin() as desk:
        desk.emulator.faults.add(Fault(kind=FaultKind.LATENCY, route="connect", seconds=1.2))
        async with desk.account(streams=True) as account:
            await account.prices(WANTED)
            await until(lambda: len(desk.emulator.connections) == 2, "both to be connected")
            assert desk.counts.refusals == {}


async def test_without_streams_there_is_no_connection(at_blofin: Any) -> None:
    async with at_blofin() as desk, desk.account() as account:
        await state(account)
        assert desk.emulator.connections == set()
