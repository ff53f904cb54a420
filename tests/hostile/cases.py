"""The ways in which a plugin can fail, one method of one kind of instance a case. The instance is called ``bad``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

EVERY_WAY = ("raises", "cancels", "exits", "hangs", "wrong type")
UNANSWERED = ("raises", "cancels", "exits", "hangs")
AT_ONCE = ("raises", "cancels", "exits", "wrong type")
"""For methods that are not async: one that hangs blocks the event loop, which the watchdog reports."""
WAYS = {
    "raises": "raises `ValueError`",
    "cancels": "raises `CancelledError`",
    "exits": "calls `sys.exit()`",
    "hangs": "never returns",
    "wrong type": "returns 42",
    "not async": "is not `async`",
    "ends": "returns",
    "floods": "does it thousands of times",
    "nothing": "returns `None`",
    "mute": "raises an error whose text raises",
    "clings": "never returns and ignores its cancellation",
}
HOOKS = ("te_signal_sources", "te_exchanges", "te_notifiers", "te_risk_checks", "te_observers", "te_commands")
ATTACKS: Mapping[str, Mapping[str, Sequence[str]]] = {
    "source": {
        "factory": AT_ONCE,
        "run": ("raises", "cancels", "exits", "ends", "not async", "mute", "floods", "clings"),
        "on_webhook": ("raises", "cancels", "exits", "hangs", "wrong type", "not async"),
        "status": ("raises", "exits", "wrong type"),
        "report": ("raises", "wrong type"),
        "close": (*UNANSWERED, "clings"),
    },
    "exchange": {
        "factory": AT_ONCE,
        "open": (*UNANSWERED, "clings"),
        "identity": (*EVERY_WAY, "clings"),
        "instruments": (*EVERY_WAY, "clings"),
        "equity": (*EVERY_WAY, "clings"),
        "positions": (*EVERY_WAY, "not async", "clings"),
        "prices": (*EVERY_WAY, "clings"),
        "set_leverage": (*UNANSWERED, "clings"),
        "set_margin_mode": UNANSWERED,
        "place_order": (*EVERY_WAY, "not async", "clings"),
        "find_order": (*EVERY_WAY, "clings"),
        "order_cost": ("raises", "exits", "wrong type"),
        "cash_flows": ("raises", "exits", "wrong type"),
        "funding": EVERY_WAY,
        "place_stop": ("raises", "exits", "hangs"),
        "stops": ("raises", "wrong type"),
        "watch": ("raises", "cancels", "exits", "ends", "wrong type", "floods"),
        "diagnose": (*EVERY_WAY, "clings"),
        "close": (*UNANSWERED, "clings"),
    },
    "notifier": {
        "factory": AT_ONCE,
        "notify": (*UNANSWERED, "not async", "clings"),
        "close": ("raises", "hangs"),
    },
    "risk check": {
        "factory": AT_ONCE,
        "review": (*EVERY_WAY, "not async", "floods", "clings"),
        "run": ("raises", "cancels", "exits", "ends", "clings"),
        "status": ("raises", "wrong type"),
        "close": ("raises", "hangs"),
    },
    "hook": dict.fromkeys(HOOKS, (*AT_ONCE, "nothing")),
    "observer": {
        "factory": AT_ONCE,
        "order_finished": UNANSWERED,
        "position_changed": ("raises", "exits", "hangs"),
        "event": (*UNANSWERED, "not async", "clings"),
        "status": ("raises", "wrong type"),
        "close": ("raises", "hangs"),
    },
}
GROUPS = {
    "source": "sources",
    "exchange": "accounts",
    "notifier": "notifiers",
    "risk check": "risk_checks",
    "observer": "observers",
    "hook": "",
}
"""The settings section of each kind of instance, in the page's order of kinds."""


@dataclass(frozen=True, slots=True)
class Case:
    """One method of one kind of instance, and how it misbehaves."""

    kind: str
    method: str
    way: str

    def __str__(self) -> str:
        return f"{self.kind} {self.method} {self.way}".replace(" ", "-")


CASES = [
    Case(kind, method, way)
    for kind, methods in ATTACKS.items()
    for method, ways in methods.items()
    for way in ways
]
