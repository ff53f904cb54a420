"""The engine's state as JSON values: what ``te status``, ``te plan`` and the private listener show."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from te_core import __version__
from te_core.accounts.worker import AccountWorker
from te_core.model.money import EquitySample
from te_core.model.reading import Unknown
from te_core.reporting.account_view import account_view, plain_or_empty, symbol_view
from te_core.reporting.breaker_view import show_breakers
from te_core.reporting.command_view import Scopes, shown_rows, standing_commands
from te_core.reporting.explain import show_signal, text
from te_core.reporting.symbol_view import symbol_json
from te_core.rules.controls import described
from te_core.rules.decision import Decision
from te_core.rules.plan import LeverageStep, MarginModeStep, OrderStep, Step
from te_core.runtime.commands import Outcome, Previews
from te_core.runtime.engine import Engine
from te_core.runtime.instances import AccountRunner, SourceRunner
from te_core.runtime.notifiers import NotifierRunner
from te_core.runtime.supervisor import Running
from te_core.settings.schema import Settings
from te_core.texts import bounded_values


def engine_state(
    engine: Engine, settings: Settings, *, pid: int, readiness: Mapping[str, Any]
) -> dict[str, Any]:
    """Show everything that runs. ``readiness``: as ``/readyz`` answers."""
    now = engine.clock.monotonic()
    return {
        "engine": {
            "version": __version__,
            "pid": pid,
            "started_at": text(engine.started_at),
            "event_loop": type(asyncio.get_running_loop()).__module__.partition(".")[0],
            "status": _status(readiness, accounts=len(engine.accounts)),
            "reasons": readiness["reasons"],
        },
        "breakers": show_breakers(engine.breakers.shown()),
        "commands": standing_commands(engine.commands.controls, engine.commands.scopes()),
        "sources": {name: _source(engine, settings, name, runner) for name, runner in engine.sources.items()},
        "accounts": {
            name: _account(settings, name, runner, now)
            for name, runner in engine.accounts.items()
            if name in settings.accounts
        },
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
        "symbols": {
            symbol: {
                "leverage": str(section.leverage),
                "weights": {source: text(weight) for source, weight in section.weights.items()},
            }
            for symbol, section in settings.symbols.items()
        },
    }


def _why(runner: NotifierRunner) -> str:
    """Return why a notifier does not tell, or does not answer."""
    answering = runner.answering
    control = answering.health.reason if answering is not None else ""
    return runner.health.reason or (f"control: {control}" if control else "")


def _control(runner: NotifierRunner) -> dict[str, Any] | None:
    """Show the instance that answers those who write; None where none is to."""
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
        "retry_at": text(runner.health.retry_at),
        "last_signal_at": text(newest),
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


def _account(settings: Settings, name: str, runner: AccountRunner, now: float) -> dict[str, Any]:
    section = settings.accounts[name]
    worker, view = runner.worker, account_view(runner, now)
    return {
        "plugin": section.plugin,
        "enabled": worker.settings.enabled,
        "shadow_of": section.shadow_of,
        "observing": worker.observing,
        "status": view.status,
        "reason": view.reason,
        "retry_at": text(runner.health.retry_at),
        "read_age": None if view.read_age is None else round(view.read_age, 1),
        "equity": _equity(worker),
        "last_seen": last_seen(worker.books.last_seen),
        "positions": _positions(worker),
        "targets": {
            symbol: symbol_json(symbol_view(keeper, worker, view, now))
            for symbol, keeper in worker.keepers.items()
            if keeper.target
        },
        "still_open": list(worker.still_open),
        "foreign": {symbol: text(quantity) for symbol, quantity in worker.foreign.items()},
    }


def _equity(worker: AccountWorker) -> str | None:
    equity = worker.beliefs.equity()
    if isinstance(equity, Unknown):
        return None
    return text(equity.wallet if worker.settings.policy.equity == "wallet" else equity.total)


def last_seen(sample: EquitySample | None) -> dict[str, Any] | None:
    """Show what an account was last seen with, also by an earlier run."""
    if sample is None:
        return None
    return {"at": text(sample.at), "wallet": text(sample.wallet), "total": text(sample.total)}


def _positions(worker: AccountWorker) -> dict[str, Any]:
    """Show the last accepted position of every symbol that is not flat."""
    return {
        symbol: {"size": text(position.quantity), "entry_price": text(position.entry_price)}
        for symbol, position in worker.beliefs.held().items()
    }


def outcome_state(outcome: Outcome, previews: Previews | None = None, *, scopes: Scopes) -> dict[str, Any]:
    """Show what a command changes, and what each account would order then. ``scopes``: see ``Scopes``."""
    shown: dict[str, Any] = {
        "set": list(shown_rows(outcome.set, scopes)),
        "lifted": list(shown_rows(outcome.lifted, scopes)),
        "breakers": [text for found in outcome.rearmed.values() for text in found],
    }
    if previews is not None:
        shown["accounts"] = {name: plan_state(one) for name, one in previews.items()}
    return shown


def plan_state(decisions: Mapping[str, Decision] | str | BaseException) -> dict[str, Any]:
    """Show what would be done per symbol, or why nothing can be said."""
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
