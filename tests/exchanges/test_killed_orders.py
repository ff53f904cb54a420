"""``kill -9`` of the real program while every exchange has an order that is not answered yet (I2, I3)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from contextlib import AsyncExitStack
from decimal import Decimal
from functools import partial
from pathlib import Path

import pytest
import tomlkit

from te_emulators.core.faults import Fault, FaultKind
from te_emulators.venues import running
from te_emulators.wire.server import WireServer
from tests.end_to_end.engine_process import TIMEOUT, EngineProcess
from tests.end_to_end.home import PLAIN, TOKEN, Home
from tests.exchanges.trading import PLUGINS, account, held

pytestmark = pytest.mark.real_clock

SECRET = {"api_key", "secret", "passphrase"}


def home_at(folder: Path, servers: dict[str, WireServer]) -> Home:
    """One engine with an account at each exchange."""
    sections = {name: account(name, server) for name, server in servers.items()}
    plain = {n: {k: v for k, v in keys.items() if k not in SECRET} for n, keys in sections.items()}
    hidden = {n: {k: v for k, v in keys.items() if k in SECRET} for n, keys in sections.items()}
    home = Home(folder, {**PLAIN, "accounts": plain})
    home.write_secrets(tomlkit.dumps({"sources": {"tradingview": {"token": TOKEN}}, "accounts": hidden}))
    return home


async def until(look: Callable[[], bool]) -> None:
    async with asyncio.timeout(TIMEOUT):
        while not look():
            await asyncio.sleep(0.02)


def unanswered(servers: Iterable[WireServer], orders: int) -> bool:
    """Whether every exchange has left that many orders unanswered."""
    return all(server.exchange.counts.faults[FaultKind.TIMED_OUT] == orders for server in servers)


async def test_an_order_under_way_is_executed_once(tmp_path: Path) -> None:
    """Executed before the kill or never executed: the next start finds out before it sends anything."""
    async with AsyncExitStack() as stack:
        servers = {name: await stack.enter_async_context(running(name)) for name in PLUGINS}
        home = home_at(tmp_path / "home", servers)
        for kills, executed in enumerate((True, False), start=1):
            with EngineProcess(home) as engine:
                await asyncio.to_thread(engine.until_ready)
                for server in servers.values():
                    server.faults.add(
                        Fault(kind=FaultKind.TIMED_OUT, route="order", accepted=executed, seconds=TIMEOUT)
                    )
                size = f"{kills * 40}/100"
                await asyncio.to_thread(engine.accept, symbol="BTCUSDT.P", direction="long", size=size)
                await until(partial(unanswered, servers.values(), kills))
            with EngineProcess(home) as engine:
                await asyncio.to_thread(engine.until_ready)
                await asyncio.to_thread(engine.wait, engine.at_rest)
                state = await asyncio.to_thread(engine.state)
            for name, server in servers.items():
                target = state["accounts"][name]["targets"]["BTCUSDT"]
                assert Decimal(target["quantity"]) == held(server, "BTCUSDT") > 0, name
                assert server.exchange.counts.doubled == [], name
                assert sum(server.exchange.counts.executed.values()) == kills, name
