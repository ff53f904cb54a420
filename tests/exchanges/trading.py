"""The real engine in this process, with accounts at emulated exchanges."""

from __future__ import annotations

import asyncio
import importlib
from collections import defaultdict
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from loguru import logger
from pydantic import BaseModel

from te_core.accounts.keeper import Keeper
from te_core.api import Capabilities, ExchangeSpec, Signal, SignalSource, SignalSourceSpec, SourceContext
from te_core.clock import SystemClock
from te_core.journal.journal import Journal
from te_core.model.event import Event
from te_core.plugins.registry import Registry
from te_core.reporting.readiness import readiness
from te_core.runtime.engine import Engine
from te_core.runtime.supervisor import Running
from te_core.settings.resolution import resolve
from te_core.settings.schema import Settings
from te_emulators.wire.server import WireServer

PLUGINS = {
    "bybit": "te_exchange_bybit.plugin:BYBIT",
    "blofin": "te_exchange_blofin.plugin:BLOFIN",
    "kucoin": "te_exchange_kucoin.plugin:KUCOIN",
    "mexc": "te_exchange_mexc.plugin:MEXC",
}
"""The exchanges with a plugin of their own, and the module of its spec."""

NOTHING = Decimal(0)
ENGINE = {"resync": "250ms", "backoff_first": "50ms", "backoff_last": "250ms"}
VISIBILITY_WINDOW = timedelta(seconds=1)
"""How long an order may be in transit on loopback, instead of on the internet."""


def spec_of(exchange: str) -> ExchangeSpec[Any]:
    """The plugin's own spec."""
    module, _, name = PLUGINS[exchange].partition(":")
    spec: ExchangeSpec[Any] = getattr(importlib.import_module(module), name)
    return spec


def quick(spec: ExchangeSpec[Any]) -> ExchangeSpec[Any]:
    """The same exchange, with short windows."""

    def near(capabilities: Capabilities) -> Capabilities:
        return replace(capabilities, visibility_window=min(capabilities.visibility_window, VISIBILITY_WINDOW))

    by = spec.capabilities_by
    return replace(
        spec,
        capabilities=near(spec.capabilities),
        capabilities_by=None if by is None else lambda options: near(by(options)),
    )


class NoOptions(BaseModel):
    """No options."""


class Said(SignalSource):
    """Publishes what the test passes to it."""

    def __init__(self, context: SourceContext[NoOptions]) -> None:
        self.context = context


class Trading:
    """An engine with one source; ``said`` is what the test publishes."""

    def __init__(self, folder: Path, settings: Mapping[str, Any], *specs: ExchangeSpec[Any]) -> None:
        self._said: Said
        self.clock = SystemClock()
        self.settings = Settings.model_validate(
            {"sources": {"said": {"plugin": "said"}}, "engine": ENGINE, **settings}
        )
        self.registry = Registry.of(
            SignalSourceSpec(name="said", settings=NoOptions, factory=self._source), *specs
        )
        self.journal = Journal.open(folder / "journal.sqlite3", clock=self.clock, new_id=lambda: "exchanges")
        self.engine = Engine(
            journal=self.journal, registry=self.registry, clock=self.clock, log=logger, state_dir=folder
        )

    def _source(self, context: SourceContext[NoOptions]) -> Said:
        self._said = Said(context)
        return self._said

    async def start(self) -> None:
        """Start, and wait until every account is connected."""
        await self.engine.start(resolve(self.settings, self.registry))
        await self.until(lambda: readiness(self.engine)["ready"], "the accounts to connect")

    async def stop(self) -> None:
        """Stop and close the journal."""
        await self.engine.stop()
        self.journal.close()

    async def say(self, depths: Mapping[str, str], leverage: int = 2) -> None:
        """Publish a signal per symbol."""
        now = self.clock.now()
        for symbol, depth in depths.items():
            signal = Signal(
                source="said",
                symbol=symbol,
                depth=Decimal(depth),
                leverage=Decimal(leverage),
                time=now,
                received_at=now,
            )
            await self._said.context.publish(signal)

    def states(self) -> list[Keeper]:
        """The engine's state of each account's symbols."""
        runners = self.engine.accounts.values()
        return [state for runner in runners for state in runner.worker.keepers.values()]

    def well(self) -> bool:
        """Whether every account is running and at its targets, without an outage."""
        runners = self.engine.accounts.values()
        return all(state.confirmed and state.task is None for state in self.states()) and all(
            runner.health.status is Running.RUNNING and not runner.worker.last_error() for runner in runners
        )

    async def until_confirmed(self, timeout: float = 20) -> None:
        """Wait until everything is healthy."""
        await self.until(self.well, "every target to be confirmed", timeout)

    async def until(self, done: Any, what: str, timeout: float = 20) -> None:
        """Wait for a condition; fail with the engine's own reasons."""
        try:
            async with asyncio.timeout(timeout):
                while not done():
                    await asyncio.sleep(0.01)
        except TimeoutError:
            reasons = {state.symbol: f"{state.status} {state.reason}" for state in self.states()}
            said = [f"{event.kind}: {event.text}" for event in self.events()]
            raise AssertionError(
                f"waited {timeout} s for {what}: {readiness(self.engine)}, {reasons}, {said}"
            ) from None

    def events(self) -> list[Event]:
        """The journal's events, oldest first."""
        return list(reversed(self.journal.events(1000)))


