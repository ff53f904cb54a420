"""One engine, one source and some accounts on the virtual clock, seen from outside: signals go in, orders come out.

Everything that a test needs from the engine goes through ``Scene``, so that it states the observable behaviour and
nothing about how the engine is built.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from loguru import logger
from pydantic import BaseModel, SecretStr

from te_core.api import (
    AccountContext,
    AccountIdentity,
    AccountStream,
    Capabilities,
    ExchangeAccount,
    ExchangeSpec,
    Feed,
    Instrument,
    Known,
    OrderRejected,
    OrderReport,
    OrderRequest,
    Position,
    Signal,
    SignalSource,
    SignalSourceSpec,
    SourceContext,
)
from te_core.journal.journal import Journal
from te_core.model.control import Action, Command
from te_core.model.event import Event
from te_core.plugins.loading import Spec
from te_core.plugins.registry import Registry
from te_core.runtime.commands import Outcome
from te_core.runtime.engine import Engine
from te_core.settings.resolution import resolve
from te_core.settings.schema import Settings
from te_core.testing.fake_account import FakeAccount
from te_core.testing.faults import FaultyAccount
from te_core.testing.virtual_clock import VirtualClock
from te_core.tracing import OFF
from tests.engine.engine_harness import changed
from tests.engine.seeds import other_tasks
from tests.querying import queries_of

D = Decimal
PRICES = {"BTCUSDT": "50000", "ETHUSDT": "2500", "SOLUSDT": "100"}
SETTINGS: dict[str, Any] = {
    "sources": {"tv": {"plugin": "pushed"}},
    "accounts": {"one": {"plugin": "fake", "observe": False}},
    "symbols": {symbol: {"leverage": 1, "weights": {"tv": 1}} for symbol in PRICES},
}
HEARTBEAT = 5.0
"""Seconds between two heartbeats on the stream."""


class Options(BaseModel):
    key: SecretStr = SecretStr("none")


class Exchange(FakeAccount):
    """The truth of one account, and how late reads and pushes show it.

    ``read_lag``: seconds by which reads of positions lag behind the truth although they claim to be fresh;
    with ``dates_lag`` they state how old they are.
    ``push_lag``: seconds until a change is pushed. ``muted``: symbols whose prices are no longer pushed, while the
    connection lives. ``silent``: nothing is pushed at all, not even heartbeats. ``uid``: its identity.
    """

    feeds: tuple[Feed, ...] = (Feed.POSITIONS, Feed.PRICES, Feed.ORDERS)
    """What it pushes, from the next connection on."""

    def __init__(self, clock: VirtualClock, uid: str, **how: Any) -> None:
        super().__init__(clock, **how, **PRICES)
        self.clock: VirtualClock = clock
        self.uid = uid
        self.read_lag = self.push_lag = 0.0
        self.dates_lag = self.silent = False
        self.muted: set[str] = set()
        self.executed_at: list[float] = []
        self.on_fill: Callable[[], None] = lambda: None
        self._streams: list[AccountStream] = []
        self._history: list[tuple[float, dict[str, Position]]] = [(-1e9, {})]

    async def identity(self) -> AccountIdentity:
        return AccountIdentity(host="fake", uid=self.uid)

    async def positions(self) -> Known[Mapping[str, Position]]:
        known, seen = await super().positions(), self.clock.monotonic() - self.read_lag
        if not self.read_lag:
            return known
        shown = next(held for at, held in reversed(self._history) if at <= seen)
        as_of = known.as_of - timedelta(seconds=self.read_lag) if self.dates_lag else known.as_of
        return replace(known, value=shown, as_of=as_of)

    def fill(self, order: OrderRequest, share: Decimal = Decimal(1)) -> OrderReport:
        report = super().fill(order, share)
        self.executed_at.append(self.clock.monotonic())
        self.on_fill()
        self.push_order(order.client_order_id, order.symbol)
        return report

    def push_order(self, client_order_id: str, symbol: str) -> None:
        """Push that an order was filled."""
        self._later(lambda stream: stream.order(client_order_id, symbol))

    def _set(self, symbol: str, quantity: Decimal) -> None:
        super()._set(symbol, quantity)
        self._history.append((self.clock.monotonic(), dict(self.held)))
        position = self.held[symbol]
        if Feed.POSITIONS in self.feeds:
            self._later(lambda stream: stream.position(position))

    def _later(self, push: Any) -> None:
        for stream in () if self.silent else self._streams:
            asyncio.get_running_loop().call_later(self.push_lag, push, stream)

    async def watch(self, stream: AccountStream) -> None:
        self._streams = [stream]
        stream.up(*self.feeds)
        try:
            while True:
                for symbol, price in self.price.items():
                    if symbol not in self.muted and not self.silent:
                        stream.price(symbol, price)
                if not self.silent:
                    stream.alive(*self.feeds)
                await asyncio.sleep(HEARTBEAT)
        finally:
            self._streams = []


class Connection(FaultyAccount):
    """Passes on the account's identity, too."""

    async def identity(self) -> AccountIdentity | None:
        return await self.inner.identity()


