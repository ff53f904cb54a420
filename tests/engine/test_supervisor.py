"""What fails is retried after a pause and reported once, even if it fails intermittently."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta

import pytest
from loguru import logger

from te_core.api import NotReady
from te_core.model.event import Event
from te_core.outage import Outages
from te_core.rules.backoff import backoff
from te_core.runtime.supervisor import STEADY, Health, Supervisor, Up
from te_core.settings.schema import EngineSettings
from te_core.testing.virtual_clock import VirtualClock

HOUR = 3600.0


async def told(clock: VirtualClock, run: Callable[[Up], Awaitable[None]], seconds: float) -> list[Event]:
    """Supervise a run for some seconds; return the events."""
    events: list[Event] = []
    outages = Outages(clock, logger, events.append)
    settings = EngineSettings()
    supervisor = Supervisor(
        health=Health(clock), outages=outages, clock=clock, log=logger, settings=lambda: settings
    )
    task = asyncio.create_task(supervisor.keep_running(run))
    await asyncio.sleep(seconds)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    return events


@pytest.mark.parametrize("works_for", [0.0, 20.0])
async def test_one_that_flaps_for_hours_is_not_reported_each_time(
    clock: VirtualClock, works_for: float
) -> None:
    async def comes_and_goes(up: Up) -> None:
        up()
        await asyncio.sleep(works_for if clock.monotonic() < 3 * HOUR else 9 * HOUR)
        raise NotReady("closed")

    events = await told(clock, comes_and_goes, 6 * HOUR)
    assert [event.kind for event in events] == ["outage", "recovery", "outage", "recovery"]
    last = events[-1].at - events[0].at
    assert last.total_seconds() == pytest.approx(3 * HOUR + STEADY, abs=200)


async def test_a_single_failure_is_over_as_soon_as_it_works_again(clock: VirtualClock) -> None:
    async def fails_once(up: Up) -> None:
        up()
        await asyncio.sleep(10 if clock.monotonic() < 5 else HOUR)
        raise NotReady("closed")

    outage, recovery = await told(clock, fails_once, 600)
    assert (recovery.at - outage.at).total_seconds() == 5


async def test_a_failure_before_it_was_stable_is_not_reported_again(clock: VirtualClock) -> None:
    """The timer of a finished run reports nothing."""

    async def fails_more(up: Up) -> None:
        up()
        await asyncio.sleep(STEADY - 1)
        raise NotReady("closed")

    kinds = [event.kind for event in await told(clock, fails_more, HOUR)]
    assert kinds == ["outage", "recovery", "outage"]


def test_waiting_doubles_up_to_its_largest() -> None:
    first, last = timedelta(seconds=5), timedelta(seconds=120)
    waits = [backoff(n, first, last).total_seconds() for n in range(8)]
    assert waits == [0, 5, 10, 20, 40, 80, 120, 120]
