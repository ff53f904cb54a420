"""Every query of a running engine. Each is answered here and nowhere else."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Container, Mapping, Sequence
from typing import Any

from te_core.accounts.reconciler import AsIf
from te_core.model.instrument import Instrument
from te_core.reporting.account_view import shown_goal
from te_core.reporting.doctor import examine_all
from te_core.reporting.explain import explain, explain_signals
from te_core.reporting.readiness import readiness
from te_core.reporting.state import Shown, engine_state, engine_state_steps, plan_state
from te_core.reporting.steps import Steps
from te_core.rules.decision import Decision
from te_core.runtime.engine import Engine
from te_core.settings.schema import Settings, SymbolSettings


class Queries:
    """Queries of one engine; results are JSON values, redacted by the caller. Nothing here changes anything."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    @property
    def _settings(self) -> Settings:
        assert self._engine.resolved is not None
        return self._engine.resolved.settings

    def state(self) -> dict[str, Any]:
        """Return what ``te status`` shows."""
        return engine_state(self._engine, self._settings, pid=os.getpid(), readiness=self.readiness())

    def state_steps(self, shown: Shown) -> Steps[dict[str, Any]]:
        """Return the same, in steps. ``shown``: applied to each part before it becomes part of the answer."""
        readiness = self.readiness()
        return engine_state_steps(
            self._engine, self._settings, pid=os.getpid(), readiness=readiness, shown=shown
        )

    async def plan(self, sections: Mapping[str, SymbolSettings | None] | None = None) -> dict[str, Any]:
        """Read every account and return what would be ordered now, and why. Sends nothing.

        ``sections``: hypothetical sections of some symbols, whose orders are returned; None for a symbol without one.
        """
        as_if = None
        if sections is not None:
            blends = self._engine.netting.blends_as_if(sections)
            as_if = AsIf(controls=self._engine.commands.controls, blends=blends)
        running = {name: runner for name, runner in self._engine.accounts.items() if runner.running}
        previews = (runner.worker.preview(as_if) for runner in running.values())
        decisions = await asyncio.gather(*previews, return_exceptions=True)
        return {
            "accounts": {
                name: plan_state(_only(one, sections)) for name, one in zip(running, decisions, strict=True)
            }
        }

    async def instruments(self, symbols: Sequence[str]) -> dict[str, Any]:
        """Return, per account, which of the symbols its exchange lists, and the largest leverage of each."""
        running = {name: runner for name, runner in self._engine.accounts.items() if runner.running}
        asked = (runner.worker.instruments(symbols) for runner in running.values())
        answers = await asyncio.gather(*asked, return_exceptions=True)
        return {"accounts": {name: _offers(one) for name, one in zip(running, answers, strict=True)}}

    def explain(self, symbol: str) -> dict[str, Any]:
        """Return the arithmetic from signals to quantity per account. Raise `KeyError` for an unknown symbol."""
        found = {
            name: explain(
                state.target, shown_goal(state), state.confirmation, limited=state.limited, now=state.reason
            )
            for name, runner in self._engine.accounts.items()
            if (state := runner.worker.keepers.get(symbol)) is not None and state.target is not None
        }
        if not found:
            raise KeyError(symbol)
        signals = self._engine.netting.intake.in_force(symbol)
        return {"symbol": symbol, "signals": explain_signals(signals), "accounts": found}

    def report(self, source: str) -> dict[str, Any]:
        """Return a source's detailed report. Raise `KeyError` if no such source is running."""
        runner = self._engine.sources.get(source)
        report = runner.report() if runner is not None else None
        if report is None:
            raise KeyError(source)
        return report

    async def doctor(self) -> dict[str, Any]:
        """Check every running account; reads only."""
        return await examine_all(self._engine.accounts, self._settings, self._engine.clock)

    def readiness(self) -> dict[str, Any]:
        """Return whether everything that must work works, and what does not."""
        return readiness(self._engine)


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
