"""The watchdog: what counts as blocking, and which plugin is to blame."""

from __future__ import annotations

import asyncio
import os
import sys
import threading
from collections.abc import Callable
from types import FrameType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from loguru import logger

from te_core.clock import SystemClock
from te_core.runtime.blocking_frame import culprit, executing, plugins_by_package
from te_core.runtime.run_queue import seconds_waited_for_a_core
from te_core.runtime.watchdog import PERIOD, BlockedTime, Watchdog

PLUGINS = {"te_sleepy": "plugin sleepy (te-sleepy)"}


# -- what counts


def test_a_watched_loop_without_beats_counts_as_blocked() -> None:
    blocked = BlockedTime()
    blocked.sample(beats=1, elapsed=PERIOD, waited=0)
    for number in range(1, 6):
        assert round(blocked.sample(beats=1, elapsed=PERIOD, waited=0), 6) == round(number * PERIOD, 6)
    assert blocked.sample(beats=2, elapsed=PERIOD, waited=0) == 0


@given(st.lists(st.floats(min_value=2.01 * PERIOD, max_value=10**6), max_size=20))
def test_time_while_the_process_was_stopped_counts_for_no_plugin(pauses: list[float]) -> None:
    blocked = BlockedTime()
    blocked.sample(beats=1, elapsed=PERIOD, waited=0)
    assert all(blocked.sample(beats=1, elapsed=pause, waited=0) == 0 for pause in pauses)


@given(st.lists(st.floats(min_value=0, max_value=2 * PERIOD), max_size=50))
def test_time_waiting_for_a_core_counts_for_no_plugin(intervals: list[float]) -> None:
    blocked, waited = BlockedTime(), 0.0
    blocked.sample(beats=1, elapsed=PERIOD, waited=waited)
    for elapsed in intervals:
        waited += elapsed
        assert blocked.sample(beats=1, elapsed=elapsed, waited=waited) < 1e-6


def test_waiting_for_a_core_never_decreases() -> None:
    own = threading.get_native_id()
    before = seconds_waited_for_a_core(own)
    os.sched_yield()
    assert 0 <= before <= seconds_waited_for_a_core(own)
    assert seconds_waited_for_a_core(2**30) == 0


class Suspended(SystemClock):
    """The machine's clock; ``seconds`` of suspensions are added."""

    seconds = 0.0

    def monotonic(self) -> float:
        return super().monotonic() + self.seconds

    def suspended(self) -> float:
        return super().suspended() + self.seconds


@pytest.mark.real_clock
async def test_a_suspension_does_not_count_as_lag_of_the_loop() -> None:
    clock, lags = Suspended(), []
    three = asyncio.Event()

    def lag(seconds: float) -> None:
        lags.append(seconds)
        clock.seconds += 7200
        if len(lags) == 3:
            three.set()

    watchdog = Watchdog(clock, logger, lambda _: None, lag)
    watchdog.start()
    await three.wait()
    watchdog.stop()
    assert max(lags) < 3600


# -- whose fault


def stacked(*modules: str) -> FrameType:
    """Return the innermost frame of calls through modules of those names, the outermost first."""
    inner: Callable[[], FrameType] = sys._getframe
    for module in reversed(modules):
        scope: dict[str, Any] = {"__name__": module, "inner": inner}
        code = compile("\n\ndef work():\n    return inner()\n", f"/site/{module}.py", "exec")
        exec(code, scope)
        inner = scope["work"]
    return inner()


def test_a_plugin_is_named_by_its_line_though_a_library_blocks() -> None:
    frame = stacked("te_core.runtime.sources", "te_sleepy.source", "urllib3.pool", "socket")
    assert culprit(frame, PLUGINS) == (
        "plugin sleepy (te-sleepy): work, /site/te_sleepy.source.py:4 (in work, /site/socket.py:4)"
    )


def test_of_two_calls_of_a_plugin_the_innermost_is_named() -> None:
    frame = stacked("te_sleepy", "te_core.outage", "te_sleepy.deeper", "time")
    assert culprit(frame, PLUGINS).startswith("plugin sleepy (te-sleepy): work, /site/te_sleepy.deeper.py:4")


def test_without_a_plugin_a_library_or_else_the_core_is_named() -> None:
    assert culprit(stacked("te_core.web", "aiohttp.web", "ssl"), PLUGINS).startswith("aiohttp: work")
    assert culprit(stacked("te_core.accounts.worker", "json"), {}).endswith("json.py:4)")


def test_a_package_whose_name_only_begins_alike_is_not_the_core() -> None:
    assert (
        culprit(stacked("te_core_helpers.deep"), {})
        == "te_core_helpers: work, /site/te_core_helpers.deep.py:4"
    )


def test_plugins_are_named_by_package_and_a_gone_thread_nobody() -> None:
    assert plugins_by_package()["te_exchange_paper"] == "plugin paper (te-exchange-paper)"
    gone = threading.Thread(target=int)
    gone.start()
    gone.join()
    assert executing(gone.ident or 0) == "nobody: the thread has ended"
