"""The state of circuit breakers that survives a restart."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class BreakerRecord:
    """The running sums and the trips of one scope."""

    scope: str
    """A book; empty for all accounts together."""
    at: datetime
    state: str
    """JSON text."""
