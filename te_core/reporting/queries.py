"""Every query of a running engine. Each is answered here and nowhere else."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from te_core.accounts.reconciler import AsIf
from te_core.contracts.exchange import Finding
from te_core.journal.reader import JournalReader
from te_core.model.instrument import Instrument
from te_core.plugins.report import PluginReport
from te_core.reporting.account_view import shown_goal
from te_core.reporting.doctor import examine_all, show
from te_core.reporting.explain import explain, explain_signals
from te_core.reporting.history import JournalHistory
from te_core.reporting.machine import Machine, examine_machine
from te_core.reporting.metrics import exposition
from te_core.reporting.readiness import readiness
from te_core.reporting.state import engine_state_steps, plan_state
from te_core.reporting.steps import Steps, at_once
from te_core.reporting.summary import read_since, summary
from te_core.rules.decision import Decision
from te_core.runtime.engine import Engine
from te_core.runtime.instances import AccountRunner
from te_core.secrets import Redactor, redacted
from te_core.settings.schema import Settings, SymbolSettings


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessStatus:
    """What the process around the engine knows at the time of a query."""

    machine: Machine
    listener_findings: tuple[Finding, ...] = ()
    """Findings on the exposure of the listeners."""
    wrong_tokens: int = 0
    """Number of requests to the private listener with a wrong token."""
    refused: tuple[str, ...] = ()
    """The problems of the settings as they are now; empty if they are active."""
    edits: int = 0
    """Number of edits of the settings that were processed, including refused ones."""
    applied: tuple[str, ...] = ()
    """What the newest edit changed."""


class Queries:
    """Answers queries with JSON values without secrets. Nothing here changes anything.

    ``engine``: returns the engine. Raises `NotReady` while it is starting; then each query does, except the history.
    ``redactor``: masks secrets, which the texts of plugins may contain, such as the reason why one stopped.
    """

    def __init__(
        self,
        engine: Callable[[], Engine],
        journal: JournalReader,
        *,
        process: Callable[[], ProcessStatus],
        redactor: Redactor,
    ) -> None:
        self.history = JournalHistory(journal)
        self._engine = engine
        self._journal = journal
        self._process = process
        self._redactor = redactor

    def state(self) -> dict[str, Any]:
        """Return what ``te status`` shows."""
        return at_once(self.state_steps())

    def state_steps(self) -> Steps[dict[str, Any]]:
        """Return the same in steps, between which other tasks can run."""
        engine = self._engine()
        ready = readiness(engine)
        state = yield from engine_state_steps(
            engine, _settings(engine), pid=os.getpid(), readiness=ready, shown=self._shown
        )
        return {**state, **self._shown(self._process_state(engine))}

    def _process_state(self, engine: Engine) -> dict[str, Any]:
        process = self._process()
        return {
            "listeners": {"private": {"wrong_tokens": process.wrong_tokens}},
            "plugins": [
                redacted(_without_traceback(report), self._redactor.redact)
                for report in engine.registry.reports.values()
            ],
            "settings": {
                "file": str(process.machine.settings),
                "refused": list(process.refused),
                "edits": process.edits,
                "applied": list(process.applied),
            },
        }

    async def plan(self, sections: Mapping[str, SymbolSettings | None] | None = None) -> dict[str, Any]:
        """Read every account and return what would be ordered now, and why. Sends nothing.

        ``sections``: hypothetical sections of some symbols, whose orders are returned; None for a symbol without one.
        """
        engine, as_if = self._engine(), None
        if sections is not None:
            blends = engine.netting.blends_as_if(sections)
            as_if = AsIf(controls=engine.commands.controls, blends=blends)
        running = _running(engine)
        previews = (runner.worker.preview(as_if) for runner in running.values())
        decisions = await asyncio.gather(*previews, return_exceptions=True)
        found = {name: plan_state(_only(one, sections)) for name, one in zip(running, decisions, strict=True)}
        return self._shown({"accounts": found})

    async def instruments(self, symbols: Sequence[str]) -> dict[str, Any]:
        """Return, per account, which of the symbols its exchange lists, and the largest leverage of each."""
        running = _running(self._engine())
        asked = (runner.worker.instruments(symbols) for runner in running.values())
        answers = await asyncio.gather(*asked, return_exceptions=True)
        found = {name: _offers(one) for name, one in zip(running, answers, strict=True)}
        return self._shown({"accounts": found})

    def explain(self, symbol: str) -> dict[str, Any]:
        """Return the arithmetic from signals to quantity per account. Raise `KeyError` for an unknown symbol."""
        engine = self._engine()
        found = {
            name: explain(
                state.target, shown_goal(state), state.confirmation, limited=state.limited, now=state.reason
            )
            for name, runner in engine.accounts.items()
            if (state := runner.worker.keepers.get(symbol)) is not None and state.target is not None
        }
        if not found:
            raise KeyError(symbol)
        signals = explain_signals(engine.netting.intake.in_force(symbol))
        return self._shown({"symbol": symbol, "signals": signals, "accounts": found})

    def report(self, source: str) -> dict[str, Any]:
        """Return a source's detailed report. Raise `KeyError` if no such source is running."""
        runner = self._engine().sources.get(source)
        report = runner.report() if runner is not None else None
        if report is None:
            raise KeyError(source)
        return self._shown(report)

    async def doctor(self) -> dict[str, Any]:
        """Check every running account, the machine, and the exposure of the listeners; reads only."""
        engine, process = self._engine(), self._process()
        accounts, machine = await asyncio.gather(
            examine_all(engine.accounts, _settings(engine), engine.clock), examine_machine(process.machine)
        )
        findings = (*machine, *process.listener_findings)
        return self._shown({**accounts, "machine": [show(finding) for finding in findings]})

    async def summary(self, since: datetime) -> dict[str, Any]:
        """Return each account's results since then, and what needs attention. Raise `JournalError` on a failed read."""
        engine = self._engine()
        books = {name: runner.worker.book for name, runner in engine.accounts.items()}
        before = await asyncio.to_thread(read_since, self._journal, books, since)
        found = summary(engine, readiness(engine), before)
        found["attention"] += [f"settings refused: {problem}" for problem in self._process().refused]
        return self._shown(found)

    async def metrics(self, accept: str) -> tuple[bytes, str]:
        """Return all metrics in the format that the header ``Accept`` requests, and the content type."""
        return await exposition(self._engine(), accept)

    def readiness(self) -> dict[str, Any]:
        """Return whether everything that must work works, and what does not."""
        return self._shown(readiness(self._engine()))

    def _shown(self, answer: dict[str, Any]) -> dict[str, Any]:
        shown: dict[str, Any] = redacted(answer, self._redactor.redact_long)
        return shown


def _settings(engine: Engine) -> Settings:
    assert engine.resolved is not None
    return engine.resolved.settings


def _running(engine: Engine) -> dict[str, AccountRunner]:
    return {name: runner for name, runner in engine.accounts.items() if runner.running}


def _without_traceback(report: PluginReport) -> dict[str, Any]:
    return {key: value for key, value in report.as_json().items() if key != "traceback"}


def _offers(found: Mapping[str, Instrument] | str | BaseException) -> dict[str, Any]:
    if isinstance(found, BaseException):
        return {"error": f"{type(found).__name__}: {found}"}
    if isinstance(found, str):
        return {"error": found}
    return {"symbols": {symbol: {"largest_leverage": one.largest_leverage} for symbol, one in found.items()}}


def _only(
    decisions: Mapping[str, Decision] | str | BaseException, symbols: Container[str] | None
) -> Mapping[str, Decision] | str | BaseException:
    """Return the decisions of the requested symbols only."""
    if symbols is None or isinstance(decisions, str | BaseException):
        return decisions
    return {symbol: decision for symbol, decision in decisions.items() if symbol in symbols}
