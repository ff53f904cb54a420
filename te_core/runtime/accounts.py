"""The accounts of the settings. The state of an account belongs to its identity at the exchange, not to its name."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from functools import partial
from typing import ClassVar

from pydantic import BaseModel

from te_core.accounts.books import Counted
from te_core.accounts.dispatch import dating
from te_core.accounts.exposure import ExposureLedger, count_journaled
from te_core.accounts.reviews import Reviewer
from te_core.accounts.targets import WorkerSettings
from te_core.accounts.turns import Turns
from te_core.accounts.worker import AccountWorker
from te_core.contracts.exchange import AccountContext, ExchangeAccount
from te_core.contracts.observer import FinishedOrder, PositionChange
from te_core.journal.journal import Journal
from te_core.journal.snapshot import AccountRecord
from te_core.model.control import Control
from te_core.model.event import Event
from te_core.model.reading import Known
from te_core.model.target import Blend
from te_core.outage import Outages
from te_core.rules.controls import Controls, new_here, scope_of_book
from te_core.runtime.breakers import CircuitBreakers
from te_core.runtime.facilities import Facilities
from te_core.runtime.identities import Identities, Identity, fingerprint, identified
from te_core.runtime.instances import AccountRunner
from te_core.runtime.reconciler import Instances
from te_core.runtime.supervisor import Running
from te_core.settings.policies import (
    account_policy,
    effective_limits,
    hours_without_increases,
    stop_policy,
)
from te_core.settings.resolution import Kind, Resolved
from te_core.tasks import unbroken
from te_core.texts import bounded

TARGETS_AT_ONCE = 20
"""Targets set in one iteration of the event loop: this takes a millisecond, or less where few of them change."""


class Accounts(Instances[AccountRunner]):
    """All accounts. A worker belongs to a *book*: the journal's records of one identity.

    Workers outlive connections and settings: a book that no section trades any more is left as it is, its positions
    count in ``total_exposure``, and a section that connects to its account again continues with it.

    ``trip`` halts a symbol of a section, with a reason; ``stopped`` holds a symbol flat after a stop, with the kind of
    the stop and what happened. ``reviewer``: the risk checks. ``show`` passes values to the observers. ``only``: the
    sections that run, None for all.
    """

    kind: ClassVar[Kind] = "accounts"

    def __init__(
        self,
        facilities: Facilities,
        journal: Journal,
        *,
        blends: Callable[[Iterable[str]], Mapping[str, Blend | None]],
        signal_price: Callable[[str], Known[Decimal] | None],
        trip: Callable[[str, str, str], None],
        met: Callable[[str, Sequence[str], Sequence[Control]], None],
        breakers: CircuitBreakers,
        stopped: Callable[[str, str, str, str], None],
        reviewer: Reviewer | None = None,
        show: Callable[[Callable[[], FinishedOrder | PositionChange]], None] = lambda _: None,
        only: Collection[str] | None = None,
        observe: str = "",
    ) -> None:
        super().__init__()
        self._facilities, self._journal = facilities, journal
        self._blends, self._signal_price = blends, signal_price
        self._breakers = breakers
        self._trip, self._stopped = trip, stopped
        self._reviewer, self._show = reviewer, show
        self._only, self._observe = only, observe
        """The sections that run, None for all; why none of this run sends anything, empty if they may."""
        self._account_met = met
        """Called with an account's name, its scopes, and the controls persisted at its first connection."""
        self._ledger = ExposureLedger(facilities.clock.monotonic)
        self._turns = Turns()
        self._snapshot = journal.snapshot()
        self._identities = Identities(self._try_again)
        self._workers: dict[str, AccountWorker] = {}
        """The workers that were ever connected, by book."""
        self._names: dict[str, str] = {}
        """Book -> the section that its worker was created for."""
        self.controls = Controls.of(self._snapshot.controls)
        """The operator's active commands."""
        self._books = _books_by_name(self._snapshot.accounts)
        """Section -> the last book that it traded."""
        self._newest: dict[str, Blend | None] = {}
        """Blends that some account has not received yet, by symbol."""
        self._behind: dict[str, dict[str, None]] = {}
        """Section -> the symbols whose newest blend it has not received yet."""
        self._connected_with: dict[str, BaseModel] = {}
        """Section -> the options of its newest connection."""
        self._outages: dict[str, Outages] = {}
        self._wanted: dict[str, WorkerSettings] = {}
        self._shadow_of: dict[str, str | None] = {}
        """Section -> the section that it shadows."""
        count_journaled(self._ledger, journal, self._snapshot.books, facilities.clock)

    @property
    def symbols(self) -> list[str]:
        """Return every symbol for which an account of the settings has or had a target."""
        return [symbol for runner in self.runners.values() for symbol in runner.worker.keepers]

    def last_price(self, symbol: str) -> Decimal | None:
        """Return the last price of a symbol that any account received, whatever its age."""
        seen = (runner.worker.beliefs.last_price(symbol) for runner in self.runners.values())
        return next((price for price in seen if price is not None), None)

    def retarget(self, blends: Mapping[str, Blend | None]) -> None:
        """Pass blends on to the accounts whose identity is confirmed.

        Each account gets all of its blends at once; if there are many accounts, the later ones get theirs in the next
        iterations of the event loop, so that other tasks do not wait for all of them.
        """
        self._newest.update(blends)
        following = bool(self._behind)
        for name in self.runners:
            self._behind.setdefault(name, {}).update(dict.fromkeys(blends))
        if not following:
            self._pass_on()

    def _pass_on(self) -> None:
        room = TARGETS_AT_ONCE
        while self._behind and room > 0:
            name = next(iter(self._behind))
            symbols, runner = self._behind.pop(name), self.runners.get(name)
            if runner is not None and runner.identified:
                runner.worker.retarget({symbol: self._newest[symbol] for symbol in symbols})
                room -= len(symbols)
        if self._behind:
            asyncio.get_running_loop().call_soon(self._pass_on)
        else:
            self._newest.clear()

    def command(self, controls: Controls) -> None:
        """Apply the operator's active commands to every account, connected or not."""
        self.controls = controls
        workers = [*self._workers.values(), *(runner.worker for runner in self.runners.values())]
        for worker in dict.fromkeys(workers):
            worker.command(controls)

    def read_again(self) -> None:
        """Read every account before anything else is decided there."""
        for runner in self.runners.values():
            runner.worker.read_again()

    def review_again(self) -> None:
        """Request new reviews of the risk checks for every account."""
        for runner in self.runners.values():
            runner.worker.reviews.ask_again()

    def scopes(self) -> Mapping[str, Sequence[str]]:
        """Return the names of each account of the settings in commands: its section and its book."""
        return {name: runner.worker.scopes for name, runner in self.runners.items()}

    # -- settings

    def _make(self, name: str, resolved: Resolved) -> AccountRunner:
        facilities = self._facilities
        log = facilities.log.bind(account=name)
        if name not in self._outages:
            self._outages[name] = Outages(
                facilities.clock, log, facilities.record, account=name, redact=facilities.redact
            )
        self._wanted[name] = worker_settings(name, resolved, self._observe)
        self._place_shadows(resolved)
        return AccountRunner(
            self._presumed(name),
            warn_of_key=partial(self._warn_of_key, name),
            **facilities.runner(log, self._outages[name]),
        )

    def _update(self, runner: AccountRunner, name: str, resolved: Resolved) -> None:
        self._wanted[name] = wanted = worker_settings(name, resolved, self._observe)
        self._place_shadows(resolved)
        if runner.worker.settings == wanted:
            return
        if runner.worker in self._workers.values():
            runner.worker.configure(wanted)
        else:  # it was never connected: it has no blends, and would treat them as withdrawn
            runner.worker = self._presumed(name)

    def _is_wanted(self, runner: AccountRunner, name: str, resolved: Resolved) -> bool:
        """Return whether an account must run.

        That includes a disabled account whose keys changed: what it holds is unknown until it is connected.
        """
        if self._only is not None and name not in self._only:
            return False
        other_keys = (
            self._connected_with.get(name, resolved.account_options[name]) != resolved.account_options[name]
        )
        return resolved.settings.accounts[name].enabled or not runner.worker.at_rest or other_keys

    def _launch(self, runner: AccountRunner, name: str, options: BaseModel, resolved: Resolved) -> None:
        plugin = resolved.settings.accounts[name].plugin
        facilities = self._facilities
        self._connected_with[name] = options
        context = AccountContext(
            name=name,
            options=options,
            clock=facilities.clock,
            log=facilities.log.bind(account=name),
            state_dir=facilities.folder("accounts", name),
            signal_price=self._signal_price,
            http=facilities.http,
            outages=runner.outages,
            record=partial(self._record, name),
            date=dating(facilities.clock, self._journal.holds_lock, lambda: runner.worker.observing),
        )
        spec = facilities.registry.exchanges[plugin]
        paper = spec.capabilities_of(options).simulated
        runner.paper, runner.currency = paper, spec.currency_of(options)
        runner.start(spec, context, partial(self._admit, runner, name, plugin, options, live=not paper))

    def _why_idle(self, name: str, resolved: Resolved) -> tuple[Running, str]:
        status, reason = super()._why_idle(name, resolved)
        if status is Running.DISABLED and reason:
            reason += ": its positions are left unchanged"
        return status, reason

    async def _stop(self, name: str, runner: AccountRunner, resolved: Resolved) -> None:
        await super()._stop(name, runner, resolved)
        self._identities.release(name)

    def _place_shadows(self, resolved: Resolved) -> None:
        self._shadow_of = {name: one.shadow_of for name, one in resolved.settings.accounts.items()}
        self._count_shadows()
        self._ledger.group(resolved.settings.groups)

    def _count_shadows(self) -> None:
        """Exclude the books of shadows from the total exposure; those books are known once accounts connect."""
        for name, of in self._shadow_of.items():
            self._ledger.shadow(self._books.get(name, name), None if of is None else self._books.get(of, of))

    # -- identity

    async def _admit(
        self,
        runner: AccountRunner,
        name: str,
        plugin: str,
        options: BaseModel,
        account: ExchangeAccount,
        *,
        live: bool,
    ) -> AccountWorker:
        """Return the worker of the connected account. Raise `AccountTaken` if another section trades it."""
        stated = await account.identity()
        runner.key.check(stated)
        identity = await identified(
            self._journal,
            name,
            fingerprint(plugin, name, options),
            stated,
            self._facilities.clock.now(),
            seen_keys=self._identities.seen_keys,
            silent=self._identities.silent,
        )
        self._identities.claim(name, identity)
        # A new account that was recorded observes, even if this connection is given up before that is known here.
        book = await unbroken(self._enrol(runner, name, identity, live=live))
        self._account_met(name, (name, scope_of_book(book)), ())
        before, self._books[name] = self._books.get(name, book), book
        self._count_shadows()
        if before != book:
            text = (
                f"this is {identity}, not the account that was here before: its own targets and goals apply; "
            )
            await self._report(name, text + "the positions of the other one are left unchanged")
        runner.worker = worker = await self._worker(book, name)
        worker.retarget(self._blends(worker.keepers))
        return worker

    async def _enrol(self, runner: AccountRunner, name: str, identity: Identity, *, live: bool) -> str:
        """Record an account in the journal, apply what holds from its first connection on, and return its book."""
        rows: list[Control] = []

        def first(book: str) -> Sequence[Control]:
            rows.extend(self._at_first(name, book, live=live))
            return rows

        book = await self._journal.identify(
            name=name,
            plugin=identity.plugin,
            host=identity.host,
            uid=identity.uid,
            paper=not live,
            currency=runner.currency or "",
            first=first,
        )
        if rows:
            self._account_met(name, (), rows)
        return book

    def _at_first(self, name: str, book: str, *, live: bool) -> Iterable[Control]:
        """Return the controls of an account that is new here: a live one observes, unless its settings state otherwise.

        An account with targets from before the journal had identities is not new.
        """
        known = any(key == book for key, _ in self._snapshot.books)
        if live and not known and self._wanted[name].observe != "":
            yield new_here(book, self._facilities.clock.now())

    def _warn_of_key(self, name: str, text: str) -> None:
        self._facilities.log.bind(account=name).warning("{}", text)
        self._facilities.record(Event(at=self._facilities.clock.now(), kind="key", text=text, account=name))

    async def _report(self, name: str, text: str) -> None:
        """Persist an event, and with it everything appended before."""
        self._facilities.log.bind(account=name).warning("{}", text)
        event = Event(at=self._facilities.clock.now(), kind="identity", text=text, account=name)
        self._facilities.notify(event)
        await self._journal.append(event)

    def _record(self, name: str, kind: str, text: str, *, symbol: str | None = None) -> None:
        """Record an event of an account's plugin."""
        said = bounded(self._facilities.redact(text))
        now = self._facilities.clock.now()
        self._facilities.record(Event(at=now, kind=kind, text=said, account=name, symbol=symbol))

    def _try_again(self, name: str) -> None:
        if (runner := self.runners.get(name)) is not None:
            runner.resume()

    # -- workers

    def _presumed(self, name: str) -> AccountWorker:
        """Return the worker to show for a section until its account is known."""
        book = self._books.get(name, name)
        known = self._workers.get(book)
        if known is not None and self._names[book] == name:
            return known
        return self._new_worker(book, name)

    async def _worker(self, book: str, name: str) -> AccountWorker:
        known = self._workers.get(book)
        if known is not None and self._names[book] == name:
            if known.settings != self._wanted[name]:
                known.configure(self._wanted[name])
            return known
        if known is not None:  # the journal has newer records of it than at the start
            await self._report(name, f"continues with the account that [accounts.{self._names[book]}] traded")
            self._snapshot = self._journal.snapshot()
        self._workers[book] = worker = self._new_worker(book, name)
        self._names[book] = name
        return worker

    def _new_worker(self, book: str, name: str) -> AccountWorker:
        log = self._facilities.log.bind(account=name)
        return AccountWorker(
            name=name,
            book=book,
            settings=self._wanted[name],
            journal=self._journal,
            ledger=self._ledger,
            turns=self._turns,
            clock=self._facilities.clock,
            log=log,
            outages=self._outages[name],
            record=self._facilities.record,
            controls=self.controls,
            trip=partial(self._trip, name),
            metrics=self._facilities.metrics,
            tracer=self._facilities.tracer,
            time=self._facilities.time,
            counted=self._counted(name, book),
            stopped=partial(self._stopped, name),
            reviewer=self._reviewer,
            books={symbol: record for (key, symbol), record in self._snapshot.books.items() if key == book},
            open_intents=[intent for intent in self._snapshot.open_intents if intent.account == book],
        )

    def _counted(self, name: str, book: str) -> Counted:
        runner = self.runners.get(name)
        counted, currency = self._breakers.counted(name, book), (runner and runner.currency) or ""
        return replace(counted, currency=currency, notify=self._facilities.notify, show=self._show)


def worker_settings(name: str, resolved: Resolved, observe: str = "") -> WorkerSettings:
    """Return the settings of an account: its own section combined with those of all accounts.

    ``observe``: why no account of this run sends anything.
    """
    settings, section = resolved.settings, resolved.settings.accounts[name]
    by_section = {True: "observe = true in its settings", False: "", None: None}
    return WorkerSettings(
        policy=account_policy(section),
        limits=effective_limits(settings.limits, section.limits),
        engine=settings.engine,
        enabled=section.enabled,
        stops=stop_policy(section, settings.symbols),
        concurrency=section.concurrency,
        symbols=tuple(settings.symbols),
        hours=hours_without_increases(settings, section),
        observe=observe or by_section[section.observe],
    )


def _books_by_name(accounts: Iterable[AccountRecord]) -> dict[str, str]:
    """Return the last book that each section traded."""
    return {record.name: record.book for record in sorted(accounts, key=lambda record: record.seen_at)}
