"""When an account is read again: regularly, and sooner after a failed read."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

from te_core.engine.backoff import backoff
from te_core.engine.outage import Outages
from te_core.model.reading import Unknown
from te_core.settings.schema import EngineSettings


class Resync:
    """Counts failing reads of one account and tells their outages."""

    def __init__(self, outages: Outages) -> None:
        self._outages = outages
        self._failures = 0

    def after(self, readings: Mapping[str, object], engine: EngineSettings) -> timedelta:
        """Take the readings of a pass by name; gives the time until the next one."""
        failed = {what: reading for what, reading in readings.items() if isinstance(reading, Unknown)}
        for what in readings:
            if what in failed:
                self._outages.failing(what, failed[what].reason)
            else:
                self._outages.well(what)
        if not failed:
            self._failures = 0
            return engine.resync
        self._failures += 1
        pause = min(backoff(self._failures, engine.backoff_first, engine.backoff_last), engine.resync)
        return max(pause, timedelta(seconds=max(reading.retry_after or 0 for reading in failed.values())))
