"""How many symbols of an account are carried out at the same time."""

from __future__ import annotations

from collections.abc import Callable

from te_core.testing.fake_account import FakeAccount
from te_core.testing.faults import Fault, FaultyAccount
from te_core.testing.virtual_clock import VirtualClock
from tests.engine.desk import Desk, wish


async def test_as_many_symbols_as_chosen_take_as_long_as_one(
    clock: VirtualClock, open_desk: Callable[..., Desk]
) -> None:
    symbols = [f"C{number}USDT" for number in range(20)]
    account = FakeAccount(clock, equity="100000", **dict.fromkeys(symbols, "100"))
    slow = FaultyAccount(
        account, faults=lambda method, _: Fault(silence=1) if method == "place_order" else None
    )
    desk = open_desk(account=slow, concurrency=20)
    desk.worker.retarget({symbol: wish(symbol, "0.04") for symbol in symbols})
    await desk.go(1.5)
    assert all(desk.worker.states[symbol].confirmed for symbol in symbols)
    await desk.crash()


async def test_ten_are_worked_on_at_the_same_time_unless_told_otherwise(
    clock: VirtualClock, open_desk: Callable[..., Desk]
) -> None:
    symbols = [f"C{number}USDT" for number in range(20)]
    account = FakeAccount(clock, equity="100000", **dict.fromkeys(symbols, "100"))
    slow = FaultyAccount(
        account, faults=lambda method, _: Fault(silence=1) if method == "place_order" else None
    )
    desk = open_desk(account=slow)
    desk.worker.retarget({symbol: wish(symbol, "0.04") for symbol in symbols})
    await desk.go(1.5)
    assert sum(desk.worker.states[symbol].confirmed for symbol in symbols) == 10
    await desk.go(1)
    assert all(desk.worker.states[symbol].confirmed for symbol in symbols)
    await desk.crash()
