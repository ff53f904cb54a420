"""Pass events to the notifiers of the settings. A slow or failing one delays nothing, and is reported once."""

from __future__ import annotations

import asyncio
from collections import deque
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import Any, ClassVar

from pydantic import BaseModel

from te_core.contracts.notifier import Notifier, NotifierContext, NotifierSpec
from te_core.errors import NoticeRefused, NotReady
from te_core.model.event import Event
from te_core.outage import Outages
from te_core.rules.backoff import backoff
from te_core.rules.notices import MOMENT, accepted, due, restored, unsent
from te_core.runtime import guard
from te_core.runtime.answering import AnswerRunner
from te_core.runtime.control import Control
from te_core.runtime.facilities import Facilities
from te_core.runtime.instances import Runner, make_folder
from te_core.runtime.reconciler import Instances
from te_core.runtime.supervisor import Running, Up
from te_core.runtime.unsent_notices import UnsentNotices
from te_core.secrets import Redact, redacted
from te_core.settings.policies import notice_policy
from te_core.settings.resolution import Kind, Resolved
from te_core.settings.schema import NotifierSettings

NOTIFY_TIMEOUT = 60.0
"""Seconds that sending one notice may take."""

LONGEST_WAIT = 3600.0
"""Longest pause in seconds before a retry, even if the notifier requests a longer one."""

MOST_WAITING = 500
"""Largest number of notices queued for one notifier; the oldest are dropped for newer ones."""

SAVED_EACH = 10.0
"""Seconds between two writes of the notices that quiet hours or the limit hold back."""


class NotifierRunner(Runner):
    """Runs one notifier. ``sent`` and ``dropped`` count notices since the start."""

    stop_timeout = 0.2  # settings that affect trading, and the end of the process, wait for it

    def __init__(
        self, name: str, section: NotifierSettings, unsent_notices: UnsentNotices, **common: Any
    ) -> None:
        self._what = f"notifier {name}"
        super().__init__(what=self._what, **common)
        self._common = common
        self._clock = common["clock"]
        self.answering: AnswerRunner | None = None
        """Runs the instance that answers; None if control is off."""
        self._engine = common["settings"]
        self.sent = 0
        self._dropped = 0
        self._asked = 0
        self._waiting: deque[Event] = deque()
        self._news = asyncio.Event()
        self._idle = asyncio.Event()
        self.configure(section)
        self._unsent, self._saved_at = unsent_notices, -SAVED_EACH
        self._outbox = restored(unsent_notices.load(), self._policy, self._clock.monotonic())

    def configure(self, section: NotifierSettings) -> None:
        """Apply what changes without a restart: which events are sent, and when."""
        self.section = section
        self._policy = notice_policy(section)
        self._news.set()

    @property
    def waiting(self) -> int:
        """The number of events that are not sent yet."""
        return len(self._waiting) + self._outbox.waiting

    @property
    def dropped(self) -> int:
        """The number of notices that were dropped for newer ones, or refused."""
        return self._dropped + self._outbox.dropped

    def accept(self, event: Event) -> None:
        """Queue an event; the settings decide whether and when it is sent."""
        if not self.running:
            return
        self._outbox = accepted(self._outbox, event, self._policy, self._clock.monotonic())
        self._idle.clear()
        self._collect()
        self._news.set()

    async def empty(self) -> None:
        """Send what is gathered without waiting for more; return when all is sent, or cannot be sent at present."""
        self._policy = replace(self._policy, gather=0.0, per_hour=0)
        self._news.set()
        if self.waiting and self._health.status is Running.RUNNING:
            await self._idle.wait()

    def _collect(self) -> float | None:
        """Queue the notices that are due; return the seconds until more may be due."""
        now = self._clock.monotonic()
        self._outbox, told, seconds = due(self._outbox, self._policy, now, self._clock.now())
        for notice in told:
            if len(self._waiting) == MOST_WAITING:
                del self._waiting[1]  # the first may be in flight
                self._dropped += 1
            self._waiting.append(notice)
        return seconds

    def forget(self) -> None:
        """Drop the unsent notices of a notifier that was removed from the settings."""
        self._waiting.clear()
        self._outbox = replace(self._outbox, urgent=(), gathered=(), failing={})
        self._save()

    def _save(self) -> None:
        self._unsent.save((*self._waiting, *unsent(self._outbox, self._policy)))
        self._saved_at = self._clock.monotonic()

    def _save_if_due(self) -> float | None:
        """Write what is held back, at most every ``SAVED_EACH`` seconds; return the seconds until that is due."""
        if self._outbox.held:
            left: float = self._saved_at + SAVED_EACH - self._clock.monotonic()
            if left > MOMENT:
                return left
            self._save()
        elif not self.waiting:
            self._save()
        return None

    def start(
        self, spec: NotifierSpec[Any], context: NotifierContext[Any], control: Control | None = None
    ) -> None:
        """Create the instance and keep it running; queued notices go to the new instance.

        ``control``: what the second instance, which answers messages, may control; None: no such instance.
        """
        self._launch(partial(self._run, spec, context))
        if control is not None:
            common = {**self._common, "what": f"control by {context.name}"}
            self.answering = AnswerRunner(control, **common)
            self.answering.start(spec, context)

    async def stop(self, status: Running, reason: str = "") -> None:
        """Stop both instances; neither waits for the other. What is not sent is sent by the next ones."""
        answering, self.answering = self.answering, None
        stops = [super().stop(status, reason)]
        if answering is not None:
            stops.append(answering.stop(status, reason))
        await asyncio.gather(*stops)
        self._save()

    def resume(self) -> bool:
        """Retry immediately instead of waiting for the next attempt."""
        if self.answering is not None:
            self.answering.resume()
        return super().resume()

    async def _run(self, spec: NotifierSpec[Any], context: NotifierContext[Any], _up: Up) -> None:
        make_folder(context.state_dir)
        instance = guard.make(spec.factory, context, Notifier)
        self._health.set(Running.RUNNING)
        try:
            while True:
                self._news.clear()
                seconds = self._collect()
                if self._waiting:
                    await self._notify(instance, self._waiting[0])
                    continue
                self._idle.set()
                waits = [wait for wait in (seconds, self._save_if_due()) if wait is not None]
                with suppress(TimeoutError):
                    async with asyncio.timeout(min(waits, default=None)):
                        await self._news.wait()
        finally:
            self._idle.set()
            await guard.close("close()", instance.close, self._log)

    async def _notify(self, instance: Notifier, event: Event) -> None:
        """Send the oldest notice. If that fails it remains the next one, unless it was refused for good."""
        try:
            async with asyncio.timeout(NOTIFY_TIMEOUT):
                await self._apart.call("notify()", partial(instance.notify, event))
        except TimeoutError:
            raise NotReady(f"notify() did not return within {NOTIFY_TIMEOUT:g} s") from None
        except NotReady as error:
            if error.retry_after is None:
                raise
            await self._wait_to_retry(error, error.retry_after)
            return
        except NoticeRefused as error:
            self._log.warning("notice of an event of kind {} refused and dropped: {}", event.kind, error)
            self._dropped += 1
        else:
            self.sent += 1
            self._health.set(Running.RUNNING)
            self.outages.well(self._what)
        self._asked = 0
        self._waiting.popleft()

    async def _wait_to_retry(self, error: NotReady, seconds: float) -> None:
        """Wait as long as a rate-limited notifier requests: not an outage, unless it then requests it again."""
        self._asked += 1
        if self._asked > 1:
            self._health.set(Running.FAILING, str(error), retry_in=self._wait_for(seconds))
            self.outages.failing(self._what, str(error))
        await asyncio.sleep(self._wait_for(seconds).total_seconds())

    def _wait_for(self, seconds: float) -> timedelta:
        engine = self._engine()
        own = backoff(self._asked, engine.backoff_first, engine.backoff_last)
        return max(timedelta(seconds=min(seconds, LONGEST_WAIT)), own)


