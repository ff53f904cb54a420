"""API keys."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

TRADING = frozenset({"read", "trade"})


@dataclass(kw_only=True, slots=True)
class ApiKey:
    """Tests may change any part while the emulator runs."""

    key: str
    secret: str
    passphrase: str | None = None
    permissions: frozenset[str] = TRADING
    """Of "read", "trade", "withdraw", "transfer"."""
    allowed_ips: frozenset[str] | None = None
    """None: from anywhere."""
    expires_at: datetime = datetime(2030, 1, 1, tzinfo=UTC)
    """When a key that works from anywhere expires, as the exchange reports it; ``expired`` decides whether it has."""
    expired: bool = False
