"""The exchange's side of a conformance test: what the suite may ask of an emulator."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from te_core.clock import Clock
from te_core.contracts.exchange import ExchangeAccount
from te_core.model.order import Side


class Ability(StrEnum):
    """What a venue can do for the suite; cases that need more than it has are skipped."""

    TRADE_BY_HAND = "trade_by_hand"
    LIQUIDATE = "liquidate"
    RATE_LIMIT = "rate_limit"
    """The next orders are refused for their number; nothing is executed."""
    BAD_KEY = "bad_key"
    """Credentials are refused from now on, until ``restore``."""
    LOSE_ANSWER = "lose_answer"
    """The next orders are executed, but their answers never arrive."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Execution:
    """An order of ours that the venue executed, at least in part. ``quantity`` unsigned, base units."""

    client_order_id: str
    symbol: str
    side: Side
    quantity: Decimal
    reduce_only: bool


class Venue(ABC):
    """One exchange with one account on it; both outlive connections.

    ``symbols``: engine symbols with a price, of which the suite trades the first two unless a case needs an
    instrument of a certain kind. The account should be worth at least a thousand times their smallest orders.
    """

    clock: Clock
    symbols: Sequence[str]
    abilities: frozenset[Ability] = frozenset()

    @abstractmethod
    def connect(self) -> ExchangeAccount:
        """Give a new, unopened connection to the account, as after a restart."""

    @abstractmethod
    async def position(self, symbol: str) -> Decimal:
        """Give the signed quantity that is truly held, base units."""

    @abstractmethod
    async def executed(self) -> Sequence[Execution]:
        """Give the engine's executed orders, oldest first, without those traded by hand."""

    async def trade(self, symbol: str, quantity: Decimal) -> None:
        """Trade a signed quantity by hand, as a user does at the exchange."""
        raise NotImplementedError

    async def liquidate(self, symbol: str) -> None:
        """Let the price run until the position is taken away."""
        raise NotImplementedError

    async def fail(self, trouble: Ability, times: int = 1) -> None:
        """Let the next ``times`` orders, or all requests, meet that trouble."""
        raise NotImplementedError

    async def restore(self) -> None:
        """End every trouble."""
