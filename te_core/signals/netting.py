"""Nets the sources: every durable signal, expiry and edit leads to new blends of the symbols it concerns."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from te_core.clock import Clock
from te_core.contracts.source import LONGEST_DEDUPE
from te_core.journal.journal import Journal
from te_core.model.control import Control
from te_core.model.event import Event
from te_core.model.policy import SourcePolicy
from te_core.model.signal import Signal
from te_core.model.target import Blend
from te_core.rules.blend import blend
from te_core.rules.opinions import (
    expectations,
    expiring_opinions,
    opinion_of,
    opinions_on,
    share_of,
    with_pauses,
)
from te_core.settings.policies import source_policies
from te_core.settings.schema import Settings, SymbolSettings
from te_core.signals.expiry import ExpiryWatch
from te_core.signals.heartbeat import Heartbeat
from te_core.signals.intake import Intake
from te_core.signals.time_base import Ages, TimeBase
from te_core.tracing import OFF, Tracer

if TYPE_CHECKING:
    from loguru import Logger


class Netting:
    """All signals of the engine, and their blends.

    ``on_change`` is called with the symbols whose blend may have changed, or with None if any may have. It is called
    once per iteration of the event loop, however many signals became durable together. ``count`` is called with each
    signal's source and outcome. ``missed`` is called if this process may have missed a while, before it decides again.
    """

    def __init__(
        self,
        journal: Journal,
        *,
        clock: Clock,
        log: Logger,
        record: Callable[[Event], None],
        on_change: Callable[[Sequence[str] | None], None],
        count: Callable[[str, str], None] = lambda _source, _outcome: None,
        missed: Callable[[], None] = lambda: None,
        tracer: Tracer = OFF,
    ) -> None:
        self.policies: Mapping[str, SourcePolicy] = {}
        self.pauses: Mapping[str, Control] = {}
        """By source, for those that the operator paused."""
        self.time = TimeBase(clock, log, record, self._on_time, self._on_missed)
        self.heartbeat = Heartbeat(clock, self.time, log, record, lambda: on_change(None))
        self._ages = Ages(self.time)
        self.intake = Intake(
            journal, self.time, self._ages, self._on_signal, self.heartbeat.seen, count, tracer=tracer
        )
        self._tracer = tracer
        self._journal = journal
        self._clock = clock
        self._on_change = on_change
        self._missed = missed
        self._expiry = ExpiryWatch(clock, self.time, log, record, lambda: on_change(None))
        self._weights: Mapping[str, SymbolSettings] = {}
        self._dirty: dict[str, None] = {}
        self._flush: asyncio.Handle | None = None
        self._stopping = False

    def restore(self, signals: Sequence[Signal]) -> None:
        """Load the newest signals and the recent deliveries from the journal."""
        since = self._clock.now() - LONGEST_DEDUPE
        remembered = (*signals, *self._journal.superseded(since))
        self.intake.restore(remembered, self._journal.deliveries(since))
        self.heartbeat.restore(
            {s.source: s.received_at for s in sorted(remembered, key=lambda s: s.received_at)}
        )

    def configure(self, settings: Settings) -> None:
        """Apply the operator's weights and policies; the caller must request new blends."""
        self.policies = source_policies(settings)
        self._weights = settings.symbols
        self.heartbeat.expect(expectations(self.policies))
        self.time.watch()

    def close_intake(self) -> None:
        """Stop forwarding signals; publishing still persists them."""
        self._stopping = True
        self._expiry.stop()
        self.heartbeat.stop()
        self.time.stop()
        if self._flush is not None:
            self._flush.cancel()

    @property
    def symbols(self) -> Iterable[str]:
        """Every symbol that has weights."""
        return self._weights.keys()

    def blends(
        self, symbols: Iterable[str], pauses: Mapping[str, Control] | None = None
    ) -> dict[str, Blend | None]:
        """Return the blend of each symbol; None for one that no longer has weights.

        ``pauses``: used instead of the active ones, to preview their effect.
        """
        pauses = self.pauses if pauses is None else pauses
        return {symbol: self._blend(symbol, self._weights.get(symbol), pauses) for symbol in symbols}

    def blends_as_if(self, sections: Mapping[str, SymbolSettings | None]) -> dict[str, Blend | None]:
        """Return what blends would be if these symbols had other settings sections; None for a symbol without one."""
        return {symbol: self._blend(symbol, section, self.pauses) for symbol, section in sections.items()}

    def shares(self, source: str) -> dict[str, dict[str, str | None]]:
        """Return the current effect of a source's opinions, by symbol, as JSON values."""
        now = self.time.now()
        return {
            symbol: share_of(opinion, now)
            for symbol, signal in self.intake.by_source(source).items()
            if (opinion := opinion_of(signal, self.policies, self.heartbeat.due, self._ages.said_at))
        }

    def watch_expiry(self) -> None:
        """Wake up when the next opinion that counts expires."""
        weighted = ((s.weights, self.intake.in_force(symbol)) for symbol, s in self._weights.items())
        self._expiry.watch(expiring_opinions(weighted, self.policies, self.heartbeat.due, self._ages.said_at))

    def expires_at(self, signal: Signal) -> datetime | None:
        """Return when a signal expires under the current policies; None for never."""
        opinion = opinion_of(signal, self.policies, self.heartbeat.due, self._ages.said_at)
        return opinion.expires_at() if opinion is not None else None

    def _blend(
        self, symbol: str, section: SymbolSettings | None, pauses: Mapping[str, Control]
    ) -> Blend | None:
        if section is None:
            return None
        opinions = opinions_on(
            self.intake.in_force(symbol), self.policies, self.heartbeat.due, self._ages.said_at
        )
        return blend(
            symbol,
            weights=section.weights,
            leverage=section.leverage,
            opinions=with_pauses(symbol, opinions, pauses) if pauses else opinions,
            now=self.time.now(),
        )

    def _on_missed(self) -> None:
        self.heartbeat.excuse()
        self._missed()

    def _on_time(self) -> None:
        if not self._stopping:
            self._on_change(None)

    def _on_signal(self, symbol: str) -> None:
        self._dirty[symbol] = None
        if self._flush is None and not self._stopping:
            self._flush = asyncio.get_running_loop().call_soon(self._flush_dirty)

    def _flush_dirty(self) -> None:
        symbols, self._dirty, self._flush = list(self._dirty), {}, None
        with self._tracer.blending(symbols):
            self._on_change(symbols)
