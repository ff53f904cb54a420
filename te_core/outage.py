"""Reports an outage once at its start and once at its end, no matter what fails during it or how often."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from te_core.clock import Clock
from te_core.model.event import Event
from te_core.texts import plain

if TYPE_CHECKING:
    from loguru import Logger

GRACE = 1.0
"""Seconds from a first failure until it is reported, so that parts failing together are listed together."""

STREAM_GRACE = 12.0
"""Like ``GRACE`` while only streams fail: by then a read that fails for the same cause has timed out."""

_SYMBOL = re.compile(r"[A-Z0-9]{2,32}")
"""Matches the names of symbols (meaning their orders); parts of an account or source have lower-case names."""


@dataclass(slots=True)
class _Part:
    """A part that is failing, or has failed during the current outage."""

    since: float
    at: datetime
    reason: str
    times: int = 0


class Outages:
    """Outages of one account or source.

    Its parts (``positions``, ``connection``, ``stream`` …) share one outage: it starts when the first of them fails and
    ends when all have recovered. The orders of a symbol have a separate outage, which is reported only if they fail
    while all parts are healthy.
    """

    def __init__(
        self,
        clock: Clock,
        log: Logger,
        record: Callable[[Event], None],
        *,
        account: str | None = None,
        source: str | None = None,
        redact: Callable[[str], str] = str,
    ) -> None:
        self._clock = clock
        self._redact = redact
        self._log = log
        self._record = record
        self._account = account
        self._source = source
        self._met: dict[str, _Part] = {}
        """Parts that failed during the current outage, including those that have recovered."""
        self._failing: dict[str, _Part] = {}
        self._reported: set[str] = set()
        self._symbols: dict[str, _Part] = {}
        self._reported_symbols: set[str] = set()
        self._timers: set[asyncio.TimerHandle] = set()

    @property
    def failing_parts(self) -> tuple[str, ...]:
        """The parts that are failing now, without the orders of symbols."""
        return tuple(self._failing)

    def failing(self, what: str, reason: str) -> None:
        """Record a failure; it is reported if it is the first of an outage."""
        text = plain(self._redact(_without_name(reason, what)))
        if _SYMBOL.fullmatch(what):
            self._fail(self._symbols, what, text)
            if what not in self._reported_symbols:
                self._report_in(GRACE, self._report_symbols)
            return
        known = self._met.get(what)
        if known is not None:
            self._failing.setdefault(what, known)
        self._met[what] = self._fail(self._failing, what, text)
        if not self._reported or (_only_streams(self._reported) and not _only_streams(self._failing)):
            self._report_in(STREAM_GRACE if _only_streams(self._failing) else GRACE, self._report_start)

    def well(self, what: str) -> None:
        """Record a success; it is reported if it ends an outage."""
        symbol = self._symbols.pop(what, None)
        if symbol is not None and what in self._reported_symbols:
            self._reported_symbols.discard(what)
            self._report("recovery", self._ended({what: symbol}), {what: symbol}, symbol=what)
        elif symbol is not None:
            self._log.info("{}", self._ended({what: symbol}))
        if self._failing.pop(what, None) is not None and not self._failing:
            self._end()

    def reason(self) -> str:
        """Return what is failing now, and why; empty if nothing is."""
        return _listed({**self._failing, **self._symbols})

    def reason_of(self, parts: Iterable[str]) -> str:
        """Return why these parts are failing; empty for those that are not."""
        return _listed({part: self._failing[part] for part in parts if part in self._failing})

    def reasons(self) -> Mapping[str, str]:
        """Return why each failing part fails, by name; the one that has failed longest comes first."""
        return {part: found.reason for part, found in self._failing.items()}

    def since(self) -> datetime | None:
        """Return the time since which parts have been failing without a break; None if all are healthy."""
        return min((part.at for part in self._failing.values()), default=None)

    def close(self) -> None:
        """Cancel reports that are pending."""
        for timer in self._timers:
            timer.cancel()
        self._timers.clear()

    def _fail(self, among: dict[str, _Part], what: str, reason: str) -> _Part:
        part = among.get(what)
        if part is None:
            part = among[what] = _Part(self._clock.monotonic(), self._clock.now(), reason)
        part.reason = reason
        part.times += 1
        return part

    def _report_in(self, seconds: float, report: Callable[[], None]) -> None:
        def due() -> None:
            self._timers.discard(timer)
            report()

        timer = asyncio.get_running_loop().call_later(seconds, due)
        self._timers.add(timer)

    def _report_start(self) -> None:
        if not self._failing or (self._reported and not _only_streams(self._reported)):
            return
        new = {what: part for what, part in self._failing.items() if what not in self._reported}
        if not new or (_only_streams(new) and self._younger(new, STREAM_GRACE)):
            return
        self._reported |= new.keys()
        self._report("outage", _listed(new), new)

    def _younger(self, parts: Mapping[str, _Part], seconds: float) -> bool:
        return self._clock.monotonic() - min(part.since for part in parts.values()) < seconds

    def _report_symbols(self) -> None:
        for symbol, part in self._symbols.items():
            if symbol not in self._reported_symbols and not self._failing:
                self._reported_symbols.add(symbol)
                self._report("outage", _listed({symbol: part}), {symbol: part}, symbol=symbol)

    def _end(self) -> None:
        met, reported = self._met, self._reported
        self._met, self._reported = {}, set()
        text = self._ended(met)
        if not reported and _only_streams(met):
            self._log.info("{}", text)  # too short for a notice: reconnecting is routine
            return
        if not reported:
            self._report("outage", _listed(met), met)
        self._report("recovery", text, met)

    def _ended(self, parts: Mapping[str, _Part]) -> str:
        lasted = self._clock.monotonic() - min(part.since for part in parts.values())
        times, last = max(part.times for part in parts.values()), list(parts.values())[-1].reason
        failures = f"{times} failure{'' if times == 1 else 's'}"
        return f"{', '.join(parts)} recovered after {lasted:.1f} s ({failures}; last: {last})"

    def _report(self, kind: str, text: str, parts: Mapping[str, _Part], *, symbol: str | None = None) -> None:
        started = kind == "outage"
        self._log.log("WARNING" if started else "INFO", "{}", text)
        self._record(
            Event(
                at=min(part.at for part in parts.values()) if started else self._clock.now(),
                kind=kind,
                text=text,
                account=self._account,
                source=self._source,
                symbol=symbol,
                detail={"parts": list(parts)},
            )
        )


def _only_streams(parts: Iterable[str]) -> bool:
    return all(part.startswith("stream") for part in parts)


def _without_name(reason: str, part: str) -> str:
    """Return a reason without the name of the part that it is listed under: plugins and reads prefix it, too."""
    return reason.removeprefix(f"{part}: ").replace(f": {part}: ", ": ", 1)


def _listed(parts: Mapping[str, _Part]) -> str:
    """Return parts with their reasons as text; parts with the same reason are grouped."""
    by_reason: dict[str, list[str]] = {}
    for what, part in parts.items():
        by_reason.setdefault(part.reason, []).append(what)
    return "; ".join(f"{', '.join(names)}: {reason}" for reason, names in by_reason.items())
