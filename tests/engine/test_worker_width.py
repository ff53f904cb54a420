"""How many symbols of an account are executed concurrently."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from te_core.testing.fake_account import FakeAccount
from te_core.testing.faults import Fault, FaultyAccount
from te_core.testing.virtual_clock import VirtualClock
from tests.engine.worker_harness import WorkerHarness, blend_for


async def test_as_many_symbols_as_chosen_take_as_long_as_one(
    clock: VirtualClock, open_harness: Callable[..., WorkerHarness]
) -> None:
    symbols = [f"C{number}USDT" for number in range(20)]
    account = FakeAccount(clock, equity="100000", **dict.fromkeys(symbols, "100"))
    slow = FaultyAccount(
        account, faults=lambda method, _: Fault(answer_delay=1) if method == "place_order" else None
    )
    harness = open_harness(account=slow, concurrency=20)
    harness.worker.retarget({symbol: blend_for(symbol, "0.04") for symbol in symbols})
    await harness.go(1.5)
    assert all(harness.worker.keepers[symbol].confirmed for symbol in symbols)
    await harness.crash()


@pytest.mark.parametrize(("spread", "reads"), [(0.001, 1), (0.1, 20)])
async def test_orders_answered_together_are_confirmed_by_one_read(
    clock: VirtualClock, open_harness: Callable[..., WorkerHarness], spread: float, reads: int
) -> None:
    symbols = [f"C{number}USDT" for number in range(20)]
    account = FakeAccount(clock, equity="100000", **dict.fromkeys(symbols, "100"))
    slow = FaultyAccount(
        account,
        faults=lambda method, call: (
            Fault(answer_delay=1 + spread * call) if method == "place_order" else None
        ),
    )
    harness = open_harness(account=slow, concurrency=20)
    await harness.go(1)
    account.calls.clear()
    harness.worker.retarget({symbol: blend_for(symbol, "0.04") for symbol in symbols})
    await harness.go(8)
    assert all(harness.worker.keepers[symbol].confirmed for symbol in symbols)
    assert account.calls.count("positions") == 1 + reads, "one before the orders, then those that confirm"
    await harness.crash()


async def test_an_order_alone_is_confirmed_at_once(
    clock: VirtualClock, open_harness: Callable[..., WorkerHarness]
) -> None:
    account = FakeAccount(clock, equity="100000", BTCUSDT="50000")
    harness = open_harness(account=account)
    await harness.go(1)
    began = clock.monotonic()
    harness.worker.retarget({"BTCUSDT": blend_for("BTCUSDT", "0.04")})
    while not harness.worker.keepers["BTCUSDT"].confirmed:
        await harness.go(0.001)
    assert clock.monotonic() - began < 0.01, "it waits for no other order: there is none"
    await harness.crash()


async def test_an_unanswered_order_delays_nobodys_confirmation(
    clock: VirtualClock, open_harness: Callable[..., WorkerHarness]
) -> None:
    account = FakeAccount(clock, equity="100000", BTCUSDT="50000", ETHUSDT="2500")
    slow = FaultyAccount(
        account,
        faults=lambda method, call: Fault(answer_delay=10) if (method, call) == ("place_order", 1) else None,
    )
    harness = open_harness(account=slow)
    harness.worker.retarget({symbol: blend_for(symbol, "0.04") for symbol in ("BTCUSDT", "ETHUSDT")})
    await harness.go(0.1)
    assert [harness.worker.keepers[symbol].confirmed for symbol in ("BTCUSDT", "ETHUSDT")] == [False, True]
    await harness.crash()


async def test_ten_are_executed_concurrently_by_default(
    clock: VirtualClock, open_harness: Callable[..., WorkerHarness]
) -> None:
    symbols = [f"C{number}USDT" for number in range(20)]
    account = FakeAccount(clock, equity="100000", **dict.fromkeys(symbols, "100"))
    slow = FaultyAccount(
        account, faults=lambda method, _: Fault(answer_delay=1) if method == "place_order" else None
    )
    harness = open_harness(account=slow)
    harness.worker.retarget({symbol: blend_for(symbol, "0.04") for symbol in symbols})
    await harness.go(1.5)
    assert sum(harness.worker.keepers[symbol].confirmed for symbol in symbols) == 10
    await harness.go(1)
    assert all(harness.worker.keepers[symbol].confirmed for symbol in symbols)
    await harness.crash()


async def test_many_symbols_on_few_slots_progress_though_decisions_age(
    open_harness: Callable[..., WorkerHarness], account: FakeAccount
) -> None:
    """Orders of 2 s each on two slots: a decision that waits too long is made again, but makes progress."""
    symbols = [f"S{number}USDT" for number in range(40)]
    many = FakeAccount(account.clock, equity="10000", **dict.fromkeys(symbols, "100"))
    slow = FaultyAccount(
        many, faults=lambda method, call: Fault(delay=2) if method == "place_order" else None
    )
    harness = open_harness(account=slow, concurrency=2)
    harness.worker.retarget({symbol: blend_for(symbol, "0.02") for symbol in symbols})
    await harness.go(60)
    assert all(keeper.confirmed for keeper in harness.worker.keepers.values())
    assert [many.quantity(symbol) for symbol in symbols] == [2] * len(symbols)
    assert slow.calls["place_order"] == len(symbols)
    assert slow.calls["positions"] < 3 * len(symbols)
