"""What an account's connection passes on of the exchange's pushes: evidence, and reasons to look."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import TYPE_CHECKING

from te_core.contracts.exchange import AccountStream, Feed
from te_core.model.position import Equity, Position

if TYPE_CHECKING:
    from te_core.accounts.worker import AccountWorker

OUR_FORM = re.compile(r"7e[0-9a-f]{30}")
"""How client order ids of any engine of this kind look."""
PUSH_PAUSE = 3.0
"""Seconds between passes that pushes cause: whoever else trades on the account may never rest."""
FOREIGN_ENGINE = 600.0
"""Seconds for which an account is only reduced after an order of another engine was seen on it."""


class Pushes(AccountStream):
    """The stream of one account."""

    def __init__(self, worker: AccountWorker) -> None:
        self._worker = worker
        self._beliefs = worker.beliefs
        self._woken_at = float("-inf")

    def up(self, *feeds: Feed) -> None:
        """Count on these from now on; what they build on is read once."""
        self._beliefs.feeds_up(feeds)
        if Feed.POSITIONS in feeds:
            self._worker.read_by(self._worker.monotonic())

    def heard(self, *feeds: Feed) -> None:
        """Note that their connection is alive."""
        self._beliefs.feeds_heard(feeds)

    def down(self, *feeds: Feed) -> None:
        """Count on these no longer."""
        self._beliefs.feeds_down(feeds)

    def position(self, position: Position) -> None:
        """Take a pushed position, and look at once if our own orders do not explain it."""
        if self._beliefs.position_pushed(position):
            self._look()

    def equity(self, equity: Equity) -> None:
        """Take a pushed account value."""
        self._beliefs.equity_pushed(equity)

    def price(self, symbol: str, price: Decimal) -> None:
        """Take a pushed price."""
        self._beliefs.price_pushed(symbol, price)

    def order(self, client_order_id: str, symbol: str) -> None:
        """Look at once at an order that is not ours; one of another engine on this account stops increases."""
        if self._worker.knows_order(client_order_id, symbol):
            return
        if OUR_FORM.fullmatch(client_order_id):
            self._worker.block_increases(
                f"another engine trades this account (its order {client_order_id} in {symbol}): only reducing; "
                "let one engine trade an account, then te resume",
                seconds=FOREIGN_ENGINE,
            )
        self.changed()

    def changed(self) -> None:
        """Have the account read."""
        now = self._worker.monotonic()
        self._worker.read_by(max(now, self._woken_at + PUSH_PAUSE))
        self._woken_at = max(now, self._woken_at + PUSH_PAUSE) if now < self._woken_at + PUSH_PAUSE else now

    def _look(self) -> None:
        now = self._worker.monotonic()
        if now >= self._woken_at + PUSH_PAUSE:
            self._woken_at = now
            self._worker.wake()
        else:
            self._worker.read_by(self._woken_at + PUSH_PAUSE)
