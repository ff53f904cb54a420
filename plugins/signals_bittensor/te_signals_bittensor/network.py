"""A payload as values, after every record was validated: miners, their positions, what their orders amount to."""

from __future__ import annotations

from collections.abc import Callable, Container, Hashable, Iterable, Mapping
from dataclasses import dataclass, field
from itertools import takewhile
from typing import Any, NamedTuple, TypeVar

T = TypeVar("T")


class Order(NamedTuple):
    """One order of a position."""

    leverage: float
    """Signed change of the position's leverage."""
    price: float
    processed_ms: int
    """Epoch ms, UTC."""
    flat: bool = False
    """Whether it closes the position."""
    counted: bool = True
    """False for orders that were never filled: pending and cancelled limit, bracket and stop orders."""


class Holding(NamedTuple):
    """A net leverage and its average entry price."""

    net: float
    """Signed; 0 is flat."""
    price: float
    """In the quote currency; 0 if flat."""


class Position(NamedTuple):
    """One position of a miner. Returns are factors: 1.0 is break-even. Times are epoch ms, UTC."""

    id: str
    asset: str
    """Upstream's id of the pair."""
    max_leverage: float | None
    """The largest that upstream allows on the pair; None if not stated."""
    open_ms: int
    close_ms: int | None
    """None while open."""
    closed: bool
    value: float
    """``return_at_close`` of a closed position, ``current_return`` of an open one."""
    stated_net: float | None
    """Upstream's own ``net_leverage``."""
    orders_net: float
    """Net leverage that the orders add up to by the predecessor's rule."""
    orders_price: float
    """Average entry price by the same rule."""
    parity_drawdown: float
    """As the predecessor calculated it, at most 0."""
    drawdown: float
    """The worst loss of the miner's account at any order, -1 … 0."""
    last_ms: int
    """When the newest order was filled."""
    orders: int = 0
    """How many orders it has."""
    account_size: float | None = None
    """Size of the miner's account in USD, as served with an open position; None if not stated (before 2025-12)."""
    hyperliquid: bool = False
    """Whether upstream copies an open position from a Hyperliquid account."""

    @property
    def holding(self) -> Holding:
        """What the orders add up to."""
        return Holding(self.orders_net, self.orders_price)

    @property
    def net(self) -> float:
        """Upstream's own net leverage, else the sum of the orders."""
        return self.orders_net if self.stated_net is None else self.stated_net


_CLOSED = Position._fields.index("closed")

Row = tuple[Any, ...]
"""A position as a plain tuple. The garbage collector stops tracking these; tracking hundreds of thousands of objects
would stall the event loop.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Memoized:
    """An immutable object that remembers what was computed from it."""

    _memo: dict[Any, Any] = field(default_factory=dict, init=False, repr=False, compare=False)

    def once(self, key: Hashable, make: Callable[[], T]) -> T:
        """Return what ``make`` returned at the first call with this key; preferably a plain tuple, see ``Row``."""
        found: T | None = self._memo.get(key)
        if found is None:
            found = self._memo[key] = make()
        return found


@dataclass(frozen=True, slots=True, kw_only=True)
class ClosedPrefix(Memoized):
    """The closed positions that a miner's list begins with. They outlive the payload that they came with."""

    rows: tuple[Row, ...] = ()

    def on(self, assets: Container[str]) -> list[Position]:
        """Return the positions on these assets, in upstream's order."""
        return [Position._make(row) for row in self.rows if row[1] in assets]


EMPTY_PREFIX = ClosedPrefix()


@dataclass(frozen=True, slots=True, kw_only=True)
class Miner(Memoized):
    """One hotkey."""

    hotkey: str
    recent: float
    """Upstream's product of returns over 30 days, ``thirty_day_returns``."""
    ever: float
    """Upstream's product of all returns, ``all_time_returns``."""
    closed_prefix: ClosedPrefix = EMPTY_PREFIX
    rows: tuple[Row, ...] = ()
    """The positions after the closed prefix, beginning with the first open one."""

    @property
    def positions(self) -> tuple[Position, ...]:
        """All positions, in upstream's order."""
        return tuple(Position._make(row) for row in (*self.closed_prefix.rows, *self.rows))

    def with_positions(self, positions: Iterable[Position]) -> Miner:
        """Return the same miner with these positions."""
        rows = tuple(tuple(position) for position in positions)
        count = sum(1 for _ in takewhile(lambda row: row[_CLOSED], rows))
        same = self.closed_prefix.rows == rows[:count]
        prefix = self.closed_prefix if same else ClosedPrefix(rows=rows[:count])
        return Miner(
            hotkey=self.hotkey, recent=self.recent, ever=self.ever, closed_prefix=prefix, rows=rows[count:]
        )

    def on(self, assets: Container[str]) -> list[Position]:
        """Return the positions on these assets, in upstream's order."""
        return self.closed_prefix.on(assets) + self.later(assets)

    def later(self, assets: Container[str]) -> list[Position]:
        """Return the positions on these assets that are not in the closed prefix."""
        return [Position._make(row) for row in self.rows if row[1] in assets]


@dataclass(frozen=True, slots=True, kw_only=True)
class Network:
    """All miners of a payload, in upstream's order."""

    miners: tuple[Miner, ...]
    left_out: Mapping[str, int] = field(default_factory=dict)
    """How many malformed records of each kind were left out."""
