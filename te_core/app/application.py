"""Assemble everything that makes up a running engine, keep it at its settings, and shut it down in order."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from contextlib import AsyncExitStack, suppress
from datetime import datetime, timedelta
from functools import partial
from typing import Any, cast, get_args

from loguru import logger

from te_core import __version__
from te_core.app import last_run, state_folder, used_plugins
from te_core.app.announcement import Announcement
from te_core.app.daily_summary import DailySummary
from te_core.app.paths import Paths
from te_core.app.sign_of_life import SignOfLife
from te_core.clock import Clock
from te_core.contracts.exchange import Severity
from te_core.errors import ConfigError, JournalError, NotReady
from te_core.journal.journal import Journal
from te_core.logs import close_log_file, configure_logs
from te_core.model.control import Command
from te_core.model.event import Event
from te_core.outage import Outages
from te_core.page.actions import Actions
from te_core.page.site import page_of
from te_core.plugins.registry import Registry
from te_core.reporting.machine import Machine
from te_core.reporting.queries import ProcessStatus, Queries
from te_core.reporting.state import outcome_state
from te_core.reporting.summary import summary_lines
from te_core.runtime.control import ControlAccess
from te_core.runtime.engine import Engine
from te_core.runtime.supervisor import Health, Supervisor
from te_core.runtime.watchdog import Watchdog
from te_core.secrets import Redactor, redacted
from te_core.settings.loading import load_settings
from te_core.settings.problems import SettingsInvalid
from te_core.settings.resolution import Kind, Resolved
from te_core.settings.schema import Settings
from te_core.settings.secrets import private_token
from te_core.settings.store import SettingsStore
from te_core.settings.watch import watch
from te_core.texts import LONGEST_TEXT, bounded
from te_core.tracing import OFF, Tracer
from te_core.web.server import ServerFiles, Servers

PRUNING = timedelta(hours=1)
"""How often history that is older than ``journal.keep`` is deleted."""


class Application:
    """One engine with its settings, plugins, journal and listeners.

    ``queries``: answers what is asked of it, once `start` has opened the journal.
    """

    def __init__(
        self,
        paths: Paths,
        *,
        env: Mapping[str, str],
        clock: Clock,
        new_id: Callable[[], str],
        new_secret: Callable[[], str],
        registry: Registry,
        observe: str = "",
    ) -> None:
        self.paths = paths
        self.registry = registry
        self.redactor = Redactor()
        self.engine: Engine | None = None
        self.servers: Servers
        self.queries: Queries
        self._env = env
        self._clock = clock
        self._new_id = new_id
        self._new_secret = new_secret
        self._nonce = new_secret()
        self._observe = observe
        self._store = SettingsStore(paths.settings, env=env, registry=registry, generate=new_secret)
        self._loop: asyncio.AbstractEventLoop
        self._reloading = asyncio.Lock()
        self._warned: tuple[str, ...] = ()
        self._edits = 0
        """Number of edits of the settings that were processed, including refused ones."""
        self._applied: tuple[str, ...] = ()
        """What the newest edit changed."""
        self._plugin_notices: dict[str, str] = {}
        self._running: AsyncExitStack | None = None
        self._actions = Actions(self, clock, new_secret)
        self._sign_of_life: SignOfLife
        self._daily: DailySummary
        self._tasks: list[asyncio.Task[None]] = []

    # -- life

    async def start(self) -> None:
        """Start everything. Raise `ConfigError` or `JournalError` if that fails; nothing is left running then.

        What only one engine can have, the journal and the addresses, comes first; senders are asked to retry meanwhile.
        """
        self._loop = asyncio.get_running_loop()
        async with AsyncExitStack() as started:
            settings = load_settings(self.paths.settings, self._env)
            state_folder.prepare(self.paths.state, self.paths.state / settings.journal.file)
            started.callback(close_log_file)
            self._configure_logs(settings)
            self.registry.used |= used_plugins.read(self.paths.state)
            journal = self._open_journal(settings)
            started.callback(journal.close)
            self.queries = Queries(
                lambda: self._started, journal, process=self._process_status, redactor=self.redactor
            )
            self.servers = self._servers(settings)
            await self.servers.start()
            started.push_async_callback(self.servers.stop)
            resolved = await self._load()
            for finding in self.servers.findings():
                if finding.severity is not Severity.OK:
                    logger.warning("{}: {}; {}", finding.check, finding.text, finding.remedy)
            self.engine = self._engine(journal, self._tracer(settings, started))
            started.push_async_callback(self.engine.stop)
            watchdog = Watchdog(self._clock, logger, self.engine.record, self.engine.metrics.lag)
            started.callback(watchdog.stop)
            watchdog.start()
            await self.engine.start(resolved)
            self._remember_plugins()
            started.push_async_callback(self._stop_tasks)
            self._follow_settings()
            self._spawn(self._prune(journal))
            self._start_summaries()
            self._record_start(killed=Announcement.left_behind(self.paths.state))
            self._announce(started)
            self.servers.open(self.engine)
            self._running = started.pop_all()

    async def stop(self) -> None:
        """Refuse new alerts, wait for orders in flight, then close everything."""
        if self._running is not None:
            self.servers.drain()
            text = (
                "the engine is stopping; positions stay as they are and are not managed until it runs again"
            )
            self._started.record(Event(at=self._clock.now(), kind="stopped", text=text))
            await self._running.aclose()

    def _open_journal(self, settings: Settings) -> Journal:
        return Journal.open(
            self.paths.state / settings.journal.file,
            clock=self._clock,
            new_id=self._new_id,
            quarantine_limit=settings.journal.quarantine,
            redact=self.redactor.redact,
            on_problem=self._journal_changed,
        )

    def _servers(self, settings: Settings) -> Servers:
        try:
            token = private_token(self.paths.settings, settings, generate=self._new_secret)
        except OSError as error:
            token = self._new_secret()  # trading does not depend on it
            logger.error(
                "cannot write listen.private.token ({}): te status and other commands cannot query this engine; set it "
                "in .secrets.toml or TE_LISTEN__PRIVATE__TOKEN",
                error.strerror,
            )
        self.redactor.add((token, self._nonce))
        return Servers(
            self.queries,
            self,
            self._clock,
            settings.listen,
            files=ServerFiles(settings=self.paths.settings.parent, state=self.paths.state),
            token=token,
            nonce=self._nonce,
            pages=page_of(
                self.queries,
                self,
                settings.page,
                actions=self._actions,
                token=token,
                redactor=self.redactor,
                clock=self._clock,
                new_secret=self._new_secret,
                state=self.paths.state,
            ),
        )

    def _journal_changed(self, problem: str) -> None:
        if self.engine is not None:
            self.engine.journal_changed(problem)

    async def _load(self) -> Resolved:
        try:
            resolved = await self._store.load()
        except OSError as error:
            raise ConfigError(f"cannot write secrets: {error.strerror}", file=str(error.filename)) from None
        self._learn(resolved)
        if resolved.settings.engine.strict and resolved.unavailable:
            problems = [ConfigError(reason, key=key) for key, reason in resolved.unavailable.items()]
            raise SettingsInvalid(
                [*problems, ConfigError("the engine does not start without them", key="engine.strict")]
            )
        return resolved

    def _tracer(self, settings: Settings, started: AsyncExitStack) -> Tracer:
        if not settings.tracing.enabled:
            return OFF
        try:
            from te_core.app.traces import Traces  # an extra, and slow to import
        except ModuleNotFoundError as error:
            logger.error(
                "tracing is off: package {} is missing: pip install 'trade-engine[otel]'", error.name
            )
            return OFF
        traces = Traces(
            settings.tracing, clock=self._clock, on_problem=partial(self._output_changed, "traces")
        )
        started.push_async_callback(traces.close)
        return traces.tracer

    def _engine(self, journal: Journal, tracer: Tracer) -> Engine:
        return Engine(
            journal=journal,
            registry=self.registry,
            clock=self._clock,
            log=logger,
            state_dir=self.paths.state,
            redact=self.redactor.redact,
            observe=self._observe,
            control=ControlAccess(queries=self.queries, commands=self),
            tracer=tracer,
        )

    def _record_start(self, *, killed: bool) -> None:
        settings = self.settings
        sources, accounts = (", ".join(found) or "none" for found in (settings.sources, settings.accounts))
        text = f"version {__version__}, sources: {sources}, accounts: {accounts}"
        if killed:
            text += "; the last run was not stopped cleanly: it was killed, or the machine went down"
        self._started.record(Event(at=self._clock.now(), kind="started", text=text))

    def _announce(self, started: AsyncExitStack) -> None:
        urls = self.servers.public.url, self.servers.private.url
        Announcement(os.getpid(), *urls, self._nonce).write(self.paths.state)
        started.callback(Announcement.withdraw, self.paths.state)

    # -- settings

    @property
    def settings(self) -> Settings:
        """The active settings."""
        assert self._store.current is not None
        return self._store.current.settings

    def _follow_settings(self) -> None:
        self.registry.on_late = lambda _: self._spawn(self._reload(again=True))
        self._supervise("following the settings", lambda: watch(self.paths.settings, self._reload))

    def _supervise(self, what: str, run: Callable[[], Awaitable[None]]) -> None:
        """Keep a coroutine running alongside the engine."""
        supervisor = Supervisor(
            health=Health(self._clock),
            outages=self._outages(),
            clock=self._clock,
            log=logger,
            settings=lambda: self.settings.engine,
            what=what,
        )
        self._spawn(supervisor.keep_running(lambda _: run()))

    def _outages(self) -> Outages:
        return Outages(self._clock, logger, self._started.record, redact=self.redactor.redact)

    def _start_summaries(self) -> None:
        """Start the daily summary and the heartbeat."""
        self._daily = DailySummary(self._clock, lambda: self.settings.notices, self._send_daily_summary)
        self._sign_of_life = SignOfLife(
            settings=lambda: self.settings.notices,
            readiness=self.queries.readiness,
            http=self._started.http,
            log=logger,
            outages=self._outages(),
        )
        self._supervise("the daily summary", self._daily.run)
        self._supervise("the heartbeat", self._sign_of_life.run)

    async def _send_daily_summary(self, since: datetime) -> None:
        found = await self.queries.summary(since)
        text = "\n".join(summary_lines(found))
        self._started.notify(Event(at=self._clock.now(), kind="daily_summary", text=text, detail=found))

    async def _reload(self, *, again: bool = False) -> None:
        """Apply an edit as a difference, or report why it is refused."""
        async with self._reloading:
            try:
                outcome = await self._store.reload(again=again)
            except OSError as error:
                logger.error("settings: cannot write secrets: {}", error)
                return
            if isinstance(outcome, SettingsInvalid):
                for problem in outcome.problems:
                    logger.error("settings refused; the last valid ones stay active: {}", problem)
                self._applied = ()
                reasons = "; ".join(map(str, outcome.problems))
                self._record_settings(f"refused; the last valid ones stay active: {reasons}")
            elif outcome is not None and self._store.current is not None:
                self._applied = tuple(outcome.lines())
                logger.info("settings: {}", "; ".join(self._applied) or "nothing has changed")
                if outcome:
                    self._learn(self._store.current)
                else:
                    self._warn(self._store.current)
                await self._started.apply(self._store.current)
                self._remember_plugins()
                self._daily.settings_changed()
                self._sign_of_life.settings_changed()
                if self._applied:
                    self._record_settings(f"applied: {'; '.join(self._applied)}")
            self._edits += outcome is not None

    def _record_settings(self, text: str) -> None:
        event = Event(at=self._clock.now(), kind="settings", text=bounded(text, LONGEST_TEXT))
        self._started.record(event)

    def _learn(self, resolved: Resolved) -> None:
        """Add the secrets to the redactor before anything can be logged about them, and configure the logs."""
        self.redactor.learn(resolved.secrets, *(resolved.options(kind) for kind in get_args(Kind)))
        self._configure_logs(resolved.settings)
        self._warn(resolved)
        for key, reason in resolved.unavailable.items():
            logger.warning("{}: {}", key, reason)

    def _warn(self, resolved: Resolved) -> None:
        """Log the warnings that the previous settings did not have."""
        for warning in resolved.warnings:
            if warning not in self._warned:
                logger.warning("{}", warning)
        self._warned = resolved.warnings

    def _remember_plugins(self) -> None:
        """Store which package each plugin came from, and report if another package offers one."""
        for name, reason in self.registry.notices.items():
            if self._plugin_notices.get(name) != reason:
                logger.warning("{}", reason)
                self._started.record(Event(at=self._clock.now(), kind="plugin", text=reason))
        self._plugin_notices = dict(self.registry.notices)
        try:
            used_plugins.remember(self.paths.state, self.registry.used)
            last_run.remember(self.paths.state, last_run.present(self.registry))
        except OSError as error:
            logger.warning("cannot write {}: {}", error.filename, error.strerror)

    def _configure_logs(self, settings: Settings) -> None:
        for chatty in ("alembic", "watchfiles"):
            logging.getLogger(chatty).setLevel(logging.WARNING)
        self.redactor.learn(settings, settings.origin.secrets)
        output = "log output {}".format
        try:
            configure_logs(
                settings.logs,
                self.redactor,
                folder=self.paths.state,
                on_problem=lambda name, problem: self._output_changed(output(name), problem),
            )
        except OSError as error:
            logger.error("logs.file: {}", error)

    def _output_changed(self, name: str, problem: str) -> None:
        """Forward the problem to the loop; called from the output's writer thread, or from the thread that logs."""
        with suppress(RuntimeError):  # the loop is closed
            self._loop.call_soon_threadsafe(self._report_output, name, problem)

    def _report_output(self, name: str, problem: str) -> None:
        if self.engine is not None:
            self.engine.output_changed(name, problem)

    # -- upkeep

    async def _prune(self, journal: Journal) -> None:
        while True:
            await asyncio.sleep(PRUNING.total_seconds())
            try:
                await journal.prune(self.settings.journal.keep)
            except JournalError as error:
                logger.error("cannot delete old history: {}", error)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        self._tasks = [task for task in self._tasks if not task.done()]
        task = asyncio.create_task(work)
        task.add_done_callback(_report)
        self._tasks.append(task)

    async def _stop_tasks(self) -> None:
        self.registry.on_late = lambda _: None
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    # -- what queries need, and commands

    @property
    def _started(self) -> Engine:
        if self.engine is None or self.engine.resolved is None:
            raise NotReady("the engine is starting")
        return self.engine

    def _process_status(self) -> ProcessStatus:
        refused = self._store.refused
        return ProcessStatus(
            machine=Machine.here(
                settings=self.paths.settings, state=self.paths.state, env=self._env, now=self._clock.now()
            ),
            listener_findings=tuple(self.servers.findings()),
            wrong_tokens=self.servers.tokens.wrong,
            refused=tuple(map(str, refused.problems)) if refused is not None else (),
            edits=self._edits,
            applied=self._applied,
        )

    async def command(self, command: Command, *, preview: bool) -> dict[str, Any]:
        """Execute an operator's command, or return what it would do. Raise `CommandRefused` or `JournalError`."""
        commands = self._started.commands
        if preview:
            return self._shown(outcome_state(*await commands.preview(command), scopes=commands.scopes()))
        done = self._shown(outcome_state(await commands.execute(command), scopes=commands.scopes()))
        self._actions.noted(command, tuple(row["text"] for row in done["set"]))
        return done

    def resume(self, kind: str, name: str, symbol: str = "") -> dict[str, Any]:
        """Retry an instance, or one symbol of an account, without waiting. Raise `KeyError` if there is none."""
        runner = self._started.resume(cast("Kind", kind), name, symbol)
        logger.info("{}.{}: retry requested{}", kind, name, f" for {symbol}" if symbol else "")
        health = runner.health
        return self._shown(
            {"name": name, "resumed": runner.running, "status": str(health.status), "reason": health.reason}
        )

    def report_event(self, kind: str, text: str) -> None:
        """Log an event of a listener, and pass it to the notifiers."""
        logger.warning("{}", text)
        if self.engine is not None:
            self.engine.record(Event(at=self._clock.now(), kind=kind, text=text))

    def _shown(self, answer: dict[str, Any]) -> dict[str, Any]:
        """Redact an answer: a plugin's texts, such as why it stopped, may contain secrets."""
        shown: dict[str, Any] = redacted(answer, self.redactor.redact_long)
        return shown


def _report(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and (error := task.exception()) is not None:
        logger.opt(exception=error).error("a task of the engine ended: {}", type(error).__name__)
