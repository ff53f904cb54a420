"""What a circuit breaker remembers between two starts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class BreakerRecord:
    """The running sums and the trips of one scope: a book, or empty for all accounts together. JSON values."""

    scope: str
    at: datetime
    state: Mapping[str, Any]
