"""Alerts that never came: an order started from another position than the last alert ended with."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from te_core.api import Signal
from te_signals_tradingview.ordering import RESENDS
from te_signals_tradingview.position import Stance

if TYPE_CHECKING:
    from loguru import Logger

KIND = "missed_alert"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Gap:
    started_from: Stance | None
    note: str
    timer: asyncio.TimerHandle


class Gaps:
    """Reports a gap when the missing alert has not come either while TradingView might still send it again."""

    def __init__(self, log: Logger, record: Callable[..., None]) -> None:
        self.count = 0
        self._log = log
        self._record = record
        self._open: dict[str, _Gap] = {}
        self._last = ""

    def watch(self, signal: Signal) -> None:
        """Look at a signal that was kept."""
        if not signal.current:
            self._fill(signal)
        elif "note" in signal.detail:
            self._report(signal.symbol)
            started_from = Stance.recall(signal.detail.get("from"))
            timer = asyncio.get_running_loop().call_later(
                RESENDS.total_seconds(), self._report, signal.symbol
            )
            self._open[signal.symbol] = _Gap(
                started_from=started_from, note=str(signal.detail["note"]), timer=timer
            )

    def warning(self) -> str:
        """Say how many alerts seem to be missing; empty for none."""
        return f"{self.count} alert(s) seem to be missing, last {self._last}" if self.count else ""

    def close(self) -> None:
        """Report what is open."""
        for symbol in list(self._open):
            self._report(symbol)

    def _fill(self, late: Signal) -> None:
        """Forget a gap which an alert that was placed before the newest one closes."""
        gap = self._open.get(late.symbol)
        side = (late.depth > 0) - (late.depth < 0)
        ended = Stance.recall(late.detail.get("position")) or Stance(side)
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
