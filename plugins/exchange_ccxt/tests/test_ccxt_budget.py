"""The request budget: no window is ever exceeded, orders never wait behind reads, pauses apply to all."""

from __future__ import annotations

import asyncio
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from te_core.api import RateLimited
from te_core.testing import virtual_clock
from te_core.testing.virtual_clock import VirtualClock
from te_emulators.core.limits import RateLimits
from te_emulators.core.limits import Window as Limit
from te_exchange_ccxt.budget import Budget, BudgetShare, Priority, Window, priority

ORDERS = Window("orders", 10, 1.0)
READS = Window("reads", 20, 2.0)
ADDRESS = Window("address", 40, 5.0, per_address=True)
WINDOWS = (ORDERS, READS, ADDRESS)

Request = tuple[float, Priority, str, dict[str, int], float]
requests = st.lists(
    st.tuples(
        st.floats(0, 8),  # when it is requested
        st.sampled_from(list(Priority)),
        st.sampled_from(["a", "b"]),  # whose key
        st.dictionaries(st.sampled_from([window.name for window in WINDOWS]), st.integers(1, 4), min_size=1),
        st.floats(0, 0.3),  # how long it takes to arrive
    ),
    max_size=80,
)


async def take(share: BudgetShare, costs: dict[str, int]) -> None:
    """Send a request that is answered at once."""
    async with share.turn(costs):
        pass


def budget() -> tuple[Budget, list[str]]:
    told: list[str] = []
    return Budget(VirtualClock(), told.append), told


@given(requests)
def test_no_window_is_ever_exceeded_and_no_request_is_forgotten(asked: list[Request]) -> None:
    left: list[tuple[float, str, dict[str, int]]] = []

    async def main() -> None:
        shared, _ = budget()
        shares = {owner: shared.share(WINDOWS, owner) for owner in "ab"}

        async def one(at: float, level: Priority, owner: str, costs: dict[str, int], lag: float) -> None:
            await asyncio.sleep(at)
            with priority(level):
                async with shares[owner].turn(costs):
                    await asyncio.sleep(lag)  # the exchange counts it at some time on the way
                    left.append((asyncio.get_running_loop().time(), owner, costs))
                    await asyncio.sleep(0.3 - lag)

        async def impatient(at: float, deadline: float, owner: str, costs: dict[str, int]) -> None:
            await asyncio.sleep(at)
            with suppress(TimeoutError):
                async with asyncio.timeout(deadline), shares[owner].turn(costs):
                    pass

        gone = (impatient(at, lag, owner, costs) for at, _, owner, costs, lag in asked[::3])
        await asyncio.gather(*(one(*request) for request in asked), *gone)

    virtual_clock.run(main())
    assert len(left) == len(asked)
    for window in WINDOWS:
        for owner in ("ab",) if window.per_address else ("a", "b"):
            spent = [
                (at, costs[window.name]) for at, who, costs in left if who in owner and window.name in costs
            ]
            for start, _ in spent:
                within = sum(cost for at, cost in spent if start <= at < start + window.period)
                assert within <= window.capacity


async def test_a_reduction_goes_first_then_an_increase_then_reads() -> None:
    shared, _ = budget()
    share = shared.share((ORDERS,), "a")
    went: list[Priority] = []

    async def one(level: Priority) -> None:
        with priority(level):
            await take(share, {"orders": 1})
        went.append(level)

    await asyncio.gather(*(one(Priority.REDUCE) for _ in range(10)))  # the window is full
    went.clear()
    waiting = [Priority.READ] * 3 + [Priority.INCREASE] * 6 + [Priority.REDUCE] * 4
    await asyncio.gather(*(one(level) for level in waiting))
    assert went == sorted(waiting)


