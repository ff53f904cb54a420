"""Accepts the signals of all sources: durable first, then active. Holds the newest of each source and symbol."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Mapping
from datetime import datetime, timedelta
from decimal import Decimal

from te_core.contracts.source import LONGEST_DEDUPE, Publication
from te_core.errors import JournalError, SignalRejected
from te_core.journal.journal import Journal
from te_core.model.reading import Known
from te_core.model.signal import Signal
from te_core.signals.time_base import Ages, TimeBase
from te_core.tracing import NOTHING, OFF, Tracer

_Delivery = tuple[str, str]
"""A source and its delivery id."""


class Intake:
    """One per engine. ``on_change`` is called with a symbol when its newest signal is durable, ``on_seen`` with a
    source whenever it sends anything.
    """

    def __init__(
        self,
        journal: Journal,
        time: TimeBase,
        ages: Ages,
        on_change: Callable[[str], None],
        on_seen: Callable[[str], None],
        count: Callable[[str, str], None],
        *,
        tracer: Tracer = OFF,
    ) -> None:
        self._journal = journal
        self._time = time
        self._ages = ages
        self._on_change = on_change
        self._on_seen = on_seen
        self._count = count
        self._tracer = tracer
        self._latest: dict[tuple[str, str], Signal] = {}
        self._arrived: dict[tuple[str, str], Signal] = {}
        self._durable: dict[tuple[str, str], Signal] = {}
        self._in_force: dict[str, dict[str, Signal]] = {}
        self._prices: dict[str, Known[Decimal]] = {}
        # A flood leaves a million of these behind, so they are plain values that the garbage collector does not track.
        self._deliveries: dict[_Delivery, datetime] = {}
        self._by_age: deque[tuple[datetime, _Delivery]] = deque()
        self._pending: dict[_Delivery, _PendingSignal] = {}

    def restore(self, signals: Iterable[Signal], deliveries: Mapping[tuple[str, str], datetime]) -> None:
        """Load from the journal: the current signals, then superseded ones that arrived after them."""
        for signal in signals:
            self._arrived[signal.source, signal.symbol] = self._durable[signal.source, signal.symbol] = signal
            if signal.current:
                self._latest[signal.source, signal.symbol] = signal
                self._put_in_force(signal)
        for key, received_at in sorted(deliveries.items(), key=lambda item: item[1]):
            self._deliveries[key] = received_at
            self._by_age.append((received_at, key))

    def in_force(self, symbol: str) -> Mapping[str, Signal]:
        """Return the newest durable signal of each source for a symbol."""
        return self._in_force.get(symbol, {})

    def by_source(self, source: str) -> Mapping[str, Signal]:
        """Return the newest durable signal of each symbol from a source."""
        return {symbol: signals[source] for symbol, signals in self._in_force.items() if source in signals}

    def latest(self, source: str, symbol: str) -> Signal | None:
        """Return the newest current signal, including one that is still being written."""
        return self._latest.get((source, symbol))

    def arrived(self, source: str, symbol: str) -> Signal | None:
        """Return the signal that arrived last, superseded or not, including one that is still being written."""
        return self._arrived.get((source, symbol))

    def price(self, symbol: str) -> Known[Decimal] | None:
        """Return the newest price that any signal stated."""
        return self._prices.get(symbol)

    def publish(self, signal: Signal, *, dedupe_for: timedelta | None = None) -> Awaitable[Publication]:
        """Accept a signal; see ``te_core.contracts.source.Publish``."""
        key = (signal.source, signal.delivery_id) if signal.delivery_id else None
        if dedupe_for is not None and dedupe_for > LONGEST_DEDUPE:
            raise SignalRejected(f"must be at most {LONGEST_DEDUPE}", field="dedupe_for")
        self._on_seen(signal.source)
        if key is not None and dedupe_for is not None:
            earlier = self._deliveries.get(key)
            if earlier is not None and abs(self._time.now() - earlier) <= dedupe_for:
                self._count(signal.source, Publication.DUPLICATE)
                return self._duplicate(self._pending.get(key))
        return self._persist(signal, key)

    def _duplicate(self, first: _PendingSignal | None) -> Awaitable[Publication]:
        """Return the result for a second delivery; it resolves after the first one's, once that signal is durable."""
        known: asyncio.Future[Publication] = asyncio.get_running_loop().create_future()
        if first is None:
            known.set_result(Publication.DUPLICATE)
        else:
            first.again.append(known)
        return known

    def _persist(self, signal: Signal, key: _Delivery | None) -> Awaitable[Publication]:
        pending = _PendingSignal(self, signal, key)
        pending.span = self._tracer.begin("journal", root=True, source=signal.source, symbol=signal.symbol)
        self._journal.stream(pending, signal)
        self._arrived[signal.source, signal.symbol] = signal
        if signal.current:
            self._latest[signal.source, signal.symbol] = signal
        if key is not None:
            now = self._time.now()
            self._forget_old(now)
            self._deliveries[key] = now
            self._pending[key] = pending
            self._by_age.append((now, key))
        return pending.answer

    def resolve(self, pending: _PendingSignal, error: JournalError | None) -> None:
        """Activate a signal that is durable, or drop one that failed; then resolve its result."""
        signal, key = pending.signal, pending.key
        pending.span.end()
        if key is not None and self._pending.get(key) is pending:
            del self._pending[key]
        if error is not None:
            self._undo(signal, key)
        else:
            self._durable[signal.source, signal.symbol] = signal
            if signal.current:
                self._tracer.journaled((signal.symbol, signal.received_at), pending.span)
                self._put_in_force(signal)
                self._on_change(signal.symbol)
        outcome = Publication.ACCEPTED if signal.current else Publication.SUPERSEDED
        self._count(signal.source, "failed" if error is not None else outcome)
        _answer(pending.answer, outcome, error)
        for known in pending.again:
            _answer(known, Publication.DUPLICATE, error)

    def _undo(self, signal: Signal, key: _Delivery | None) -> None:
        """Undo a signal that was not persisted. Earlier ones are resolved already: the journal preserves the order."""
        if key is not None:
            self._deliveries.pop(key, None)
        slot = signal.source, signal.symbol
        in_force = self._in_force.get(signal.symbol, {}).get(signal.source)
        for known, former in ((self._latest, in_force), (self._arrived, self._durable.get(slot))):
            if known.get(slot) is not signal:
                continue
            if former is None:
                del known[slot]
            else:
                known[slot] = former

    def _put_in_force(self, signal: Signal) -> None:
        self._in_force.setdefault(signal.symbol, {})[signal.source] = signal
        self._ages.arrived(signal)
        known = self._prices.get(signal.symbol)
        if signal.price is not None and (known is None or signal.received_at >= known.as_of):
            self._prices[signal.symbol] = Known(value=signal.price, as_of=signal.received_at)

    def _forget_old(self, now: datetime) -> None:
        while self._by_age and now - self._by_age[0][0] > LONGEST_DEDUPE:
            received_at, key = self._by_age.popleft()
            if self._deliveries.get(key) == received_at:
                del self._deliveries[key]


