"""Exchanges, accounts, settings and one engine: the world of a weekend."""

from __future__ import annotations

import asyncio
import importlib
import itertools
import json
import os
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from unittest.mock import patch

from aiohttp import ClientError, ClientSession
from loguru import _datetime, _logger, logger

from te_core.app import application as app
from te_core.app.paths import Paths
from te_core.journal.journal import Journal
from te_core.model.control import Action, Command
from te_core.plugins.registry import Registry
from te_core.settings.peek import SECRETS_FILE
from te_core.settings.schema import Settings
from te_emulators.core import margin
from te_emulators.core.account import Account
from te_emulators.core.clock import ExchangeClock
from te_emulators.core.faults import Fault, FaultScript
from te_emulators.venues import server
from te_emulators.wire.server import WireServer
from tests.weekend.loop import WiredClock

ZERO = Decimal(0)
SYMBOLS = {"BTCUSDT": Decimal(65_000), "ETHUSDT": Decimal(3_400), "SOLUSDT": Decimal(150)}
PLUGINS = ("bybit", "kucoin", "blofin", "paper", "tradingview")
ACCOUNTS = {
    "bybit-main": ("bybit", "main"),
    "bybit-second": ("bybit", "second"),
    "kucoin": ("kucoin", "main"),
    "blofin": ("blofin", "main"),
}
"""The exchange of each account of the settings, and its name there; ``paper`` has none."""
TOKENS = {"tradingview": "tradingview-token-0123456789", "swing": "swing-token-0123456789-abcdef"}
BALANCE = Decimal(10_000)

SETTINGS = """
[listen.public]
port = 0
[listen.private]
port = 0
[engine]
resync = "2m"
[logs]
file = "engine.log"
format = "json"

[sources.tradingview]
plugin = "tradingview"
[sources.tradingview.symbols]
{mapping}
[sources.swing]
plugin = "tradingview"
[sources.swing.symbols]
{mapping}

{accounts}
[accounts.paper]
plugin = "paper"
balance = 10000

{symbols}
"""


class QuietWatchdog:
    """Replaces the watchdog of the loop: seconds are not real here."""

    def __init__(self, *_: object) -> None:
        self.start = self.stop = lambda: None


class Engine(app.Application):
    """The application, with the journal on the loop: a thread's work would take no time."""

    def _open_journal(self, settings: Settings) -> Journal:
        return Journal.open(
            self.paths.state / settings.journal.file,
            clock=self._clock,
            new_id=self._new_id,
            quarantine_limit=settings.journal.quarantine,
            redact=self.redactor.redact,
            on_problem=self._journal_changed,
            inline=True,
        )


