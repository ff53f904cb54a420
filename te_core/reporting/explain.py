"""The arithmetic from signals to quantity, as values that a reader can recompute (I11). Pure."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

from te_core.model.signal import Signal
from te_core.model.target import Confirmation, Goal, Target, Term


def text(value: Decimal | datetime | None) -> str | None:
    """Return a number as plain digits, or a time as ISO 8601."""
    if value is None:
        return None
    if isinstance(value, datetime):
        return value.isoformat()
    return f"{value.normalize():f}" if value else "0"


def explain_term(term: Term) -> dict[str, Any]:
    """Return one source's contribution: weight x depth = share."""
    return {
        "source": term.source,
        "weight": text(term.weight),
        "depth": text(term.depth),
        "share": text(term.weight * term.depth),
        "leverage": text(term.leverage),
        "price": text(term.price),
        "time": text(term.time),
        "note": term.note,
    }


def explain(
    target: Target, goal: Goal | None, confirmation: Confirmation | None, *, limited: str = "", now: str = ""
) -> dict[str, Any]:
    """Return signals x weights = depth, and equity x depth x leverage / price = unrounded, rounded to the quantity.

    ``limited``: what a limit allows of it at present. ``now``: what keeps the account from it. Both may be empty.
    """
    current = goal is not None and goal.revision == target.revision
    return {
        "symbol": target.symbol,
        "revision": target.revision,
        "reason": target.reason,
        "created_at": text(target.created_at),
        "terms": [explain_term(term) for term in target.terms],
        "depth": text(target.depth),
        "leverage": str(target.leverage),
        "margin_mode": str(target.margin_mode),
        "sizing": explain_goal(goal) if goal is not None and current else None,
        "limited": limited,
        "now": now,
        "confirmed": None
        if confirmation is None or confirmation.revision != target.revision
        else {"quantity": text(confirmation.quantity), "at": text(confirmation.at)},
    }


def explain_goal(goal: Goal) -> dict[str, Any]:
    """Return how a goal was sized."""
    return {
        "equity": text(goal.equity),
        "depth": text(goal.depth),
        "leverage": str(goal.leverage),
        "price": text(goal.price),
        "unrounded": text(goal.unrounded),
        "quantity_step": text(goal.quantity_step),
        "contract_size": text(goal.contract_size),
        "contracts": text(goal.quantity / goal.contract_size),
        "quantity": text(goal.quantity),
        "sized_at": text(goal.sized_at),
        "notes": list(goal.notes),
    }


def show_signal(signal: Signal) -> dict[str, Any]:
    """Return a signal as JSON values, for the status page and the command line."""
    return {
        "depth": text(signal.depth),
        "leverage": text(signal.leverage),
        "price": text(signal.price),
        "time": text(signal.time),
        "received_at": text(signal.received_at),
        "sequence": signal.sequence,
        "rule": signal.rule,
        "note": str(signal.detail.get("note", "")),
        **(
            {"exits": str(signal.exits), "exits_otherwise": list(signal.exits.deviations)}
            if signal.exits is not None
            else {}
        ),
    }


def explain_signals(signals: Mapping[str, Signal]) -> dict[str, Any]:
    """Return each source's current signal, with its contributors if the source states them in the detail."""
    return {source: {**show_signal(signal), **_made_by(signal)} for source, signal in signals.items()}


def _made_by(signal: Signal) -> dict[str, Any]:
    """Return the contributors that a plugin stated, ignoring values of other types."""
    found = signal.detail.get("contributors")
    if not isinstance(found, list | tuple):
        return {}
    further = signal.detail.get("further_contributors")
    return {
        "contributors": [dict(part) for part in found if isinstance(part, Mapping)],
        "further_contributors": further if isinstance(further, int) else 0,
    }
