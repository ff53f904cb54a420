"""What made the engine do something."""

from __future__ import annotations

from enum import StrEnum


class Cause(StrEnum):
    """Why a target changed, or an order was made."""

    SIGNAL = "signal"
    EXPIRY = "expiry"
    """A source fell silent, or its signal grew too old."""
    SETTINGS = "settings"
    COMMAND = "command"
    BREAKER = "breaker"
    STOP = "stop"
    """A stop closed the position, or keeps a floor under it."""
    DRIFT = "drift"
    """Others changed the position, or the operator had it brought back."""
