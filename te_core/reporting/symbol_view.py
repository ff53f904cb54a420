"""What one symbol of one account is doing, as ``te status`` and the page show it. Pure."""

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
    """The goal in base units; None until the present target was sized."""
    confirmed: bool
    """Whether a read has ever shown the present target's goal; says nothing about now."""
    status: str
    """As last decided: ``at_target``, ``waiting``, ``blocked``, ``drift`` …"""
    reason: str
    phase: str
    """``resting``, ``deciding``, ``executing``, ``resolving`` or ``held``."""
    phase_age: float
    phase_reason: str = ""
    retry_in: float | None = None
    retry: str = ""
    """How a held-back symbol is tried again."""
    limited: str = ""
    """What a limit holds back."""
    read_age: float | None = None
    """Since the exchange last showed the position; None: it has not yet."""
    fresh_for: float
    """A position shown longer ago than this proves nothing any more."""
    stops: str = ""
    """Where the position is left, and who watches that."""
    halt: str = ""
    """Why the operator allows reductions only; empty when increases are allowed, too."""
    unreadable: str = ""
    """Why the position cannot be read at present; empty while it can."""
    notes: tuple[str, ...] = ()
    """What changed the goal when it was sized."""
    limited_by: str = ""
    """The name of the limit that holds something back."""
    last_order_age: float | None = None
    """Since the newest order was sent; None where none is known."""
    last_confirmed: tuple[Decimal, datetime] | None = None
    """While the exchange has not shown the position in this run: what an earlier one last confirmed, and when."""


def shown_status(view: SymbolView) -> str:
    """Return the status that holds now: what is not known is never shown as reached (I16)."""
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
    """Return why the status is what it is."""
    status = shown_status(view)
    if status == UNREADABLE and view.unreadable:
        return view.unreadable
    if status == UNREADABLE:
        return "not read yet" if view.read_age is None else f"not read for {duration(view.read_age)}"
    if status == HALTED:
        return view.halt
    return view.phase_reason or (view.reason if status == view.status else "")


def symbol_json(view: SymbolView, now: datetime | None = None) -> dict[str, Any]:
    """Return the JSON values of a symbol's target. ``now``: by which ages become times; None leaves those out."""
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
    """Put the JSON values of a symbol's target into a few words."""
    status, phase = str(target["status"]), target.get("phase", "")
    if status == WORKING:
        verb = "resolving an order" if phase == "resolving" else "executing"
        return f"{verb} for {duration(target.get('phase_age') or 0.0)}"
    words = status.replace("_", " ")
    if phase == "held" and status != UNREADABLE:
        retry_in = target.get("retry_in")
        words += f", again in {duration(retry_in)}" if retry_in else ""
    return f"{words}, limited" if target.get("limited") and status == "at_target" else words


def why(target: Mapping[str, Any]) -> str:
    """Put into words why it stands there: the reason, what a limit holds back, how it is tried again, and its stops."""
    reason, limited = target.get("reason") or "", target.get("limited") or ""
    held = target.get("phase") == "held" and target["status"] != UNREADABLE and not target.get("retry_in")
    one_says_both = limited in reason or reason in limited
    said = (max(reason, limited, key=len),) if one_says_both else (reason, limited)
    parts = (*said, target.get("retry", "") if held else "", target.get("stops", ""))
    return "; ".join(part for part in parts if part)


def duration(seconds: float) -> str:
    """Write a number of seconds for people: ``0.4 s``, ``12 s``, ``3 min``, ``5 h``, ``2 d``."""
    if seconds < 10:
        return f"{max(seconds, 0.0):.1f} s"
    for size, unit in ((86_400, "d"), (3600, "h"), (60, "min")):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"


def before(now: datetime | None, seconds: float | None) -> str | None:
    """Return as ISO text when something was so many seconds ago; None where either is not known."""
    return None if now is None or seconds is None else text(now - timedelta(seconds=seconds))


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 1)
