"""What a circuit breaker remembers between two starts."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class BreakerRecord:
    """The running sums and the trips of one scope: a book, or empty for all accounts together. ``state``: JSON."""

    scope: str
    at: datetime
    state: str
