"""What streams have told of an account, and whether it may be taken for the present state.

Arithmetic on values; ``Live`` feeds it. Times are seconds of the steady clock. A baseline is a read by REST; pushes
are laid over it. After a gap, a silence or an order of our own nothing counts until a newer baseline.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal

from te_core.api import Equity, Position

NEVER = float("-inf")

SILENCE = 13.0
"""Seconds without any message, pongs included, after which a stream counts as dead: more than two pings."""
REREAD = 20.0
"""Seconds after which a baseline is read again, whatever the stream says: what it missed shows then."""
UNREAD = 3 * REREAD
"""Seconds without a read that succeeded after which pushed positions do not count: nothing has shown what is missed."""
UNPUSHED = 30.0
"""Seconds for which an equity counts: profit that is not realised is not pushed."""
SETTLED = 10.0
"""Seconds after which an order of ours is over even if no stream said so."""
OWN = 3.0
"""Seconds after an order of ours in which changes of its symbol are its own doing."""


@dataclass(slots=True)
class Feed:
    """One followed kind. ``up``: since when it lives; None while it does not."""

    private: bool
    up: float | None = None
    started: float = NEVER


@dataclass(slots=True)
class Memory:
    """State of one account by streams. ``poll``: seconds between baselines while positions are not followed."""

    poll: float
    feeds: dict[str, Feed] = field(default_factory=dict)
    heard: dict[bool, float] = field(default_factory=lambda: {True: NEVER, False: NEVER})
    touched: float = NEVER
    pending: dict[str, float] = field(default_factory=dict)
    own: dict[str, float] = field(default_factory=dict)
    positions: dict[str, Position] = field(default_factory=dict)
    positions_at: float = NEVER
    read_at: float = NEVER
    pushed_at: float = NEVER
    equity: Equity | None = None
    equity_at: float = NEVER
    prices: dict[str, Decimal] = field(default_factory=dict)
    distrusted_until: float = NEVER

    # -- what comes in

    def ordering(self, client_order_id: str, symbol: str, now: float) -> None:
        """Note that an order of ours leaves."""
        self.pending[client_order_id] = self.own[symbol] = self.touched = now

    def answered(self, client_order_id: str, symbol: str, now: float, *, final: bool) -> None:
        """Note what an answer or a look-up says of an order of ours: nothing read before counts any more."""
        self.touched = self.own[symbol] = now
        if final:
            self.pending.pop(client_order_id, None)
        elif client_order_id in self.pending:
            self.pending[client_order_id] = now

    def order_pushed(self, client_order_id: str | None, symbol: str | None, now: float) -> bool:
        """Note the end of an order; tells whether it was not ours."""
        ours = self.pending.pop(client_order_id or "", None) is not None
        self.touched = now
        return not ours and not self._ours(symbol, now)

    def positions_pushed(self, pushed: Iterable[Position], now: float) -> bool:
        """Lay pushed positions over the baseline; tells whether one changed that we did not order."""
        foreign = False
        for position in pushed:
            before = self.positions.get(position.symbol)
            changed = position.quantity != (before.quantity if before else 0)
            if changed and self._ours(position.symbol, now):
                self.touched = now  # a part of our order, told late: what was read may be newer
            foreign |= changed and not self._ours(position.symbol, now)
            self.positions[position.symbol] = position
        self.pushed_at = now
        return foreign

    def equity_pushed(self, equity: Equity, now: float) -> None:
        """Take a pushed equity."""
        self.equity, self.equity_at = equity, now

    def positions_read(self, positions: Mapping[str, Position], sent: float, now: float) -> bool:
        """Take a baseline that was asked for at ``sent``; tells whether the stream had missed a change."""
        self.read_at = max(self.read_at, sent)
        if sent < self.positions_at:
            return False
        missed = self.positions_live(now) and self.pushed_at < sent and self._differs(positions)
        if self.pushed_at < sent or not self.followed("positions", now):
            self.positions = dict(positions)
            self.positions_at = sent
        return missed

    def equity_read(self, equity: Equity, sent: float) -> None:
        """Take an equity that was asked for at ``sent``."""
        if sent >= self.equity_at:
            self.equity, self.equity_at = equity, sent

    def doubt(self, now: float) -> None:
        """Have everything read before it counts again."""
        self.touched = now

    def lost(self, *, private: bool, now: float) -> None:
        """Note that a connection broke: its feeds start anew."""
        for feed in self.feeds.values():
            if feed.private is private:
                feed.up, feed.started = None, now
        if not private:
            self.prices.clear()

    # -- what may be taken for the present

    def positions_live(self, now: float) -> bool:
        """Tell whether the positions are the present ones."""
        self._expire(now)
        if self.pending or self.positions_at < self.touched:
            return False
        if self.followed("positions", now):
            return self._since_up("positions", self.positions_at) and now - self.read_at <= UNREAD
        if self.followed("orders", now):
            return self._since_up("orders", self.positions_at) and now - self.positions_at <= 2 * self.poll
        return False

    def _since_up(self, kind: str, at: float) -> bool:
        up = self.feeds[kind].up
        return up is not None and at >= up

    def equity_live(self, now: float) -> bool:
        """Tell whether the equity is the present one, but for profit that is not realised."""
        self._expire(now)
        if not self.followed("balance", now) or self.pending or not self._since_up("balance", self.equity_at):
            return False
        return self.equity_at >= self.touched and now - self.equity_at <= UNPUSHED

    def prices_live(self, symbols: Sequence[str], now: float) -> bool:
        """Tell whether all those prices are present ones."""
        return self.followed("tickers", now) and all(symbol in self.prices for symbol in symbols)

    def followed(self, kind: str, now: float) -> bool:
        """Tell whether a kind's feed lives."""
        feed = self.feeds.get(kind)
        if feed is None or feed.up is None or now - self.heard[feed.private] > SILENCE:
            return False
        return kind != "positions" or now >= self.distrusted_until

    def wants_read(self, now: float) -> frozenset[str]:
        """Tell what should be read now, of "positions" and "equity", so that the next signal need not wait for it."""
        self._expire(now)
        if self.pending or not (self.followed("positions", now) or self.followed("orders", now)):
            return frozenset()
        age = REREAD if self.followed("positions", now) else self.poll
        if now - self.read_at >= age:
            return frozenset({"positions", "equity"})
        equity = self.equity_live(now) or not self.followed(
            "balance", now
        )  # else each signal reads it anyway
        live = {"positions": self.positions_live(now), "equity": equity}
        return frozenset(kind for kind, known in live.items() if not known)

    def _expire(self, now: float) -> None:
        for name in [name for name, at in self.pending.items() if now - at > SETTLED]:
            del self.pending[name]

    def _ours(self, symbol: str | None, now: float) -> bool:
        return now - self.own.get(symbol or "", NEVER) <= OWN

    def _differs(self, positions: Mapping[str, Position]) -> bool:
        ours = {symbol: held.quantity for symbol, held in self.positions.items() if held.quantity}
        return ours != {symbol: held.quantity for symbol, held in positions.items() if held.quantity}
