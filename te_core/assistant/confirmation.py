"""Commands that await confirmation: shown first, then carried out with a short-lived one-time code."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from te_core.cli.failure import Failure
from te_core.clock import Clock

LASTS = timedelta(minutes=2)
"""Lifetime of a code: positions and prices change after its plan was made."""
MOST = 20
"""Maximum number of waiting plans; the oldest is dropped."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """An API command whose plan was shown."""

    action: str
    body: Mapping[str, Any]
    """The request body to send."""
    until: datetime


class Confirmations:
    """The waiting plans of one session. ``new_code``: returns an unguessable code."""

    def __init__(self, clock: Clock, new_code: Callable[[], str]) -> None:
        self._clock = clock
        self._new_code = new_code
        self._waiting: dict[str, Prepared] = {}

    def offer(self, action: str, body: Mapping[str, Any]) -> str:
        """Store a command until it is confirmed; return its code."""
        now = self._clock.now()
        self._waiting = {code: one for code, one in self._waiting.items() if one.until > now}
        while len(self._waiting) >= MOST:
            del self._waiting[next(iter(self._waiting))]
        code = self._new_code()
        self._waiting[code] = Prepared(action, dict(body), now + LASTS)
        return code

    def redeem(self, code: str) -> Prepared:
        """Return the command of a code and invalidate the code. Raises ``Failure``."""
        found = self._waiting.pop(code.strip(), None)
        if found is None:
            raise Failure(
                "this code was already used, or never issued",
                next_step="request the plan again, and show it",
            )
        if found.until <= self._clock.now():
            raise Failure(
                f"this code has expired (codes are valid for {LASTS.total_seconds():g} s); nothing was done",
                next_step="request the plan again, and show it",
            )
        return found
