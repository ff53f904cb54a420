"""A position in one contract and its arithmetic."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from te_emulators.core.instrument import Instrument
from te_emulators.core.modes import MarginMode, PositionSide, Side

ZERO = Decimal(0)


@dataclass(kw_only=True, slots=True)
class Position:
    """``size`` is signed contracts (shorts negative, in hedge mode too); money is in quote coin."""

    position_id: int
    instrument: Instrument
    side: PositionSide
    margin_mode: MarginMode
    leverage: Decimal
    size: Decimal = ZERO
    entry_price: Decimal = ZERO
    margin: Decimal = ZERO
    """Reserved in isolated mode; 0 in cross mode."""
    realised: Decimal = ZERO
    """Since the position was opened, after fees."""
    realised_ever: Decimal = ZERO
    """Over the life of the account, after fees."""
    opened_ms: int = 0
    updated_ms: int = 0
    sequence: int = 0

    @property
    def symbol(self) -> str:
        """The exchange's own symbol."""
        return self.instrument.symbol

    @property
    def direction(self) -> Side | None:
        """Buy for a long, sell for a short, nothing when flat."""
        if not self.size:
            return None
        return Side.BUY if self.size > 0 else Side.SELL

    def value(self, price: Decimal) -> Decimal:
        """Notional at ``price``."""
        return self.instrument.notional(self.size, price)

    def unrealised(self, mark: Decimal) -> Decimal:
        """Return the profit if closed at ``mark``, before fees."""
        return self.size * self.instrument.contract_size * (mark - self.entry_price)

    def initial_margin(self, mark: Decimal) -> Decimal:
        """Return the margin that the position binds: reserved when isolated, by the mark when cross."""
        if self.margin_mode is MarginMode.ISOLATED:
            return self.margin
        return self.value(mark) / self.leverage

    def maintenance_margin(self, mark: Decimal) -> Decimal:
        """Below this it is liquidated."""
        return self.value(mark) * self.instrument.maintenance_rate

    def increase(self, size: Decimal, price: Decimal, leverage: Decimal) -> None:
        """Add signed ``size`` in the position's direction (or to a flat one); its margin is by ``leverage``."""
        old, added = abs(self.size), abs(size)
        self.entry_price = (self.entry_price * old + price * added) / (old + added)
        self.size += size
        if self.margin_mode is MarginMode.ISOLATED:
            self.margin += self.instrument.notional(size, price) / leverage

    def reduce(self, size: Decimal, price: Decimal) -> Decimal:
        """Reduce by signed ``size`` against the direction, at most to flat; return the profit."""
        profit = -size * self.instrument.contract_size * (price - self.entry_price)
        remaining = self.size + size
        self.margin = self.margin * remaining / self.size
        self.size = remaining
        if not remaining:
            self.entry_price = ZERO
            self.margin = ZERO
        return profit

    def bankruptcy_price(self) -> Decimal:
        """Isolated: the price at which the reserved margin is used up."""
        return self.entry_price - self.margin / (self.size * self.instrument.contract_size)

    def liquidation_price(self) -> Decimal | None:
        """Isolated: the mark at which margin and profit fall to the maintenance margin."""
        if not self.size or self.margin_mode is MarginMode.CROSS:
            return None
        sign = 1 if self.size > 0 else -1
        contracts = self.size * self.instrument.contract_size
        price = (self.entry_price * contracts - self.margin) / (
            contracts * (1 - sign * self.instrument.maintenance_rate)
        )
        return max(price, ZERO)
