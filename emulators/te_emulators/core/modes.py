"""How positions are kept and secured."""

from __future__ import annotations

from enum import StrEnum


class PositionMode(StrEnum):
    """One net position per contract, or a long and a short one side by side."""

    ONE_WAY = "one-way"
    HEDGE = "hedge"


class MarginMode(StrEnum):
    """What secures a position: the whole wallet, or an amount set aside for it."""

    CROSS = "cross"
    ISOLATED = "isolated"


class PositionSide(StrEnum):
    """Which position of a contract is meant; NET in one-way mode."""

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