class Scene:
    """An engine and what outlives it. ``exchanges`` and ``connections`` are by the key in the account's settings."""

    make_exchange: type[Exchange] = Exchange

    def __init__(self, folder: Path, *, streams: bool = False, **settings: Any) -> None:
        self.folder, self.clock = folder, VirtualClock()
        self.capabilities = Capabilities(private_stream=streams)
        self.observe = ""
        self.tracer = OFF
        self.more: list[Spec] = []
        """The specs of other plugins."""
        self.settings = SETTINGS
        for path, value in settings.items():
            self.settings = changed(self.settings, path.replace("__", "."), value)
        self.exchanges: dict[str, Exchange] = {}
        self.connections: dict[str, Connection] = {}
        self.contexts: dict[str, AccountContext[Any]] = {}
        self.sources: dict[str, SourceContext[Any]] = {}

    # -- the world

    def exchange(self, key: str = "none") -> Exchange:
        """Return the account that a key opens."""
        if key not in self.exchanges:
            self.exchanges[key] = self.make_exchange(self.clock, uid=key)
            self.connections[key] = Connection(self.exchanges[key])
        return self.exchanges[key]

    def connection(self, key: str = "none") -> Connection:
        """Return the connection to the account that a key opens."""
        self.exchange(key)
        return self.connections[key]

    def held(self, symbol: str = "BTCUSDT", key: str = "none") -> Decimal:
        """Return the true position."""
        return self.exchange(key).quantity(symbol)

    def sent(self, key: str = "none") -> list[OrderRequest]:
        """Return every order that was submitted."""
        return self.connection(key).sent

    # -- the engine

    def _account(self, context: AccountContext[Any]) -> ExchangeAccount:
        self.contexts[context.name] = context
        return self.connection(context.options.key.get_secret_value())

    def _source(self, context: SourceContext[Any]) -> SignalSource:
        self.sources[context.name] = context
        return SignalSource()

    async def start(self) -> None:
        """Start an engine on the existing journal."""
        self.journal = Journal.open(
            self.folder / "j.sqlite3", clock=self.clock, new_id=lambda: "j", inline=True
        )
        self.registry = Registry.of(
            SignalSourceSpec(name="pushed", settings=Options, factory=self._source),
            ExchangeSpec(
                name="fake", settings=Options, factory=self._account, capabilities=self.capabilities
            ),
            *self.more,
        )
        self.engine = Engine(
            journal=self.journal,
            registry=self.registry,
            clock=self.clock,
            log=logger,
            state_dir=self.folder,
            observe=self.observe,
            tracer=self.tracer,
        )
        await self.engine.start(resolve(Settings.model_validate(self.settings), self.registry))
        await asyncio.sleep(1)

    async def stop(self) -> None:
        """Stop it as SIGTERM does."""
        await self.engine.stop()
        self.journal.close()

    async def kill(self) -> None:
        """Kill it as a power cut would: nothing is written any more."""
        self.engine.commands.stop()
        tasks = other_tasks()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self.journal.close()
        await asyncio.sleep(0.001)

    async def restart(self, wait: float = 1) -> None:
        """Stop the engine and start the next one."""
        await self.stop()
        await asyncio.sleep(wait)
        await self.start()

    async def edit(self, path: str, value: Any, wait: float = 2) -> None:
        """Change one key of the settings; None removes it."""
        self.settings = changed(self.settings, path, value)
        await self.engine.apply(resolve(Settings.model_validate(self.settings), self.registry))
        await asyncio.sleep(wait)

    async def say(
        self, depth: str, symbol: str = "BTCUSDT", *, source: str = "tv", wait: float = 1, **more: Any
    ) -> None:
        """Publish a signal from a source."""
        now = self.clock.now()
        signal = Signal(source=source, symbol=symbol, depth=D(depth), time=now, received_at=now, **more)
        await self.sources[source].publish(signal)
        await asyncio.sleep(wait)

    async def command(self, action: Action, *accounts: str, wait: float = 1, **more: Any) -> Outcome:
        """Execute an operator's command."""
        command = Command(action=action, by="alice", accounts=accounts, **more)
        outcome = await self.engine.commands.execute(command)
        await asyncio.sleep(wait)
        return outcome

    # -- what the engine says of itself

    def row(self, symbol: str = "BTCUSDT", account: str = "one") -> dict[str, Any]:
        """Return what ``te status`` shows about a symbol."""
        found: dict[str, Any] = self.state(account)["targets"][symbol]
        return found

    def state(self, account: str = "one") -> dict[str, Any]:
        """Return what ``te status`` shows about an account."""
        found: dict[str, Any] = queries_of(self.engine).state()["accounts"][account]
        return found

    def whole_state(self) -> dict[str, Any]:
        """Return everything that ``te status`` shows."""
        return queries_of(self.engine).state()

    def at_target(self, symbol: str = "BTCUSDT", account: str = "one") -> bool:
        """Whether the engine says that a symbol is at its target."""
        return bool(self.row(symbol, account)["status"] == "at_target")

    def events(self, kind: str = "") -> list[Event]:
        """Return the events of a kind, oldest first."""
        return [event for event in reversed(self.journal.events(10_000)) if kind in ("", event.kind)]


