"""The smallest possible trade on one symbol of an account: open, flip at another leverage, close.

The engine's own worker trades, with intents in the journal; only the targets come from here. Whatever fails, what was
opened is closed again, and anything left open is reported. What a killed run leaves open, the next engine closes.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

from loguru import logger

from te_core.accounts.dispatch import dating
from te_core.accounts.exposure import ExposureLedger
from te_core.accounts.targets import WorkerSettings
from te_core.accounts.worker import AccountWorker
from te_core.app.exclusive import CommandContext, ExclusiveAccess, exclusive_access
from te_core.clock import Clock
from te_core.contracts.exchange import AccountContext, Capabilities, ExchangeAccount
from te_core.errors import CommandRefused, TradeEngineError
from te_core.http_session import http_session
from te_core.journal.snapshot import JournalSnapshot, SymbolRecord
from te_core.model.event import Event
from te_core.model.instrument import Instrument
from te_core.model.position import Equity
from te_core.model.target import Blend, Term
from te_core.outage import Outages
from te_core.rules.controls import HALTING, Controls, described, new_here, scope_of_book
from te_core.rules.sizing import smallest_quantity
from te_core.runtime import guard
from te_core.runtime.accounts import worker_settings
from te_core.runtime.guarded_account import GuardedAccount
from te_core.runtime.identities import fingerprint, identified
from te_core.runtime.instances import make_folder
from te_core.settings.resolution import Resolved

BY = "te selftest"
SPECK = Decimal("1E-12")
"""A depth too small for any account, so that the smallest order is used instead."""
ORDERS = 4
"""Number of orders, all of one size: open, close and open on the other side, close."""
RESERVE = Decimal("1.1")
"""The required free funds, as a multiple of the margin and the fees."""
LEG, CLOSING = 60.0, 180.0
"""Seconds allowed for one leg, and for closing after a failure."""
POLL = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class Costs:
    """The orders and costs of a self-test. Money in quote currency; None if the exchange does not report it."""

    account: str
    identity: str
    symbol: str
    quantity: Decimal
    price: Decimal
    leverages: tuple[int, int]
    taker_fee: Decimal | None
    of_account: bool
    spread: Decimal | None
    free: Decimal

    @property
    def notional(self) -> Decimal:
        """The value of each order."""
        return self.quantity * self.price

    @property
    def margin(self) -> Decimal:
        """The largest margin in use at any time."""
        return self.notional / min(self.leverages)

    @property
    def fees(self) -> Decimal | None:
        """The fees of all orders."""
        return None if self.taker_fee is None else self.notional * self.taker_fee * ORDERS

    @property
    def spreads(self) -> Decimal | None:
        """The cost of crossing the spread: half of it with each order."""
        return None if self.spread is None else self.spread / 2 * self.quantity * ORDERS


Ask = Callable[[Costs], Awaitable[None]]
"""Shows the costs and asks for confirmation; raises if the operator declines."""


class SelfTest:
    """One run. ``symbol``: empty for the symbol of the settings whose smallest order is the cheapest."""

    def __init__(self, given: CommandContext, account: str, symbol: str = "") -> None:
        self._given, self._name, self._symbol = given, account, symbol
        self._clock = given.clock

    async def run(self, ask: Ask, report: Callable[[str], None]) -> None:
        """Check, ask, trade. Raise `CommandRefused` if the test cannot start, fails, or leaves something open.

        Raise `JournalLocked` while an engine runs, and any error of the connection.
        """
        with exclusive_access(self._given) as opened:
            resolved = await opened.resolved()
            options = resolved.account_options.get(self._name)
            if options is None:
                why = resolved.unavailable.get(f"accounts.{self._name}", "there is no such section")
                raise CommandRefused(f"[accounts.{self._name}]: {why}")
            spec = self._given.registry.exchanges[resolved.settings.accounts[self._name].plugin]
            async with http_session() as session:
                context = self._context(opened, options, session)
                make_folder(context.state_dir)
                account = GuardedAccount(guard.make(spec.factory, context), opened.redactor.redact)
                try:
                    await account.open()
                    run = _Run(self._name, opened, resolved, account, spec.capabilities_of(options), context)
                    await run.trade(self._symbol, ask, report)
                finally:
                    await guard.close("close()", account.close, context.log)

    def _context(self, opened: ExclusiveAccess, options: Any, session: Any) -> AccountContext[Any]:
        log = logger.bind(account=self._name)

        def record(event: Event) -> None:
            opened.journal.append(event, awaited=False)

        def record_of_plugin(kind: str, text: str, *, symbol: str | None = None) -> None:
            said = opened.redactor.redact(text)
            now = self._clock.now()
            record(Event(at=now, kind=kind, text=said, account=self._name, symbol=symbol))

        return AccountContext(
            name=self._name,
            options=options,
            clock=self._clock,
            log=log,
            state_dir=self._given.paths.state / "accounts" / self._name,
            signal_price=lambda _symbol: None,
            http=lambda: session,
            outages=Outages(self._clock, log, record, account=self._name, redact=opened.redactor.redact),
            record=record_of_plugin,
            date=dating(self._clock, opened.journal.holds_lock),
        )


class _Failed(Exception):
    """A leg did not reach its target; the message states why."""


class _Run:
    """The part of a run that needs a connected account."""

    def __init__(
        self,
        name: str,
        opened: ExclusiveAccess,
        resolved: Resolved,
        account: ExchangeAccount,
        capabilities: Capabilities,
        context: AccountContext[Any],
    ) -> None:
        self._name, self._account, self._capabilities, self._ctx = name, account, capabilities, context
        self._journal, self._clock = opened.journal, opened.given.clock
        self._resolved = resolved
        self._live = not capabilities.simulated

    async def trade(self, symbol: str, ask: Ask, report: Callable[[str], None]) -> None:
        """Check, ask, trade."""
        identity, book = await self._identify()
        snapshot = self._journal.snapshot()
        costs = await self._costs(identity, book, snapshot, symbol)
        await ask(costs)
        worker = self._worker(book, costs.symbol, snapshot)
        trial = _Trial(worker, costs, self._account, self._capabilities, self._clock)
        failed = await trial.run(report)
        left = await self._left(costs.symbol)
        outcome = f"failed: {failed}" if failed else "passed"
        text = f"selftest on {costs.symbol} {outcome}; {left or 'flat again'}"
        await self._journal.append(
            Event(at=self._clock.now(), kind="selftest", text=text, account=self._name, symbol=costs.symbol),
            reduction=True,
        )
        if failed or left:
            raise CommandRefused(text)
        wallet = (await self._account.equity()).value.wallet
        report(f"passed: flat again, wallet {wallet.normalize():f}; orders and prices are in the journal")

    async def _identify(self) -> tuple[str, str]:
        options = self._resolved.account_options[self._name]
        plugin = self._resolved.settings.accounts[self._name].plugin
        by_key = fingerprint(plugin, self._name, options)
        stated = await self._account.identity()
        found = await identified(
            self._journal,
            self._name,
            by_key,
            stated,
            self._clock.now(),
            seen_keys=set(),
            silent={by_key},
        )
        observes = self._live and self._resolved.settings.accounts[self._name].observe is not False
        book = await self._journal.identify(
            name=self._name,
            plugin=plugin,
            host=found.host,
            uid=found.uid,
            paper=not self._live,
            first=lambda book: [new_here(book, self._clock.now())] if observes else [],
        )
        return str(found), book

    # -- costs

    async def _costs(self, identity: str, book: str, snapshot: JournalSnapshot, symbol: str) -> Costs:
        symbols = [symbol] if symbol else list(self._resolved.settings.symbols)
        listed = await self._account.instruments(symbols)
        prices = (await self._account.prices(list(listed))).value if listed else {}
        held = (await self._account.positions()).value
        reasons: dict[str, str] = {}
        smallest: dict[str, tuple[Decimal, Decimal]] = {}
        for name in symbols:
            instrument, price, position = listed.get(name), prices.get(name), held.get(name)
            if instrument is None or price is None or price <= 0:
                reasons[name] = "is not listed, or has no price"
            elif position is not None and (position.quantity or position.obstacle):
                reasons[name] = position.obstacle or f"has a position of {position.quantity:f}"
            elif why := self._taken(book, name, snapshot):
                reasons[name] = why
            else:
                smallest[name] = smallest_quantity(self._floored(instrument), price), price
        for name in sorted(smallest, key=lambda name: smallest[name][0] * smallest[name][1]):
            terms = await self._account.trading_terms(name)
            if terms.open_orders:
                reasons[name] = f"has {terms.open_orders} open orders"
                continue
            equity = (await self._account.equity()).value
            quantity, price = smallest[name]
            costs = Costs(
                account=self._name,
                identity=identity,
                symbol=name,
                quantity=quantity,
                price=price,
                leverages=self._leverages(listed[name]),
                taker_fee=terms.taker_fee,
                of_account=terms.of_account,
                spread=terms.spread,
                free=_free(equity),
            )
            return _affordable(costs)
        why = "; ".join(f"{name} {reason}" for name, reason in reasons.items())
        raise CommandRefused(f"no symbol to test {self._name} with: {why or 'the settings have no symbols'}")

    def _taken(self, book: str, symbol: str, snapshot: JournalSnapshot) -> str:
        """Return why the engine's own activity on a symbol prevents the test; empty if it does not."""
        controls, scopes = Controls.of(snapshot.controls), (self._name, scope_of_book(book))
        halt = controls.halt(scopes, symbol)
        if halt is not None and halt.state in HALTING:
            return f"is {described(halt)}"
        if any(one.account == book and one.symbol == symbol for one in snapshot.open_intents):
            return "has an order of the engine with an unknown outcome: start the engine once"
        record = snapshot.books.get((book, symbol))
        if record is not None and record.target.depth and record.goal is not None and record.goal.quantity:
            return f"is traded by the engine, which wants {record.goal.quantity:f}"
        return ""

    def _floored(self, instrument: Instrument) -> Instrument:
        own = self._resolved.settings.accounts[self._name].minimum_order
        return instrument if own is None else replace(instrument, own_minimum=own)

    def _leverages(self, instrument: Instrument) -> tuple[int, int]:
        limits = self._settings().limits.leverage, instrument.largest_leverage
        top = min((one for one in limits if one is not None), default=2)
        return (2, 1) if top >= 2 else (1, 1)

    # -- the worker

    def _settings(self) -> WorkerSettings:
        found = worker_settings(self._name, self._resolved)
        policy = replace(found.policy, below_minimum="raise", leverage=None, rebalance="on_change")
        return replace(found, policy=policy, enabled=True, symbols=())

    def _worker(self, book: str, symbol: str, snapshot: JournalSnapshot) -> AccountWorker:
        record: SymbolRecord | None = snapshot.books.get((book, symbol))
        return AccountWorker(
            name=self._name,
            book=book,
            settings=replace(self._settings(), observe=""),
            journal=self._journal,
            ledger=ExposureLedger(self._clock.monotonic),
            clock=self._clock,
            log=self._ctx.log,
            outages=self._ctx.outages,
            record=lambda event: _ignore(self._journal.append(event, awaited=False)),
            books={} if record is None else {symbol: record},
            open_intents=(),
        )

    async def _left(self, symbol: str) -> str:
        try:
            held = (await self._account.positions()).value.get(symbol)
        except TradeEngineError as error:
            return f"cannot read what is held ({error}): check the exchange"
        if held is None or not held.quantity:
            return ""
        return f"left open: {held.quantity:f} {symbol}; close it at the exchange, or start the engine, which does"


