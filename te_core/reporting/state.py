"""The engine's state as JSON values: what ``te status``, ``te plan`` and the private listener show."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

from te_core import __version__
from te_core.reporting.account_state import account_state
from te_core.reporting.account_view import plain_or_empty
from te_core.reporting.breaker_view import show_breakers
from te_core.reporting.command_view import Scopes, shown_rows, standing_commands
from te_core.reporting.explain import show_signal, text
from te_core.reporting.limit_view import show_limits
from te_core.reporting.readiness import engine_problems, source_unready
from te_core.reporting.steps import Steps
from te_core.rules.controls import described
from te_core.rules.decision import Decision
from te_core.rules.plan import LeverageStep, MarginModeStep, OrderStep, Step
from te_core.runtime.commands import Outcome, Previews
from te_core.runtime.engine import Engine
from te_core.runtime.instances import SourceRunner
from te_core.runtime.notifiers import NotifierRunner
from te_core.runtime.observers import ObserverRunner
from te_core.runtime.risk_checks import RiskCheckRunner
from te_core.runtime.supervisor import Running
from te_core.settings.schema import Settings
from te_core.texts import bounded_values

Shown = Callable[[dict[str, Any]], dict[str, Any]]


def engine_state_steps(
    engine: Engine, settings: Settings, *, pid: int, readiness: Mapping[str, Any], shown: Shown
) -> Steps[dict[str, Any]]:
    """Return the state of everything, in steps of half an account.

    ``readiness``: the answer of ``/readyz``. ``shown``: applied to each part before it is added to the answer.
    """
    accounts: dict[str, Any] = {}
    for name, runner in list(engine.accounts.items()):
        if name in settings.accounts:
            account = account_state(engine, settings, name, runner)
            yield
            accounts |= shown({name: account})
            yield
    rest = _all_but_accounts(engine, settings, pid=pid, readiness=readiness)
    yield
    rest = shown(rest)
    return {key: accounts if key == "accounts" else value for key, value in rest.items()}


def _all_but_accounts(
    engine: Engine, settings: Settings, *, pid: int, readiness: Mapping[str, Any]
) -> dict[str, Any]:
    """Return everything else, with an empty entry for the accounts."""
    return {
        "engine": {
            "version": __version__,
            "pid": pid,
            "started_at": text(engine.started_at),
            "event_loop": type(asyncio.get_running_loop()).__module__.partition(".")[0],
            "status": _status(readiness, accounts=len(engine.accounts)),
            "reasons": readiness["reasons"],
            "troubles": list(engine_problems(engine)),
            "now": text(engine.clock.now()),
            "resync": settings.engine.resync.total_seconds(),
        },
        "limits": show_limits({n: r for n, r in engine.accounts.items() if n in settings.accounts}),
        "breakers": show_breakers(engine.breakers.shown()),
        "commands": standing_commands(engine.commands.controls, engine.commands.scopes()),
        "sources": {name: _source(engine, settings, name, runner) for name, runner in engine.sources.items()},
        "accounts": {},
        "notifiers": {
            name: {
                "plugin": runner.section.plugin,
                "status": str(runner.health.status),
                "reason": _why(runner),
                "retry_at": text(runner.health.retry_at),
                "sent": runner.sent,
                "waiting": runner.waiting,
                "dropped": runner.dropped,
                "control": _control(runner),
            }
            for name, runner in engine.notifiers.runners.items()
        },
        "risk_checks": {name: _risk_check(one) for name, one in engine.risk_checks.runners.items()},
        "observers": {name: _observer(one) for name, one in engine.observers.runners.items()},
        "symbols": {
            symbol: {
                "leverage": str(section.leverage),
                "weights": {source: text(weight) for source, weight in section.weights.items()},
            }
            for symbol, section in settings.symbols.items()
        },
    }


def _risk_check(runner: RiskCheckRunner) -> dict[str, Any]:
    section, health = runner.section, runner.health
    return {
        "plugin": section.plugin,
        "status": str(health.status),
        "reason": health.reason or runner.outages.reason(),
        "retry_at": text(health.retry_at),
        "asked": runner.asked,
        "objected": runner.objected,
        "failed": runner.failed,
        "on_failure": section.on_failure,
        "counters": runner.counters(),
    }


def _observer(runner: ObserverRunner) -> dict[str, Any]:
    return {
        "plugin": runner.plugin,
        "status": str(runner.health.status),
        "reason": runner.health.reason,
        "retry_at": text(runner.health.retry_at),
        "seen": runner.seen,
        "waiting": runner.waiting,
        "lost": runner.lost,
        "dropped": runner.dropped,
        "counters": runner.counters(),
    }


def _why(runner: NotifierRunner) -> str:
    """Return why a notifier does not send, or does not answer."""
    answering = runner.answering
    control = answering.health.reason if answering is not None else ""
    return runner.health.reason or (f"control: {control}" if control else "")


def _control(runner: NotifierRunner) -> dict[str, Any] | None:
    """Return the state of the instance that answers messages; None if control is off."""
    if (answering := runner.answering) is None:
        return None
    health = answering.health
    return {
        "status": str(health.status),
        "reason": health.reason,
        "retry_at": text(health.retry_at),
        "counters": bounded_values(answering.counters()),
    }


def _status(readiness: Mapping[str, Any], *, accounts: int) -> str:
    if not readiness["ready"]:
        return "degraded"
    if readiness["halts"]:
        return "halted"
    return "observing" if 0 < accounts == len(readiness["observing"]) else "ready"


def _source(engine: Engine, settings: Settings, name: str, runner: SourceRunner) -> dict[str, Any]:
    now = engine.netting.time.now()
    section = settings.sources[name]
    pause = engine.netting.pauses.get(name)
    works = runner.health.status in (Running.RUNNING, Running.DISABLED)
    signals = engine.netting.intake.by_source(name)
    newest = max((signal.received_at for signal in signals.values()), default=None)
    return {
        "plugin": section.plugin,
        "enabled": section.enabled and settings.plugin_enabled(section.plugin),
        "status": "paused" if works and pause else str(runner.health.status),
        "reason": plain_or_empty(runner.health.reason)
        or runner.outages.reason()
        or (described(pause) if pause else ""),
        "unready": source_unready(runner),
        "retry_at": text(runner.health.retry_at),
        "last_signal_at": text(newest),
        "refused_24h": engine.refusals.alerts_of(name),
        "silent_since": text(engine.netting.heartbeat.since(name)),
        "signals": {
            symbol: {
                **show_signal(signal),
                "expired": expires_at is not None and now >= expires_at,
            }
            for symbol, signal in signals.items()
            for expires_at in (engine.netting.expires_at(signal),)
        },
        "counters": bounded_values(runner.counters()),
    }


def outcome_state(outcome: Outcome, previews: Previews | None = None, *, scopes: Scopes) -> dict[str, Any]:
    """Return what a command changes, and what each account would order then. ``scopes``: see ``Scopes``."""
    shown: dict[str, Any] = {
        "set": list(shown_rows(outcome.set, scopes)),
        "lifted": list(shown_rows(outcome.lifted, scopes)),
        "breakers": [text for found in outcome.rearmed.values() for text in found],
    }
    if previews is not None:
        shown["accounts"] = {name: plan_state(one) for name, one in previews.items()}
    return shown


def plan_state(decisions: Mapping[str, Decision] | str | BaseException) -> dict[str, Any]:
    """Return what would be done per symbol, or why that is unknown."""
    if isinstance(decisions, BaseException):
        return {"error": f"{type(decisions).__name__}: {decisions}"}
    if isinstance(decisions, str):
        return {"error": decisions}
    return {
        "symbols": {
            symbol: {
                "status": str(decision.status),
                "reason": decision.reason,
                "goal": text(decision.goal.quantity) if decision.goal else None,
                "steps": [_step(step) for step in decision.plan.steps],
                "notes": [*(decision.goal.notes if decision.goal else ()), *decision.plan.notes],
            }
            for symbol, decision in decisions.items()
        }
    }


def _step(step: Step) -> dict[str, Any]:
    match step:
        case OrderStep():
            return {
                "kind": "order",
                "side": str(step.side),
                "quantity": text(step.quantity),
                "reduce_only": step.reduce_only,
                "chunks": [text(chunk) for chunk in step.chunks],
            }
        case LeverageStep():
            return {"kind": "leverage", "leverage": step.leverage, "margin_mode": str(step.margin_mode)}
        case MarginModeStep():
            return {"kind": "margin_mode", "margin_mode": str(step.margin_mode)}
