"""Plugins are imported on request, once, outside the event loop."""

from __future__ import annotations

import asyncio
import sys
import threading
from pathlib import Path

import pytest

from te_core.plugins.registry import Registry
from te_core.plugins.report import PluginStatus
from tests.plugins.conftest import GOOD, Install
from tests.settings.conftest import acme, oracle

LONG = 20
"""Seconds after which a test gives up; none waits that long."""

pytestmark = pytest.mark.real_clock


async def test_only_what_is_asked_for_is_imported(install: Install) -> None:
    install("one")
    install("two", "raise AssertionError('imported')")
    registry = Registry()
    await registry.ensure(["one"])
    assert registry.reports["two"].status is PluginStatus.INSTALLED
    assert "te_two_module" not in sys.modules
    assert set(registry.sources) == {"one"}


async def test_a_module_is_imported_once_however_often_it_is_asked_for(install: Install, site: Path) -> None:
    tell = "with open({file!r}, 'a') as count: count.write({mark!r})\n"
    install("one", tell.format(file=str(site / "count"), mark="x") + GOOD)
    install("bad", tell.format(file=str(site / "count"), mark="y") + "1 / 0\n")
    registry = Registry()
    await asyncio.gather(*(registry.ensure(["one", "bad"]) for _ in range(5)))
    await registry.ensure(["bad", "one"])
    assert (site / "count").read_text() == "xy"


async def test_the_import_runs_in_a_thread(install: Install) -> None:
    install("one", "import threading\nTHREAD = threading.current_thread().name\n" + GOOD)
    await Registry().ensure(["one"])
    assert sys.modules["te_one_module"].THREAD == "load one"


async def test_a_plugin_installed_while_we_run_is_found(install: Install) -> None:
    registry = Registry()
    await registry.ensure(["one"])
    assert registry.reports["one"].status == "missing"
    install("one")
    await registry.ensure(["one"])
    assert registry.reports["one"].status == "loaded"


BLOCKS = """
import te_gate
te_gate.entered.set()
te_gate.release.wait()
"""


class Gate:
    """A module that the plugin imports: it signals that it is blocked, until it is released."""

    def __init__(self) -> None:
        self.entered = threading.Event()
        self.release = threading.Event()


@pytest.fixture
def gate(monkeypatch: pytest.MonkeyPatch) -> Gate:
    gate = Gate()
    monkeypatch.setitem(sys.modules, "te_gate", gate)
    return gate


async def test_a_blocking_import_stalls_neither_loop_nor_other_plugins(install: Install, gate: Gate) -> None:
    install("aslow", BLOCKS + GOOD)
    install("quick")
    registry = Registry(import_timeout=0.05)
    late: asyncio.Queue[str] = asyncio.Queue()
    registry.on_late = late.put_nowait
    loading = asyncio.create_task(registry.ensure(["aslow", "quick"]))
    try:
        while not gate.entered.is_set():
            await asyncio.sleep(0)  # only continues because the loop is running
        await loading
        report = registry.reports["aslow"]
        assert report.status is PluginStatus.LOADING
        assert "takes longer than 0.05 s; it will be used once that finishes" in report.reason
        async with asyncio.timeout(LONG):  # on a busy machine the fast one may be late as well
            while "quick" not in registry.sources:
                await asyncio.sleep(0)
        assert "aslow" not in registry.sources
    finally:
        gate.release.set()
    async with asyncio.timeout(LONG):
        while await late.get() != "aslow":
            pass
    assert registry.reports["aslow"].status is PluginStatus.LOADED
    assert "aslow" in registry.sources


async def test_a_late_failure_is_reported_too(install: Install, gate: Gate) -> None:
    install("slow", BLOCKS + "1 / 0\n")
    registry = Registry(import_timeout=0.05)
    late: asyncio.Queue[str] = asyncio.Queue()
    registry.on_late = late.put_nowait
    await registry.ensure(["slow"])
    gate.release.set()
    async with asyncio.timeout(LONG):
        await late.get()
    assert registry.reports["slow"].status is PluginStatus.FAILED
    assert "ZeroDivisionError" in registry.reports["slow"].reason


async def test_a_cancelled_wait_for_an_import_lets_it_complete(install: Install, gate: Gate) -> None:
    install("slow", BLOCKS + GOOD)
    registry = Registry(import_timeout=LONG)
    loading = asyncio.create_task(registry.ensure(["slow"]))
    while not gate.entered.is_set():
        await asyncio.sleep(0)
    loading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await loading
    gate.release.set()
    async with asyncio.timeout(LONG):
        while "slow" not in registry.sources:
            await asyncio.sleep(0)


def test_a_program_ends_though_an_import_hangs(install: Install, gate: Gate) -> None:
    install("slow", BLOCKS + GOOD)
    asyncio.run(Registry(import_timeout=0.01).ensure(["slow"]))
    (thread,) = (thread for thread in threading.enumerate() if thread.name == "load slow")
    assert thread.daemon
    gate.release.set()
    thread.join(LONG)
    assert not thread.is_alive()


async def test_specs_at_hand_make_a_registry_without_any_import() -> None:
    registry = Registry.of(oracle(), acme())
    await registry.ensure(["oracle", "acme", "other"])
    assert (set(registry.sources), set(registry.exchanges)) == ({"oracle"}, {"acme"})
    assert registry.reports["other"].status is PluginStatus.MISSING
