"""Run one instance of a plugin: a source or an account."""

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
from te_core.contracts.exchange import AccountContext, ExchangeAccount, ExchangeSpec
from te_core.contracts.source import SignalSource, SignalSourceSpec, SourceContext
from te_core.contracts.webhook import WebhookRequest, WebhookResponse
from te_core.errors import JournalError, NotReady, PluginDefect, defined_at, described
from te_core.outage import Outages
from te_core.runtime import guard
from te_core.runtime.account_key import AccountKey
from te_core.runtime.guarded_account import GuardedAccount
from te_core.runtime.result_checks import wrong
from te_core.runtime.supervisor import Health, Running, Supervisor, Up
from te_core.secrets import Redact, redacted
from te_core.settings.schema import EngineSettings
from te_core.signals.publisher import Publisher

if TYPE_CHECKING:
    from loguru import Logger

LISTENING = "listening: alerts are persisted, but not counted until the source is enabled"

Admit = Callable[[ExchangeAccount], Awaitable[AccountWorker]]
"""Returns the worker of the connected account. Raises `ConfigError` if it must not be traded."""


class Runner:
    """Starts, stops and resumes one supervised instance.

    ``stop_timeout``: seconds that a stop waits; a plugin that never ends must not delay the settings of others.
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
        self._apart = guard.Apart(redact)
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
        """The status of the instance, derived from its task."""
        if self._task is not None and self._task.done():
            self._health.set(Running.FAILING, "its task was cancelled from outside; te resume starts it")
        return self._health

    @property
    def running(self) -> bool:
        """Whether it is kept running, including the pause between two attempts."""
        return self._task is not None and not self._task.done()

    def resume(self) -> bool:
        """Retry immediately instead of waiting for the next attempt. Return whether the instance is kept running."""
        if self._task is not None and self._task.done() and self._run_once is not None:
            self._launch(self._run_once)
        if self._health.status is not Running.RUNNING:
            self._supervisor.try_now()
        return self.running

    async def stop(self, status: Running, reason: str = "") -> None:
        """Stop and wait until everything is released, at most until the timeout."""
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
"""Seconds within which an account must be connected and identified."""

UNANSWERED = 10.0
"""Seconds after which an unanswered alert is reported; TradingView gives up after 3 s."""


def make_folder(folder: Path) -> None:
    """Create an instance's own folder. Raise `NotReady` if that fails, so that the instance is retried."""
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise NotReady(f"cannot create its folder {folder}: {error.strerror or error}") from error


class SourceRunner(Runner):
    """Runs one signal source. One that is not ``enabled`` may still listen; its alerts are not counted."""

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
        """Create the instance and keep it running. ``publisher``: what it publishes through."""
        self._publisher = publisher
        self._launch(partial(self._run, spec, context))

    async def stop(self, status: Running, reason: str = "") -> None:
        """Stop; nothing more is accepted from the instance, however long it takes to end."""
        if self._publisher is not None:
            self._publisher.revoke()
        await super().stop(status, reason)

    def screen(self, request: WebhookRequest) -> WebhookResponse | None:
        """Return the source's response to a request's head, None if it needs the body. Raise `NotReady` if down."""
        screened: object = guard.attempt(partial(self._running_instance().screen, request))
        return screened if isinstance(screened, WebhookResponse) else None

    async def on_webhook(self, request: WebhookRequest) -> WebhookResponse:
        """Return the source's response. Raise `NotReady` or `JournalError` if the alert could not be accepted."""
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
        return replace(
            response, body={**response.body, "note": "not counted at present: the source is disabled"}
        )

    def _running_instance(self) -> SignalSource:
        if self.instance is None:
            raise NotReady("the source is not running; try again")
        return self.instance

    async def _answer(self, instance: SignalSource, request: WebhookRequest) -> WebhookResponse:
        # Not cancelled when it takes long: the alert may be in the journal, but not applied yet.
        late = asyncio.get_running_loop().call_later(UNANSWERED, self._report_unanswered)
        try:
            response: object = await guard.call(
                "on_webhook()", partial(instance.on_webhook, request), self._redact
            )
        finally:
            late.cancel()
        if not isinstance(response, WebhookResponse):
            found = wrong("on_webhook()", response, "WebhookResponse")
            raise PluginDefect(f"{found}{defined_at(instance.on_webhook)}")
        return response

    def _report_unanswered(self) -> None:
        self.outages.failing("webhook", f"on_webhook() has not answered an alert for {UNANSWERED:g} s")

    def counters(self) -> dict[str, Any]:
        """Return the source's counters, for ``te status``."""
        return {} if self.instance is None else guard.ask("status()", self.instance.status, self._redact)

    def report(self) -> dict[str, Any] | None:
        """Return the source's detailed report; None if it is not running."""
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
    """Connects one account and runs its worker. The worker outlives the connection.

    ``worker`` belongs to the last connected account until the present one is identified.
    """

    def __init__(
        self, worker: AccountWorker, *, warn_of_key: Callable[[str], None] = lambda _: None, **common: Any
    ) -> None:
        super().__init__(**common)
        self.worker = worker
        self.key = AccountKey(common["clock"], warn_of_key)
        self.paper: bool | None = None
        """Whether it is a paper account; None before the first attempt to connect, like its ``currency``."""
        self.currency: str | None = None
        self.account: ExchangeAccount | None = None
        """The current connection; None while there is none."""
        self.identified = False
        """Whether ``worker`` is confirmed to belong to the account that the settings name."""
        self._common = common

    def start(
        self, spec: ExchangeSpec[Any], context: AccountContext[BaseModel], admit: Admit | None = None
    ) -> None:
        """Connect and keep reconciling. ``admit`` chooses the worker; without it the present one is used."""
        self._launch(partial(self._run, spec, context, admit))

    def resume(self, symbol: str = "") -> bool:
        """Retry immediately what is waiting: the connection, or symbols that are held back, or one of them."""
        if self._health.status is Running.RUNNING:
            self.worker.resume(symbol)
        return super().resume()

    async def stop(self, status: Running, reason: str = "") -> None:
        """Stop; the next connection may be to another account, with another key."""
        self.identified, self.key.expires_at = False, None
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
        background: list[asyncio.Task[None]] = []
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
            background.append(asyncio.create_task(self.key.follow(account)))
            if capabilities.private_stream:
                background.append(asyncio.create_task(self._follow(account)))
            await self.worker.run(account, capabilities)
        finally:
            self.account = None
            for task in background:
                task.cancel()
            await asyncio.gather(*background, return_exceptions=True)
            await guard.close("close()", account.close, self._log)

    async def _follow(self, account: GuardedAccount) -> None:
        """Follow the private stream; while it is down the periodic resync still finds everything."""

        async def following(up: Up) -> None:
            await account.watch(self.worker.stream, up)

        common = {**self._common, "what": "stream"}
        await Supervisor(health=Health(self._common["clock"]), **common).keep_running(following)

    async def drain(self, grace: timedelta) -> None:
        """Wait until orders in flight are answered, at most ``grace``."""
        await self.worker.drain(grace)