class _PendingSignal:
    """A signal on its way into the journal, which sets its outcome.

    Separate from ``answer``: a sender that disconnects cancels that, and must not prevent a durable signal from
    becoming active. ``again``: the results for repeated deliveries of the same signal.
    """

    __slots__ = ("_intake", "_loop", "again", "answer", "key", "signal", "span")

    def __init__(self, intake: Intake, signal: Signal, key: _Delivery | None) -> None:
        self._intake, self.signal, self.key = intake, signal, key
        self._loop = asyncio.get_running_loop()
        self.answer: asyncio.Future[Publication] = self._loop.create_future()
        self.again: list[asyncio.Future[Publication]] = []
        self.span = NOTHING

    def get_loop(self) -> asyncio.AbstractEventLoop:
        return self._loop

    def done(self) -> bool:
        return False

    def set_result(self, result: None, /) -> None:
        self._intake.resolve(self, result)

    def set_exception(self, exception: JournalError, /) -> None:
        self._intake.resolve(self, exception)


def _answer(
    waiting: asyncio.Future[Publication], publication: Publication, error: JournalError | None
) -> None:
    if waiting.done():
        return
    if error is None:
        waiting.set_result(publication)
    else:
        waiting.set_exception(error)
        waiting.exception()  # possibly nothing awaits it any more
