"""The running engine: sources in, targets out, one worker per account. It does what the settings say, no more.

``apply`` compares what runs with what the settings ask for and touches only what differs.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Iterable, Mapping
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel

from te_core.clock import Clock
from te_core.contracts.exchange import AccountContext
from te_core.contracts.source import LONGEST_DEDUPE, SourceContext
from te_core.contracts.webhook import WebhookRequest, WebhookResponse
from te_core.engine.blend import blend
from te_core.engine.expiry import ExpiryWatch
from te_core.engine.exposure import ExposureLedger
from te_core.engine.intake import Intake
from te_core.engine.limits import combine
from te_core.engine.opinions import expectations, mortal_opinions, opinions_on
from te_core.engine.outage import Outages
from te_core.engine.runner import AccountRunner, Runner, SourceRunner
from te_core.engine.silence import SilenceWatch
from te_core.engine.supervisor import Running
from te_core.engine.targets import WorkerSettings
from te_core.engine.worker import AccountWorker
from te_core.journal.journal import Journal
from te_core.journal.redaction import Redact
from te_core.model.event import Event
from te_core.model.signal import QuarantinedInput
from te_core.model.target import Blend
from te_core.plugins.registry import Registry
from te_core.reporting.doctor import examine_all
from te_core.reporting.explain import explain, explain_signals
from te_core.reporting.notifying import Notifiers
from te_core.reporting.state import engine_state, plan_state
from te_core.settings.resolution import Resolved
from te_core.settings.schema import AccountSettings

if TYPE_CHECKING:
    from aiohttp import ClientSession
    from loguru import Logger

DRAIN = timedelta(seconds=1)


class Engine:
    """Everything between the sources and the accounts. Made, started, given settings, stopped."""

    def __init__(
        self,
        *,
        journal: Journal,
        registry: Registry,
        clock: Clock,
        log: Logger,
        state_dir: Path,
        redact: Redact = str,
    ) -> None:
        self.sources: dict[str, SourceRunner] = {}
        self.accounts: dict[str, AccountRunner] = {}
        self.started_at = clock.now()
        self.resolved: Resolved | None = None
        self.registry = registry
        self.silence = SilenceWatch(clock, log, self.record, self._on_expiry)
        self.intake = Intake(journal, clock, self._on_signal, self.silence.heard)
        self._journal = journal
        self._clock = clock
        self._log = log
        self._state_dir = state_dir
        self._ledger = ExposureLedger(clock.monotonic)
        self._memory = journal.memory()
        self._dirty: dict[str, None] = {}
        self._flush: asyncio.Handle | None = None
        self._expiry = ExpiryWatch(clock, log, self.record, self._on_expiry)
        self.notifiers = Notifiers(
            registry,
            clock=clock,
            log=log,
            redact=redact,
            record=self._keep,
            folder=self._folder,
            http=self._http,
        )
        self._session: ClientSession | None = None
        self._stopping = False

    # -- life

    async def start(self, resolved: Resolved) -> None:
        """Take what the journal remembers, then start what the settings ask for."""
        since = self._clock.now() - LONGEST_DEDUPE
        remembered = (*self._memory.signals, *self._journal.superseded(since))
        self.intake.restore(remembered, self._journal.deliveries(since))
        self.silence.restore(
            {s.source: s.received_at for s in sorted(remembered, key=lambda s: s.received_at)}
        )
        await self.apply(resolved)

    async def stop(self) -> None:
        """Take no more signals, let orders under way be answered, then stop everything."""
        self._stopping = True
        self._expiry.stop()
        self.silence.stop()
        if self._flush is not None:
            self._flush.cancel()
        await asyncio.gather(*(runner.drain(DRAIN) for runner in self.accounts.values()))
        runners: list[Runner] = [*self.sources.values(), *self.accounts.values()]
        await asyncio.gather(*(runner.stop(Running.STOPPED) for runner in runners), self.notifiers.stop())
        if self._session is not None:
            await self._session.close()

    async def apply(self, resolved: Resolved) -> None:
        """Make reality follow the settings; what did not change is not touched."""
        self.resolved = resolved
        await self.notifiers.apply(resolved)
        self.silence.expect(expectations(resolved.settings))
        await asyncio.gather(
            *(self._apply_source(name) for name in self._names(self.sources, "sources")),
            *(self._apply_account(name) for name in self._names(self.accounts, "accounts")),
        )
        self._reblend(self._symbols())

    def _names(self, running: Mapping[str, Runner], section: str) -> list[str]:
        assert self.resolved is not None
        return list(dict.fromkeys([*running, *getattr(self.resolved.settings, section)]))

    async def _apply_source(self, name: str) -> None:
        assert self.resolved is not None
        settings = self.resolved.settings
        section = settings.sources.get(name)
        runner = self.sources.get(name)
        if runner is None:
            log = self._log.bind(source=name)
            runner = SourceRunner(**self._common(log), outages=self._outages(log, source=name))
            self.sources[name] = runner
        if section is None or not (section.enabled and settings.plugin_enabled(section.plugin)):
            await runner.stop(Running.DISABLED)
            if section is None:
                del self.sources[name]
            return
        options = self.resolved.source_options.get(name)
        if options is None:
            await runner.stop(Running.UNAVAILABLE, self.resolved.unavailable.get(f"sources.{name}", ""))
            return
        spec = self.registry.sources[section.plugin]
        key = (section.plugin, options, section.symbols)
        if runner.key == key and runner.running:
            return
        await runner.stop(Running.STARTING)
        context = SourceContext(
            name=name,
            symbols=section.symbols,
            options=options,
            clock=self._clock,
            log=self._log.bind(source=name),
            state_dir=self._folder("sources", name),
            publish=self.intake.publish,
            latest=partial(self.intake.latest, name),
            arrived=partial(self.intake.arrived, name),
            quarantine=self._keep,
            record=partial(self._source_event, name),
            http=self._http,
        )
        runner.start(key, spec, context)

    async def _apply_account(self, name: str) -> None:
        assert self.resolved is not None
        section = self.resolved.settings.accounts.get(name)
        runner = self.accounts.get(name)
        gone = self._why_gone(section)
        if gone or section is None:
            if runner is not None:
                await runner.stop(Running.DISABLED, f"{gone}: its positions are left as they are")
                self._ledger.forget(name)
            return
        runner = self._account_runner(name, section)
        # Now, as others may be slow to stop: meanwhile it would go after the targets of when it last ran.
        runner.worker.retarget(self._wishes(self._symbols()))
        options = self.resolved.account_options.get(name)
        key = (section.plugin, options)
        if options is None:
            await runner.stop(Running.UNAVAILABLE, self.resolved.unavailable.get(f"accounts.{name}", ""))
        elif not section.enabled and not runner.running and runner.worker.at_rest:
            runner.health.set(Running.DISABLED)
        elif runner.key != key or not runner.running:
            await runner.stop(Running.STARTING)
            spec = self.registry.exchanges[section.plugin]
            runner.start(key, spec, self._account_context(name, options))

    def _why_gone(self, section: AccountSettings | None) -> str:
        assert self.resolved is not None
        if section is None:
            return "removed from the settings"
        on = self.resolved.settings.plugin_enabled(section.plugin)
        return "" if on else f"plugin {section.plugin} is switched off"

    def _account_context(self, name: str, options: BaseModel) -> AccountContext[BaseModel]:
        return AccountContext(
            name=name,
            options=options,
            clock=self._clock,
            log=self._log.bind(account=name),
            state_dir=self._folder("accounts", name),
            signal_price=self.intake.price,
            http=self._http,
        )

    def _account_runner(self, name: str, section: AccountSettings) -> AccountRunner:
        """Give the account's runner with its worker told of the present settings."""
        assert self.resolved is not None
        settings = self.resolved.settings
        wanted = WorkerSettings(
            account=section,
            limits=combine(settings.limits, section.limits),
            engine=settings.engine,
            enabled=section.enabled,
            symbols=tuple(settings.symbols),
        )
        runner = self.accounts.get(name)
        if runner is None:
            return self._new_account(name, wanted)
        if runner.worker.settings != wanted:
            runner.worker.configure(wanted)
        return runner

    def _new_account(self, name: str, settings: WorkerSettings) -> AccountRunner:
        log = self._log.bind(account=name)
        outages = self._outages(log, account=name)
        worker = AccountWorker(
            name=name,
            settings=settings,
            journal=self._journal,
            ledger=self._ledger,
            clock=self._clock,
            log=log,
            outages=outages,
            record=self.record,
            books={symbol: book for (account, symbol), book in self._memory.books.items() if account == name},
            open_intents=[intent for intent in self._memory.open_intents if intent.account == name],
        )
        runner = AccountRunner(worker, **self._common(log), outages=outages)
        self.accounts[name] = runner
        return runner

    def _common(self, log: Logger) -> dict[str, Any]:
        return {"clock": self._clock, "log": log, "settings": self._engine_settings}

    def _engine_settings(self) -> Any:
        assert self.resolved is not None
        return self.resolved.settings.engine

    def _outages(self, log: Logger, **where: str) -> Outages:
        return Outages(self._clock, log, self.record, **where)

    def _folder(self, kind: str, name: str) -> Path:
        """An instance's own folder; its runner makes it, so that a failure stays with the instance."""
        return self._state_dir / kind / name

    def _http(self) -> ClientSession:
        if self._session is None:
            from aiohttp import ClientSession  # late: paper trading needs no HTTP client

            self._session = ClientSession()
        return self._session

    def record(self, event: Event) -> None:
        """Keep an event in the journal, and have the notifiers tell of it."""
        self._keep(event)
        self.notifiers.take(event)

    def _source_event(self, source: str, kind: str, text: str, *, symbol: str | None = None) -> None:
        self.record(Event(at=self._clock.now(), kind=kind, text=text, source=source, symbol=symbol))

    def _keep(self, entry: Event | QuarantinedInput) -> None:
        self._journal.append(entry, awaited=False)

    # -- signals to targets

    def _on_signal(self, symbol: str) -> None:
        """Blend once per round of the loop, however many signals became durable together."""
        self._dirty[symbol] = None
        if self._flush is None and not self._stopping:
            self._flush = asyncio.get_running_loop().call_soon(self._flush_dirty)

    def _flush_dirty(self) -> None:
        symbols, self._dirty, self._flush = list(self._dirty), {}, None
        self._reblend(symbols)

    def _symbols(self) -> list[str]:
        """Every symbol that is configured or that some account still has a target for."""
        assert self.resolved is not None
        held = [symbol for runner in self.accounts.values() for symbol in runner.worker.states]
        return list(dict.fromkeys([*self.resolved.settings.symbols, *held]))

    def _reblend(self, symbols: Iterable[str]) -> None:
        assert self.resolved is not None
        wishes = self._wishes(symbols)
        for name, runner in self.accounts.items():
            if name in self.resolved.settings.accounts:
                runner.worker.retarget(wishes)
        self._expiry.watch(mortal_opinions(self.resolved.settings, self.intake, self.silence.due))

    def _wishes(self, symbols: Iterable[str]) -> dict[str, Blend | None]:
        return {symbol: self._blend(symbol) for symbol in symbols}

    def _blend(self, symbol: str) -> Blend | None:
        assert self.resolved is not None
        settings = self.resolved.settings.symbols.get(symbol)
        if settings is None:
            return None
        return blend(
            symbol,
            weights=settings.weights,
            leverage=settings.leverage,
            opinions=opinions_on(symbol, self.resolved.settings, self.intake, self.silence.due),
            now=self._clock.now(),
        )

    def _on_expiry(self) -> None:
        self._reblend(self._symbols())

    # -- what listeners and the command line ask for

    def on_webhook(self, source: str, request: WebhookRequest) -> Awaitable[WebhookResponse]:
        """Hand a request to a source."""
        runner = self.sources.get(source)
        if runner is None or runner.health.status is Running.DISABLED:
            # Its name is not repeated: a token takes its place when an address was put together wrongly.
            return _nobody(404, "there is no such source")
        if runner.instance is None or self._stopping:
            return _nobody(503, "the source is not running; try again", retry_after=5)
        return runner.instance.on_webhook(request)

    def now(self) -> datetime:
        """Tell the engine's time."""
        return self._clock.now()

    def state(self) -> dict[str, Any]:
        """Return what ``te status`` shows; JSON values without secrets."""
        assert self.resolved is not None
        return engine_state(self, self.resolved.settings, pid=os.getpid())

    async def plan(self) -> dict[str, Any]:
        """Read every account afresh and say what would be ordered now, and why. Sends nothing."""
        names = [name for name, runner in self.accounts.items() if runner.running]
        previews = (self.accounts[name].worker.preview() for name in names)
        decisions = await asyncio.gather(*previews, return_exceptions=True)
        return {"accounts": {name: plan_state(found) for name, found in zip(names, decisions, strict=True)}}

    def explain(self, symbol: str) -> dict[str, Any]:
        """Return the arithmetic from signals to quantity per account. Raises ``KeyError`` for an unknown symbol."""
        found = {
            name: explain(state.target, state.goal, state.confirmation)
            for name, runner in self.accounts.items()
            if (state := runner.worker.states.get(symbol)) is not None and state.target is not None
        }
        if not found:
            raise KeyError(symbol)
        return {"symbol": symbol, "signals": explain_signals(self.intake.in_force(symbol)), "accounts": found}

    def report(self, source: str) -> dict[str, Any]:
        """Return what a source reports at length. Raises ``KeyError`` when no such source is running."""
        runner = self.sources.get(source)
        if runner is None or runner.instance is None:
            raise KeyError(source)
        return dict(runner.instance.report())

    async def doctor(self) -> dict[str, Any]:
        """Look every running account over; reads only."""
        assert self.resolved is not None
        return await examine_all(self.accounts, self.resolved.settings, self._clock)

    def readiness(self) -> dict[str, Any]:
        """Return whether every enabled source and account is running, and what is not."""
        groups: tuple[tuple[str, Mapping[str, Runner]], ...] = (
            ("source", self.sources),
            ("account", self.accounts),
        )
        reasons = [
            f"{kind} {name}: {runner.health.status}"
            + (f": {runner.health.reason}" if runner.health.reason else "")
            for kind, runners in groups
            for name, runner in runners.items()
            if runner.health.status not in (Running.RUNNING, Running.DISABLED)
        ]
        if self._stopping:
            reasons.append("stopping")
        return {"ready": not reasons, "reasons": reasons}


async def _nobody(status: int, reason: str, *, retry_after: int | None = None) -> WebhookResponse:
    return WebhookResponse(status=status, body={"error": {"reason": reason}}, retry_after=retry_after)
