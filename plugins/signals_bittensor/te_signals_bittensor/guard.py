"""Keeps out half-loaded data: a payload whose number of miners jumped is rejected at first, but never for good."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class Accepted:
    """The payload that was accepted last."""

    miners: int
    """How many it had."""
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Guard:
    """Accepts or rejects a payload by its number of miners."""

    tolerance: float
    """Share by which the number may change at once."""
    release: timedelta
    """After this time any change is accepted."""

    def allowed(self, age: timedelta) -> float:
        """Return the share by which the number may differ from one that was accepted ``age`` ago."""
        waited = max(0.0, age / self.release)
        return min(1.0, self.tolerance + (1.0 - self.tolerance) * waited)

    def refusal(self, miners: int, last: Accepted | None, now: datetime) -> str | None:
        """Return why a payload is rejected and when it will be accepted; None if it is accepted now."""
        if last is None or last.miners == 0:
            return None
        change = abs(miners - last.miners) / max(miners, last.miners)
        allowed = self.allowed(now - last.at)
        if change <= allowed:
            return None
        wait = (change - self.tolerance) / (1.0 - self.tolerance) * self.release
        until = last.at + wait
        return (
            f"{miners} miners after {last.miners} is a change of {change:.0%}, and {allowed:.0%} is allowed now; "
            f"it is accepted from {until:%H:%M:%S} UTC on, or as soon as the number is near {last.miners} again"
        )
