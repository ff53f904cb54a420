"""An account that cannot be used stops and reports what to do; all others trade on, even at its own exchange."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AsyncExitStack
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from te_core.runtime.supervisor import Running
from te_core.settings.resolution import resolve
from te_emulators.core.modes import PositionMode
from te_emulators.venues import running
from te_emulators.wire.server import WireServer
from tests.exchanges.trading import PLUGINS, Trading, account, held, keys, quick, spec_of

pytestmark = pytest.mark.real_clock

WRONG = {
    "hedged": ("hedge mode", "switch it to one-way mode"),
    "keyless": ("check api_key",),
}
"""Accounts of each exchange other than the one that trades, and what the operator hears about them."""


BY_SYMBOL = {"bybit"}
"""Where a position mode belongs to a symbol, and holds that one alone."""


def settings(servers: Mapping[str, WireServer]) -> dict[str, Any]:
    """Three accounts at each exchange: one that trades, one in hedge mode, and one with a wrong key."""
    accounts = {}
    for exchange, server in servers.items():
        hedged = server.exchange.open_account("hedged", key="H", secret="HS")
        hedged.default_position_mode = PositionMode.HEDGE
        accounts[exchange] = account(exchange, server, streams=False)
        accounts[f"{exchange}-hedged"] = {**accounts[exchange], **keys(server, "hedged")}
        accounts[f"{exchange}-keyless"] = {**accounts[exchange], "api_key": "none-such"}
    return {"accounts": accounts, "symbols": {"BTCUSDT": {"weights": {"said": 1}}}}


async def put_right(harness: Trading, servers: Mapping[str, WireServer]) -> None:
    """Remove the accounts with a wrong key from the settings, and switch the others out of hedge mode."""
    for server in servers.values():
        assert server.exchange.accounts["hedged"].orders == {}
        server.exchange.accounts["hedged"].default_position_mode = PositionMode.ONE_WAY
    accounts = {n: s for n, s in harness.settings.accounts.items() if not n.endswith("keyless")}
    harness.settings = harness.settings.model_copy(update={"accounts": accounts})
    await harness.engine.apply(resolve(harness.settings, harness.registry))
    for exchange in PLUGINS:
        harness.engine.resume("accounts", f"{exchange}-hedged")


async def test_wrong_keys_and_hedge_mode_stop_only_their_own_account(
    tmp_path: Path,
) -> None:
    async with AsyncExitStack() as stack:
        servers = {exchange: await stack.enter_async_context(running(exchange)) for exchange in PLUGINS}
        harness = Trading(tmp_path, settings(servers), *(quick(spec_of(exchange)) for exchange in PLUGINS))
        stack.push_async_callback(harness.stop)
        await harness.engine.start(resolve(harness.settings, harness.registry))
        runners = harness.engine.accounts
        stopped = {
            (e, why): runners[f"{e}-{why}"]
            for e in PLUGINS
            for why in WRONG
            if (e, why) not in {(name, "hedged") for name in BY_SYMBOL}
        }
        await harness.until(
            lambda: all(runner.health.status is Running.FAILING for runner in stopped.values()),
            "those to stop",
        )
        for (_, why), runner in stopped.items():
            assert all(words in runner.health.reason for words in WRONG[why])
        await harness.until(
            lambda: all(runners[e].health.status is Running.RUNNING for e in PLUGINS), "the others"
        )
        await harness.say({"BTCUSDT": "0.2"})
        await harness.until(
            lambda: all(held(servers[e], "BTCUSDT") > 0 for e in PLUGINS), "the others to trade"
        )
        for exchange in BY_SYMBOL:
            keeper = runners[f"{exchange}-hedged"].worker.keepers["BTCUSDT"]
            await harness.until(lambda keeper=keeper: "hedge mode" in keeper.reason, "the symbol to be held")
        await put_right(harness, servers)
        await harness.until(
            lambda: all(held(servers[e], "BTCUSDT", "hedged") > Decimal(0) for e in PLUGINS), "all to trade"
        )
        assert [server.exchange.counts.doubled for server in servers.values()] == [[]] * len(PLUGINS)
