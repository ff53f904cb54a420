"""For tests on a real event loop, against an emulator with sockets: the system's clock, and an engine in a hurry."""

from __future__ import annotations

from datetime import timedelta

from te_core.clock import SystemClock
from te_core.settings.schema import EngineSettings

__all__ = ["NEAR", "SystemClock"]

NEAR = EngineSettings(
    resync=timedelta(seconds=0.2), backoff_first=timedelta(seconds=0.2), backoff_last=timedelta(seconds=1)
)
"""An engine next to its exchange: nothing that a conformance case waits for takes longer than a second."""
