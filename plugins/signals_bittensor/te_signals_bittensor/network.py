"""What a payload says, after every record was validated: miners, their positions, and what their orders amount to."""

from __future__ import annotations

from collections.abc import Callable, Container, Hashable, Iterable, Mapping
from dataclasses import dataclass, field
from itertools import takewhile
from typing import Any, NamedTuple, TypeVar

T = TypeVar("T")


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
    account_size: float | None = None
    """Size of the miner's account in USD, as served with an open position; None if not stated (before 2025-12)."""
    hyperliquid: bool = False
    """Whether upstream copies an open position from a Hyperliquid account."""

    @property
    def holding(self) -> Holding:
        """Give what the orders add up to."""
        return Holding(self.orders_net, self.orders_price)

    @property
    def net(self) -> float:
        """Return upstream's own net leverage, else the sum of the orders."""
        return self.orders_net if self.stated_net is None else self.stated_net


_CLOSED = Position._fields.index("closed")

Row = tuple[Any, ...]
"""A position as a plain tuple: the garbage collector does not look at these again, and looking at hundreds of
thousands of objects would hold up the event loop.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Remembering:
    """Something that never changes, and so need not be worked out twice."""

    _memo: dict[Any, Any] = field(default_factory=dict, init=False, repr=False, compare=False)

    def once(self, key: Hashable, make: Callable[[], T]) -> T:
        """Give what ``make`` gave the first time it was asked for under this key: best a plain tuple, see ``Row``."""
        found: T | None = self._memo.get(key)
        if found is None:
            found = self._memo[key] = make()
        return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Settled(Remembering):
    """The closed positions that a miner's list begins with. They outlive the payload that they came with."""

    rows: tuple[Row, ...] = ()

    def on(self, assets: Container[str]) -> list[Position]:
        """Give the positions on these assets, in upstream's order."""
        return [Position._make(row) for row in self.rows if row[1] in assets]


NOTHING_SETTLED = Settled()


@dataclass(frozen=True, slots=True, kw_only=True)
class Miner(Remembering):
    """One hotkey. ``recent`` and ``ever``: upstream's products of returns (``thirty_day_returns``, ``all_time_…``).

    ``rows``: the positions after the settled ones, beginning with the first that is open.
    """

    hotkey: str
    recent: float
    ever: float
    settled: Settled = NOTHING_SETTLED
    rows: tuple[Row, ...] = ()

    @property
    def positions(self) -> tuple[Position, ...]:
        """Give all positions, in upstream's order."""
        return tuple(Position._make(row) for row in (*self.settled.rows, *self.rows))

    def with_positions(self, positions: Iterable[Position]) -> Miner:
        """Give the same miner with these positions."""
        rows = tuple(tuple(position) for position in positions)
        count = sum(1 for _ in takewhile(lambda row: row[_CLOSED], rows))
        settled = self.settled if self.settled.rows == rows[:count] else Settled(rows=rows[:count])
        return Miner(
            hotkey=self.hotkey, recent=self.recent, ever=self.ever, settled=settled, rows=rows[count:]
        )

    def on(self, assets: Container[str]) -> list[Position]:
        """Give the positions on mapped assets, in upstream's order."""
        return self.settled.on(assets) + self.later(assets)

    def later(self, assets: Container[str]) -> list[Position]:
        """Give those of them that are not settled."""
        return [Position._make(row) for row in self.rows if row[1] in assets]


@dataclass(frozen=True, slots=True, kw_only=True)
class Network:
    """All miners in upstream's order, and how many records of each kind were malformed and left out."""

    miners: tuple[Miner, ...]
    left_out: Mapping[str, int] = field(default_factory=dict)