@given(
    st.lists(
        st.tuples(
            st.floats(0, 4),
            st.sampled_from(list(Priority)),
            st.sampled_from([window.name for window in WINDOWS]),
            st.integers(1, 3),
        ),
        max_size=60,
    )
)
def test_a_waiter_is_not_overtaken_by_lower_priorities(
    asked: list[tuple[float, Priority, str, int]],
) -> None:
    went: list[tuple[float, float, Priority, str]] = []

    async def main() -> None:
        shared, _ = budget()
        share = shared.share(WINDOWS, "a")
        loop = asyncio.get_running_loop()

        async def one(at: float, level: Priority, window: str, cost: int) -> None:
            await asyncio.sleep(at)
            with priority(level):
                async with share.turn({window: cost}):
                    went.append((at, loop.time(), level, window))

        await asyncio.gather(*(one(*request) for request in asked))

    virtual_clock.run(main())
    for began, left, level, window in went:
        overtaking = [
            other for _, at, other, where in went if where == window and began < at < left and other > level
        ]
        assert not overtaking


@pytest.mark.parametrize(("capacity", "period"), [(10, 1.0), (20, 2.0), (30, 10.0)])
async def test_a_burst_fills_a_window_and_the_exchange_refuses_none(capacity: int, period: float) -> None:
    """The first ones at once, the others one window after their responses: the exchange counted them in between."""
    latency = 0.08
    limits = RateLimits([Limit(name="order", scope="key", capacity=capacity, seconds=period)])
    shared, _ = budget()
    share = shared.share((Window("orders", capacity, period),), "a")
    loop = asyncio.get_running_loop()
    left: list[float] = []

    async def send(on_the_way: float) -> None:
        with priority(Priority.INCREASE):
            async with share.turn({"orders": 1}):
                left.append(loop.time())
                await asyncio.sleep(on_the_way)
                (standing,) = limits.admit("order", key="a", ip="", now=loop.time())
                assert not standing.refused
                await asyncio.sleep(latency - on_the_way)

    await asyncio.gather(*(send(latency * number / (2 * capacity)) for number in range(2 * capacity)))
    assert left == pytest.approx([0.0] * capacity + [latency + period] * capacity)


async def test_an_order_does_not_wait_behind_reads() -> None:
    shared, _ = budget()
    share = shared.share((READS,), "a")
    reads = [asyncio.create_task(take(share, {"reads": 1})) for _ in range(100)]
    await asyncio.sleep(0)
    began = asyncio.get_running_loop().time()
    with priority(Priority.INCREASE):
        for _ in range(3):
            await take(share, {"reads": 1})
    assert asyncio.get_running_loop().time() == began
    await asyncio.gather(*reads)


@pytest.mark.parametrize(("what", "closing"), [(Priority.RECORD, 20), (Priority.PROTECT, 12)])
async def test_orders_do_not_wait_behind_costs_and_stops(what: Priority, closing: int) -> None:
    """BloFin counts all in one window of 30 in 10 s: 20 cost requests at once left no room to close 20 positions."""
    shared, _ = budget()
    share = shared.share((Window("trading", 30, 10.0),), "a")
    with priority(what):
        others = [asyncio.create_task(take(share, {"trading": 1})) for _ in range(40)]
    await asyncio.sleep(1)
    began = asyncio.get_running_loop().time()
    with priority(Priority.REDUCE):
        for _ in range(closing):
            await take(share, {"trading": 1})
    assert asyncio.get_running_loop().time() == began
    await asyncio.gather(*others)


async def test_bookkeeping_gets_its_share_next_to_endless_reads() -> None:
    shared, _ = budget()
    share = shared.share((Window("reads", 20, 1.0),), "a")

    async def read_on() -> None:
        while True:
            await take(share, {"reads": 1})
            await asyncio.sleep(0.08)

    reading = asyncio.create_task(read_on())
    await asyncio.sleep(3)
    began = asyncio.get_running_loop().time()
    with priority(Priority.RECORD):
        for _ in range(9):
            await take(share, {"reads": 1})
    assert asyncio.get_running_loop().time() - began < 3
    reading.cancel()


async def test_a_full_window_holds_up_only_those_who_need_it() -> None:
    shared, _ = budget()
    share = shared.share(WINDOWS, "a")
    blocked = [asyncio.create_task(take(share, {"orders": 1})) for _ in range(30)]
    await asyncio.sleep(0)
    began = asyncio.get_running_loop().time()
    await take(share, {"reads": 1})
    assert asyncio.get_running_loop().time() == began
    await asyncio.gather(*blocked)


