"""Commands that wait to be confirmed: shown first, then carried out by a code that is good once, and not for long."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from te_core.cli.failure import Failure
from te_core.clock import Clock

LASTS = timedelta(minutes=2)
"""How long a code is good: positions and prices move on from what its plan was made with."""
MOST = 20
"""Plans that may wait at the same time; the oldest gives way."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """A command of the API that was shown. ``body``: as it is sent."""

    action: str
    body: Mapping[str, Any]
    until: datetime


class Confirmations:
    """The plans of one session. ``new_code`` makes what nobody guesses."""

    def __init__(self, clock: Clock, new_code: Callable[[], str]) -> None:
        self._clock = clock
        self._new_code = new_code
        self._waiting: dict[str, Prepared] = {}

    def offer(self, action: str, body: Mapping[str, Any]) -> str:
        """Keep a command until it is confirmed, and return its code."""
        now = self._clock.now()
        self._waiting = {code: one for code, one in self._waiting.items() if one.until > now}
        while len(self._waiting) >= MOST:
            del self._waiting[next(iter(self._waiting))]
        code = self._new_code()
        self._waiting[code] = Prepared(action, dict(body), now + LASTS)
        return code

    def redeem(self, code: str) -> Prepared:
        """Return the command of a code, which is used up by that. Raises ``Failure``."""
        found = self._waiting.pop(code.strip(), None)
        if found is None:
            raise Failure(
                "this code was used already, or never given out",
                next_step="ask for the plan again, and show it",
            )
        if found.until <= self._clock.now():
            raise Failure(
                f"this code has expired: one is good for {LASTS.total_seconds():g} s, and nothing was done",
                next_step="ask for the plan again, and show it",
            )
        return found
