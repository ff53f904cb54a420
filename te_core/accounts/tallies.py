"""Tallies the result of each symbol of an account and of the whole account, and selects what to journal."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import datetime
from decimal import Decimal

from te_core.journal.entries import Entry
from te_core.journal.snapshot import OldTallies
from te_core.model.money import Fill, Flow, Tally
from te_core.rules.pnl import explained, funded, gathered, hour_of, marked, stands, traded, valued
from te_core.rules.profit import Holding

WHOLE = ""
"""The symbol under which the sums of the whole account are stored."""
HOURLY = 14 * 24
"""Hours for which every hourly tally is stored; of earlier days, only the last one."""
ZERO = Decimal(0)


class Tallies:
    """One per account; continues from the ``last`` tallies in the journal."""

    def __init__(self, book: str, last: Iterable[Tally], now: datetime, *, currency: str = "") -> None:
        self._book = book
        self._currency = currency
        self._last = {tally.symbol: tally for tally in last}
        self._journaled = {symbol: tally.hour for symbol, tally in self._last.items()}
        self._unwritten: dict[str, None] = {}
        stored = self._last.pop(WHOLE, self._fresh(WHOLE, now))
        # Its sums are recomputed from the symbols: some of the stored ones may be at newer prices. Its funding is kept.
        whole = self._fresh(WHOLE, now)
        for tally in self._last.values():
            whole = gathered(whole, self._fresh(tally.symbol, now), tally)
        whole = replace(whole, funding=stored.funding, counted=stored.counted, at=stored.at)
        self._whole = replace(whole, result=explained(whole) + stored.result - explained(stored))

    def executed(self, fill: Fill) -> Fill:
        """Count one of our orders; returns its fill with the profit it realised by average cost."""
        before = self._of(fill.symbol, fill.at)
        after, gained = traded(before, fill, self._currency)
        self._set(before, after)
        return replace(fill, gained=gained)

    def paid(self, flow: Flow) -> None:
        """Count funding."""
        if flow.symbol is None:
            funding, result = (one + flow.amount for one in (self._whole.funding, self._whole.result))
            self._whole = replace(self._whole, funding=funding, result=result, at=flow.at)
            self._unwritten[WHOLE] = None
        else:
            before = self._of(flow.symbol, flow.at)
            self._set(before, funded(before, flow.amount, flow.at))

    def valued(self, held: Mapping[str, Holding], result: Decimal, at: datetime) -> None:
        """Value the open positions. ``result``: the trading result since the last valuation, by the account's value."""
        for symbol in dict.fromkeys([*self._last, *held]):
            before = self._of(symbol, at)
            now = held.get(symbol)
            quantity = now.quantity if now is not None else ZERO
            price = now.price if now is not None else None
            if (quantity or before.quantity) and not stands(before, quantity, price):
                self._set(before, marked(before, quantity, price, at))
        before, self._whole = self._whole, valued(self._whole, result, at)
        if replace(before, at=at) != self._whole:
            self._unwritten[WHOLE] = None

    def unwritten(self, now: datetime, symbols: Iterable[str] | None = None) -> Iterator[Entry]:
        """Yield the entries to journal: those of some symbols and the whole account, or of everything that changed."""
        wanted = [*self._unwritten] if symbols is None else [*symbols, WHOLE]
        for symbol in dict.fromkeys(wanted):
            if symbol in self._unwritten:
                del self._unwritten[symbol]
                tally = self._whole if symbol == WHOLE else self._last[symbol]
                # The last one counts, even if the clock was set back.
                hour = max(hour_of(now), self._journaled.get(symbol, 0))
                yield replace(tally, hour=hour)
                yield from self._thinned(symbol, hour)

    def _thinned(self, symbol: str, hour: int) -> Iterator[OldTallies]:
        before = self._journaled.get(symbol, hour)
        self._journaled[symbol] = hour
        first, beyond = (moment // 24 * 24 - HOURLY for moment in (before, hour))
        if first < beyond:
            yield OldTallies(account=self._book, symbol=symbol, first=first, beyond=beyond)

    def _of(self, symbol: str, at: datetime) -> Tally:
        return self._last.get(symbol) or self._fresh(symbol, at)

    def _fresh(self, symbol: str, at: datetime) -> Tally:
        return Tally(account=self._book, symbol=symbol, hour=hour_of(at), at=at)

    def _set(self, before: Tally, after: Tally) -> None:
        self._last[after.symbol] = after
        self._whole = gathered(self._whole, before, after)
        self._unwritten[after.symbol] = self._unwritten[WHOLE] = None
