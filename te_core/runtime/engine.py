"""The running engine: sources in, targets out, one worker per account. It does only what the settings state."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

from te_core.clock import Clock
from te_core.contracts.webhook import WebhookRequest, WebhookResponse
from te_core.errors import NotReady
from te_core.http_session import http_session
from te_core.journal.journal import Journal
from te_core.metrics import Metrics
from te_core.model.control import Control
from te_core.model.event import Event
from te_core.model.signal import QuarantinedInput
from te_core.model.target import Blend
from te_core.outage import Outages
from te_core.plugins.registry import Registry
from te_core.runtime.accounts import Accounts
from te_core.runtime.breakers import CircuitBreakers
from te_core.runtime.commands import Commands
from te_core.runtime.control import ControlAccess
from te_core.runtime.facilities import Facilities
from te_core.runtime.instances import AccountRunner, Runner, SourceRunner
from te_core.runtime.notifiers import Notifiers
from te_core.runtime.observers import Observers
from te_core.runtime.reconciler import Instances
from te_core.runtime.refusals import Refusals
from te_core.runtime.risk_checks import RiskChecks
from te_core.runtime.sources import Sources
from te_core.secrets import Redact
from te_core.settings.difference import difference
from te_core.settings.resolution import Kind, Resolved
from te_core.settings.schema import EngineSettings
from te_core.signals.netting import Netting
from te_core.tracing import OFF, Tracer

if TYPE_CHECKING:
    from aiohttp import ClientSession
    from loguru import Logger

DRAIN = timedelta(seconds=1)
LAST_WORDS = 0.9
"""Seconds that notifiers have to send pending notices when the engine stops."""

RETRY_AFTER = 5
"""Seconds after which a sender may retry."""


class Engine:
    """Everything between the sources and the accounts. It is created, started, reconfigured, and stopped.

    ``only``: run these accounts and no sources; None runs everything in the settings. ``observe``: why no account of
    this run sends anything; empty if they may send. ``control``: what plugins may control the engine with.
    """

    _session: ClientSession | None = None
    resolved: Resolved | None = None

    def __init__(
        self,
        *,
        journal: Journal,
        registry: Registry,
        clock: Clock,
        log: Logger,
        state_dir: Path,
        redact: Redact = str,
        only: Collection[str] | None = None,
        observe: str = "",
        control: ControlAccess | None = None,
        tracer: Tracer = OFF,
    ) -> None:
        self.started_at = clock.now()
        self.registry, self.clock = registry, clock
        self.metrics, self._tracer = Metrics(), tracer
        self.netting = self._make_netting(journal, log)
        self.stopping, self._journal = False, journal
        self._engine_outages = Outages(clock, log, self.record)
        self._applying = asyncio.Lock()
        facilities = self._make_facilities(log, state_dir, redact, control)
        self.notifiers = Notifiers(facilities, redact)
        self.observers = Observers(facilities, redact, self._record_unobserved)
        self.risk_checks = RiskChecks(facilities, lambda: self._accounts.review_again())  # noqa: PLW0108 - created later
        self._sources = Sources(facilities, self.netting.intake, self._last_price)
        self.refusals = Refusals(journal, clock)
        self.breakers = self._make_breakers(log)
        self._accounts = Accounts(
            facilities,
            journal,
            breakers=self.breakers,
            blends=self._blends,
            signal_price=self.netting.intake.price,
            trip=self._trip,
            met=self._met,
            stopped=self._stopped,
            reviewer=self.risk_checks,
            show=self.observers.show,
            only=only,
            observe=observe,
        )
        self.commands = self._make_commands(log)
        self._kinds: Mapping[Kind, Instances[Any]] = {
            "notifiers": self.notifiers,  # first, so that they exist before the others report anything
            "observers": self.observers,
            "risk_checks": self.risk_checks,
            **({"sources": self._sources} if only is None else {}),
            "accounts": self._accounts,
        }

    def _make_facilities(
        self, log: Logger, state_dir: Path, redact: Redact, control: ControlAccess | None
    ) -> Facilities:
        return Facilities(
            clock=self.clock,
            log=log,
            registry=self.registry,
            state_dir=state_dir,
            record=self.record,
            notify=self.notify,
            persist=self._persist,
            engine=self._engine_settings,
            http=self.http,
            metrics=self.metrics,
            tracer=self._tracer,
            time=self.netting.time.now,
            control=control,
            redact=redact,
        )

    def _make_netting(self, journal: Journal, log: Logger) -> Netting:
        return Netting(
            journal,
            clock=self.clock,
            log=log,
            record=self.record,
            on_change=self._reblend,
            count=self.metrics.signal,
            missed=lambda: self._accounts.read_again(),  # noqa: PLW0108 - created later
            tracer=self._tracer,
        )

    def _make_breakers(self, log: Logger) -> CircuitBreakers:
        return CircuitBreakers(
            self._journal,
            self._journal.snapshot(),
            clock=self.clock,
            log=log,
            notify=self.notify,
            enforce=lambda account, trip: self.commands.enforce(account, trip),  # noqa: PLW0108 - created later
            rejected=self.refusals.order,
        )

    def _make_commands(self, log: Logger) -> Commands:
        return Commands(
            self._journal,
            clock=self.clock,
            log=log,
            notify=self.notify,
            netting=self.netting,
            accounts=self._accounts,
            sources=lambda: self.sources,
            changed=lambda: self._reblend(None),
            breakers=self.breakers,
        )

    @property
    def sources(self) -> Mapping[str, SourceRunner]:
        """The sources of the settings, running or not."""
        return self._sources.runners

    @property
    def accounts(self) -> Mapping[str, AccountRunner]:
        """The accounts of the settings, running or not."""
        return self._accounts.runners

    # -- life

    async def start(self, resolved: Resolved) -> None:
        """Load the active state from the journal, then start what the settings define."""
        self.netting.restore(self._journal.snapshot().signals)
        self.commands.start()
        await self.apply(resolved)

    async def stop(self) -> None:
        """Accept no more signals, wait for orders in flight, then stop everything."""
        self.stopping = True
        self.netting.close_intake()
        self.commands.stop()
        drained = (runner.drain(DRAIN) for runner in self.accounts.values())
        await asyncio.gather(self.notifiers.empty(LAST_WORDS), *drained)
        await asyncio.gather(*(kind.stop() for kind in self._kinds.values()))
        if self._session is not None:
            await self._session.close()

    async def apply(self, resolved: Resolved) -> None:
        """Apply settings to what is running; leave untouched what did not change."""
        async with self._applying:
            changes = difference(self.resolved, resolved)
            self.resolved = resolved
            self.netting.configure(resolved.settings)
            for kind in self._kinds.values():
                kind.prepare(resolved)
            self.breakers.configure(resolved.settings)
            self.commands.follow_settings()
            # Before anything is awaited: while one instance is slow to stop, the others follow the new settings.
            self._reblend(None)
            await asyncio.gather(*(kind.carry_out(changes, resolved) for kind in self._kinds.values()))

    def resume(self, kind: Kind, name: str, symbol: str = "") -> Runner:
        """Retry a waiting instance without further delay. Raise `KeyError` if there is no such instance.

        ``symbol``: the only one of an account that is retried; empty for all.
        """
        runner: Runner = self._kinds[kind].runners[name]
        if symbol:
            self.accounts[name].resume(symbol)
        else:
            runner.resume()
        return runner

    def _engine_settings(self) -> EngineSettings:
        assert self.resolved is not None
        return self.resolved.settings.engine

    def http(self) -> ClientSession:
        """Return the shared HTTP session, for everything that does not need its own."""
        if self._session is None:
            self._session = http_session()
        return self._session

    def journal_problem(self) -> str:
        """Return why the journal cannot be written at present; empty while it can."""
        return self._journal.problem().removeprefix("journal ")

    def journal_changed(self, problem: str) -> None:
        """Report that the journal cannot be written, or can be again (empty). Nothing is journaled in between."""
        if problem:
            found = problem.removeprefix("journal ")
            self._engine_outages.failing(
                "journal", f"{found}; meanwhile alerts are answered 503 and orders wait"
            )
        else:
            self._engine_outages.well("journal")

    def output_changed(self, name: str, problem: str) -> None:
        """Report that an output of logs or traces loses data, or has recovered (``problem`` is empty)."""
        if problem:
            self._engine_outages.failing(name, f"{problem}; trading continues")
        else:
            self._engine_outages.well(name)

    def record(self, event: Event) -> None:
        """Persist an event, and pass it to the notifiers."""
        self._persist(event)
        self.notify(event)

    def journal_size(self) -> int:
        """Return the size of the journal's files in bytes."""
        return self._journal.size()

    def notify(self, event: Event) -> None:
        """Pass an event to the notifiers and observers, without persisting it."""
        self.metrics.event(event.kind)
        self.notifiers.accept(event)
        self.observers.accept(event)

    def _record_unobserved(self, event: Event) -> None:
        self._persist(event)
        self.metrics.event(event.kind)
        self.notifiers.accept(event)

    def _persist(self, entry: Event | QuarantinedInput) -> None:
        if isinstance(entry, QuarantinedInput):
            self.refusals.alert(entry.source)
        self._journal.append(entry, awaited=False)

    def _stopped(self, account: str, symbol: str, kind: str, reason: str) -> None:
        """Hold a symbol flat after a stop, once the caller that detected it has finished."""
        asyncio.get_running_loop().call_soon(self.commands.stopped, account, symbol, kind, reason)

    def _trip(self, account: str, symbol: str, reason: str) -> None:
        """Halt a symbol, once the decision that detected the problem has finished."""
        asyncio.get_running_loop().call_soon(self.commands.trip, account, symbol, reason)

    def _met(self, account: str, scopes: Sequence[str], rows: Sequence[Control]) -> None:
        self.commands.met(account, scopes, rows)

    # -- blends to accounts

    def _blends(self, symbols: Iterable[str]) -> dict[str, Blend | None]:
        """Return the blends of all symbols that have weights, and of ``symbols``."""
        return self.netting.blends(dict.fromkeys([*self.netting.symbols, *symbols]))

    def _last_price(self, symbol: str) -> Decimal | None:
        """Return the last known price of a symbol: from an exchange, or else the newest that a signal stated."""
        price = self._accounts.last_price(symbol)
        stated = self.netting.intake.price(symbol) if price is None else None
        return stated.value if stated is not None else price

    def _reblend(self, symbols: Iterable[str] | None) -> None:
        if symbols is None:
            self._accounts.retarget(self._blends(self._accounts.symbols))
        else:
            self._accounts.retarget(self.netting.blends(symbols))
        self.commands.signals_came(symbols)
        self.netting.watch_expiry()

    # -- requests of the listeners

    def screen(self, source: str, request: WebhookRequest) -> WebhookResponse | None:
        """Return the response to a request's head, or None if the body is needed. Raise `NotReady` if it is down."""
        runner = self.sources.get(source)
        return _NO_SOURCE if runner is None else runner.screen(request)

    async def on_webhook(self, source: str, request: WebhookRequest) -> WebhookResponse:
        """Return a source's response to a request. Raise `JournalError` if the alert is not stored."""
        runner = self.sources.get(source)
        if runner is None:
            return _NO_SOURCE
        began, status = self.clock.monotonic(), 503
        with self._tracer.begin("receive", root=True, source=source) as span:
            try:
                answer = await self._answer(source, runner, request)
                status = answer.status
            finally:
                span.set_attribute("http.response.status_code", status)
                self.metrics.alert(source, status, self.clock.monotonic() - began)
        return answer

    async def _answer(self, source: str, runner: SourceRunner, request: WebhookRequest) -> WebhookResponse:
        if self.stopping:
            return _refusal(503, "the engine is stopping; try again", retry_after=RETRY_AFTER)
        try:
            answer = await runner.on_webhook(request)
        except NotReady as error:
            return _refusal(503, error.reason, retry_after=max(RETRY_AFTER, int(error.retry_after or 0)))
        if answer.status == 200 and source in self.netting.pauses:
            return replace(
                answer, body={**answer.body, "note": "not counted at present: the source is paused"}
            )
        return answer


def _refusal(status: int, reason: str, *, retry_after: int | None = None) -> WebhookResponse:
    return WebhookResponse(status=status, body={"error": {"reason": reason}}, retry_after=retry_after)


_NO_SOURCE = _refusal(404, "there is no such source")
"""The name is not repeated: in a wrongly composed address it may be a token."""
