"""Position modes and margin modes."""

from __future__ import annotations

from enum import StrEnum


class PositionMode(StrEnum):
    """One net position per contract, or separate long and short ones."""

    ONE_WAY = "one-way"
    HEDGE = "hedge"


class MarginMode(StrEnum):
    """The collateral of a position: the whole wallet, or an amount reserved for it."""

    CROSS = "cross"
    ISOLATED = "isolated"


class PositionSide(StrEnum):
    """The position of a contract; NET in one-way mode."""

    NET = "net"
    LONG = "long"
    SHORT = "short"


class Side(StrEnum):
    """Direction of an order."""

    BUY = "buy"
    SELL = "sell"

    @property
    def sign(self) -> int:
        """1 or -1."""
        return 1 if self is Side.BUY else -1

    @property
    def opposite(self) -> Side:
        """The other one."""
        return Side.SELL if self is Side.BUY else Side.BUY
