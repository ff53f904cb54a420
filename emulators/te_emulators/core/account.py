"""An account: its wallet, positions, orders and settings."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal

from te_emulators.core.credentials import ApiKey
from te_emulators.core.instrument import Instrument
from te_emulators.core.modes import MarginMode, PositionMode, PositionSide
from te_emulators.core.order import Order
from te_emulators.core.position import Position

ZERO = Decimal(0)


@dataclass(kw_only=True, slots=True)
class Ledger:
    """Every change of the wallet by cause: wallet = deposits + realised - fees + funding + insured."""

    deposits: Decimal = ZERO
    realised: Decimal = ZERO
    fees: Decimal = ZERO
    funding: Decimal = ZERO
    """Received minus paid."""
    insured: Decimal = ZERO
    """Paid by the insurance fund when a liquidation left the wallet below zero."""

    @property
    def wallet(self) -> Decimal:
        """Return what the account owns, without open positions."""
        return self.deposits + self.realised - self.fees + self.funding + self.insured


@dataclass(frozen=True, kw_only=True, slots=True)
class Payment:
    """A payment without an order: a deposit, or funding of a contract."""

    number: int
    amount: Decimal
    at_ms: int
    symbol: str = ""


@dataclass(kw_only=True)
class Account:
    """Settings are stored per contract if set there, else for the whole account."""

    name: str
    uid: int
    coin: str = "USDT"
    """The coin that it holds, and whose contracts it can trade."""
    keys: list[ApiKey] = field(default_factory=list)
    ledger: Ledger = field(default_factory=Ledger)
    payments: list[Payment] = field(default_factory=list)
    default_margin_mode: MarginMode = MarginMode.CROSS
    margin_modes: dict[str, MarginMode] = field(default_factory=dict)
    default_position_mode: PositionMode = PositionMode.ONE_WAY
    position_modes: dict[str, PositionMode] = field(default_factory=dict)
    default_leverage: Decimal = Decimal(10)
    leverages: dict[tuple[str, MarginMode, PositionSide], Decimal] = field(default_factory=dict)
    positions: dict[tuple[str, PositionSide], Position] = field(default_factory=dict)
    orders: dict[str, Order] = field(default_factory=dict)
    """By order id, oldest first."""
    by_client_id: dict[str, Order] = field(default_factory=dict)
    open_orders: dict[str, Order] = field(default_factory=dict)
    stops: dict[str, Order] = field(default_factory=dict)
    """Resting stops, by order id."""

    def margin_mode(self, symbol: str) -> MarginMode:
        """The setting for a contract."""
        return self.margin_modes.get(symbol, self.default_margin_mode)

    def position_mode(self, symbol: str) -> PositionMode:
        """The setting for a contract."""
        return self.position_modes.get(symbol, self.default_position_mode)

    def leverage(
        self, symbol: str, side: PositionSide = PositionSide.NET, margin_mode: MarginMode | None = None
    ) -> Decimal:
        """The setting for a contract (and side, in hedge mode)."""
        mode = margin_mode or self.margin_mode(symbol)
        return self.leverages.get((symbol, mode, side), self.default_leverage)

    def position(self, symbol: str, side: PositionSide = PositionSide.NET) -> Position | None:
        """The position, which may be flat; None if there never was one."""
        return self.positions.get((symbol, side))

    def size(self, symbol: str, side: PositionSide = PositionSide.NET) -> Decimal:
        """Signed contracts."""
        position = self.position(symbol, side)
        return position.size if position else ZERO

    def held(self, symbol: str | None = None) -> list[Position]:
        """Positions that are not flat, of one contract or all."""
        return [p for p in self.positions.values() if p.size and symbol in {None, p.symbol}]

    def orders_open(self, symbol: str | None = None) -> list[Order]:
        """Return unfinished orders, of one contract or all."""
        return [o for o in self.open_orders.values() if symbol in {None, o.request.symbol}]

    def take_position(
        self, instrument: Instrument, side: PositionSide, new_id: Callable[[], int]
    ) -> Position:
        """Return the position, created flat with the current settings if there is none."""
        found = self.positions.get((instrument.symbol, side))
        if found is None:
            mode = self.margin_mode(instrument.symbol)
            found = Position(
                position_id=new_id(),
                instrument=instrument,
                side=side,
                margin_mode=mode,
                leverage=self.leverage(instrument.symbol, side, mode),
            )
            self.positions[(instrument.symbol, side)] = found
        return found
