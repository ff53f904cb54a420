"""The risk checks of the settings: they review every increase beforehand, each within its time limit.

A check that fails, hangs or returns an invalid result holds the increases that it reviews, or allows them, according
to its section; no reduction, no other symbol and no other account waits for it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace
from decimal import Decimal
from functools import partial
from typing import Any, ClassVar

from pydantic import BaseModel

from te_core.accounts.reviews import Reviewed
from te_core.contracts.risk_check import RiskCheck, RiskCheckContext, RiskCheckSpec
from te_core.errors import PluginDefect, defined_at, described
from te_core.model.review import Proposal, Verdict
from te_core.outage import Outages
from te_core.rules.risk_checks import combined
from te_core.runtime import guard
from te_core.runtime.facilities import Facilities
from te_core.runtime.instances import Runner, make_folder
from te_core.runtime.reconciler import Instances
from te_core.runtime.result_checks import wrong
from te_core.runtime.supervisor import Running, Up
from te_core.settings.attachments import RiskCheckSettings
from te_core.settings.resolution import Kind, Resolved
from te_core.texts import plain

FAILED_FOR = 5.0
"""Seconds after which a failed check reviews a symbol again."""
LONGEST_REASON = 200
MOST_LATE = 20
"""Largest number of timed-out reviews that have not ended; with so many, a check is no longer called."""
GATHER = 0.5
"""Seconds within which requests for a new review are combined."""


class RiskCheckRunner(Runner):
    """Runs one risk check. ``asked``, ``objected`` and ``failed`` count reviews since the start."""

    stop_timeout = 1.0

    def __init__(self, name: str, section: RiskCheckSettings, **common: Any) -> None:
        self._what = f"risk check {name}"
        super().__init__(what=self._what, **common)
        self.name = name
        self.section = section
        self.switched_on = False
        """Whether it is enabled in the settings, running or not."""
        self.asked = self.objected = self.failed = 0
        self._instance: RiskCheck | None = None
        self._up = asyncio.Event()
        self._late: set[asyncio.Task[Verdict]] = set()

    def configure(self, section: RiskCheckSettings, *, switched_on: bool) -> None:
        """Apply what changes without a restart."""
        self.section, self.switched_on = section, switched_on

    def concerns(self, account: str, symbol: str) -> bool:
        """Return whether it reviews a symbol of an account."""
        section = self.section
        return (
            self.switched_on
            and (not section.accounts or account in section.accounts)
            and (not section.symbols or symbol in section.symbols)
        )

    def counters(self) -> dict[str, Any]:
        """Return the check's counters, for ``te status``."""
        return {} if self._instance is None else guard.ask("status()", self._instance.status, self._redact)

    def start(self, spec: RiskCheckSpec[Any], context: RiskCheckContext[Any]) -> None:
        """Create the instance and keep it running."""
        self._launch(partial(self._run, spec, context))

    async def review(self, proposal: Proposal) -> tuple[Verdict, float]:
        """Return its verdict, and the seconds for which that is valid. Never raise an error of the plugin."""
        self.asked += 1
        seconds = self.section.timeout.total_seconds()
        if reason := self._why_not():
            return self._failed(reason)
        task = asyncio.create_task(self._answer(proposal))
        try:
            await asyncio.wait([task], timeout=seconds)
        finally:
            if not task.done():
                self._late.add(task)
                task.add_done_callback(self._ended)
                task.cancel()
        if not task.done():
            return self._failed(f"review() did not answer within {seconds:g} s")
        if task.cancelled():
            return self._failed("review() was cancelled")
        if (error := task.exception()) is not None:
            return self._failed(described(error))
        self.outages.well(self._what)
        verdict = task.result()
        self.objected += verdict.largest is not None
        return verdict, self.section.recheck.total_seconds()

    def _why_not(self) -> str:
        if len(self._late) >= MOST_LATE:
            return f"{len(self._late)} earlier questions were given up and have not ended: not asked any more"
        health = self.health
        if health.status in (Running.RUNNING, Running.STARTING):
            return ""
        return f"{health.status}: {health.reason or 'it does not run'}"

    async def _answer(self, proposal: Proposal) -> Verdict:
        await self._up.wait()
        assert self._instance is not None
        asked = self._instance.review
        found = checked(await guard.call("review()", partial(asked, proposal), self._redact), asked)
        return replace(found, reason=plain(self._redact(found.reason), LONGEST_REASON))

    def _failed(self, reason: str) -> tuple[Verdict, float]:
        """Return the verdict that the settings define for a failure."""
        self.failed += 1
        said = plain(self._redact(reason), LONGEST_REASON)
        self.outages.failing(self._what, said)
        if self.section.on_failure == "allow":
            return Verdict.approve(), FAILED_FOR
        return Verdict.veto(f"held, for it failed ({said})"), FAILED_FOR

    def _ended(self, task: asyncio.Task[Verdict]) -> None:
        self._late.discard(task)
        if not task.cancelled():
            task.exception()  # retrieve it; the review timed out long ago

    async def _run(self, spec: RiskCheckSpec[Any], context: RiskCheckContext[Any], up: Up) -> None:
        make_folder(context.state_dir)
        instance = guard.make(spec.factory, context, RiskCheck)
        self._instance = instance
        self._up.set()
        self._health.set(Running.RUNNING)
        up()
        try:
            await guard.call("run()", instance.run, self._redact)
        finally:
            self._instance = None
            self._up.clear()
            await guard.close("close()", instance.close, self._log)


