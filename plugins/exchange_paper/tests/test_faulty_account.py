"""The wrapper that injects faults into a real account does exactly what it states."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from decimal import Decimal
from random import Random

import pytest

from te_core.api import (
    DuplicateClientOrderId,
    NotReady,
    OrderRequest,
    OrderStatus,
    OutcomeUnknown,
    RateLimited,
)
from te_core.testing.faults import Fault, scripted, seeded
from te_exchange_paper.testing import PaperHarness

OpenExchange = Callable[..., Awaitable[PaperHarness]]
MakeOrder = Callable[..., OrderRequest]


async def test_a_refused_call_executes_nothing_and_the_next_one_passes(
    open_exchange: OpenExchange, order: MakeOrder
) -> None:
    exchange = await open_exchange()
    exchange.account.inject("place_order", Fault(refused=RateLimited("slow down", retry_after=3)))
    with pytest.raises(RateLimited, match="slow down"):
        await exchange.account.place_order(order("0.1"))
    assert exchange.orders() == []
    await exchange.account.place_order(order("0.1"))
    assert (len(exchange.orders()), len(exchange.account.sent), exchange.account.calls["place_order"]) == (
        1,
        2,
        2,
    )


async def test_a_lost_answer_belongs_to_an_executed_order(
    open_exchange: OpenExchange, order: MakeOrder
) -> None:
    exchange = await open_exchange()
    exchange.account.inject("place_order", Fault(lost=OutcomeUnknown("connection reset")))
    with pytest.raises(OutcomeUnknown):
        await exchange.account.place_order(order("0.1", client_id="mine"))
    found = await exchange.account.find_order("BTCUSDT", "mine")
    assert found is not None
    assert found.status is OrderStatus.FILLED
    with pytest.raises(DuplicateClientOrderId):
        await exchange.account.place_order(order("0.1", client_id="mine"))


async def test_a_late_order_arrives_after_its_sender_gave_up(
    open_exchange: OpenExchange, order: MakeOrder
) -> None:
    exchange = await open_exchange()
    exchange.account.inject("place_order", Fault(late=4))
    with pytest.raises(OutcomeUnknown):
        await exchange.account.place_order(order("0.1", client_id="mine"))
    assert await exchange.account.find_order("BTCUSDT", "mine") is None
    await asyncio.sleep(5)
    assert await exchange.account.find_order("BTCUSDT", "mine") is not None


async def test_what_is_late_at_closing_never_arrives(open_exchange: OpenExchange, order: MakeOrder) -> None:
    exchange = await open_exchange()
    exchange.account.inject("place_order", Fault(late=4))
    with pytest.raises(OutcomeUnknown):
        await exchange.account.place_order(order("0.1"))
    await exchange.account.close()
    await exchange.connect().open()
    await asyncio.sleep(10)
    assert exchange.orders() == []


async def test_a_delayed_call_takes_its_time(open_exchange: OpenExchange) -> None:
    exchange = await open_exchange()
    exchange.account.inject("positions", Fault(delay=30))
    started = asyncio.get_running_loop().time()
    await exchange.account.positions()
    assert asyncio.get_running_loop().time() == started + 30


async def test_a_stale_read_repeats_the_answer_before(open_exchange: OpenExchange, order: MakeOrder) -> None:
    exchange = await open_exchange()
    before = await exchange.account.positions()
    await exchange.account.place_order(order("0.1"))
    await asyncio.sleep(60)
    exchange.account.inject("positions", Fault(stale=True))
    assert await exchange.account.positions() == before
    assert (await exchange.account.positions()).value["BTCUSDT"].quantity == Decimal("0.1")


@pytest.mark.parametrize(("share", "filled"), [("0.5", "0.05"), ("0.99", "0.099"), ("0.001", "0")])
async def test_a_partial_fill_ends_as_cancelled(
    open_exchange: OpenExchange, order: MakeOrder, share: str, filled: str
) -> None:
    exchange = await open_exchange()
    exchange.account.inject("place_order", Fault(share=Decimal(share)))
    report = await exchange.account.place_order(order("0.1", client_id="mine"))
    assert (report.status, report.filled) == (OrderStatus.CANCELLED, Decimal(filled))
    assert await exchange.account.find_order("BTCUSDT", "mine") == report
    assert await exchange.position("BTCUSDT") == Decimal(filled)


async def test_a_script_names_the_calls_that_fail(open_exchange: OpenExchange) -> None:
    exchange = await open_exchange()
    exchange.account.faults = scripted({"equity": [None, Fault(refused=NotReady("maintenance"))]})
    await exchange.account.equity()
    with pytest.raises(NotReady):
        await exchange.account.equity()
    await exchange.account.equity()


async def test_a_seed_gives_the_same_faults_every_time(open_exchange: OpenExchange) -> None:
    rates = {"equity": [(0.2, Fault(refused=NotReady("a"))), (0.3, Fault(refused=RateLimited("b")))]}
    runs = [
        [seeded(chance.random, rates)("equity", n) for n in range(1, 1001)]
        for chance in (Random(1), Random(1))
    ]
    assert runs[0] == runs[1]
    reasons = [str(fault.refused) if fault else "" for fault in runs[0]]
    assert 150 < reasons.count("a") < 250
    assert 250 < reasons.count("b") < 350
    assert seeded(Random(1).random, rates)("positions", 1) is None