class World:
    """Exchanges and engine. Prices are those of the engine's symbols, the same everywhere."""

    def __init__(self, folder: Path, clock: WiredClock, registry: Registry, *, latency: float) -> None:
        self.folder, self.clock, self._registry = folder, clock, registry
        self.exchanges: dict[str, WireServer] = {}
        self.prices = dict(SYMBOLS)
        self.engine: Engine | None = None
        self.answers: list[int] = []
        """The response status of each alert, in order; 0 without a response."""
        self.answer: Mapping[str, Any] = {}
        """The last response to an alert."""
        self._latency = latency
        self._ids = itertools.count(1)
        self._http: ClientSession

    # -- exchanges

    async def open(self, started: AsyncExitStack) -> None:
        """Start the exchanges and write the settings."""
        for name in dict.fromkeys(exchange for exchange, _ in ACCOUNTS.values()):
            clock = ExchangeClock(wall=lambda: self.clock.now().timestamp(), monotonic=self.clock.monotonic)
            made = server(name, clock=clock, faults=FaultScript(), latency=self._latency, balance=BALANCE)
            if name == "bybit":
                made.exchange.open_account("second", key="K2", secret="S2", balance=BALANCE)
            await made.start()
            started.push_async_callback(made.stop)
            self.exchanges[name] = made
        for symbol, price in SYMBOLS.items():
            self.set_price(symbol, price)
        self._http = await started.enter_async_context(ClientSession())
        self._write()

    def _write(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        accounts, secrets = [], [f'[sources.{name}]\ntoken = "{token}"' for name, token in TOKENS.items()]
        for name, (exchange, owner) in ACCOUNTS.items():
            made = self.exchanges[exchange]
            (key,) = made.exchange.accounts[owner].keys
            accounts.append(
                f'[accounts.{name}]\nplugin = "{exchange}"\nobserve = false\n'
                f'url = "{made.url}"\nws_url = "{made.ws_url}"\n'
            )
            words = {"api_key": key.key, "secret": key.secret, "passphrase": key.passphrase}
            if exchange == "bybit":
                del words["passphrase"]
            secrets.append(f"[accounts.{name}]\n" + "\n".join(f'{k} = "{v}"' for k, v in words.items()))
        weights = "leverage = 3\nweights = { tradingview = 0.15, swing = 0.1 }"
        text = SETTINGS.format(
            mapping="\n".join(f'"{symbol}.P" = "{symbol}"' for symbol in SYMBOLS),
            accounts="\n".join(accounts),
            symbols="\n".join(f"[symbols.{symbol}]\n{weights}" for symbol in SYMBOLS),
        )
        (self.folder / "settings.toml").write_text(text.lstrip())
        hidden = self.folder / SECRETS_FILE
        hidden.touch(mode=0o600)
        hidden.write_text("\n".join(secrets) + "\n")

    def owner(self, account: str) -> Account:
        """Return the books of an account at its exchange."""
        exchange, name = ACCOUNTS[account]
        return self.exchanges[exchange].exchange.accounts[name]

    def venue(self, account: str) -> WireServer:
        """Return the exchange of an account."""
        return self.exchanges[ACCOUNTS[account][0]]

    def contract(self, account: str, symbol: str) -> str:
        """Return what the exchange of an account calls a symbol."""
        return self.venue(account).exchange.market.by_base(symbol.removesuffix("USDT")).symbol

    def size(self, account: str, symbol: str) -> Decimal:
        """Return what an account truly holds, in contracts."""
        return self.owner(account).size(self.contract(account, symbol))

    def held(self, account: str, symbol: str) -> Decimal:
        """Return the same in base units."""
        market = self.venue(account).exchange.market
        return self.size(account, symbol) * market.by_base(symbol.removesuffix("USDT")).contract_size

    def worth(self, account: str) -> Decimal:
        """Return the true value of an account."""
        owner = self.owner(account)
        return owner.ledger.wallet + margin.unrealised(owner, self.venue(account).exchange.market)

    def earned(self, account: str) -> Decimal:
        """Return the true result of trading and funding: the value less net deposits."""
        return self.worth(account) - self.owner(account).ledger.deposits

    def set_price(self, symbol: str, price: Decimal) -> None:
        """Move a price everywhere."""
        self.prices[symbol] = price
        for made in self.exchanges.values():
            made.exchange.set_price(made.exchange.market.by_base(symbol.removesuffix("USDT")).symbol, price)

    def trade_by_hand(self, account: str, symbol: str, size: Decimal) -> None:
        """Trade contracts as the owner."""
        self.venue(account).exchange.trade_by_hand(self.owner(account), self.contract(account, symbol), size)

    def fault(self, account: str, *faults: Fault) -> None:
        """Inject a fault at an exchange."""
        self.venue(account).faults.add(*faults)

    # -- the engine

    async def start(self) -> None:
        """Start the engine in the folder, and wait until it has read its accounts."""
        self.engine = Engine(
            Paths(self.folder / "settings.toml", self.folder / "state"),
            env={},
            clock=self.clock,
            new_id=lambda: f"weekend-{next(self._ids)}",
            new_secret=lambda: f"made-secret-{next(self._ids):020}",
            registry=self._registry,
        )
        await self.engine.start()
        for _ in range(240):
            if self.engine.queries.readiness()["ready"]:
                return
            await asyncio.sleep(0.5)
        raise AssertionError(self.engine.queries.readiness()["reasons"])

    async def stop(self) -> None:
        """Stop it as SIGTERM does."""
        engine, self.engine = self.engine, None
        if engine is not None:
            await engine.stop()

    async def alert(self, source: str, symbol: str, direction: str, size: int) -> int:
        """Send an alert as TradingView does. Returns the status; 0 if nobody listens."""
        if self.engine is None:
            return 0
        message = {
            "symbol": f"{symbol}.P",
            "direction": direction,
            "size": f"{size}/100",
            "price": f"{self.prices.get(symbol, ZERO):f}",
        }
        return await self.post(source, json.dumps(message))

    async def post(self, source: str, text: str, token: str = "") -> int:
        """Send a text to a source."""
        assert self.engine is not None
        url = f"{self.engine.servers.public.url}/hooks/{source}/{token or TOKENS[source]}"
        try:
            async with self._http.post(url, data=text) as response:
                self.answers.append(response.status)
                self.answer = await response.json()
        except ClientError:
            self.answers.append(0)
        return self.answers[-1]

    async def command(self, action: Action, by: str = "alice", **more: Any) -> None:
        """Execute an operator's command."""
        assert self.engine is not None
        await self.engine.command(Command(action=action, by=by, **more), preview=False)

    def state(self) -> dict[str, Any]:
        """Return what ``te status`` shows."""
        assert self.engine is not None
        return self.engine.queries.state()


async def loaded() -> Registry:
    """Import the plugins on a real loop, because an import in a thread takes no virtual time."""
    registry = Registry()
    await registry.ensure(PLUGINS, {})
    return registry


def dated(clock: WiredClock) -> Any:
    """Make ccxt date requests by our clock."""
    ccxt = importlib.import_module("ccxt.base.exchange")  # it has no types

    def milliseconds(*_: object) -> int:
        return int(clock.now().timestamp() * 1000)

    return patch.multiple(
        ccxt.BaseExchange,
        milliseconds=staticmethod(milliseconds),
        seconds=staticmethod(lambda *_: milliseconds() // 1000),
        microseconds=staticmethod(lambda *_: milliseconds() * 1000),
    )


@asynccontextmanager
async def world(
    folder: Path, start: datetime, registry: Registry, *, latency: float = 0.05
) -> AsyncIterator[World]:
    """Open a world with a running engine, at a wall time of its own. Call it on a ``WiredLoop``."""
    clock = WiredClock(start, asyncio.get_running_loop())
    opened = World(folder, clock, registry, latency=latency)
    hidden = {name: value for name, value in os.environ.items() if name.startswith("TE_")}
    with (
        patch.object(app, "Watchdog", QuietWatchdog),
        patch.object(
            _logger, "aware_now", lambda: _datetime.datetime.fromtimestamp(clock.now().timestamp(), UTC)
        ),
        dated(clock),
        patch.dict(os.environ, clear=False) as environment,
    ):
        for name in hidden:
            del environment[name]
        async with AsyncExitStack() as started:
            await opened.open(started)
            started.push_async_callback(opened.stop)
            await opened.start()
            yield opened
    logger.remove()
