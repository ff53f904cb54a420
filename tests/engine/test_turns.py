"""Turns: computing tasks yield to the loop in between, and nothing waits without need."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from hypothesis import given
from hypothesis import strategies as st

from te_core.accounts.turns import Turns
from te_core.testing.virtual_clock import run

Record = list[str]


class Ticker:
    """Counts the iterations of the loop, as any other waiting task would see them."""

    def __init__(self) -> None:
        self.iterations = 0
        asyncio.get_running_loop().call_soon(self._tick)

    def _tick(self) -> None:
        self.iterations += 1
        asyncio.get_running_loop().call_soon(self._tick)


async def work(turns: Turns, account: str, name: str, done: Record) -> None:
    await turns.next(account)
    done.append(name)


async def all_of(*works: Awaitable[None]) -> None:
    async with asyncio.timeout(1):
        await asyncio.gather(*works)


def on_virtual_time(scenario: Callable[[], Awaitable[None]]) -> None:
    async def main() -> None:
        await scenario()

    run(main())


def test_a_request_without_others_waiting_gets_its_turn_at_once() -> None:
    async def scenario() -> None:
        turns, ticker = Turns(), Ticker()
        for _ in range(5):
            before = ticker.iterations
            await turns.next("one")
            assert ticker.iterations == before
            await asyncio.sleep(0)

    on_virtual_time(scenario)


def test_a_crowd_lets_everything_else_run_after_each_turn() -> None:
    async def scenario() -> None:
        turns, ticker, seen = Turns(), Ticker(), list[int]()

        async def compute(account: str) -> None:
            await turns.next(account)
            seen.append(ticker.iterations)

        await all_of(*(compute(f"account {number % 7}") for number in range(50)))
        assert len(seen) == 50
        assert all(seen.count(iteration) == 1 for iteration in seen)
        assert seen[-1] - seen[0] <= 50

    on_virtual_time(scenario)


def test_as_many_go_on_in_one_iteration_as_were_asked_for() -> None:
    async def scenario() -> None:
        turns, ticker, seen = Turns(per_iteration=4), Ticker(), list[int]()

        async def compute(account: str) -> None:
            await turns.next(account)
            seen.append(ticker.iterations)

        await all_of(*(compute(f"account {number}") for number in range(40)))
        assert max(seen.count(iteration) for iteration in seen) == 4
        assert seen[-1] - seen[0] <= 10

    on_virtual_time(scenario)


def test_accounts_rotate_so_that_no_order_waits_for_hundreds() -> None:
    async def scenario() -> None:
        turns, done = Turns(), Record()
        crowd = [work(turns, "big", f"big {number}", done) for number in range(100)]
        await all_of(*crowd, work(turns, "small", "small 0", done), work(turns, "small", "small 1", done))
        assert done.index("small 0") <= 2
        assert done.index("small 1") <= 4

    on_virtual_time(scenario)


def test_within_an_account_turns_come_in_the_order_of_asking() -> None:
    async def scenario() -> None:
        turns, done = Turns(), Record()
        names = [f"{number}" for number in range(20)]
        await all_of(*(work(turns, "one", name, done) for name in names))
        assert done == names

    on_virtual_time(scenario)


def test_work_over_several_turns_is_interleaved_with_others() -> None:
    async def scenario() -> None:
        turns, done = Turns(), Record()

        async def long(account: str) -> None:
            for _ in range(10):
                await turns.next(account)
                done.append(account)

        await all_of(long("one"), long("two"), long("three"))
        for at in range(len(done)):
            counts = [done[:at].count(account) for account in ("one", "two", "three")]
            assert max(counts) - min(counts) <= 2

    on_virtual_time(scenario)


def test_one_cancelled_at_its_turn_blocks_no_other() -> None:
    async def scenario() -> None:
        turns, done = Turns(), Record()
        tasks = [asyncio.create_task(work(turns, "one", f"{number}", done)) for number in range(3)]
        await asyncio.sleep(0)  # the first has continued, two wait
        asyncio.get_running_loop().call_soon(tasks[1].cancel)  # right after its turn is granted
        await asyncio.wait(tasks, timeout=1)
        assert all(task.done() for task in tasks)
        assert tasks[1].cancelled()
        assert done == ["0", "2"]

    on_virtual_time(scenario)


@given(
    st.lists(st.tuples(st.sampled_from("abc"), st.booleans()), max_size=40),
    st.integers(min_value=1, max_value=3),
    st.integers(min_value=0, max_value=10),
)
def test_after_any_cancellation_all_others_get_exactly_one_turn(
    crowd: list[tuple[str, bool]], per_iteration: int, after: int
) -> None:
    async def scenario() -> None:
        turns, done = Turns(per_iteration), Record()
        tasks = [
            asyncio.create_task(work(turns, account, f"{number}", done))
            for number, (account, _) in enumerate(crowd)
        ]
        for _ in range(after):
            await asyncio.sleep(0)
        for task, (_, cancelled) in zip(tasks, crowd, strict=True):
            if cancelled:
                task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=1)
        assert all(task.done() for task in tasks)
        assert sorted(done) == sorted(
            f"{number}" for number, task in enumerate(tasks) if not task.cancelled()
        )
        await asyncio.sleep(0)
        async with asyncio.timeout(1):
            await turns.next("later")

    on_virtual_time(scenario)


def test_what_has_begun_goes_before_what_has_not() -> None:
    async def scenario() -> None:
        turns, done = Turns(), Record()

        async def two_stages(name: str) -> None:
            await turns.next(name)
            done.append(f"{name} begins")
            await turns.next(name, begun=True)
            done.append(f"{name} ends")

        await all_of(*(two_stages(f"{number}") for number in range(20)))
        for at in range(len(done)):
            begun = sum(line.endswith("begins") for line in done[:at])
            assert begun - (at - begun) <= 2

    on_virtual_time(scenario)
