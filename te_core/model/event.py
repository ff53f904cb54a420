"""What happened and should be findable afterwards, beside signals and orders."""

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
"""Kinds that notifiers are told of only if they ask for them: there may be hundreds an hour."""

EVERY_KIND = "*"
"""Stands for all kinds where a notifier names those that it wants."""

SEVERAL = "several"
"""The kind of a notice that stands for events of several kinds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """A line of the engine's history: drift, an outage's start or end, refused settings, a limit at work."""

    at: datetime
    kind: str
    text: str
    source: str | None = None
    account: str | None = None
    symbol: str | None = None
    detail: Mapping[str, Any] = field(default_factory=dict)

    @property
    def headline(self) -> str:
        """What happened to whom: ``outage bybit-main BTCUSDT``."""
        return " ".join(part for part in (self.kind, self.source, self.account, self.symbol) if part)
