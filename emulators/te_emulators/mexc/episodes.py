"""Position ids: every opening of a position gets a new one, which its orders carry."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from itertools import count

from te_emulators.core.events import Event, Topic
from te_emulators.core.order import Execution
from te_emulators.core.position import Position

PositionKey = tuple[str, str, str]
"""Account, contract and side of a position."""


@dataclass(kw_only=True)
class Episode:
    """One position from its opening to its close. ``closed`` contracts were closed at a value of ``closed_at`` each."""

    number: int
    entry: Decimal = Decimal(0)
    closed: Decimal = Decimal(0)
    closed_value: Decimal = Decimal(0)
    over: bool = False

    @property
    def closed_at(self) -> Decimal:
        """Average closing price."""
        return self.closed_value / self.closed if self.closed else Decimal(0)


class Episodes:
    """Follows the exchange's events; must receive them before its users query it."""

    def __init__(self) -> None:
        self._numbers = count(1394650)
        self._newest: dict[PositionKey, Episode] = {}
        self._orders: dict[str, int] = {}

    def on_event(self, event: Event) -> None:
        """Record fills and closed positions."""
        if event.topic is Topic.EXECUTION and event.account and event.order and event.execution:
            request = event.order.request
            key = (event.account.name, request.symbol, request.position_side.value)
            self._orders[event.order.order_id] = self._after(key, event.execution).number
        elif event.topic is Topic.POSITION and event.account and event.position:
            episode = self.of(event.account.name, event.position)
            episode.over = not event.position.size
            episode.entry = event.position.entry_price or episode.entry

    def _after(self, key: PositionKey, execution: Execution) -> Episode:
        episode = self._newest.get(key)
        if episode is not None and execution.closed:
            episode.closed += execution.closed
            episode.closed_value += execution.closed * execution.price
        turned = bool(execution.closed) and execution.closed < execution.size
        if episode is None or turned or (episode.over and not execution.closed):
            episode = self._newest[key] = Episode(number=next(self._numbers))
        return episode

    def of(self, account: str, position: Position) -> Episode:
        """Return the newest episode of a current or former position."""
        key = (account, position.symbol, position.side.value)
        if key not in self._newest:
            self._newest[key] = Episode(number=next(self._numbers), entry=position.entry_price)
        return self._newest[key]

    def of_order(self, order_id: str) -> int:
        """The id of the position that an order opened, changed or closed; 0 before it is filled."""
        return self._orders.get(order_id, 0)