def checked(answer: Any, review: object) -> Verdict:
    """Return what ``review`` returned. Raise `PluginDefect`, naming where it is defined, if that is not valid."""
    if not isinstance(answer, Verdict):
        raise PluginDefect(wrong("review()", answer, "Verdict") + defined_at(review))
    largest: object = answer.largest
    usable = isinstance(largest, Decimal) and largest.is_finite() and largest >= 0
    if largest is not None and not usable:
        expected = "a finite Decimal of at least 0, or None"
        raise PluginDefect(wrong("review().largest", largest, expected) + defined_at(review))
    if not isinstance(answer.reason, str):
        raise PluginDefect(wrong("review().reason", answer.reason, "str") + defined_at(review))
    return answer


class RiskChecks(Instances[RiskCheckRunner]):
    """All risk checks. ``ask_again`` makes all accounts request new reviews."""

    kind: ClassVar[Kind] = "risk_checks"

    def __init__(self, facilities: Facilities, ask_again: Callable[[], None]) -> None:
        super().__init__()
        self._facilities = facilities
        self._ask_again = ask_again
        self._asking: asyncio.TimerHandle | None = None

    @property
    def names(self) -> Sequence[str]:
        """The names of the enabled checks."""
        return [name for name, runner in self.runners.items() if runner.switched_on] if self.runners else ()

    def asked_about(self, account: str, symbol: str) -> Sequence[str]:
        """Return the names of the checks that review a symbol of an account."""
        return [name for name, runner in self.runners.items() if runner.concerns(account, symbol)]

    async def review(self, proposal: Proposal) -> Reviewed:
        """Run all checks that a proposal concerns at the same time, and combine their verdicts."""
        names = self.asked_about(proposal.account, proposal.symbol)
        answers = await asyncio.gather(*(self.runners[name].review(proposal) for name in names))
        verdicts = [verdict for verdict, _ in answers]
        return Reviewed(
            allowance=combined(zip(names, verdicts, strict=True)),
            seconds=min((seconds for _, seconds in answers), default=0.0),
        )

    def prepare(self, resolved: Resolved) -> None:
        """Apply the settings that need no restart; an added or removed check causes new reviews of everything."""
        before = list(self.runners)
        super().prepare(resolved)
        if before != list(self.runners):
            self.changed()

    def changed(self) -> None:
        """Schedule new reviews of everything; calls until then are combined into one."""
        if self._asking is None:
            self._asking = asyncio.get_running_loop().call_later(GATHER, self._now)

    def _now(self) -> None:
        self._asking = None
        self._ask_again()

    def _make(self, name: str, resolved: Resolved) -> RiskCheckRunner:
        facilities = self._facilities
        log = facilities.log.bind(risk_check=name)
        outages = Outages(facilities.clock, log, facilities.record, redact=facilities.redact)
        common = facilities.runner(log, outages)
        return RiskCheckRunner(name, resolved.settings.risk_checks[name], **common)

    def _update(self, runner: RiskCheckRunner, name: str, resolved: Resolved) -> None:
        section = resolved.settings.risk_checks[name]
        switched_on = section.enabled and resolved.settings.plugin_enabled(section.plugin)
        if (runner.section, runner.switched_on) != (section, switched_on):
            self.changed()
        runner.configure(section, switched_on=switched_on)

    def _launch(self, runner: RiskCheckRunner, name: str, options: BaseModel, resolved: Resolved) -> None:
        facilities = self._facilities
        context = RiskCheckContext(
            name=name,
            options=options,
            clock=facilities.clock,
            log=facilities.log.bind(risk_check=name),
            state_dir=facilities.folder("risk_checks", name),
            http=facilities.http,
            ask_again=self.changed,
        )
        runner.start(facilities.registry.risk_checks[resolved.settings.risk_checks[name].plugin], context)
