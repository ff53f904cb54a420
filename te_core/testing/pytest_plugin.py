"""Run ``async def`` tests on the virtual clock, or on another loop if they are marked.

``real_clock``: on a real loop. ``wired_clock``: with real sockets, on virtual time.
"""

from __future__ import annotations

import asyncio
import inspect

import pytest

from te_core.testing import virtual_clock, wired_loop


def pytest_configure(config: pytest.Config) -> None:
    """Register the markers, for projects that do not."""
    config.addinivalue_line("markers", "real_clock: runs on a real event loop (sockets, processes)")
    config.addinivalue_line("markers", "wired_clock: runs with real sockets on loopback, on virtual time")


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """Run a coroutine test to its end."""
    if not inspect.iscoroutinefunction(pyfuncitem.obj):
        return None
    names = pyfuncitem._fixtureinfo.argnames  # noqa: SLF001 - pytest offers no public list of them
    call = pyfuncitem.obj(**{name: pyfuncitem.funcargs[name] for name in names})
    if pyfuncitem.get_closest_marker("real_clock"):
        asyncio.run(call)
    elif pyfuncitem.get_closest_marker("wired_clock"):
        wired_loop.run(call)
    else:
        virtual_clock.run(call)
    return True
