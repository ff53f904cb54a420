"""Runs one instance of a plugin: a source, an account."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel

from te_core.accounts.worker import AccountWorker
from te_core.clock import Clock
from te_core.contracts.exchange import AccountContext, AccountStream, ExchangeAccount, ExchangeSpec
from te_core.contracts.source import SignalSource, SignalSourceSpec, SourceContext
from te_core.contracts.webhook import WebhookRequest, WebhookResponse
from te_core.errors import JournalError, NotReady, PluginDefect, defined_at, described
from te_core.outage import Outages
from te_core.runtime import guard
from te_core.runtime.guarded_account import GuardedAccount
from te_core.runtime.result_checks import wrong
from te_core.runtime.supervisor import Health, Running, Supervisor, Up
from te_core.secrets import Redact, redacted
from te_core.settings.schema import EngineSettings
from te_core.signals.publisher import Publisher

if TYPE_CHECKING:
    from loguru import Logger

LISTENING = "listening: alerts are persisted, and have no say until the source is enabled"

Admit = Callable[[ExchangeAccount], Awaitable[AccountWorker]]
"""Returns the worker of the account that was connected to. Raises ``ConfigError`` when it may not be traded."""


class Runner:
    """Starts, stops and resumes one supervised instance.

    ``stop_timeout``: seconds that a stop waits; a plugin that never ends delays nobody else's settings.
    """

    stop_timeout = 15.0

    def __init__(
        self,
        *,
        clock: Clock,
        log: Logger,
        outages: Outages,
        settings: Callable[[], EngineSettings],
        what: str = "connection",
        redact: Redact = str,
    ) -> None:
        self.outages = outages
        self._redact = redact
        self._health = Health(clock)
        self._log = log
        self._supervisor = Supervisor(
            health=self._health,
            outages=outages,
            log=log,
            clock=clock,
            settings=settings,
            what=what,
            redact=redact,
        )
        self._run_once: Callable[[Up], Awaitable[None]] | None = None
        self._task: asyncio.Task[None] | None = None

    @property
    def health(self) -> Health:
        """Where the instance stands; follows from its task."""
        if self._task is not None and self._task.done():
            self._health.set(Running.FAILING, "its task was cancelled from outside; te resume starts it")
        return self._health

    @property
    def running(self) -> bool:
        """Whether it is kept running, be it between two tries."""
        return self._task is not None and not self._task.done()

    def resume(self) -> bool:
        """Try at once what is waiting for its next try. Returns whether the instance is kept running at all."""
        if self._task is not None and self._task.done() and self._run_once is not None:
            self._launch(self._run_once)
        if self._health.status is not Running.RUNNING:
            self._supervisor.try_now()
        return self.running

    async def stop(self, status: Running, reason: str = "") -> None:
        """Stop and wait until everything is released, or the timeout is over."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            if (await asyncio.wait([task], timeout=self.stop_timeout))[1]:
                self._log.error("did not stop within {:g} s; abandoned", self.stop_timeout)
        self._health.set(status, reason)
        if status is Running.UNAVAILABLE:
            self.outages.failing("plugin", reason)
        elif status is Running.DISABLED:
            self.outages.well("plugin")

    def _launch(self, run: Callable[[Up], Awaitable[None]]) -> None:
        self._run_once = run
        self._health.set(Running.STARTING)
        self.outages.well("plugin")
        self._task = asyncio.create_task(self._supervisor.keep_running(run))


CONNECT_TIMEOUT = 60.0
"""Seconds within which an account has to be connected and identified."""


def make_folder(folder: Path) -> None:
    """Make an instance's own folder. Raises ``NotReady``: it is tried again, as whatever else an instance needs."""
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise NotReady(f"its folder {folder} cannot be made: {error.strerror or error}") from error


