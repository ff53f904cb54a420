"""Hands events to the notifiers of the settings. A slow or failing one delays nobody, and says so once."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from te_core.clock import Clock
from te_core.contracts.notifier import Notifier, NotifierContext, NotifierSpec
from te_core.errors import NoticeRefused, NotReady
from te_core.journal.redaction import Redact, redacted
from te_core.model.event import Event
from te_core.outage import Outages
from te_core.plugins.registry import Registry
from te_core.rules.backoff import backoff
from te_core.runtime.instances import Runner, make_folder
from te_core.runtime.supervisor import Running
from te_core.settings.resolution import Resolved
from te_core.settings.schema import EngineSettings, NotifierSettings

if TYPE_CHECKING:
    from aiohttp import ClientSession
    from loguru import Logger

PATIENCE = 60.0
"""Seconds that telling of one event may take."""

LONGEST_WAIT = 3600.0
"""Seconds for which one that asks for patience is left alone at most, whatever it says."""

MOST_WAITING = 500
"""Events that wait for one notifier; the oldest give way to newer ones."""


class NotifierRunner(Runner):
    """Runs one notifier. ``sent`` and ``dropped`` count events since the start."""

    patience = 0.2  # settings that touch trading, and the end of the process, come after it

    def __init__(self, name: str, section: NotifierSettings, **common: Any) -> None:
        super().__init__(**common)
        self.section = section
        self.sent = 0
        self.dropped = 0
        self._what = f"notifier {name}"
        self._asked = 0
        self._waiting: deque[Event] = deque()
        self._news = asyncio.Event()

    @property
    def waiting(self) -> int:
        """How many events were not taken yet."""
        return len(self._waiting)

    def take(self, event: Event) -> None:
        """Take an event that happened. One of a kind that is not wanted is passed over."""
        if not self.running or (self.section.kinds and event.kind not in self.section.kinds):
            return
        if len(self._waiting) == MOST_WAITING:
            del self._waiting[1]  # the first may be on its way
            self.dropped += 1
        self._waiting.append(event)
        self._news.set()

    def start(self, key: object, spec: NotifierSpec[Any], context: NotifierContext[Any]) -> None:
        """Make the instance and keep it running; what waits goes to the new instance."""
        self._launch(key, lambda _: self._run(spec, context), what=self._what)

    async def _run(self, spec: NotifierSpec[Any], context: NotifierContext[Any]) -> None:
        make_folder(context.state_dir)
        instance = spec.factory(context)
        self.health.set(Running.RUNNING)
        try:
            while True:
                while self._waiting:
                    await self._tell(instance, self._waiting[0])
                self._news.clear()
                await self._news.wait()
        finally:
            await instance.close()

    async def _tell(self, instance: Notifier, event: Event) -> None:
        """Tell of the oldest event. When that fails it stays the next, unless it will never be taken."""
        try:
            async with asyncio.timeout(PATIENCE):
                await instance.notify(event)
        except TimeoutError:
            raise NotReady(f"it took longer than {PATIENCE:g} s") from None
        except NotReady as error:
            if error.retry_after is None:
                raise
            await self._be_patient(error, error.retry_after)
            return
        except NoticeRefused as error:
            self._log.warning("an event of kind {} was refused: {}", event.kind, error)
            self.dropped += 1
        else:
            self.sent += 1
            self.health.set(Running.RUNNING)
            self.outages.well(self._what)
        self._asked = 0
        self._waiting.popleft()

    async def _be_patient(self, error: NotReady, seconds: float) -> None:
        """Wait as one asks that takes so many events at a time: no outage, unless it then asks again."""
        self._asked += 1
        if self._asked > 1:
            self.health.set(Running.FAILING, str(error))
            self.outages.failing(self._what, str(error))
        settings = self._settings()
        own = backoff(self._asked, settings.backoff_first, settings.backoff_last)
        await asyncio.sleep(max(min(seconds, LONGEST_WAIT), own.total_seconds()))


class Notifiers:
    """All notifiers. ``record`` keeps an event in the journal; ``folder`` gives an instance's own."""

    def __init__(
        self,
        registry: Registry,
        *,
        clock: Clock,
        log: Logger,
        redact: Redact,
        record: Callable[[Event], None],
        folder: Callable[[str, str], Path],
        http: Callable[[], ClientSession],
    ) -> None:
        self.runners: dict[str, NotifierRunner] = {}
        self._registry = registry
        self._clock = clock
        self._log = log
        self._redact = redact
        self._record = record
        self._folder = folder
        self._http = http

    def take(self, event: Event) -> None:
        """Take an event that happened; its texts go out without secrets."""
        if self.runners:
            detail = redacted(event.detail, self._redact)
            event = replace(event, text=self._redact(event.text), detail=detail)
            for runner in self.runners.values():
                runner.take(event)

    async def apply(self, resolved: Resolved) -> None:
        """Make reality follow the settings; what did not change is not touched."""
        names = dict.fromkeys([*self.runners, *resolved.settings.notifiers])
        await asyncio.gather(*(self._apply(name, resolved) for name in names))

    async def stop(self) -> None:
        """Stop them all. What was not taken yet stands in the journal."""
        await asyncio.gather(*(runner.stop(Running.STOPPED) for runner in self.runners.values()))

    async def _apply(self, name: str, resolved: Resolved) -> None:
        section = resolved.settings.notifiers.get(name)
        if section is None:
            await self.runners.pop(name).stop(Running.DISABLED)
            return
        runner = self._runner(name, section, lambda: resolved.settings.engine)
        options = resolved.notifier_options.get(name)
        key = (section.plugin, options)
        if not (section.enabled and resolved.settings.plugin_enabled(section.plugin)):
            await runner.stop(Running.DISABLED)
        elif options is None:
            await runner.stop(Running.UNAVAILABLE, resolved.unavailable.get(f"notifiers.{name}", ""))
        elif runner.key != key or not runner.running:
            await runner.stop(Running.STARTING)
            context = NotifierContext(
                name=name,
                options=options,
                clock=self._clock,
                log=self._log.bind(notifier=name),
                state_dir=self._folder("notifiers", name),
                http=self._http,
            )
            runner.start(key, self._registry.notifiers[section.plugin], context)

    def _runner(
        self, name: str, section: NotifierSettings, settings: Callable[[], EngineSettings]
    ) -> NotifierRunner:
        runner = self.runners.get(name)
        if runner is None:
            log = self._log.bind(notifier=name)
            # Its own outages are not told to notifiers: they would be told to itself.
            outages = Outages(self._clock, log, self._record)
            common: dict[str, Any] = {"clock": self._clock, "log": log, "settings": settings}
            runner = self.runners[name] = NotifierRunner(name, section, outages=outages, **common)
        runner.section = section
        return runner
