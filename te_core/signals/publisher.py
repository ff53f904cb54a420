"""A source instance's access to the engine: it may publish as itself, for its own symbols, until it is stopped."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

from te_core.arithmetic import own_arithmetic
from te_core.clock import Clock
from te_core.contracts.source import Publication
from te_core.errors import NotReady, SignalRejected
from te_core.model.event import Event
from te_core.model.signal import QuarantinedInput, Signal
from te_core.rules.plausibility import is_plausible
from te_core.secrets import Redact, identifying, ordering, redacted
from te_core.signals.intake import Intake
from te_core.texts import LONGEST_TEXT, bounded, bounded_values

LARGEST_BODY = 64 * 1024
"""Maximum characters of rejected input that are stored."""

LONGEST_KEY = 512
"""Maximum characters of what is compared later: longer values are rejected, not cut."""

_SYMBOL = re.compile(r"[A-Z0-9]{2,32}")
_KIND = re.compile(r"[a-z][a-z0-9_]{0,39}")


class Publisher:
    """One per started source. ``symbols``: the engine's symbols that it may publish; empty: any well-formed one.

    Methods raise ``NotReady`` once it was revoked, and ``SignalRejected`` for invalid arguments.
    """

    def __init__(
        self,
        intake: Intake,
        *,
        source: str,
        symbols: Iterable[str],
        clock: Clock,
        record: Callable[[Event], None],
        persist: Callable[[QuarantinedInput], object],
        last_price: Callable[[str], Decimal | None],
        price_factor: Callable[[], Decimal],
        redact: Redact = str,
    ) -> None:
        self._intake = intake
        self._source = source
        self._symbols = frozenset(symbols)
        self._clock = clock
        self._record = record
        self._persist = persist
        self._last_price = last_price
        self._price_factor = price_factor
        self._redact = redact
        self._revoked = False

    def revoke(self) -> None:
        """Accept nothing more from this instance."""
        self._revoked = True

    def publish(self, signal: Signal, *, dedupe_for: timedelta | None = None) -> Awaitable[Publication]:
        """Check a signal and pass it to the intake; see ``te_core.contracts.source.Publish``."""
        self._check_running()
        if type(signal) is not Signal:
            raise _wrong("publish", "signal", signal, "a Signal")
        if not isinstance(dedupe_for, timedelta | None):
            raise _wrong("publish", "dedupe_for", dedupe_for, "a timedelta or None")
        with own_arithmetic():
            # A copy is validated again (frozen is not a lock) and does not change if the plugin changes its detail.
            copy = replace(signal, detail=redacted(bounded_values(signal.detail), self._redact))
            self._check(copy)
            return self._intake.publish(
                self._with_plausible_price(self._without_secrets(copy)), dedupe_for=dedupe_for
            )

    def _without_secrets(self, signal: Signal) -> Signal:
        """Redact the texts by which signals are compared; usually there is nothing to do."""
        texts = (
            None if signal.sequence is None else ordering(signal.sequence, self._redact),
            None if signal.delivery_id is None else identifying(signal.delivery_id, self._redact),
            self._redact(signal.rule),
        )
        if texts == (signal.sequence, signal.delivery_id, signal.rule):
            return signal
        sequence, delivery_id, rule = texts
        return replace(signal, sequence=sequence, delivery_id=delivery_id, rule=rule)

    def latest(self, symbol: str) -> Signal | None:
        """Return the newest current signal of a symbol."""
        return self._intake.latest(self._source, symbol)

    def arrived(self, symbol: str) -> Signal | None:
        """Return the signal of a symbol that arrived last."""
        return self._intake.arrived(self._source, symbol)

    def quarantine(self, entry: QuarantinedInput) -> None:
        """Store rejected input."""
        self._check_running()
        if type(entry) is not QuarantinedInput:
            raise _wrong("quarantine", "entry", entry, "a QuarantinedInput")
        for name in ("field", "reason", "body"):
            value: object = getattr(entry, name)
            if not isinstance(value, str):
                raise _wrong("quarantine", name, value, "a str")
        self._persist(
            replace(
                entry,
                source=self._source,
                field=bounded(self._redact(entry.field), LONGEST_KEY),
                reason=bounded(self._redact(entry.reason)),
                body=bounded(self._redact(entry.body), LARGEST_BODY),
            )
        )

    def record(self, kind: str, text: str, *, symbol: str | None = None) -> None:
        """Record an event of the source."""
        self._check_running()
        if not _is_text(kind) or not _KIND.fullmatch(kind):
            raise _wrong("record", "kind", kind, "one lower-case word of at most 40 characters")
        if not _is_text(text):
            raise _wrong("record", "text", text, "a str")
        if symbol is not None and not (_is_text(symbol) and len(symbol) <= LONGEST_KEY):
            raise _wrong("record", "symbol", symbol, "a symbol or None")
        text = bounded(self._redact(text), LONGEST_TEXT)
        self._record(Event(at=self._clock.now(), kind=kind, text=text, source=self._source, symbol=symbol))

    def _check_running(self) -> None:
        if self._revoked:
            raise NotReady(f"source {self._source} was stopped; this instance can no longer publish")

    def _with_plausible_price(self, signal: Signal) -> Signal:
        """Return the signal if its price is plausible, else raise ``SignalRejected``.

        A flat signal loses its price instead: rejecting it would leave the position open.
        """
        price, factor = signal.price, self._price_factor()
        last = self._last_price(signal.symbol) if price is not None else None
        if price is None or last is None or is_plausible(price, last, factor):
            return signal
        reason = f"{price} is not plausible: the last known price is {last}, more than {factor} times away"
        if signal.depth:
            hint = f"if it is right, raise sources.{self._source}.price_factor"
            raise SignalRejected(reason, field="price", hint=hint)
        return replace(signal, price=None, detail={**signal.detail, "price_ignored": reason})

    def _check(self, signal: Signal) -> None:
        if signal.source != self._source:
            raise _wrong(
                "publish", "source", signal.source, f"{self._source!r}: a source may only publish as itself"
            )
        if not _SYMBOL.fullmatch(signal.symbol):
            raise _wrong("publish", "symbol", signal.symbol, "a symbol such as BTCUSDT")
        if self._symbols and signal.symbol not in self._symbols:
            expected = f"a symbol from its mapping ([sources.{self._source}.symbols])"
            raise _wrong("publish", "symbol", signal.symbol, expected)
        for name in ("rule", "sequence", "delivery_id"):
            value: str | None = getattr(signal, name)
            if value is not None and len(value) > LONGEST_KEY:
                raise _wrong("publish", name, value, f"at most {LONGEST_KEY} characters")


def _is_text(value: object) -> bool:
    return isinstance(value, str)


def _wrong(method: str, field: str, value: object, expected: str) -> SignalRejected:
    shown = repr(value)[:60] if isinstance(value, str | int | float) else type(value).__name__
    return SignalRejected(f"{method}() received {shown}; expected {expected}", field=field)
