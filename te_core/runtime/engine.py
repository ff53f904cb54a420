"""The running engine: sources in, targets out, one worker per account. It does what the settings say, no more.

``apply`` compares what runs with what the settings ask for and touches only what differs.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Iterable, Mapping
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel

from te_core.accounts.exposure import ExposureLedger
from te_core.accounts.targets import WorkerSettings
from te_core.accounts.worker import AccountWorker
from te_core.clock import Clock
from te_core.contracts.exchange import AccountContext
from te_core.contracts.source import SourceContext
from te_core.contracts.webhook import WebhookRequest, WebhookResponse
from te_core.journal.journal import Journal
from te_core.journal.redaction import Redact
from te_core.model.event import Event
from te_core.model.signal import QuarantinedInput
from te_core.outage import Outages
from te_core.plugins.registry import Registry
from te_core.runtime.instances import AccountRunner, Runner, SourceRunner
from te_core.runtime.notifiers import Notifiers
from te_core.runtime.supervisor import Running
from te_core.settings.policies import account_policy, effective_limits
from te_core.settings.resolution import Resolved
from te_core.settings.schema import AccountSettings
from te_core.signals.netting import Netting

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
        self.netting = Netting(journal, clock=clock, log=log, record=self.record, on_change=self._reblend)
        self.stopping = False
        self._journal = journal
        self.clock = clock
        self._log = log
        self._state_dir = state_dir
        self._ledger = ExposureLedger(clock.monotonic)
        self._memory = journal.memory()
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

    # -- life

    async def start(self, resolved: Resolved) -> None:
        """Take what the journal remembers, then start what the settings ask for."""
        self.netting.restore(self._memory.signals)
        await self.apply(resolved)

    async def stop(self) -> None:
        """Take no more signals, let orders under way be answered, then stop everything."""
        self.stopping = True
        self.netting.close_intake()
        await asyncio.gather(*(runner.drain(DRAIN) for runner in self.accounts.values()))
        runners: list[Runner] = [*self.sources.values(), *self.accounts.values()]
        await asyncio.gather(*(runner.stop(Running.STOPPED) for runner in runners), self.notifiers.stop())
        if self._session is not None:
            await self._session.close()

    async def apply(self, resolved: Resolved) -> None:
        """Make reality follow the settings; what did not change is not touched."""
        self.resolved = resolved
        await self.notifiers.apply(resolved)
        self.netting.configure(resolved.settings)
        await asyncio.gather(
            *(self._apply_source(name) for name in self._names(self.sources, "sources")),
            *(self._apply_account(name) for name in self._names(self.accounts, "accounts")),
        )
        self._reblend(None)

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
            clock=self.clock,
            log=self._log.bind(source=name),
            state_dir=self._folder("sources", name),
            publish=self.netting.intake.publish,
            latest=partial(self.netting.intake.latest, name),
            arrived=partial(self.netting.intake.arrived, name),
            quarantine=self._keep,
            record=partial(self._source_event, name),
            http=self._http,
            outages=runner.outages,
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
        runner.worker.retarget(self.netting.blends(self._symbols()))
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
            clock=self.clock,
            log=self._log.bind(account=name),
            state_dir=self._folder("accounts", name),
            signal_price=self.netting.intake.price,
            http=self._http,
            outages=self.accounts[name].outages,
            date=self.clock.now,
        )

    def _account_runner(self, name: str, section: AccountSettings) -> AccountRunner:
        """Give the account's runner with its worker told of the present settings."""
        assert self.resolved is not None
        settings = self.resolved.settings
        wanted = WorkerSettings(
            policy=account_policy(section),
            limits=effective_limits(settings.limits, section.limits),
            engine=settings.engine,
            enabled=section.enabled,
            concurrency=section.concurrency,
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
            clock=self.clock,
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
        return {"clock": self.clock, "log": log, "settings": self._engine_settings}

    def _engine_settings(self) -> Any:
        assert self.resolved is not None
        return self.resolved.settings.engine

    def _outages(self, log: Logger, **where: str) -> Outages:
        return Outages(self.clock, log, self.record, **where)

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
        self.record(Event(at=self.clock.now(), kind=kind, text=text, source=source, symbol=symbol))

    def _keep(self, entry: Event | QuarantinedInput) -> None:
        self._journal.append(entry, awaited=False)

    # -- blends to accounts

    def _symbols(self) -> list[str]:
        """Every symbol that has weights or that some account still has a target for."""
        held = [symbol for runner in self.accounts.values() for symbol in runner.worker.keepers]
        return list(dict.fromkeys([*self.netting.symbols, *held]))

    def _reblend(self, symbols: Iterable[str] | None) -> None:
        assert self.resolved is not None
        blends = self.netting.blends(self._symbols() if symbols is None else symbols)
        for name, runner in self.accounts.items():
            if name in self.resolved.settings.accounts:
                runner.worker.retarget(blends)
        self.netting.watch_expiry()

    # -- what listeners and the command line ask for

    def on_webhook(self, source: str, request: WebhookRequest) -> Awaitable[WebhookResponse]:
        """Hand a request to a source."""
        runner = self.sources.get(source)
        if runner is None or runner.health.status is Running.DISABLED:
            # Its name is not repeated: a token takes its place when an address was put together wrongly.
            return _nobody(404, "there is no such source")
        if runner.instance is None or self.stopping:
            return _nobody(503, "the source is not running; try again", retry_after=5)
        return runner.instance.on_webhook(request)


async def _nobody(status: int, reason: str, *, retry_after: int | None = None) -> WebhookResponse:
    return WebhookResponse(status=status, body={"error": {"reason": reason}}, retry_after=retry_after)
