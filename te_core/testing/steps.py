"""Steps that the conformance cases share."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import pytest

from te_core.contracts.exchange import Capabilities
from te_core.model.order import OrderRequest, Side
from te_core.model.position import MarginMode
from te_core.runtime.supervisor import Running
from te_core.testing.exchange_harness import Ability, Execution
from te_core.testing.worker_harness import WorkerHarness


def needs(harness: WorkerHarness, ability: Ability) -> None:
    """Skip the case if the emulator lacks that ability."""
    if ability not in harness.exchange.abilities:
        pytest.skip(f"the emulator cannot {ability.replace('_', ' ')}")


def stopped(harness: WorkerHarness) -> bool:
    """Return whether the account is down and retried more slowly than after any passing failure."""
    health = harness.runner.health
    now = harness.exchange.clock.now()
    slowly = health.retry_at is not None and health.retry_at - now > harness.engine.backoff_last
    return health.status is Running.FAILING and slowly


async def hold(harness: WorkerHarness, symbol: str, depth: Decimal, leverage: int = 1) -> Decimal:
    """Set a target and wait until it is confirmed; return the quantity that the target means."""
    want = await harness.expected(symbol, depth, leverage)
    harness.set_target(symbol, depth, leverage)
    await harness.until_confirmed(symbol)
    assert await harness.exchange.position(symbol) == want
    return want


def moves(executed: Sequence[Execution]) -> list[tuple[Decimal, bool]]:
    """Return each order's signed quantity and whether it is reduce-only."""
    return [(execution.side.sign * execution.quantity, execution.reduce_only) for execution in executed]


def outcomes(harness: WorkerHarness) -> set[Any]:
    """Return the states in which the journaled intents ended."""
    return {record.state for record in harness.journal.intents(1000)}


def order_id(number: int, capabilities: Capabilities) -> str:
    """Return an id in the exchange's format that the engine never generates."""
    form = capabilities.client_order_ids
    return f"{form.prefix}{number:0{form.length - len(form.prefix)}d}"


def bare_order(client_order_id: str, symbol: str, quantity: Decimal, price: Decimal) -> OrderRequest:
    """Return a buy order of any size, including one that the engine would never send."""
    return OrderRequest(
        client_order_id=client_order_id,
        symbol=symbol,
        side=Side.BUY,
        quantity=quantity,
        reduce_only=False,
        leverage=1,
        margin_mode=MarginMode.ISOLATED,
        reference_price=price,
    )
