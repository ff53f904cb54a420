"""Whether the engine is fully working at present, and what is missing (I16)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from te_core.model.control import Control, ControlState, Topic
from te_core.reporting.account_view import account_view, plain_or_empty
from te_core.reporting.command_view import in_words
from te_core.runtime.engine import Engine
from te_core.runtime.instances import SourceRunner
from te_core.runtime.supervisor import Running


def readiness(engine: Engine) -> dict[str, Any]:
    """Return whether the journal can be written and every enabled source and account works, and what does not.

    An account must be readable; a running source must not be failing. A stream that is down is replaced by polling.
    ``halts``: descriptions of what the operator halted: alerts are accepted, but nothing is increased. ``observing``:
    accounts that send nothing, and why.
    """
    reasons = list(_reasons(engine))
    return {"ready": not reasons, "reasons": reasons, "halts": halts(engine), "observing": observing(engine)}


def observing(engine: Engine) -> list[str]:
    """Return which accounts send nothing, and why."""
    runners = engine.accounts.items()
    return [f"account {name}: {why}" for name, runner in runners if (why := runner.worker.observing)]


def halts(engine: Engine) -> list[str]:
    """Return descriptions of the halts that apply to an account of the settings."""
    controls, scopes = engine.commands.controls, engine.commands.scopes()
    rows = (row for row in controls.active() if row.topic is Topic.HALT)
    return [
        in_words(row, controls, scopes)
        for row in rows
        if (
            _waits(engine, row)
            if row.state is ControlState.NEXT_SIGNAL
            else controls.holds_for(row, scopes.values())
        )
    ]


def _waits(engine: Engine, row: Control) -> bool:
    """Return whether a symbol still waits for the next signal after a resume."""
    keepers = (keeper for runner in engine.accounts.values() for keeper in runner.worker.keepers.values())
    return any(k.standing.halt and k.standing.since == row.at and k.target is not None for k in keepers)


def engine_problems(engine: Engine) -> Iterator[str]:
    """Return the reasons for not being ready that belong to no source and no account."""
    if problem := engine.journal_problem():
        yield f"journal: {problem}"
    if engine.stopping:
        yield "stopping"


def _reasons(engine: Engine) -> Iterator[str]:
    yield from engine_problems(engine)
    for name, source in engine.sources.items():
        if unready := source_unready(source):
            yield f"source {name}: {unready}"
    now = engine.clock.monotonic()
    for name, account in engine.accounts.items():
        if unready := account_view(account, now).unready:
            yield f"account {name}: {unready}"


def source_unready(runner: SourceRunner) -> str:
    """Return why a source is not ready; empty if it is ready or switched off."""
    health = runner.health
    if health.status is Running.DISABLED:
        return ""
    if health.status is not Running.RUNNING:
        return ": ".join(part for part in (str(health.status), plain_or_empty(health.reason)) if part)
    parts = [part for part in runner.outages.failing_parts if not part.startswith("stream")]
    return f"failing: {runner.outages.reason_of(parts)}" if parts else ""