class SourceRunner(Runner):
    """Runs one signal source. One that is not ``enabled`` may listen all the same: its alerts have no say."""

    instance: SignalSource | None = None
    enabled = True
    price_factor = Decimal("Infinity")
    _answers = True
    _publisher: Publisher | None = None

    def configure(self, *, enabled: bool, price_factor: Decimal) -> None:
        """Apply what changes without a restart."""
        self.enabled = enabled
        self.price_factor = price_factor
        if self.instance is not None:
            self._show_working()

    def start(
        self, spec: SignalSourceSpec[Any], context: SourceContext[Any], publisher: Publisher | None = None
    ) -> None:
        """Make the instance and keep it running. ``publisher``: what it speaks through."""
        self._publisher = publisher
        self._launch(partial(self._run, spec, context))

    async def stop(self, status: Running, reason: str = "") -> None:
        """Stop; nothing is accepted from the instance from now on, however long it takes to end."""
        if self._publisher is not None:
            self._publisher.revoke()
        await super().stop(status, reason)

    def screen(self, request: WebhookRequest) -> WebhookResponse | None:
        """Let the source answer by the head of a request; None where it wants to see the body. Raises ``NotReady``."""
        screened: object = guard.attempt(partial(self._running_instance().screen, request))
        return screened if isinstance(screened, WebhookResponse) else None

    async def on_webhook(self, request: WebhookRequest) -> WebhookResponse:
        """Let the source answer. Raises ``NotReady``, ``JournalError``."""
        instance = self._running_instance()
        try:
            response = await self._answer(instance, request)
        except (NotReady, JournalError):
            raise
        except Exception as error:
            if self._answers:
                self._log.opt(exception=error).error("on_webhook() failed: {}", described(error))
            self._answers = False
            said = described(error).removeprefix("defect of the plugin: ")
            self.outages.failing("webhook", f"defect: {said}")
            raise NotReady("the source failed to answer; try again") from error
        self._answers = True
        self.outages.well("webhook")
        if response.status != 200:
            return replace(response, body=redacted(response.body, self._redact))
        if self.enabled:
            return response
        return replace(response, body={**response.body, "note": "no say at present: the source is disabled"})

    def _running_instance(self) -> SignalSource:
        if self.instance is None:
            raise NotReady("the source is not running; try again")
        return self.instance

    async def _answer(self, instance: SignalSource, request: WebhookRequest) -> WebhookResponse:
        response: object = await guard.call(
            "on_webhook()", partial(instance.on_webhook, request), self._redact
        )
        if not isinstance(response, WebhookResponse):
            found = wrong("on_webhook()", response, "WebhookResponse")
            raise PluginDefect(f"{found}{defined_at(instance.on_webhook)}")
        return response

    def counters(self) -> dict[str, Any]:
        """Return what the source counts, for ``te status``."""
        return {} if self.instance is None else guard.ask("status()", self.instance.status, self._redact)

    def report(self) -> dict[str, Any] | None:
        """Return what the source reports at length; None when it does not run."""
        return None if self.instance is None else guard.ask("report()", self.instance.report, self._redact)

    async def _run(self, spec: SignalSourceSpec[Any], context: SourceContext[Any], up: Up) -> None:
        make_folder(context.state_dir)
        instance = guard.make(spec.factory, context, SignalSource)
        self.instance = instance
        self._show_working()
        up()
        try:
            await guard.call("run()", instance.run)
        finally:
            self.instance = None
            await guard.close("close()", instance.close, self._log)

    def _show_working(self) -> None:
        if self.enabled:
            self._health.set(Running.RUNNING)
        else:
            self._health.set(Running.DISABLED, LISTENING)


class AccountRunner(Runner):
    """Connects one account and lets its worker reconcile it. The worker outlives the connection.

    ``worker`` is that of the account which was there last, until it is known which one is there now.
    """

    def __init__(self, worker: AccountWorker, **common: Any) -> None:
        super().__init__(**common)
        self.worker = worker
        self.paper: bool | None = None
        """Whether its money is paper; None before the first try to connect, as is its ``currency``."""
        self.currency: str | None = None
        self.account: ExchangeAccount | None = None
        """The present connection; None while there is none."""
        self.identified = False
        """Whether ``worker`` is known to be that of the account which the settings name."""
        self._common = common

    def start(
        self, spec: ExchangeSpec[Any], context: AccountContext[BaseModel], admit: Admit | None = None
    ) -> None:
        """Connect and keep reconciling. ``admit`` chooses the worker; without it the present one is right."""
        self._launch(partial(self._run, spec, context, admit))

    def resume(self) -> bool:
        """Try at once what is waiting: the connection, or symbols that are held back."""
        if self._health.status is Running.RUNNING:
            self.worker.resume()
        return super().resume()

    async def stop(self, status: Running, reason: str = "") -> None:
        """Stop; the next connection may be to another account."""
        self.identified = False
        await super().stop(status, reason)

    async def _run(
        self,
        spec: ExchangeSpec[Any],
        context: AccountContext[BaseModel],
        admit: Admit | None,
        up: Up,
    ) -> None:
        make_folder(context.state_dir)
        capabilities = guard.make(spec.capabilities_of, context.options)
        account = GuardedAccount(
            guard.make(spec.factory, context, ExchangeAccount),
            self._redact,
            lambda: self.worker.observing,
            clock=self._common["clock"],
            observe=partial(self.worker.metrics.request, self.worker.name),
        )
        stream: asyncio.Task[None] | None = None
        try:
            try:
                async with asyncio.timeout(CONNECT_TIMEOUT):
                    await account.open()
                    if admit is not None:
                        self.worker = await admit(account)
            except TimeoutError:
                raise NotReady(f"not connected within {CONNECT_TIMEOUT:g} s") from None
            self.identified, self.account = True, account
            self._health.set(Running.RUNNING)
            up()
            if capabilities.private_stream:
                stream = asyncio.create_task(self._follow(account.watch))
            await self.worker.run(account, capabilities)
        finally:
            self.account = None
            if stream is not None:
                stream.cancel()
                await asyncio.gather(stream, return_exceptions=True)
            await guard.close("close()", account.close, self._log)

    async def _follow(self, watch: Callable[[AccountStream], Awaitable[None]]) -> None:
        """Follow the private stream; when it fails the periodic resync still finds everything."""

        async def following(up: Up) -> None:
            up()
            await watch(self.worker.stream)

        common = {**self._common, "what": "stream"}
        await Supervisor(health=Health(self._common["clock"]), **common).keep_running(following)

    async def drain(self, grace: timedelta) -> None:
        """Let orders under way be answered."""
        await self.worker.drain(grace)
