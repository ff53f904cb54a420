"""ccxt is loaded by the first account that needs it, in a thread, and by nothing else."""

from __future__ import annotations

import asyncio
import subprocess
import sys

import pytest

from te_core.api import ConfigError
from te_exchange_ccxt.lazy_ccxt import exchange_class

LOADED = "import sys; print(sorted(name for name in sys.modules if name.split('.')[0] == 'ccxt'))"


@pytest.mark.real_clock
@pytest.mark.parametrize("module", ["te_core.api", "te_exchange_ccxt.plugin", "te_exchange_ccxt.api"])
async def test_describing_the_plugin_loads_no_ccxt(module: str) -> None:
    found = subprocess.run(
        [sys.executable, "-c", f"import {module}; {LOADED}"], capture_output=True, text=True, check=True
    )
    assert found.stdout.strip() == "[]"


LAZY = """
import asyncio, threading, sys
from te_exchange_ccxt.lazy_ccxt import exchange_class
seen = []
class Finder:
    def find_spec(self, name, path=None, target=None):
        if name == "ccxt":
            seen.append(threading.current_thread() is threading.main_thread())
sys.meta_path.insert(0, Finder())
ticks = 0
async def tick():
    global ticks
    while True:
        await asyncio.sleep(0.005)
        ticks += 1
async def main():
    ticking = asyncio.create_task(tick())
    await asyncio.gather(*(exchange_class("bybit") for _ in range(5)))
    ticking.cancel()
    print(seen, ticks > 0)
asyncio.run(main())
"""


@pytest.mark.real_clock
async def test_a_thread_imports_it_once_while_the_engine_goes_on() -> None:
    found = subprocess.run([sys.executable, "-c", LAZY], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[False] True"


@pytest.mark.real_clock
async def test_an_unknown_exchange_is_named_with_what_was_meant() -> None:
    with pytest.raises(ConfigError, match="does not support the exchange 'bibit'; did you mean 'bybit'"):
        await exchange_class("bibit")


@pytest.mark.real_clock
async def test_classes_with_streams_are_preferred() -> None:
    first, again = await asyncio.gather(exchange_class("bybit"), exchange_class("bybit"))
    assert first is again
    assert first.__module__.startswith("ccxt.pro")
