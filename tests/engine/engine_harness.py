"""An engine between sources and accounts that a test plays, on the virtual clock."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

from loguru import logger
from pydantic import BaseModel, SecretStr

from te_core.api import (
    AccountContext,
    Capabilities,
    ExchangeAccount,
    ExchangeSpec,
    Publication,
    Signal,
    SignalSource,
    SignalSourceSpec,
    SourceContext,
    WebhookRequest,
    WebhookResponse,
)
from te_core.journal.journal import Journal
from te_core.plugins.registry import Registry
from te_core.runtime.engine import Engine
from te_core.settings.resolution import Resolved, resolve
from te_core.settings.schema import Settings
from te_core.testing.fake_account import FakeAccount
from te_core.testing.virtual_clock import VirtualClock

D = Decimal


class Options(BaseModel):
    key: SecretStr = SecretStr("none")


class Trader:
    """Everything outside the engine: which sources and accounts were built, and what happens there."""

    def __init__(self, clock: VirtualClock) -> None:
        self.clock = clock
        self.sources: dict[str, SourceContext[Any]] = {}
        self.made: list[str] = []
        self.accounts: dict[str, FakeAccount] = {}
        self.failing: dict[str, Exception] = {}
        self.closing: Callable[[str], Awaitable[None]] | None = None
        self.capabilities = Capabilities()

    def source(self, context: SourceContext[Any]) -> SignalSource:
        trader = self

        class Source(SignalSource):
            async def run(self) -> None:
                if context.name in trader.failing:
                    raise trader.failing[context.name]
                await super().run()

            async def on_webhook(self, request: WebhookRequest) -> WebhookResponse:
                return WebhookResponse(status=200, body={"to": context.name})

            async def close(self) -> None:
                if trader.closing is not None:
                    await trader.closing(context.name)

        self.made.append(context.name)
        self.sources[context.name] = context
        return Source()

    def account(self, context: AccountContext[Any]) -> ExchangeAccount:
        self.made.append(context.name)
        if context.name in self.failing:
            raise self.failing[context.name]
        known = self.accounts.get(context.name)
        if known is None:
            known = FakeAccount(self.clock, BTCUSDT="50000", ETHUSDT="2500")
            self.accounts[context.name] = known
        return known

    def registry(self) -> Registry:
        return Registry.of(
            SignalSourceSpec(name="pushed", settings=Options, factory=self.source),
            ExchangeSpec(name="fake", settings=Options, factory=self.account, capabilities=self.capabilities),
        )

    async def say(self, source: str, depth: str, symbol: str = "BTCUSDT", **more: Any) -> Publication:
        now = self.clock.now()
        dedupe = more.pop("dedupe_for", None)
        signal = Signal(
            source=source,
            symbol=symbol,
            depth=D(depth),
            time=more.pop("time", now),
            received_at=now,
            **more,
        )
        return await self.sources[source].publish(signal, dedupe_for=dedupe)

    def held(self, account: str = "one", symbol: str = "BTCUSDT") -> Decimal:
        return self.accounts[account].quantity(symbol)


BASE: dict[str, Any] = {
    "sources": {"tv": {"plugin": "pushed"}, "sn": {"plugin": "pushed"}},
    "accounts": {
        "one": {"plugin": "fake", "observe": False},
        "two": {"plugin": "fake", "observe": False, "leverage": 2},
    },
    "symbols": {
        "BTCUSDT": {"leverage": 1, "weights": {"tv": 0.5, "sn": 0.25}},
        "ETHUSDT": {"leverage": 1, "weights": {"tv": 0.25}},
    },
}


def changed(base: Mapping[str, Any], path: str, value: Any) -> dict[str, Any]:
    """Copy settings with one key changed; None removes it."""
    head, _, tail = path.partition(".")
    copy = dict(base)
    if tail:
        copy[head] = changed(copy.get(head, {}), tail, value)
    elif value is None:
        copy.pop(head, None)
    else:
        copy[head] = value
    return copy


class Running:
    def __init__(self, engine: Engine, trader: Trader, journal: Journal, registry: Registry) -> None:
        self.engine = engine
        self.trader = trader
        self.journal = journal
        self.registry = registry

    def resolved(self, settings: Mapping[str, Any]) -> Resolved:
        return resolve(Settings.model_validate(settings), self.registry)

    async def apply(self, settings: Mapping[str, Any], wait: float = 2) -> None:
        await self.engine.apply(self.resolved(settings))
        await asyncio.sleep(wait)


@asynccontextmanager
async def running(folder: Path, trader: Trader, settings: Mapping[str, Any] = BASE) -> AsyncIterator[Running]:
    journal = Journal.open(folder / "j.sqlite3", clock=trader.clock, new_id=lambda: "j", inline=True)
    registry = trader.registry()
    engine = Engine(journal=journal, registry=registry, clock=trader.clock, log=logger, state_dir=folder)
    run = Running(engine, trader, journal, registry)
    await engine.start(run.resolved(settings))
    await asyncio.sleep(1)
    try:
        yield run
    finally:
        await engine.stop()
        journal.close()
