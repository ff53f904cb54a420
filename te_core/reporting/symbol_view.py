"""The state of one symbol of one account, as ``te status`` and the page show it. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from te_core.reporting.explain import text

UNREADABLE = "unreadable"
DECIDING = "deciding"
WORKING = "working"
HALTED = "halted"


@dataclass(frozen=True, slots=True, kw_only=True)
class SymbolView:
    """One symbol at one moment. Ages and waits are in seconds."""

    depth: Decimal
    leverage: int
    revision: int
    quantity: Decimal | None
    """The goal in base units; None until the current target is sized."""
    confirmed: bool
    """Whether a read has ever shown the current target's goal; it may no longer be held."""
    status: str
    """As last decided: ``at_target``, ``waiting``, ``blocked``, ``drift`` …"""
    reason: str
    phase: str
    """``resting``, ``deciding``, ``executing``, ``resolving`` or ``held``."""
    phase_age: float
    phase_reason: str = ""
    retry_in: float | None = None
    retry: str = ""
    """How a held-back symbol is retried."""
    limited: str = ""
    """What a limit holds back."""
    read_age: float | None = None
    """Since the exchange last showed the position; None if it has not yet."""
    fresh_for: float
    """Age from which a shown position no longer proves anything."""
    stops: str = ""
    """Where the position is closed, and who enforces that."""
    halt: str = ""
    """Why the operator allows reductions only; empty if increases are allowed as well."""
    unreadable: str = ""
    """Why the position cannot be read at present; empty while it can."""
    notes: tuple[str, ...] = ()
    """What changed the goal when it was sized."""
    limited_by: str = ""
    """The name of the limit that holds something back."""
    last_order_age: float | None = None
    """Since the newest order was sent; None if none is known."""
    last_confirmed: tuple[Decimal, datetime] | None = None
    """The last confirmation of an earlier run, until the exchange has shown the position in this run."""


def shown_status(view: SymbolView) -> str:
    """Return the current status: an unknown position is never shown as at target (I16)."""
    if view.phase == "held" and view.retry_in is not None and not view.unreadable:
        return "waiting"
    if view.unreadable or view.read_age is None or view.read_age > view.fresh_for:
        return WORKING if view.phase in ("executing", "resolving") else UNREADABLE
    if view.phase in ("executing", "resolving"):
        return WORKING
    if view.phase == "deciding":
        return DECIDING
    if view.halt and view.status in ("at_target", "limited"):
        return HALTED
    if view.phase == "held" and view.status == "at_target":
        return "waiting"
    return view.status


def shown_reason(view: SymbolView) -> str:
    """Return the reason of the shown status."""
    status = shown_status(view)
    if status == UNREADABLE and view.unreadable:
        return view.unreadable
    if status == UNREADABLE:
        return "not read yet" if view.read_age is None else f"not read for {duration(view.read_age)}"
    if status == HALTED:
        return view.halt
    return view.phase_reason or (view.reason if status == view.status else "")


def symbol_json(view: SymbolView, now: datetime | None = None) -> dict[str, Any]:
    """Return a symbol's target as JSON values. ``now``: turns ages into times; None leaves the times out."""
    quantity, at = view.last_confirmed or (None, None)
    return {
        "depth": text(view.depth),
        "leverage": str(view.leverage),
        "quantity": text(view.quantity),
        "revision": view.revision,
        "confirmed": view.confirmed,
        "status": shown_status(view),
        "reason": shown_reason(view),
        "phase": view.phase,
        "phase_age": _rounded(view.phase_age),
        "phase_reason": view.phase_reason,
        "retry_in": _rounded(view.retry_in),
        "retry": view.retry,
        "limited": view.limited,
        "halt": view.halt,
        "stops": view.stops,
        "read_age": _rounded(view.read_age),
        "notes": list(view.notes),
        "limited_by": view.limited_by or None,
        "since": before(now, view.phase_age),
        "last_order_at": before(now, view.last_order_age),
        "last_confirmed": None if quantity is None else {"quantity": text(quantity), "at": text(at)},
    }


def doing(target: Mapping[str, Any]) -> str:
    """Return a few words on what a symbol is doing, from the JSON values of its target."""
    status, phase = str(target["status"]), target.get("phase", "")
    if status == WORKING:
        verb = "resolving an order" if phase == "resolving" else "executing"
        return f"{verb} for {duration(target.get('phase_age') or 0.0)}"
    words = status.replace("_", " ")
    if phase == "held" and status != UNREADABLE:
        retry_in = target.get("retry_in")
        words += f", retry in {duration(retry_in)}" if retry_in else ""
    return f"{words}, limited" if target.get("limited") and status == "at_target" else words


def why(target: Mapping[str, Any]) -> str:
    """Return why a symbol is in its state: the reason, what a limit holds back, how it is retried, and its stops."""
    reason, limited = target.get("reason") or "", target.get("limited") or ""
    held = target.get("phase") == "held" and target["status"] != UNREADABLE and not target.get("retry_in")
    one_says_both = limited in reason or reason in limited
    said = (max(reason, limited, key=len),) if one_says_both else (reason, limited)
    parts = (*said, target.get("retry", "") if held else "", target.get("stops", ""))
    return "; ".join(part for part in parts if part)


def duration(seconds: float) -> str:
    """Return a readable duration: ``0.4 s``, ``12 s``, ``3 min``, ``5 h``, ``2 d``."""
    if seconds < 10:
        return f"{max(seconds, 0.0):.1f} s"
    for size, unit in ((86_400, "d"), (3600, "h"), (60, "min")):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"


def before(now: datetime | None, seconds: float | None) -> str | None:
    """Return the time ``seconds`` before ``now`` as ISO text; None if either is unknown."""
    return None if now is None or seconds is None else text(now - timedelta(seconds=seconds))


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 1)
