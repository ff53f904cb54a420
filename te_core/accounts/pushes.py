"""What an account's connection passes on of the exchange's pushes: evidence, and reasons to look."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

from te_core.accounts.beliefs import Beliefs
from te_core.clock import Clock
from te_core.contracts.exchange import AccountStream, Feed
from te_core.model.position import Equity, Position

PUSH_PAUSE = 3.0
"""Seconds between passes that pushes cause: whoever else trades on the account may never rest."""


class Pushes(AccountStream):
    """The stream of one account. Times are steady-clock seconds.

    ``wake`` asks for a pass at once, ``read_by`` for a read of everything by a time. ``knows_order``: whether this
    engine sent an order, ``is_engine_id``: whether an id looks like one of any engine of this kind.
    ``another_engine``: called with symbol and reason once an order of another engine is seen. ``stop_seen``: called
    with id and symbol of an order of this engine, which may be a stop; ``price_seen``: with every pushed price.
    """

    def __init__(
        self,
        beliefs: Beliefs,
        clock: Clock,
        *,
        wake: Callable[[], None],
        read_by: Callable[[float], None],
        knows_order: Callable[[str, str], bool],
        is_engine_id: Callable[[str], bool],
        another_engine: Callable[[str, str], None],
        stop_seen: Callable[[str, str], None],
        price_seen: Callable[[str, Decimal], None],
    ) -> None:
        self._beliefs = beliefs
        self._clock = clock
        self._wake = wake
        self._read_by = read_by
        self._knows_order = knows_order
        self._is_engine_id = is_engine_id
        self._another_engine = another_engine
        self._stop_seen = stop_seen
        self._price_seen = price_seen
        self._next_check = float("-inf")

    def up(self, *feeds: Feed) -> None:
        """Count on these from now on; what they build on is read once."""
        self._beliefs.feeds_up(feeds)
        if Feed.POSITIONS in feeds or Feed.ORDERS in feeds:
            self._read_by(self._clock.monotonic())

    def alive(self, *feeds: Feed) -> None:
        """Note that their connection is alive."""
        self._beliefs.feeds_alive(feeds)

    def down(self, *feeds: Feed) -> None:
        """Count on these no longer, and read at once: whatever broke them may have broken that, too."""
        self._beliefs.feeds_down(feeds)
        self._read_by(self._clock.monotonic())

    def position(self, position: Position) -> None:
        """Take a pushed position, and look at once if our own orders do not explain it."""
        if self._beliefs.position_pushed(position):
            self._check_if_due()

    def equity(self, equity: Equity) -> None:
        """Take a pushed account value."""
        self._beliefs.equity_pushed(equity)

    def price(self, symbol: str, price: Decimal) -> None:
        """Take a pushed price."""
        self._beliefs.price_pushed(symbol, price)
        self._price_seen(symbol, price)

    def order(self, client_order_id: str, symbol: str) -> None:
        """Look at once at an order that is not ours; one of another engine is reported."""
        if self._knows_order(client_order_id, symbol):
            self._stop_seen(client_order_id, symbol)
            return
        if self._is_engine_id(client_order_id):
            self._another_engine(
                symbol,
                f"another engine trades this account (its order {client_order_id} in {symbol}): only reducing; "
                "let one engine trade an account, then te resume",
            )
        self._beliefs.order_of_others(symbol)
        self.changed()

    def changed(self) -> None:
        """Have the account read."""
        self._read_by(self._next_check_at())

    def _check_if_due(self) -> None:
        at = self._next_check_at()
        if at <= self._clock.monotonic():
            self._wake()
        else:
            self._read_by(at)

    def _next_check_at(self) -> float:
        """Return when to look: at once, unless pushes had it looked at a moment ago; whoever trades may never rest."""
        now = self._clock.monotonic()
        if now >= self._next_check:
            self._next_check = now + PUSH_PAUSE
            return now
        return self._next_check
