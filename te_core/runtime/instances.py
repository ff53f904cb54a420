"""Runs the instances that settings ask for: one runner per source and per account."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel

from te_core.accounts.worker import AccountWorker
from te_core.clock import Clock
from te_core.contracts.exchange import AccountContext, AccountStream, ExchangeAccount, ExchangeSpec
from te_core.contracts.source import SignalSource, SignalSourceSpec, SourceContext
from te_core.errors import NotReady
from te_core.outage import Outages
from te_core.runtime.supervisor import Health, Running, Up, supervise
from te_core.settings.schema import EngineSettings

if TYPE_CHECKING:
    from loguru import Logger


class Runner:
    """Starts and stops one supervised task. ``key`` is what it was started with: unchanged means untouched.

    ``patience``: seconds for which a stop waits; a plugin that never lets go holds up nobody else's settings.
    """

    patience = 15.0

    def __init__(
        self,
        *,
        clock: Clock,
        log: Logger,
        outages: Outages,
        settings: Callable[[], EngineSettings],
    ) -> None:
        self.health = Health()
        self.key: object = None
        self._clock = clock
        self._log = log
        self.outages = outages
        self._settings = settings
        self._task: asyncio.Task[None] | None = None

    @property
    def running(self) -> bool:
        """Whether a task is under way."""
        return self._task is not None and not self._task.done()

    def _launch(self, key: object, run: Callable[[Up], Any], *, what: str = "connection") -> None:
        self.key = key
        self.health.set(Running.STARTING)
        self._task = asyncio.create_task(
            supervise(
                run,
                health=self.health,
                outages=self.outages,
                clock=self._clock,
                log=self._log,
                settings=self._settings,
                what=what,
            )
        )

    async def stop(self, status: Running, reason: str = "") -> None:
        """Stop and wait until everything is released, or patience is at its end."""
        task, self._task, self.key = self._task, None, None
        if task is not None:
            task.cancel()
            if (await asyncio.wait([task], timeout=self.patience))[1]:
                self._log.error("not stopped within {:g} s: left behind", self.patience)
        self.health.set(status, reason)


def make_folder(folder: Path) -> None:
    """Make an instance's own folder. Raises ``NotReady``: it is tried again, as whatever else an instance needs."""
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise NotReady(f"its folder {folder} cannot be made: {error.strerror or error}") from error


class SourceRunner(Runner):
    """Runs one signal source."""

    instance: SignalSource | None = None

    def start(self, key: object, spec: SignalSourceSpec[Any], context: SourceContext[Any]) -> None:
        """Make the instance and keep it running."""
        self._launch(key, partial(self._run, spec, context))

    async def _run(self, spec: SignalSourceSpec[Any], context: SourceContext[Any], up: Up) -> None:
        make_folder(context.state_dir)
        instance = spec.factory(context)
        self.instance = instance
        self.health.set(Running.RUNNING)
        up()
        try:
            await instance.run()
        finally:
            self.instance = None
            await instance.close()


class AccountRunner(Runner):
    """Connects one account and lets its worker reconcile it. The worker outlives the connection."""

    def __init__(self, worker: AccountWorker, **common: Any) -> None:
        super().__init__(**common)
        self.worker = worker
        self.account: ExchangeAccount | None = None
        """The present connection; None while there is none."""

    def start(self, key: object, spec: ExchangeSpec[Any], context: AccountContext[BaseModel]) -> None:
        """Connect and keep reconciling."""
        self._launch(key, partial(self._run, spec, context))

    async def _run(self, spec: ExchangeSpec[Any], context: AccountContext[BaseModel], up: Up) -> None:
        make_folder(context.state_dir)
        account = spec.factory(context)
        stream: asyncio.Task[None] | None = None
        try:
            await account.open()
            self.account = account
            self.health.set(Running.RUNNING)
            up()
            if spec.capabilities.private_stream:
                stream = asyncio.create_task(self._follow(account.watch))
            await self.worker.run(account, spec.capabilities)
        finally:
            self.account = None
            if stream is not None:
                stream.cancel()
                await asyncio.gather(stream, return_exceptions=True)
            await account.close()

    async def _follow(self, watch: Callable[[AccountStream], Any]) -> None:
        """Follow the private stream; when it fails the periodic resync still finds everything."""

        async def following(up: Up) -> None:
            up()
            await watch(self.worker.stream)

        await supervise(
            following,
            health=Health(),
            outages=self.outages,
            clock=self._clock,
            log=self._log,
            settings=self._settings,
            what="stream",
        )

    async def drain(self, patience: timedelta) -> None:
        """Let orders under way be answered."""
        await self.worker.drain(patience)
