"""Conformance cases about a connection: requests other than trading, the dates of reads, and how it ends."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from datetime import timedelta
from decimal import Decimal
from typing import Any

from te_core.contracts.exchange import ExchangeAccount, Severity
from te_core.model.reading import Known
from te_core.runtime.supervisor import Running
from te_core.testing.exchange_harness import Ability
from te_core.testing.steps import hold, needs
from te_core.testing.worker_harness import WorkerHarness

FIFTH = Decimal("0.2")
CONNECTIONS = 3
"""Connections that are opened and closed, after a first one has started shared resources."""


class ConnectionCases:
    """Cases E60 to E65."""

    async def test_e60_a_diagnosis_changes_nothing(self, harness: WorkerHarness) -> None:
        """A diagnosis finds no error in an account that trades, and each finding states what to do about it."""
        async with harness:
            symbol = harness.exchange.symbols[0]
            want = await hold(harness, symbol, FIFTH)
            before = await harness.exchange.changes(), harness.dates.given
            findings = await harness.account.diagnose()
            assert (await harness.exchange.changes(), harness.dates.given) == before, (
                "a diagnosis sends no changes"
            )
            assert await harness.exchange.position(symbol) == want
            assert len(await harness.exchange.executed()) == 1
            for found in findings:
                assert found.check, f"{found}: does not state what was checked"
                assert found.text, f"{found}: does not state what was found"
                assert found.severity is Severity.OK or found.remedy, f"{found}: does not state what to do"
            assert [found for found in findings if found.severity is Severity.ERROR] == []

    async def test_e61_reads_are_dated_before_the_answer(self, harness: WorkerHarness) -> None:
        """A response does not contain what happened while it was in transit, so its date must not claim that."""
        needs(harness, Ability.SLOW_ANSWERS)
        async with harness:
            symbol = harness.exchange.symbols[0]
            await hold(harness, symbol, FIFTH)
            await harness.exchange.fail(Ability.SLOW_ANSWERS)
            for what, read in reads(harness.account, symbol).items():
                known = await read()
                late = harness.exchange.clock.now() - known.as_of
                assert late >= timedelta(seconds=harness.exchange.slowness / 2), (
                    f"{what}: as_of is after the request"
                )
            await harness.exchange.restore()

    async def test_e62_no_read_is_dated_in_the_future(self, harness: WorkerHarness) -> None:
        """Dates are in UTC by this machine's clock, whatever clock the exchange has."""
        async with harness:
            symbol = harness.exchange.symbols[0]
            await hold(harness, symbol, FIFTH)
            for what, read in reads(harness.account, symbol).items():
                as_of = (await read()).as_of
                assert as_of.utcoffset() == timedelta(0), f"{what}: as_of is not in UTC"
                assert as_of <= harness.exchange.clock.now(), f"{what}: as_of is in the future"

    async def test_e63_a_cancelled_request_ends(self, harness: WorkerHarness) -> None:
        """A cancelled request ends at once and the next one works: the engine cancels requests that it gives up."""
        needs(harness, Ability.SLOW_ANSWERS)
        async with harness:
            symbol = harness.exchange.symbols[0]
            await hold(harness, symbol, FIFTH)
            await harness.exchange.fail(Ability.SLOW_ANSWERS)
            for what, read in reads(harness.account, symbol).items():
                asked = asyncio.ensure_future(read())
                await asyncio.sleep(harness.exchange.slowness / 4)
                asked.cancel()
                await asyncio.wait({asked}, timeout=harness.timeout)
                assert asked.cancelled(), (
                    f"{what}: continues, or ends in another way, although it was cancelled"
                )
            await harness.exchange.restore()
            for read in reads(harness.account, symbol).values():
                await read()
            await hold(harness, symbol, 2 * FIFTH)

    async def test_e64_what_is_closed_leaves_nothing_running(self, harness: WorkerHarness) -> None:
        """A closed connection leaves no task behind, as that would add up over months; the next one trades."""
        async with harness:
            symbol = harness.exchange.symbols[0]
            want = await hold(harness, symbol, FIFTH)
            await harness.crash()
            await asyncio.sleep(harness.calm)
            allowed = len(asyncio.all_tasks())
            for _ in range(CONNECTIONS):
                await reconnect(harness)
                await harness.crash()
            with suppress(AssertionError):  # the emulator may take a moment to notice the closed connection
                await harness.until(lambda: len(asyncio.all_tasks()) <= allowed, "the tasks to end")
            left = [str(task.get_coro()) for task in asyncio.all_tasks()]
            assert len(left) <= allowed, f"tasks after close(): {left}, {allowed} of them before"
            await reconnect(harness)
            assert await harness.exchange.position(symbol) == want
            await hold(harness, symbol, -FIFTH)

    async def test_e65_request_budgets_are_shares(self, harness: WorkerHarness) -> None:
        """Request budgets are shares from 0 to 1 of each limit, for metrics; reading them sends no request."""
        async with harness:
            await hold(harness, harness.exchange.symbols[0], FIFTH)
            for name, left in harness.account.request_budgets().items():
                assert 0 <= left <= 1, f"request_budgets: {name} is {left}, not a share from 0 to 1"


async def reconnect(harness: WorkerHarness) -> None:
    """Start the engine's side again and wait until the account is open."""
    harness.start()
    await harness.until(lambda: harness.runner.health.status is Running.RUNNING, "the next connection")


def reads(account: ExchangeAccount, symbol: str) -> Mapping[str, Callable[[], Awaitable[Known[Any]]]]:
    """Return the reads on which the engine bases its decisions."""
    return {
        "positions": account.positions,
        "equity": account.equity,
        "prices": lambda: account.prices([symbol]),
    }