async def test_keys_have_own_windows_and_share_those_of_the_address() -> None:
    shared, _ = budget()
    one, other = (shared.share((ORDERS, ADDRESS), owner) for owner in "ab")
    loop = asyncio.get_running_loop()
    for share in (one, other):
        await asyncio.gather(*(take(share, {"orders": 1}) for _ in range(8)))
    assert loop.time() == 0
    await asyncio.gather(*(take(one, {"address": 1}) for _ in range(32)))
    assert loop.time() == 0
    await take(other, {"address": 1})
    assert loop.time() == pytest.approx(5)


async def test_a_changed_limit_holds_from_then_on_and_forgets_nothing() -> None:
    shared, _ = budget()
    loop = asyncio.get_running_loop()
    with priority(Priority.INCREASE):
        ordinary = shared.share((ORDERS,), "a")
        await asyncio.gather(*(take(ordinary, {"orders": 1}) for _ in range(10)))
        granted = shared.share((ORDERS._replace(capacity=15),), "a")
        await asyncio.gather(*(take(granted, {"orders": 1}) for _ in range(5)))
        assert loop.time() == 0
        await take(granted, {"orders": 1})
    assert loop.time() == pytest.approx(1)


async def test_a_cancelled_request_costs_nothing() -> None:
    shared, _ = budget()
    share = shared.share((ORDERS,), "a")
    await asyncio.gather(*(take(share, {"orders": 1}) for _ in range(8)))
    cancelled = [asyncio.create_task(take(share, {"orders": 1})) for _ in range(20)]
    await asyncio.sleep(0)
    for task in cancelled:
        task.cancel()
    await asyncio.gather(*cancelled, return_exceptions=True)
    await take(share, {"orders": 1})
    assert asyncio.get_running_loop().time() == pytest.approx(1)


async def test_a_request_larger_than_a_window_goes_alone() -> None:
    shared, _ = budget()
    share = shared.share((ORDERS,), "a")
    await take(share, {"orders": 25})
    await take(share, {"orders": 1})
    assert asyncio.get_running_loop().time() == pytest.approx(1)


async def test_every_account_backs_off_and_it_is_logged_once() -> None:
    shared, told = budget()
    shares = [shared.share((ORDERS,), owner) for owner in "ab"]
    for share in shares:
        share.back_off(1.5, "too many requests")
    assert len(told) == 1
    await asyncio.gather(*(take(share, {"orders": 1}) for share in shares))
    assert asyncio.get_running_loop().time() == pytest.approx(1.5)
    shares[0].back_off(1.5, "too many requests")
    assert len(told) == 1, "it is still the same trouble"
    await asyncio.sleep(65)
    shares[0].back_off(1.5, "too many requests")
    assert len(told) == 2


async def test_during_a_long_ban_requests_come_back_at_once() -> None:
    shared, _ = budget()
    share: BudgetShare = shared.share((ORDERS,), "a")
    share.back_off(60, "banned")
    with pytest.raises(RateLimited) as caught:
        await take(share, {"orders": 1})
    assert caught.value.retry_after == pytest.approx(60)
    assert asyncio.get_running_loop().time() == 0


async def test_the_remaining_budget_counts_others_and_ends_in_a_pause() -> None:
    shared, _ = budget()
    windows = (Window("orders", 10, 100.0), Window("address", 40, 100.0, per_address=True))
    mine, other = (shared.share(windows, owner) for owner in "ab")
    assert mine.remaining() == {"orders": 1, "address": 1}
    for _ in range(4):
        await take(mine, {"orders": 1, "address": 1})
        await take(other, {"orders": 2, "address": 3})
    assert mine.remaining() == {"orders": pytest.approx(0.6), "address": pytest.approx(0.6)}
    assert other.remaining()["orders"] == pytest.approx(0.2)
    await asyncio.sleep(150)
    assert mine.remaining() == {"orders": 1, "address": 1}
    mine.back_off(1.5, "too many requests")
    assert other.remaining() == {"orders": 0, "address": 0}
