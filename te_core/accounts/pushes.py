"""Receives an account's pushes from its connection: as evidence, and as reasons for a pass or a read."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

from te_core.accounts.beliefs import Beliefs
from te_core.accounts.other_engines import OtherEngines
from te_core.clock import Clock
from te_core.contracts.exchange import AccountStream, Feed
from te_core.model.position import Equity, Position

PUSH_PAUSE = 3.0
"""Minimum seconds between passes caused by pushes: others may trade on the account without pause."""


class Pushes(AccountStream):
    """The stream of one account. Times are monotonic seconds.

    ``wake`` requests a pass at once, ``read_by`` a read of everything by a time. ``stop_seen``: called with id and
    symbol of this engine's order, which may be a stop. ``price_seen``: called with every pushed price.
    """

    def __init__(
        self,
        beliefs: Beliefs,
        clock: Clock,
        *,
        wake: Callable[[], None],
        read_by: Callable[[float], None],
        other_engines: OtherEngines,
        stop_seen: Callable[[str, str], None],
        price_seen: Callable[[str, Decimal], None],
    ) -> None:
        self._beliefs = beliefs
        self._clock = clock
        self._wake = wake
        self._read_by = read_by
        self._other_engines = other_engines
        self._stop_seen = stop_seen
        self._price_seen = price_seen
        self._next_check = float("-inf")
        self._states_ids = False  # once True, an order without an id is certainly not ours

    def up(self, *feeds: Feed) -> None:
        """Rely on these feeds from now on; read once the state that they build on."""
        self._beliefs.feeds_up(feeds)
        if Feed.POSITIONS in feeds or Feed.ORDERS in feeds:
            self._read_by(self._clock.monotonic())

    def alive(self, *feeds: Feed) -> None:
        """Record that the connection of these feeds is alive."""
        self._beliefs.feeds_alive(feeds)

    def down(self, *feeds: Feed) -> None:
        """Stop relying on these feeds, and read at once: whatever broke them may have broken reads, too."""
        self._beliefs.feeds_down(feeds)
        self._read_by(self._clock.monotonic())

    def position(self, position: Position) -> None:
        """Apply a pushed position; request a pass if our own orders do not explain it."""
        if self._beliefs.position_pushed(position):
            self._check_if_due()

    def equity(self, equity: Equity) -> None:
        """Apply a pushed account value."""
        self._beliefs.equity_pushed(equity)

    def price(self, symbol: str, price: Decimal) -> None:
        """Apply a pushed price."""
        self._beliefs.price_pushed(symbol, price)
        self._price_seen(symbol, price)

    def order(self, client_order_id: str, symbol: str) -> None:
        """Request a read after an order that is not ours; report an order of another engine."""
        if self._other_engines.is_ours(client_order_id, symbol):
            self._states_ids = True
            self._stop_seen(client_order_id, symbol)
            return
        self._other_engines.order_seen(client_order_id, symbol)
        self._beliefs.order_of_others(symbol, named=bool(client_order_id) or self._states_ids)
        self.changed()

    def changed(self) -> None:
        """Request a read of the account."""
        self._read_by(self._next_check_at())

    def _check_if_due(self) -> None:
        at = self._next_check_at()
        if at <= self._clock.monotonic():
            self._wake()
        else:
            self._read_by(at)

    def _next_check_at(self) -> float:
        """Return when to check: at once, unless pushes caused a check a moment ago (``PUSH_PAUSE``)."""
        now = self._clock.monotonic()
        if now >= self._next_check:
            self._next_check = now + PUSH_PAUSE
            return now
        return self._next_check
