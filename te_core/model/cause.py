"""What made the engine act."""

from __future__ import annotations

from enum import StrEnum


class Cause(StrEnum):
    """Why a target changed, or an order was sent."""

    SIGNAL = "signal"
    EXPIRY = "expiry"
    """A source fell silent, or its signal became too old."""
    SETTINGS = "settings"
    COMMAND = "command"
    BREAKER = "breaker"
    STOP = "stop"
    """A stop closed the position, or protects it."""
    DRIFT = "drift"
    """Others changed the position, or the operator had it restored."""
