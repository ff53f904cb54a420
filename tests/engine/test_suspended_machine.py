"""A machine that was suspended, or a virtual machine that was paused: what was known before proves nothing any more."""

from __future__ import annotations

import asyncio
import shutil
import subprocess
import sys
import time
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from te_core.clock import SystemClock
from te_core.model.control import Action
from tests.engine.engine_harness import Running, Trader, running
from tests.engine.scene import Scene, scene
from tests.engine.test_wall_clock import keys, kinds

D = Decimal
HOUR = 3600


def sleep_for_hours(world: Scene, how: str) -> None:
    """Suspend the machine, or pause it: then its clocks stand still, and the wall clock is corrected afterwards."""
    if how == "suspended":
        world.clock.suspend(2 * HOUR)
    else:
        world.clock.shift += timedelta(hours=2)


@pytest.mark.parametrize("how", ["suspended", "paused"])
@pytest.mark.parametrize("streams", [True, False], ids=["streams", "reads"])
async def test_an_alert_after_it_is_sized_by_what_is_read_then(
    tmp_path: Path, how: str, streams: bool
) -> None:
    """The operator closed the position by telephone meanwhile, and the price halved; no push can have told so."""
    async with scene(tmp_path, streams=streams) as world:
        await world.say("0.25", wait=12)
        assert world.held() == D("0.05")
        sleep_for_hours(world, how)
        world.exchange().silent = True
        world.exchange().hold("BTCUSDT", "0")
        world.exchange().price["BTCUSDT"] = D(25_000)
        await world.say("0.5", wait=30)
        first = world.sent()[1]
        assert first.quantity == D("0.2"), "half of 10,000 at 25,000, from flat; not 0.1 less 0.05"
        assert world.held() == D("0.2")


async def test_what_expired_meanwhile_ends_soon_after_waking(tmp_path: Path, trader: Trader) -> None:
    """The event loop's timers stood still: one set for an hour would be two hours late."""
    async with running(tmp_path, trader, keys(on_expiry="flat", max_age="1h")) as run:
        await trader.say("tv", "1")
        await asyncio.sleep(60)
        trader.clock.suspend(2 * HOUR)
        await asyncio.sleep(90)
        assert trader.held() == 0
        assert kinds(run, "clock", "expired") == ["clock", "expired"]
        assert "suspended for 2:00:00" in _texts(run, "clock")[0]


async def test_a_depth_by_hand_ends_soon_after_waking(tmp_path: Path) -> None:
    async with scene(tmp_path) as world:
        command = {"symbol": "BTCUSDT", "depth": D("0.5"), "lasts": timedelta(hours=1)}
        await world.command(Action.TARGET, "one", wait=30, **command)
        assert world.held() == D("0.1")
        world.clock.suspend(2 * HOUR)
        await asyncio.sleep(90)
        assert world.held() == 0


async def test_a_source_is_not_silent_because_the_engine_was(tmp_path: Path, trader: Trader) -> None:
    """What it sent meanwhile was missed, as while the engine is stopped: it counts from the moment of waking."""
    async with running(tmp_path, trader, keys(on_expiry="flat", expect_every="1h")) as run:
        await trader.say("tv", "1")
        await asyncio.sleep(60)
        trader.clock.suspend(2 * HOUR)
        await trader.say("tv", "1", symbol="ETHUSDT")
        for _ in range(50):
            await asyncio.sleep(60)
            assert trader.held() == D("0.1")
        assert kinds(run, "silent") == []
        await asyncio.sleep(HOUR)
        assert trader.held() == 0
        assert kinds(run, "silent") == ["silent"]


async def test_a_source_due_while_asleep_has_its_time_after_waking(tmp_path: Path, trader: Trader) -> None:
    """Although the timer that looks for silent sources is the first to run then."""
    async with running(tmp_path, trader, keys(expect_every="3605s")) as run:
        await asyncio.sleep(HOUR - trader.clock.monotonic())
        trader.clock.suspend(2 * HOUR)
        await asyncio.sleep(HOUR)
        assert kinds(run, "silent") == []
        await asyncio.sleep(60)
        assert kinds(run, "silent") == ["silent"]


async def test_a_source_that_stays_silent_after_waking_is_reported(tmp_path: Path, trader: Trader) -> None:
    async with running(tmp_path, trader, keys(on_expiry="flat", expect_every="1h")) as run:
        await trader.say("tv", "1")
        await asyncio.sleep(60)
        trader.clock.suspend(2 * HOUR)
        await asyncio.sleep(HOUR - 60)
        assert trader.held() == D("0.1")
        await asyncio.sleep(120)
        assert trader.held() == 0
        assert kinds(run, "silent") == ["silent"]


def test_the_machine_s_clock_runs_on_while_it_is_suspended(monkeypatch: pytest.MonkeyPatch) -> None:
    """``time.monotonic`` does not on Linux and macOS, which is why ages must not be measured with it."""
    awake = time.monotonic()
    boot = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
    monkeypatch.setattr(time, "monotonic", lambda: awake)
    monkeypatch.setattr(
        time, "clock_gettime", lambda clock: {boot: awake + 2 * HOUR}.get(clock, float("nan"))
    )
    assert SystemClock().monotonic() == awake + 2 * HOUR
    assert round(SystemClock().suspended()) == 2 * HOUR


@pytest.mark.skipif(
    shutil.which("unshare") is None, reason="no unshare, which makes time namespaces on Linux"
)
def test_ages_include_what_the_kernel_counts_as_suspended() -> None:
    """A time namespace shows a process the clocks of a machine that was suspended for two hours."""
    code = "from te_core.clock import SystemClock as C; print(C().suspended())"
    shown = subprocess.run(
        ["unshare", "--time", f"--boottime={2 * HOUR}", "--fork", sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=False,
    )
    if shown.returncode and "unshare" in shown.stderr:
        pytest.skip(f"time namespaces need Linux and root: {shown.stderr.strip()}")
    here = SystemClock().suspended()
    assert abs(float(shown.stdout) - here - 2 * HOUR) < 1


def _texts(run: Running, kind: str) -> list[str]:
    return [event.text for event in run.journal.events(99) if event.kind == kind]
