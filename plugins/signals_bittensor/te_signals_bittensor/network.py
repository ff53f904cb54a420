"""What a payload says, after every record was validated: miners, their positions, and what their orders amount to."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple


class Order(NamedTuple):
    """One fill. ``leverage`` is a signed change of the position's; ``processed_ms`` is epoch ms, UTC."""

    leverage: float
    price: float
    processed_ms: int
    flat: bool = False
    counted: bool = True
    """False for orders that were never filled: pending and cancelled limit, bracket and stop orders."""


class Holding(NamedTuple):
    """A net leverage (signed; 0 is none) and its average entry price in the quote currency (0: none)."""

    net: float
    price: float


class Position(NamedTuple):
    """One position of a miner. Returns are factors: 1.0 is break-even.

    ``asset``: upstream's id of the pair. ``max_leverage``: the largest that upstream allows on it, None if not stated.
    ``close_ms``: None while open. ``value``: ``return_at_close`` of a closed one, ``current_return`` of an open one.
    ``stated_net``: upstream's own ``net_leverage``. ``orders_net``, ``orders_price``: what the orders add up to by
    the predecessor's rule. ``parity_drawdown``: as the predecessor calculated it, ≤ 0. ``drawdown``: -1 … 0, the
    worst loss of the miner's account seen at an order. ``last_ms``: when the newest order was filled.
    """

    id: str
    asset: str
    max_leverage: float | None
    open_ms: int
    close_ms: int | None
    closed: bool
    value: float
    stated_net: float | None
    orders_net: float
    orders_price: float
    parity_drawdown: float
    drawdown: float
    last_ms: int
    orders: int = 0

    @property
    def holding(self) -> Holding:
        """Give what the orders add up to."""
        return Holding(self.orders_net, self.orders_price)


@dataclass(frozen=True, slots=True, kw_only=True)
class Miner:
    """One hotkey. ``recent`` and ``ever``: upstream's products of returns (``thirty_day_returns``, ``all_time_…``).

    ``rows`` are the positions as plain tuples: the garbage collector does not look at these again, and looking at
    hundreds of thousands of objects would hold up the event loop.
    """

    hotkey: str
    recent: float
    ever: float
    rows: tuple[tuple[Any, ...], ...] = ()

    @property
    def positions(self) -> tuple[Position, ...]:
        """Give all positions, in upstream's order."""
        return tuple(Position._make(row) for row in self.rows)

    def with_positions(self, positions: Iterable[Position]) -> Miner:
        """Give the same miner with these positions."""
        rows = tuple(tuple(position) for position in positions)
        return Miner(hotkey=self.hotkey, recent=self.recent, ever=self.ever, rows=rows)

    def on(self, assets: Mapping[str, str]) -> tuple[Position, ...]:
        """Give the positions on mapped assets, in upstream's order."""
        return tuple(Position._make(row) for row in self.rows if row[1] in assets)


@dataclass(frozen=True, slots=True, kw_only=True)
class Network:
    """All miners in upstream's order, and how many records of each kind were malformed and left out."""

    miners: tuple[Miner, ...]
    left_out: Mapping[str, int] = field(default_factory=dict)
