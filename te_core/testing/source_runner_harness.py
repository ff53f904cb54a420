"""The engine side of a source's conformance test: one source, supervised as in production, and all that it says."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from decimal import Decimal
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from loguru import logger

from te_core.contracts.source import SignalSource, SourceContext
from te_core.contracts.webhook import WebhookRequest, WebhookResponse
from te_core.errors import JournalError, NotReady
from te_core.http_session import http_session
from te_core.model.signal import Signal
from te_core.outage import Outages
from te_core.runtime import guard
from te_core.runtime.instances import SourceRunner
from te_core.runtime.supervisor import Running
from te_core.secrets import SHORTEST, secrets_in
from te_core.settings.schema import EngineSettings
from te_core.testing.fakes import SourceRecorder
from te_core.testing.source_harness import SourceHarness
from te_core.testing.worker_harness import ENGINE

if TYPE_CHECKING:
    from aiohttp import ClientSession

NAME = "under-test"
"""The instance's name, which differs from the plugin's."""
APART = 1.0
"""Seconds between two messages."""
DEFECTS = ("defect: ", "on_webhook() failed", "its resources may leak", "did not stop within")
"""What the engine logs about a plugin that violates its contract."""


class SourceRunnerHarness:
    """Runs one source as the engine does; ``stop`` followed by ``start`` is a restart.

    ``recorder`` is what survives restarts: the signals, and everything else that the source reported. ``timeout``:
    seconds within which something must happen.
    """

    def __init__(
        self,
        sender: SourceHarness,
        folder: Path,
        *,
        timeout: float,
        engine: EngineSettings = ENGINE,
        name: str = NAME,
    ) -> None:
        self.sender = sender
        self.name = name
        self.timeout = timeout
        self.first, self.second = tuple(sender.symbols)[:2]
        """The spellings that the suite uses."""
        self.fetches = False
        """Whether the source overrides ``run``."""
        self.listens = False
        """Whether the source overrides ``on_webhook``."""
        self.recorder = SourceRecorder(clock=sender.clock)
        self.lines: list[str] = []
        """What was logged meanwhile, by the engine and the source."""
        self.reasons: list[str] = []
        """Why parts of the source failed, whether or not that was logged."""
        self._engine = engine
        self._folder = folder
        self._session: ClientSession | None = None
        self._made: SignalSource | None = None

    async def __aenter__(self) -> Self:
        self._log = logger.add(
            self.lines.append, level="TRACE", format="{message}\n{exception}", diagnose=False
        )
        try:
            await self.sender.open()
            self.sender.deliver = self._deliver
            await self._started()
        except BaseException:
            await self._end()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._end()
        if error is None:
            self.audit()

    async def _end(self) -> None:
        try:
            if hasattr(self, "runner"):
                await self.stop()
            await self.sender.close()
            if self._session is not None:
                await self._session.close()
        finally:
            logger.remove(self._log)

    def _context(self) -> SourceContext[Any]:
        options = self.sender.spec.settings.model_validate(self.sender.options())
        made = self.recorder.context(
            options, symbols=self.sender.symbols, name=self.name, state_dir=self._folder / self.name
        )
        outages = Outages(
            made.clock, made.log, self.recorder.events.append, source=self.name, redact=self._reason
        )
        return replace(made, http=self._http, outages=outages)

    def _reason(self, text: str) -> str:
        self.reasons.append(text)
        return text

    def _http(self) -> ClientSession:
        if self._session is None:
            self._session = http_session()
        return self._session

    async def _started(self) -> None:
        self.start()
        await self.until(lambda: self._made is not None, "the source to be created")
        self.fetches = _overrides(self._made, "run")
        self.listens = _overrides(self._made, "on_webhook")

    def start(self) -> None:
        """Start the source with what the recorder has."""
        context = self.context = self._context()
        self.runner = SourceRunner(
            clock=context.clock, log=context.log, outages=context.outages, settings=lambda: self._engine
        )
        self._made = None
        self.runner.start(replace(self.sender.spec, factory=self._make), context)

    def _make(self, context: SourceContext[Any]) -> SignalSource:
        self._made = self.sender.connect(context)
        return self._made

    async def stop(self) -> None:
        """Cancel and close the source."""
        await self.runner.stop(Running.STOPPED)
        self.context.outages.close()

    async def restart(self) -> None:
        """Stop the source and start a new instance."""
        await self.stop()
        await self._started()

    def connect(self) -> SignalSource:
        """Return a further instance, which nothing runs."""
        self.context.state_dir.mkdir(parents=True, exist_ok=True)
        return guard.make(self.sender.connect, self.context, SignalSource)

    async def _deliver(self, request: WebhookRequest) -> WebhookResponse:
        try:
            return await self.runner.on_webhook(request)
        except (NotReady, JournalError) as error:  # as the public listener answers them
            return WebhookResponse(status=503, body={"error": str(error)})

    def depth(self, spelling: str) -> Decimal | None:
        """Return the depth of the newest signal on a symbol in the sender's spelling; None without one."""
        found = self.recorder.current.get(self.sender.symbols[spelling])
        return None if found is None else found.depth

    async def state(self, spelling: str, depth: Decimal, **sent: Any) -> Signal:
        """Have the sender state a depth, and wait until its signal is the newest one; return that.

        A second passes first, so that no two messages state the same time.
        """
        await asyncio.sleep(APART)
        await self.sender.send(spelling, depth, **sent)
        await self.until(lambda: self.depth(spelling) == depth, f"a depth of {depth} on {spelling}")
        return self.recorder.current[self.sender.symbols[spelling]]

    async def restored(self) -> None:
        """Have the sender work again, and the engine try it at once, as ``te resume`` does."""
        await self.sender.restore()
        self.runner.resume()

    def problems(self) -> Mapping[str, str]:
        """Return what is reported as failing now, by part; ``connection`` is a run that ended."""
        return self.context.outages.reasons()

    def reports(self) -> int:
        """Return how often something was reported so far: refused input, an event, a failure."""
        return len(self.recorder.quarantined) + len(self.recorder.events) + len(self.reasons)

    async def until(self, done: Callable[[], bool], what: str) -> None:
        """Wait until a condition is true; fail with what the source reports if it never is."""
        with suppress(TimeoutError):
            async with asyncio.timeout(self.timeout):
                while not done():
                    await asyncio.sleep(0.05)
                return
        raise AssertionError(
            f"waited {self.timeout:g} s for {what}: {self.runner.health}, {dict(self.problems())}, "
            f"published {self.recorder.depths()}{self._last_response()}"
        )

    def _last_response(self) -> str:
        if not self.sender.responses:
            return ""
        last = self.sender.responses[-1]
        return f", last answered {last.status} {dict(last.body)}"

    async def quiet(self) -> None:
        """Wait until the source has checked several times for something new."""
        await asyncio.sleep(self.sender.calm)

    async def published(self) -> int:
        """Return how many signals there are once no more follow from what was sent so far."""
        await self.quiet()
        return len(self.recorder.published)

    def secrets(self) -> Iterator[str]:
        """Yield the secrets of the options and of the sender that are long enough to be recognised."""
        found = {*secrets_in(self.context.options), *self.sender.secrets()}
        yield from sorted(secret for secret in found if len(secret) >= SHORTEST)

    def texts(self) -> Iterator[tuple[str, str]]:
        """Yield everything that left the source: where, and the text."""
        yield from (("a log line", line) for line in self.lines)
        yield from (("an event", event.text) for event in self.recorder.events)
        yield from (("quarantined input", repr(entry)) for entry in self.recorder.quarantined)
        yield from (("the reason of an outage", reason) for reason in self.reasons)
        yield from (("a signal", repr(signal)) for signal in self.recorder.published)
        yield from (("a response", repr(response)) for response in self.sender.responses)
        yield from self.shown()

    def shown(self) -> Iterator[tuple[str, str]]:
        """Yield what ``te status`` and the plugin's commands would show now."""
        yield "status()", json.dumps(self.runner.counters(), default=str)
        yield "report()", json.dumps(self.runner.report(), default=str)

    def check_state(self, when: str, instance: SignalSource | None = None) -> None:
        """Check that ``status()`` and ``report()`` of an instance, by default the one that runs, return JSON values."""
        instance = instance or self.runner.instance
        if instance is None:
            return
        for name, question in (("status()", instance.status), ("report()", instance.report)):
            error = str(guard.ask(name, partial(question)).get("error", ""))
            assert not error.startswith(name), f"{when}: {error}"

    def audit(self) -> None:
        """Check that the engine has found no defect of the plugin."""
        lines = [line.partition("\n")[0] for line in self.lines] + self.reasons
        found = [line for line in lines if any(word in line for word in DEFECTS)]
        assert not found, f"the engine reports a defect of the plugin: {found[0]}"


def _overrides(source: SignalSource | None, method: str) -> bool:
    return getattr(type(source), method) is not getattr(SignalSource, method)
