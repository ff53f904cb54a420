"""Events: what must be traceable afterwards, other than signals and orders."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

KINDS = (
    "accept",
    "blocked",
    "breaker",
    "clock",
    "daily_summary",
    "drift",
    "expired",
    "filled",
    "flatten",
    "go",
    "halt",
    "heard",
    "identity",
    "key",
    "limited",
    "listener",
    "observe",
    "observing",
    "outage",
    "pause",
    "plugin",
    "position_changed",
    "recovery",
    "refused",
    "resume",
    "selftest",
    "settings",
    "silent",
    "stall",
    "started",
    "stop",
    "stopped",
    "target",
    "transfer",
    "waiting",
)
"""Kinds that the engine itself records; plugins have more (``event_kinds`` of their specs)."""

CHATTY = ("filled", "position_changed")
"""Kinds that notifiers receive only on request: there may be hundreds per hour."""

EVERY_KIND = "*"
"""Means all kinds, where a notifier lists those that it wants."""

SEVERAL = "several"
"""The kind of a notice that combines events of several kinds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One entry of the engine's history: drift, start or end of an outage, rejected settings, an applied limit."""

    at: datetime
    kind: str
    text: str
    source: str | None = None
    account: str | None = None
    symbol: str | None = None
    detail: Mapping[str, Any] = field(default_factory=dict)

    @property
    def headline(self) -> str:
        """The kind and what it concerns: ``outage bybit-main BTCUSDT``."""
        return " ".join(part for part in (self.kind, self.source, self.account, self.symbol) if part)
