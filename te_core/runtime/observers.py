"""Pass what happened to observers. Each has its own bounded queue: a slow or failing one delays nothing."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import replace
from functools import partial
from typing import Any, ClassVar

from pydantic import BaseModel

from te_core.contracts.observer import FinishedOrder, Observer, ObserverContext, ObserverSpec, PositionChange
from te_core.errors import NotReady
from te_core.model.event import Event
from te_core.outage import Outages
from te_core.runtime import guard
from te_core.runtime.facilities import Facilities
from te_core.runtime.instances import Runner, make_folder
from te_core.runtime.reconciler import Instances
from te_core.runtime.supervisor import Running, Up
from te_core.secrets import Redact, redacted
from te_core.settings.resolution import Kind, Resolved

Happening = Event | FinishedOrder | PositionChange

TIMEOUT = 30.0
"""Seconds that one call of an observer may take."""
MOST_WAITING = 1000
"""Largest number of items queued for one observer; the oldest are dropped for newer ones."""
TURN = 20
"""Items that are passed on before other tasks of the event loop can run."""


class ObserverRunner(Runner):
    """Runs one observer. ``seen``, ``lost`` and ``dropped`` count items since the start.

    ``lost``: those during which it failed; ``dropped``: those that were dropped for newer ones.
    """

    stop_timeout = 0.2

    def __init__(self, name: str, plugin: str, **common: Any) -> None:
        self._what = f"observer {name}"
        super().__init__(what=self._what, **common)
        self.plugin = plugin
        self.seen = self.lost = self.dropped = 0
        self._instance: Observer | None = None
        self._waiting: deque[Happening] = deque(maxlen=MOST_WAITING)
        self._news = asyncio.Event()

    @property
    def waiting(self) -> int:
        """The number of queued items."""
        return len(self._waiting)

    def accept(self, happening: Happening) -> None:
        """Queue an item."""
        if self.running:
            self.dropped += len(self._waiting) == MOST_WAITING
            self._waiting.append(happening)
            self._news.set()

    def counters(self) -> dict[str, Any]:
        """Return the observer's counters, for ``te status``."""
        return {} if self._instance is None else guard.ask("status()", self._instance.status, self._redact)

    def start(self, spec: ObserverSpec[Any], context: ObserverContext[Any]) -> None:
        """Create the instance and keep it running; queued items go to the new instance."""
        self._launch(partial(self._run, spec, context))

    async def _run(self, spec: ObserverSpec[Any], context: ObserverContext[Any], _up: Up) -> None:
        make_folder(context.state_dir)
        self._instance = instance = guard.make(spec.factory, context, Observer)
        self._health.set(Running.RUNNING)
        try:
            while True:
                await self._news.wait()
                self._news.clear()
                while self._waiting:
                    await self._show(instance, self._waiting.popleft())
                    if self.seen % TURN == 0:
                        await asyncio.sleep(0)
        finally:
            self._instance = None
            await guard.close("close()", instance.close, self._log)

    async def _show(self, instance: Observer, happening: Happening) -> None:
        """Pass one item to the observer. Raise any error; the item is passed again only after `NotReady`."""
        what, method = _method(instance, happening)
        self.lost += 1  # until it has been seen
        try:
            async with asyncio.timeout(TIMEOUT):
                await self._apart.call(what, partial(method, happening))
        except TimeoutError:
            self._news.set()
            raise NotReady(f"{what} took longer than {TIMEOUT:g} s") from None
        except NotReady:
            self.lost -= 1
            if len(self._waiting) < MOST_WAITING:
                self._waiting.appendleft(happening)
            self._news.set()
            raise
        except BaseException:
            self._news.set()
            raise
        self.lost -= 1
        self.seen += 1
        self._health.set(Running.RUNNING)
        self.outages.well(self._what)


def _method(instance: Observer, happening: Happening) -> tuple[str, Callable[[Any], Awaitable[None]]]:
    match happening:
        case FinishedOrder():
            return "order_finished()", instance.order_finished
        case PositionChange():
            return "position_changed()", instance.position_changed
        case _:
            return "event()", instance.event


class Observers(Instances[ObserverRunner]):
    """All observers. ``record`` persists an event and passes it to the notifiers, and to no observer."""

    kind: ClassVar[Kind] = "observers"

    def __init__(self, facilities: Facilities, redact: Redact, record: Callable[[Event], None]) -> None:
        super().__init__()
        self._facilities = facilities
        self._redact = redact
        self._record = record

    def accept(self, event: Event) -> None:
        """Queue an event for every observer, with its texts redacted."""
        if self.runners:
            detail = redacted(event.detail, self._redact)
            self.show(lambda: replace(event, text=self._redact(event.text), detail=detail))

    def show(self, make: Callable[[], Happening]) -> None:
        """Queue an item for every observer; ``make`` is called only if an observer is running."""
        runners = [runner for runner in self.runners.values() if runner.running]
        if runners:
            happening = make()
            for runner in runners:
                runner.accept(happening)

    def _make(self, name: str, resolved: Resolved) -> ObserverRunner:
        facilities = self._facilities
        log = facilities.log.bind(observer=name)
        # Its own outages are not passed to observers: they would reach the failing observer itself.
        outages = Outages(facilities.clock, log, self._record, redact=facilities.redact)
        return ObserverRunner(
            name, resolved.settings.observers[name].plugin, **facilities.runner(log, outages)
        )

    def _update(self, runner: ObserverRunner, name: str, resolved: Resolved) -> None:
        runner.plugin = resolved.settings.observers[name].plugin

    def _launch(self, runner: ObserverRunner, name: str, options: BaseModel, resolved: Resolved) -> None:
        del resolved
        facilities = self._facilities
        context = ObserverContext(
            name=name,
            options=options,
            clock=facilities.clock,
            log=facilities.log.bind(observer=name),
            state_dir=facilities.folder("observers", name),
            http=facilities.http,
        )
        runner.start(facilities.registry.observers[runner.plugin], context)
