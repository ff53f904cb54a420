"""What happened and should be findable afterwards, beside signals and orders."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

KINDS = (
    "blocked",
    "breaker",
    "clock",
    "drift",
    "expired",
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
    "recovery",
    "resume",
    "selftest",
    "silent",
    "stall",
    "stop",
    "target",
    "transfer",
    "waiting",
)
"""Kinds that the engine itself records; plugins have more (``event_kinds`` of their specs)."""


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
