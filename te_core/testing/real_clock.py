"""For tests on a real event loop, against an emulator with sockets: the system's clock, and fast engine settings."""

from __future__ import annotations

from datetime import timedelta

from te_core.clock import SystemClock
from te_core.settings.schema import EngineSettings

__all__ = ["NEAR", "SystemClock"]

NEAR = EngineSettings(
    resync=timedelta(seconds=0.2), backoff_first=timedelta(seconds=0.2), backoff_last=timedelta(seconds=1)
)
"""Settings for an engine next to its exchange: no wait of a conformance case takes longer than a second."""
