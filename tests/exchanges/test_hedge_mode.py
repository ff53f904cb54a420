"""An account in hedge mode stops and says what to change; all others trade on, at its own exchange too."""

from __future__ import annotations

from contextlib import AsyncExitStack
from decimal import Decimal
from pathlib import Path

import pytest

from te_core.engine.supervisor import Running
from te_core.settings.resolution import resolve
from tests.emulators.core.modes import PositionMode
from tests.emulators.venues import running
from tests.exchanges.trading import PLUGINS, Trading, account, held, keys, quick, spec_of

pytestmark = pytest.mark.real_clock


async def test_accounts_in_hedge_mode_stop_alone_and_start_once_put_right(tmp_path: Path) -> None:
    async with AsyncExitStack() as stack:
        servers = {exchange: await stack.enter_async_context(running(exchange)) for exchange in PLUGINS}
        accounts = {}
        for exchange, server in servers.items():
            hedged = server.exchange.open_account("hedged", key="H", secret="HS")
            hedged.default_position_mode = PositionMode.HEDGE
            accounts[exchange] = account(exchange, server, streams=False)
            accounts[f"{exchange}-hedged"] = {**accounts[exchange], **keys(server, "hedged")}
        settings = {"accounts": accounts, "symbols": {"BTCUSDT": {"weights": {"said": 1}}}}
        desk = Trading(tmp_path, settings, *(quick(spec_of(exchange)) for exchange in PLUGINS))
        stack.push_async_callback(desk.stop)
        await desk.engine.start(resolve(desk.settings, desk.registry))
        runners = desk.engine.accounts
        stopped = [runners[f"{exchange}-hedged"] for exchange in PLUGINS]
        await desk.until(lambda: all(r.health.status is Running.STOPPED for r in stopped), "those to stop")
        for runner in stopped:
            assert "hedge mode" in runner.health.reason
            assert "switch it to one-way mode" in runner.health.reason
        await desk.until(
            lambda: all(runners[e].health.status is Running.RUNNING for e in PLUGINS), "the others"
        )
        await desk.say({"BTCUSDT": "0.2"})
        await desk.until(lambda: all(held(servers[e], "BTCUSDT") > 0 for e in PLUGINS), "the others to trade")
        for server in servers.values():
            assert server.exchange.accounts["hedged"].orders == {}
            server.exchange.accounts["hedged"].default_position_mode = PositionMode.ONE_WAY
        noted = {**desk.settings.accounts}
        changed = noted["bybit-hedged"].model_copy(update={"concurrency": 5})
        desk.settings = desk.settings.model_copy(update={"accounts": {**noted, "bybit-hedged": changed}})
        await desk.engine.apply(resolve(desk.settings, desk.registry))
        await desk.settled()
        for server in servers.values():
            assert held(server, "BTCUSDT", "hedged") > Decimal(0)
            assert server.exchange.counts.doubled == []
