"""An outage is logged once when it starts and once when it ends, however often it is met in between."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from te_core.clock import Clock
from te_core.model.event import Event

if TYPE_CHECKING:
    from loguru import Logger


@dataclass(frozen=True, slots=True, kw_only=True)
class _Outage:
    since: datetime
    reason: str
    times: int


class Outages:
    """Outages of one account or source, by what is out (``positions``, ``connection``, ``BTCUSDT`` …)."""

    def __init__(
        self,
        clock: Clock,
        log: Logger,
        record: Callable[[Event], None],
        *,
        account: str | None = None,
        source: str | None = None,
    ) -> None:
        self._clock = clock
        self._log = log
        self._record = record
        self._account = account
        self._source = source
        self._running: dict[str, _Outage] = {}

    def failing(self, what: str, reason: str) -> None:
        """Note a failure; logged when it is the first of an outage."""
        earlier = self._running.get(what)
        if earlier is None:
            self._running[what] = _Outage(since=self._clock.now(), reason=reason, times=1)
            self._tell("outage", f"{what}: {reason}", "WARNING")
        else:
            self._running[what] = _Outage(since=earlier.since, reason=reason, times=earlier.times + 1)

    def well(self, what: str) -> None:
        """Note a success; logged when it ends an outage."""
        outage = self._running.pop(what, None)
        if outage is not None:
            lasted = (self._clock.now() - outage.since).total_seconds()
            text = f"{what}: well again after {lasted:.1f} s and {outage.times} failure(s), last: {outage.reason}"
            self._tell("recovery", text, "INFO")

    def reason(self) -> str:
        """Give the reasons of what is out now."""
        return "; ".join(f"{what}: {outage.reason}" for what, outage in self._running.items())

    def _tell(self, kind: str, text: str, level: str) -> None:
        self._log.log(level, "{}", text)
        self._record(
            Event(at=self._clock.now(), kind=kind, text=text, account=self._account, source=self._source)
        )
