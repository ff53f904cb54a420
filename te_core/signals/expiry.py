"""Wakes the engine when the next signal expires, and reports each expiry once."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from te_core.clock import LONGEST_SLEEP, Clock
from te_core.model.event import Event
from te_core.rules.blend import DECAY_STEPS, Opinion
from te_core.signals.time_base import TimeBase

if TYPE_CHECKING:
    from loguru import Logger


class ExpiryWatch:
    """Runs one timer, for the opinion that expires next."""

    def __init__(
        self,
        clock: Clock,
        base: TimeBase,
        log: Logger,
        record: Callable[[Event], None],
        wake: Callable[[], None],
    ) -> None:
        self._clock = clock
        self._base = base
        self._log = log
        self._record = record
        self._wake = wake
        self._timer: asyncio.TimerHandle | None = None
        self._logged: set[tuple[str, str]] = set()
        self._stopped = False

    def stop(self) -> None:
        """Stop waking the engine."""
        self._stopped = True
        if self._timer is not None:
            self._timer.cancel()

    def watch(self, opinions: Iterable[Opinion]) -> None:
        """Watch the opinions that count now; replaces those watched before."""
        if self._timer is not None:
            self._timer.cancel()
        now, upcoming = self._base.now(), []
        for opinion in opinions:
            expires_at = opinion.expires_at()
            if expires_at is None:
                continue
            if now >= expires_at:
                if self._log_once(opinion):
                    upcoming.append(0.0)  # the latest blend, if any, still counted it
                if opinion.on_expiry == "decay" and opinion.fades_over() and opinion.remaining(now):
                    step = opinion.fades_over() / DECAY_STEPS
                    upcoming.append((step - (now - expires_at) % step).total_seconds())
            else:
                self._logged.discard((opinion.signal.source, opinion.signal.symbol))
                upcoming.append((expires_at - now).total_seconds())
        if upcoming and not self._stopped:
            delay = min(*upcoming, LONGEST_SLEEP)
            self._timer = asyncio.get_running_loop().call_later(delay, self._wake)

    def _log_once(self, opinion: Opinion) -> bool:
        """Log and record an expiry once; return whether this was the first time."""
        source, symbol = opinion.signal.source, opinion.signal.symbol
        if (source, symbol) in self._logged:
            return False
        self._logged.add((source, symbol))
        said = opinion.signal.time
        text = f"the signal of {said:%Y-%m-%d %H:%M:%S}Z has expired; on_expiry = {opinion.on_expiry!r}"
        self._log.bind(source=source, symbol=symbol).warning("{}", text)
        self._record(Event(at=self._clock.now(), kind="expired", text=text, source=source, symbol=symbol))
        return True