def keys(server: WireServer, account: str = "main") -> dict[str, object]:
    """An account's settings for an emulator."""
    (key,) = server.exchange.accounts[account].keys
    return {"url": server.url, "ws_url": server.ws_url, "api_key": key.key, "secret": key.secret}


def account(exchange: str, server: WireServer, **options: object) -> dict[str, object]:
    """The section of one account at an emulator."""
    found = {"plugin": exchange, "observe": False, **keys(server), **options}
    if "password" in spec_of(exchange).settings.credentials:
        found["passphrase"] = "P"
    return found


def held(server: WireServer, symbol: str, account: str = "main") -> Decimal:
    """What an account truly holds of an engine symbol, base units."""
    coin = server.exchange.accounts[account].coin
    found = server.exchange.market.by_base(symbol.removesuffix(coin), coin)
    return server.exchange.accounts[account].size(found.symbol) * found.contract_size


def assert_at_goals(harness: Trading, server: WireServer, *, taken_away: bool = False) -> None:
    """Check by the exchange's own books that positions are at their targets.

    ``taken_away``: others may have closed positions or parts of them; what is missing then is left, and shown (I18).
    """
    for state in harness.states():
        assert state.goal is not None
        step, wanted, found = state.goal.quantity_step, state.goal.quantity, held(server, state.symbol)
        if taken_away and state.status == "drift":
            assert min(wanted, NOTHING) <= found <= max(wanted, NOTHING), (
                f"{state.symbol}: {found} of {wanted}"
            )
            assert state.position is not None
            assert f"position is {state.position.quantity:f}" in state.reason
            assert state.position.quantity == found
            continue
        assert abs(found - wanted) <= max(step, abs(wanted) / 1000), f"{state.symbol}: {found} of {wanted}"


def outages(events: Sequence[Event]) -> Mapping[str, list[str]]:
    """Return starts and ends of outages by what failed, an account or a symbol's orders; ``events`` oldest first."""
    found: dict[str, list[str]] = defaultdict(list)
    for event in events:
        if event.kind in ("outage", "recovery"):
            found[f"{event.account} {event.symbol or ''}"].append(event.kind)
    return found


@asynccontextmanager
async def trading(
    folder: Path, settings: Mapping[str, Any], *specs: ExchangeSpec[Any]
) -> AsyncIterator[Trading]:
    """Run an engine."""
    made = Trading(folder, settings, *specs)
    try:
        await made.start()
        yield made
    finally:
        await made.stop()
