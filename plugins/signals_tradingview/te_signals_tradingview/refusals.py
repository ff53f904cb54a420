"""Refused alerts as events: the operator must learn about an alert that has no effect, above all about an exit."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable
from datetime import timedelta

from te_core.api import Clock, RecordEvent, Signal, SignalRejected
from te_signals_tradingview.formats.numbers import quoted

KIND = "refused"

_MOST = 20
"""Events within ``_WITHIN``; exits are counted separately. Any more are only quarantined and counted."""
_WITHIN = timedelta(minutes=10)

_CAPACITY = 100
"""Refusals that are remembered, so that they are not reported again."""

_QUOTE = "[\"'\u201c\u201d]?"
_IS = rf"{_QUOTE}\s{{0,9}}[:=]\s{{0,9}}{_QUOTE}\s{{0,9}}"
_SYMBOL = re.compile(
    rf"(?:symbol|ticker|instrument){_IS}([A-Za-z0-9][A-Za-z0-9:._!-]{{0,59}})", re.IGNORECASE
)
_EXIT = re.compile(
    rf"(?:(?:direction|position|sentiment|action|size|comment|code){_IS}|\A\s{{0,9}})(?:flat|exit|close)",
    re.IGNORECASE,
)
"""What an exit looks like in a message that cannot be parsed."""


class Refusals:
    """Reports a refusal once per symbol and field, until the reason changes or an alert of the symbol is accepted.

    ``resolve`` returns the engine's symbol for a spelling or raises ``SignalRejected``. ``latest`` returns the active
    signal.
    """

    def __init__(
        self,
        *,
        clock: Clock,
        record: RecordEvent,
        resolve: Callable[[str], str],
        latest: Callable[[str], Signal | None],
    ) -> None:
        self._clock = clock
        self._record = record
        self._resolve = resolve
        self._latest = latest
        self._open: dict[tuple[str, str], str] = {}
        self._reported: dict[bool, deque[float]] = {False: deque(maxlen=_MOST), True: deque(maxlen=_MOST)}
        self._last = ""

    def refused(self, text: str, error: SignalRejected) -> str:
        """Report a refusal, and return what it means for a position. ``text`` is the message, as far as it is text."""
        symbol = self._symbol(text)
        leaves_open = self._left_open(text, symbol)
        key, cause = (symbol, error.field), error.hint or error.reason
        if self._open.get(key) != cause:
            self._open.pop(key, None)
            self._open[key] = cause
            if len(self._open) > _CAPACITY:
                del self._open[next(iter(self._open))]
            self._last = f"alert{f' on {symbol}' if symbol else ''} refused: {error}{leaves_open}"
            if self._may_report(exits=bool(leaves_open)):
                self._record(KIND, self._last, symbol=symbol or None)
        return leaves_open

    def accepted(self, symbol: str) -> None:
        """Clear the refusals of a symbol and those that named none: the next one is reported again."""
        if self._open:
            self._open = {key: cause for key, cause in self._open.items() if key[0] not in {symbol, ""}}
            if not self._open:
                self._last = ""

    def warning(self) -> str:
        """Return the last refusal; empty if an alert was accepted since."""
        return self._last

    def _may_report(self, *, exits: bool) -> bool:
        now, reported = self._clock.monotonic(), self._reported[exits]
        if len(reported) == _MOST and now - reported[0] < _WITHIN.total_seconds():
            return False
        reported.append(now)
        return True

    def _symbol(self, text: str) -> str:
        found = _SYMBOL.search(text)
        if found is None:
            return ""
        try:
            return self._resolve(found[1])
        except SignalRejected:
            return ""

    def _left_open(self, text: str, symbol: str) -> str:
        if not _EXIT.search(text):
            return ""
        if not symbol:
            return "; it seems to be an exit: a position may stay open"
        held = self._latest(symbol)
        return (
            f"; it asked for an exit: the position on {quoted(symbol)} stays open"
            if held and held.depth
            else ""
        )
