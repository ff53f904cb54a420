"""Missed alerts: an order that started from another position than the last alert ended with."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from te_core.api import Signal
from te_signals_tradingview.formats.stated_position import StatedPosition
from te_signals_tradingview.ordering.trust import RESENDS

if TYPE_CHECKING:
    from loguru import Logger

KIND = "missed_alert"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Gap:
    started_from: StatedPosition | None
    note: str
    timer: asyncio.TimerHandle


class Gaps:
    """Reports a gap if the missing alert does not arrive while TradingView may still send it again."""

    def __init__(self, log: Logger, record: Callable[..., None]) -> None:
        self.count = 0
        """Gaps reported since the start."""
        self._log = log
        self._record = record
        self._open: dict[str, _Gap] = {}
        self._last = ""

    def watch(self, signal: Signal) -> None:
        """Check a durable signal: it may open a gap, or be the missing one."""
        if not signal.current:
            self._fill(signal)
        elif "note" in signal.detail:
            self._report(signal.symbol)
            started_from = StatedPosition.from_detail(signal.detail.get("from"))
            timer = asyncio.get_running_loop().call_later(
                RESENDS.total_seconds(), self._report, signal.symbol
            )
            self._open[signal.symbol] = _Gap(
                started_from=started_from, note=str(signal.detail["note"]), timer=timer
            )

    def warning(self) -> str:
        """Return how many alerts seem to be missing, as a sentence; empty if none is."""
        return f"{self.count} alert(s) seem to be missing, last {self._last}" if self.count else ""

    def close(self) -> None:
        """Report the gaps that are still open."""
        for symbol in list(self._open):
            self._report(symbol)

    def _fill(self, late: Signal) -> None:
        """Close the gap that a superseded alert fills."""
        gap = self._open.get(late.symbol)
        stated = StatedPosition.from_detail(late.detail.get("position"))
        ended = stated or StatedPosition.of_depth(late.depth)
        if gap is not None and gap.started_from is not None and gap.started_from.matches(ended):
            del self._open[late.symbol]
            gap.timer.cancel()

    def _report(self, symbol: str) -> None:
        gap = self._open.pop(symbol, None)
        if gap is None:
            return
        gap.timer.cancel()
        self.count += 1
        self._last = symbol
        text = f"an alert on {symbol} seems to be missing: {gap.note}"
        self._log.warning("{}", text)
        self._record(KIND, text, symbol=symbol)
