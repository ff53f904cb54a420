"""A BloFin account passes on its streams' messages, and reopens them whatever ends them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from decimal import Decimal
from typing import Any

import pytest

from te_core.api import Feed
from te_core.testing.stream_recorder import StreamRecorder, watching
from te_emulators.accounts import order
from te_emulators.blofin.unknowns import Unknowns
from te_emulators.core.faults import Fault, FaultKind

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
        pytest.fail(f"waited too long for {what}")


@asynccontextmanager
async def followed(
    at_blofin: Any, unknowns: Unknowns | None = None
) -> AsyncIterator[tuple[Any, Any, StreamRecorder]]:
    """An account with all pushes."""
    async with at_blofin() as harness:
        harness.emulator.unknowns = unknowns or Unknowns()
        async with harness.account(streams=True) as account, watching(account) as seen:
            await account.prices(WANTED)
            await until(lambda: seen.live == set(Feed), "everything to be followed")
            yield harness, account, seen


@pytest.mark.parametrize("form", OTHER_FORMS)
async def test_prices_orders_positions_and_wallet_are_passed_on(at_blofin: Any, form: str) -> None:
    async with followed(at_blofin, OTHER_FORMS[form]) as (harness, account, seen):
        harness.exchange.set_price("ETH-USDT", D(1700))
        await until(lambda: seen.prices.get("ETHUSDT") == 1700, "the price")
        harness.counts.clear()
        sent = order("0.002")
        await account.place_order(sent)
        await until(lambda: (sent.client_order_id, "BTCUSDT") in seen.orders, "our order")
        await until(lambda: "BTCUSDT" in seen.positions, "the position")
        assert seen.positions["BTCUSDT"].quantity == D("0.002")
        await until(
            lambda: bool(seen.equities) and seen.equities[-1].wallet == harness.owner.ledger.wallet, "fee"
        )
        assert harness.paths == ["trade/order"], "nothing is read that nobody asked for"
        assert not seen.unannounced


@pytest.mark.parametrize("form", OTHER_FORMS)
async def test_changes_by_hand_are_passed_on(at_blofin: Any, form: str) -> None:
    async with followed(at_blofin, OTHER_FORMS[form]) as (harness, account, seen):
        for change, held in ((D(50), D("0.05")), (D(-50), D(0))):
            seen.orders.clear()
            harness.exchange.trade_by_hand(harness.owner, "BTC-USDT", change)
            await until(lambda: seen.orders == [("", "BTCUSDT")], "the order")
            found = (await account.positions()).value.get("BTCUSDT")
            assert (found.quantity if found else 0) == held


async def test_a_refused_login_is_an_outage_and_tried_again(at_blofin: Any) -> None:
    """ccxt would wait for ever, and never subscribe again on this connection."""
    async with at_blofin() as harness, harness.account(streams=True) as account:
        refused = Fault(kind=FaultKind.REJECTED, route="login", error="BadSignature", times=None)
        harness.emulator.faults.add(refused)
        async with watching(account) as seen:
            await account.prices(WANTED)
            await until(lambda: harness.counts.requests["login"] >= 3, "logins to be tried again")
            assert seen.live <= {Feed.PRICES}
            outages = account._context.outages
            assert "stream of orders" in outages.failing_parts
            harness.emulator.faults.clear()
            await until(lambda: seen.live == set(Feed), "everything to be followed")
            await until(lambda: not outages.failing_parts, "the outage to end")


@pytest.mark.parametrize("kind", [FaultKind.STREAM_CLOSED, FaultKind.STREAM_SILENT])
@pytest.mark.parametrize("topic", ["order", "position", "wallet"])
async def test_a_stream_that_ends_is_reported_and_opened_again(
    at_blofin: Any, kind: FaultKind, topic: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    private = {Feed.ORDERS, Feed.POSITIONS, Feed.EQUITY}
    async with followed(at_blofin) as (harness, account, seen):
        monkeypatch.setattr("te_exchange_ccxt.streams.account_streams.HEARTBEAT_TIMEOUT", 6.0)
        harness.emulator.faults.add(Fault(kind=kind, topic=topic))
        await account.place_order(order("0.002"))
        await until(lambda: not seen.live & private, "the loss to be reported")
        await until(lambda: seen.live == set(Feed), "everything to be followed again")


async def test_accounts_open_their_connections_one_after_the_other(at_blofin: Any) -> None:
    """BloFin allows one per second and address."""
    async with at_blofin() as harness, AsyncExitStack() as stack:
        for number in range(3):
            name = f"more{number}"
            harness.exchange.open_account(name, key=name, secret="S")
            account = await stack.enter_async_context(harness.account(api_key=name, streams=True))
            await stack.enter_async_context(watching(account))
        await until(lambda: len(harness.emulator.connections) == 3, "all to be connected")
        assert harness.counts.refusals == {}


async def test_the_next_connection_waits_until_the_last_was_accepted(at_blofin: Any) -> None:
    """BloFin counts a connection when it accepts it, which may be long after the request."""
    async with at_blofin() as harness:
        harness.emulator.faults.add(Fault(kind=FaultKind.LATENCY, route="connect", seconds=1.2))
        async with harness.account(streams=True) as account, watching(account):
            await account.prices(WANTED)
            await until(lambda: len(harness.emulator.connections) == 2, "both to be connected")
            assert harness.counts.refusals == {}


async def test_without_streams_there_is_no_connection(at_blofin: Any) -> None:
    async with at_blofin() as harness, harness.account() as account, watching(account) as seen:
        await account.prices(WANTED)
        await asyncio.sleep(0.7)
        assert harness.emulator.connections == set()
        assert seen.calls == []
