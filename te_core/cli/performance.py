"""Runs the demonstration: an engine in this process, alerts through its listener, and the resulting positions."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from decimal import Decimal
from itertools import count
from pathlib import Path
from typing import Any

from te_core.app.application import Application
from te_core.app.paths import Paths
from te_core.app.summary import until_connected
from te_core.cli.client import request
from te_core.cli.explain import explanation_lines
from te_core.cli.failure import Failure
from te_core.cli.output import print_lines, show, table
from te_core.clock import SystemClock
from te_core.logs import flush_logs
from te_core.plugins.registry import Registry
from te_core.settings.secrets import random_secret
from te_core.setup.tape import SETTINGS, SOURCE, TAPE, Alert
from te_core.web.encoding import encode

_POLL = 0.02
"""Seconds between two checks whether the accounts are at their targets."""

_LONGEST = 10.0
"""Maximum seconds to wait for an alert's effect."""

Positions = Mapping[tuple[str, str], Decimal]


async def perform(folder: Path, seconds: float) -> None:
    """Play the tape within ``seconds``. Raises ``Failure`` if a plugin that it needs is not installed."""
    async with _engine(folder) as application:
        _introduce(application, seconds)
        began = asyncio.get_running_loop().time()
        for alert in TAPE:
            due = began + alert.at * seconds
            await asyncio.sleep(max(0.0, due - asyncio.get_running_loop().time()))
            await _play(application, alert, alert.at * seconds)
            if alert is TAPE[0]:
                _explain(application, alert)
        _conclude(application)


@asynccontextmanager
async def _engine(folder: Path) -> AsyncIterator[Application]:
    settings = folder / "settings.toml"
    settings.write_text(SETTINGS, encoding="utf-8")
    numbers = count(1)
    application = Application(
        Paths(settings, folder / "state"),
        env={},
        clock=SystemClock(),
        new_id=lambda: f"demo-{next(numbers)}",
        new_secret=random_secret,
        registry=Registry(),
    )
    await application.start()
    try:
        await until_connected(application.queries, _LONGEST)
        _require_all(application)
        yield application
    finally:
        await application.stop()
        flush_logs(_POLL)


def _require_all(application: Application) -> None:
    state = application.queries.state()
    for kind in ("sources", "accounts"):
        for instance in state[kind].values():
            if instance["status"] == "unavailable":
                raise Failure(f"plugin {instance['plugin']}: {instance['reason']}", next_step="te plugins")


async def _play(application: Application, alert: Alert, at: float) -> None:
    """Send an alert as TradingView would, and print what each account holds afterwards."""
    before = _positions(application)
    print_lines("", f"{at:3.0f} s  {alert}", bold=True)
    print_lines(f"       {alert.why}")
    status, answer = await _send(application, alert)
    if status != 200:
        reason = answer.get("error", {}).get("reason", "") if isinstance(answer, dict) else ""
        print_lines(f"       answered {status}: {reason}")
        return
    await _until_at_rest(application)
    after = _positions(application)
    moved = [key for key in {**before, **after} if before.get(key) != after.get(key)]
    for account, symbol in moved:
        old, new = (held.get((account, symbol), Decimal(0)) for held in (before, after))
        print_lines(f"       {account:<6} {symbol:<8} {old:>8f}  ->  {new:f}")
    if not moved:
        print_lines(f"       answered {status}, {answer.get('status', '')}")


async def _send(application: Application, alert: Alert) -> tuple[int, Any]:
    assert application.engine is not None
    assert application.engine.resolved is not None
    webhook = application.registry.sources[SOURCE].webhook
    assert webhook is not None
    path = webhook.path(application.engine.resolved.source_options[SOURCE])
    return await asyncio.to_thread(
        request,
        application.servers.public.url,
        f"/hooks/{SOURCE}{path}",
        body=encode(alert.message()).encode(),
        headers={"Content-Type": "application/json"},
    )


async def _until_at_rest(application: Application) -> None:
    for _ in range(int(_LONGEST / _POLL)):
        accounts = application.queries.state()["accounts"].values()
        if all(target["confirmed"] for account in accounts for target in account["targets"].values()):
            return
        await asyncio.sleep(_POLL)


def _positions(application: Application) -> Positions:
    return {
        (name, symbol): Decimal(position["size"])
        for name, account in application.queries.state()["accounts"].items()
        for symbol, position in account["positions"].items()
    }


# -- introduction and conclusion


def _introduce(application: Application, seconds: float) -> None:
    accounts = application.queries.state()["accounts"]
    held = " and ".join(f"{name} ({account['equity']} USDT)" for name, account in accounts.items())
    print_lines(f"An engine with two paper accounts, {held}, in a temporary folder.")
    print_lines(
        f"{len(TAPE)} alerts in {seconds:g} s arrive at {application.servers.public.url}. Ctrl-C ends it."
    )


def _explain(application: Application, alert: Alert) -> None:
    symbol = application.settings.sources[SOURCE].symbols[alert.symbol]
    found = application.queries.explain(symbol)
    name, first = next(iter(found["accounts"].items()))
    print_lines(f"       why, as te explain {symbol} shows it:")
    print_lines(*(f"         {line}" for line in explanation_lines(name, first, found["signals"])))


def _conclude(application: Application) -> None:
    state = application.queries.state()
    rows = [
        (name, account["equity"], ", ".join(account["positions"]) or "nothing")
        for name, account in state["accounts"].items()
    ]
    print_lines("")
    show(table("At the end", ("account", "equity", "holds"), rows))