class Strict:
    """An exchange that refuses orders below a minimum notional and off the step, even reductions."""

    def __init__(self, world: Scene, *, step: str, minimum: str = "0") -> None:
        self.exchange, self.step, self.minimum = world.exchange(), D(step), D(minimum)
        self.place_order = self.exchange.place_order
        self.exchange.instrument_of = self.instrument
        self.exchange.place_order = self.strictly  # type: ignore[method-assign]

    def instrument(self, symbol: str) -> Instrument:
        return Instrument(
            symbol=symbol,
            quantity_step=self.step,
            minimum_quantity=self.step,
            minimum_notional=self.minimum,
        )

    async def strictly(self, order: OrderRequest) -> OrderReport:
        if order.quantity % self.step:
            raise OrderRejected(f"{order.quantity} is not a multiple of {self.step}")
        if order.quantity * self.exchange.price[order.symbol] < self.minimum:
            raise OrderRejected(f"{order.quantity} is below the minimum notional {self.minimum}")
        return await self.place_order(order)


@asynccontextmanager
async def scene(folder: Path, *, streams: bool = False, **settings: Any) -> AsyncIterator[Scene]:
    """Open a scene with a running engine. Keys are paths in the settings, with ``__`` for a dot."""
    opened = Scene(folder, streams=streams, **settings)
    await opened.start()
    try:
        yield opened
    finally:
        await opened.stop()