class _Trial:
    """The three legs on one worker, and closing again after a failure."""

    def __init__(
        self,
        worker: AccountWorker,
        costs: Costs,
        account: ExchangeAccount,
        capabilities: Capabilities,
        clock: Clock,
    ) -> None:
        self._worker, self._costs = worker, costs
        self._account, self._capabilities = account, capabilities
        self._monotonic, self._now = clock.monotonic, clock.now
        self._task: asyncio.Task[None] | None = None

    async def run(self, report: Callable[[str], None]) -> str:
        """Trade, and return why it failed; empty if it did not. Leave nothing open if possible."""
        first, second = self._costs.leverages
        legs: Sequence[tuple[str, Decimal, int]] = (
            ("long", SPECK, first),
            ("flipped to short", -SPECK, second),
            ("closed", Decimal(0), first),
        )
        failed = ""
        try:
            for what, depth, leverage in legs:
                began = self._monotonic()
                self._want(depth, leverage)
                await self._reached(began + LEG, patient=False)
                report(f"{what}, leverage {leverage}: {self._monotonic() - began:.1f} s")
        except _Failed as error:
            failed = str(error)
            report(f"failed: {failed}; closing what was opened")
        finally:
            try:
                await self._close()
            finally:
                await self._end()
        return failed

    async def _close(self) -> None:
        """Set a flat target, and retry until it is reached or the time is over."""
        self._want(Decimal(0), self._costs.leverages[0])
        try:
            await self._reached(self._monotonic() + CLOSING, patient=True)
        except _Failed as error:
            self._worker.keepers[self._costs.symbol].log.error("not closed: {}", error)

    def _want(self, depth: Decimal, leverage: int) -> None:
        term = Term(source=BY, weight=Decimal(1), depth=depth, time=self._now())
        blend = Blend(symbol=self._costs.symbol, depth=depth, leverage=leverage, terms=(term,))
        self._worker.retarget({blend.symbol: blend})

    async def _reached(self, until: float, *, patient: bool) -> None:
        """Wait until the target is reached. Raise `_Failed` at the deadline, or unless ``patient`` on a failure."""
        while True:
            self._run_worker(again=patient)
            keeper = self._worker.keepers.get(self._costs.symbol)
            if keeper is None or (keeper.target is None and patient):
                return  # nothing was ever started
            if keeper.confirmed and keeper.task is None and not keeper.orders.open:
                if keeper.reached:
                    return
                raise _Failed(keeper.limited or keeper.reason)
            if keeper.hold is not None and not patient:
                raise _Failed(keeper.hold.reason)
            if self._monotonic() >= until:
                raise _Failed(f"took too long: {keeper.reason or keeper.status}")
            await asyncio.sleep(POLL)

    def _run_worker(self, *, again: bool) -> None:
        if self._task is not None and self._task.done() and not again:
            raise _Failed(str(self._task.exception() or "the worker ended"))
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._worker.run(self._account, self._capabilities))

    async def _end(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)


def _free(equity: Equity) -> Decimal:
    return equity.wallet if equity.free is None else equity.free


def _affordable(costs: Costs) -> Costs:
    """Return the costs. Raise `CommandRefused` if the account cannot pay them."""
    needed = (costs.margin + (costs.fees or 0) + (costs.spreads or 0)) * RESERVE
    if costs.free < needed:
        raise CommandRefused(
            f"{costs.account} has {costs.free:f} free, but the smallest order of {costs.symbol} needs "
            f"{needed:.2f} including fees: move funds there, or choose another --symbol"
        )
    return costs


def _ignore(_done: object) -> None:
    """Drop a future that is not awaited."""