class Notifiers(Instances[NotifierRunner]):
    """All notifiers."""

    kind: ClassVar[Kind] = "notifiers"

    def __init__(self, facilities: Facilities, redact: Redact) -> None:
        super().__init__()
        self._facilities = facilities
        self._redact = redact

    def accept(self, event: Event) -> None:
        """Queue an event for every notifier, with its texts redacted."""
        runners = [runner for runner in self.runners.values() if runner.running]
        if runners:
            detail = redacted(event.detail, self._redact)
            event = replace(event, text=self._redact(event.text), detail=detail)
            for runner in runners:
                runner.accept(event)

    async def empty(self, seconds: float) -> None:
        """Wait at most ``seconds`` for all of them to send what is queued."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await asyncio.gather(*(runner.empty() for runner in self.runners.values() if runner.running))

    def _make(self, name: str, resolved: Resolved) -> NotifierRunner:
        log = self._facilities.log.bind(notifier=name)
        # Its own outages are not passed to notifiers: they would go to itself.
        outages = Outages(
            self._facilities.clock, log, self._facilities.persist, redact=self._facilities.redact
        )
        common = self._facilities.runner(log, outages)
        file = self._facilities.folder("notifiers", f"{name}.unsent.json")
        return NotifierRunner(
            name, resolved.settings.notifiers[name], UnsentNotices(file, self._facilities.log), **common
        )

    async def _stop(self, name: str, runner: NotifierRunner, resolved: Resolved) -> None:
        await super()._stop(name, runner, resolved)
        if name not in resolved.settings.notifiers:
            runner.forget()

    def _update(self, runner: NotifierRunner, name: str, resolved: Resolved) -> None:
        runner.configure(resolved.settings.notifiers[name])

    def _launch(self, runner: NotifierRunner, name: str, options: BaseModel, resolved: Resolved) -> None:
        plugin = resolved.settings.notifiers[name].plugin
        context = NotifierContext(
            name=name,
            options=options,
            clock=self._facilities.clock,
            log=self._facilities.log.bind(notifier=name),
            state_dir=self._facilities.folder("notifiers", name),
            http=self._facilities.http,
        )
        spec, access = self._facilities.registry.notifiers[plugin], self._facilities.control
        control = None
        if access is not None and spec.answers and resolved.settings.notifiers[name].control:
            control = Control(access, plugin, self._facilities.clock)
        runner.start(spec, context, control)
