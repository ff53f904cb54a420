"""The engine side of a conformance test: one account's worker and runner with a real journal."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from types import TracebackType
from typing import Any, Self, cast

from loguru import logger
from pydantic import BaseModel

from te_core.accounts.exposure import ExposureLedger
from te_core.accounts.keeper import Keeper
from te_core.accounts.targets import WorkerSettings
from te_core.accounts.worker import AccountWorker
from te_core.contracts.exchange import AccountContext, Capabilities, ExchangeSpec
from te_core.journal.journal import Journal
from te_core.model.event import Event
from te_core.model.exits import Exits
from te_core.model.instrument import Instrument
from te_core.model.policy import Limits
from te_core.model.target import Blend, Term
from te_core.outage import Outages
from te_core.rules.controls import Controls, stopped
from te_core.runtime.instances import AccountRunner
from te_core.runtime.supervisor import Running
from te_core.settings.policies import account_policy, stop_policy
from te_core.settings.schema import AccountSettings, EngineSettings
from te_core.testing.dates import Dates
from te_core.testing.exchange_harness import ExchangeHarness
from te_core.testing.fakes import account_context
from te_core.testing.faults import FaultyAccount

ENGINE = EngineSettings(
    resync=timedelta(seconds=2), backoff_first=timedelta(seconds=0.5), backoff_last=timedelta(seconds=4)
)


CONNECTING = 20.0
"""Seconds within which an account must be connected; failures are retried meanwhile."""


class NoOptions(BaseModel):
    """No options: the emulator accepts none."""


class WorkerHarness:
    """Holds one account at its targets, as in production; ``crash`` followed by ``start`` is a restart.

    ``account`` is the current connection, wrapped so that single calls can be delayed or failed. ``timeout``: seconds
    within which a target must be reached. ``calm``: seconds in which several resyncs pass. ``dates``: what dates the
    account's requests.
    """

    def __init__(
        self,
        folder: Path,
        exchange: ExchangeHarness,
        capabilities: Capabilities,
        *,
        timeout: float,
        engine: EngineSettings = ENGINE,
        unreachable: Callable[[str], None] = lambda _: None,
    ) -> None:
        """``unreachable`` is called with the reason if the account does not connect although it should."""
        self.exchange = exchange
        self.dates = exchange.dates = Dates(exchange.clock)
        self.engine = engine
        self.calm = 3.5 * engine.resync.total_seconds()
        self.capabilities = capabilities
        self.events: list[Event] = []
        self.timeout = timeout
        self.settings = self._settings()
        self.expects_to_connect = True
        """False if a case makes the exchange refuse the account before it is opened."""
        self._folder = folder
        self._unreachable = unreachable

    async def __aenter__(self) -> Self:
        self.start()
        try:
            await self._connected()
        except BaseException:
            await self.crash()
            raise
        return self

    async def _connected(self) -> None:
        """Wait until the account is connected, or has failed to connect as it should."""
        health = self.runner.health
        ended = (Running.RUNNING, Running.FAILING)
        with suppress(TimeoutError):
            async with asyncio.timeout(min(self.timeout, CONNECTING)):
                while health.status not in ended or (self.expects_to_connect and health.status is ended[1]):
                    await asyncio.sleep(0.05)
                return
        reason = health.reason or f"open() and identity() did not return within {CONNECTING:g} s"
        self._unreachable(reason)
        raise AssertionError(f"the account does not connect: {reason}")

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if error is None:
                await self.audit()
        finally:
            await self.crash()

    def start(self) -> None:
        """Start a worker from what the journal has."""
        clock = self.exchange.clock
        self.journal = Journal.open(
            self._folder / "journal.sqlite3", clock=clock, new_id=lambda: "conformance", inline=True
        )
        snapshot = self.journal.snapshot()
        outages = Outages(clock, logger, self.events.append, account="venue")
        self.worker = AccountWorker(
            name="venue",
            settings=self.settings,
            journal=self.journal,
            ledger=ExposureLedger(clock.monotonic),
            clock=clock,
            log=logger.bind(account="venue"),
            outages=outages,
            record=self.events.append,
            books={symbol: book for (_, symbol), book in snapshot.books.items()},
            open_intents=snapshot.open_intents,
            controls=Controls.of(snapshot.controls),
            stopped=self._stopped,
        )
        self.controls = Controls.of(snapshot.controls)
        self.runner = AccountRunner(
            self.worker, clock=clock, log=logger, outages=outages, settings=lambda: self.engine
        )
        spec = ExchangeSpec(
            name="venue", settings=BaseModel, factory=self._connect, capabilities=self.capabilities
        )
        context: AccountContext[BaseModel] = account_context(
            name="venue",
            options=NoOptions(),
            clock=clock,
            log=logger,
            state_dir=self._folder,
            signal_price=lambda _: None,
            http=cast("Any", None),  # the connected account brings its own
        )
        self.runner.start(spec, context)

    def _stopped(self, symbol: str, kind: str, reason: str) -> None:
        """Hold a symbol flat after a stop, as the engine does."""
        clock = self.exchange.clock
        row = stopped(self.worker.scopes[-1], symbol, kind=kind, reason=reason, at=clock.now())
        self.journal.append(row, awaited=False, reduction=True)
        self.controls = self.controls.adding([row])
        asyncio.get_running_loop().call_soon(self.worker.command, self.controls)

    def _connect(self, context: object) -> FaultyAccount:
        del context
        self.account = FaultyAccount(self.exchange.connect())
        return self.account

    async def crash(self) -> None:
        """Stop without finishing anything; only the journal and the exchange keep their state."""
        await self.runner.stop(Running.STOPPED)
        self.journal.close()

    def _settings(self, **account: Any) -> WorkerSettings:
        section = AccountSettings(plugin="venue", **account)
        return WorkerSettings(
            policy=account_policy(section),
            stops=stop_policy(section, {}),
            limits=Limits(),
            engine=self.engine,
            enabled=True,
        )

    def configure(self, **account: Any) -> None:
        """Change the account's settings while it runs."""
        self.settings = self._settings(**account)
        self.worker.configure(self.settings)

    def set_target(self, symbol: str, depth: Decimal, leverage: int) -> None:
        """Set a symbol's target, without a signal behind it."""
        self.worker.retarget({symbol: Blend(symbol=symbol, depth=depth, leverage=leverage, terms=())})

    def state_target(
        self, symbol: str, depth: Decimal, leverage: int = 1, exits: Exits | None = None
    ) -> None:
        """Set a symbol's target as if a source had just published it."""
        now = self.exchange.clock.now()
        term = Term(source="source", weight=Decimal(1), depth=depth, time=now, heard_at=now)
        blend = Blend(symbol=symbol, depth=depth, leverage=leverage, terms=(term,), exits=exits)
        self.worker.retarget({symbol: blend})

    def state(self, symbol: str) -> Keeper:
        """Return the worker's state of a symbol."""
        return self.worker.keepers[symbol]

    async def until_confirmed(self, symbol: str) -> None:
        """Wait until the newest target is confirmed."""
        await self.until(
            lambda: self.state(symbol).confirmed and self.state(symbol).task is None,
            f"{symbol} to be confirmed",
        )

    async def until(self, done: Callable[[], bool], what: str) -> None:
        """Wait until a condition is true; fail with the worker's own reasons if it never is."""
        with suppress(TimeoutError):
            async with asyncio.timeout(self.timeout):
                while not done():
                    await asyncio.sleep(0.05)
                return
        reasons = {symbol: f"{state.status} {state.reason}" for symbol, state in self.worker.keepers.items()}
        raise AssertionError(
            f"waited {self.timeout} s for {what}: {self.runner.health}, {reasons}, {self.worker.last_error()}"
        )

    async def holds(self, symbol: str, quantity: Decimal) -> None:
        """Wait until the exchange really holds that quantity."""
        held = None
        with suppress(TimeoutError):
            async with asyncio.timeout(self.timeout):
                while (held := await self.exchange.position(symbol)) != quantity:
                    await asyncio.sleep(0.05)
                return
        raise AssertionError(f"waited {self.timeout} s for {quantity} {symbol}, the exchange holds {held}")

    async def fallen(self, wallet: Decimal) -> Decimal:
        """Wait until the reported wallet balance is below that; return the new balance."""
        with suppress(TimeoutError):
            async with asyncio.timeout(self.timeout):
                while (now := (await self.account.equity()).value.wallet) >= wallet:
                    await asyncio.sleep(0.05)
                return now
        raise AssertionError(f"waited {self.timeout} s for the wallet to fall below {wallet}")

    async def quiet(self) -> None:
        """Wait for several resyncs."""
        await asyncio.sleep(self.calm)

    async def instruments(self) -> Mapping[str, Instrument]:
        """Return the instruments of the exchange's symbols, as the plugin reports them."""
        return await self.account.instruments(self.exchange.symbols)

    async def rules(self) -> Mapping[str, Instrument]:
        """Return the instruments as the exchange enforces them, or the plugin's if the emulator has none of its own."""
        told = await self.instruments()
        return {symbol: await self.exchange.rules(symbol) or found for symbol, found in told.items()}

    async def expected(self, symbol: str, depth: Decimal, leverage: int) -> Decimal:
        """Return the quantity that a target means now: equity x depth x leverage / price, rounded toward zero."""
        equity = (await self.account.equity()).value.wallet
        price = (await self.account.prices([symbol])).value[symbol]
        return (await self.instruments())[symbol].round_quantity(equity * depth * leverage / price)

    def filled(self) -> dict[str, Decimal | None]:
        """Return what each order filled according to the journal, by client order id."""
        return {
            record.intent.client_order_id: record.outcome.filled
            for record in self.journal.intents(10_000)
            if record.outcome is not None
        }

    async def audit(self) -> None:
        """Check that every executed order was journaled with its fill, none twice and none above its intent."""
        executed = await self.exchange.executed()
        intents = {record.intent.client_order_id: record.intent for record in self.journal.intents(10_000)}
        ids = [execution.client_order_id for execution in executed]
        assert len(ids) == len(set(ids)), "an order was executed twice"
        for execution in executed:
            intent = intents[execution.client_order_id]
            assert (execution.symbol, execution.side) == (intent.symbol, intent.side)
            assert execution.reduce_only or not intent.reduce_only
            assert execution.quantity <= intent.quantity
        found = {execution.client_order_id: execution.quantity for execution in executed}
        for name, filled in self.filled().items():
            assert filled == found.get(name, 0), (
                f"{name} filled {found.get(name, 0)}, the journal has {filled}"
            )
