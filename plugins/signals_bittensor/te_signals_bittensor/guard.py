"""Keeps half-loaded data out: a number of miners that jumped is not believed at once, and never refused for good."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class Accepted:
    """The payload that was believed last: how many miners it had, and when."""

    miners: int
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Guard:
    """``tolerance``: share by which the number may change at once. After ``release`` any change is believed."""

    tolerance: float
    release: timedelta

    def allowed(self, age: timedelta) -> float:
        """Give the share by which the number may differ from one that was believed ``age`` ago."""
        waited = max(0.0, age / self.release)
        return min(1.0, self.tolerance + (1.0 - self.tolerance) * waited)

    def refusal(self, miners: int, last: Accepted | None, now: datetime) -> str | None:
        """Say why a payload is not believed and what would lift that; None when it is."""
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
            f"it is believed from {until:%H:%M:%S} UTC on, or as soon as the number is near {last.miners} again"
        )
