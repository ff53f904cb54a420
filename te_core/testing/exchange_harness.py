"""The exchange's side of a conformance test: what the suite may ask of an emulator."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum

from te_core.clock import Clock
from te_core.contracts.exchange import ExchangeAccount
from te_core.model.instrument import Instrument
from te_core.model.order import Side
from te_core.testing.dates import Dates


class Ability(StrEnum):
    """What a venue can do for the suite; cases that need more than it has are skipped."""

    TRADE_BY_HAND = "trade_by_hand"
    LEVERAGE_BY_HAND = "leverage_by_hand"
    LIQUIDATE = "liquidate"
    RATE_LIMIT = "rate_limit"
    """The next orders are refused for their number; nothing is executed."""
    BAD_KEY = "bad_key"
    """Credentials are refused from now on, until ``restore``."""
    LOSE_ANSWER = "lose_answer"
    """The next orders are executed, but their answers never arrive."""
    SWITCH_TO_HEDGE_MODE = "switch_to_hedge_mode"
    """The account stands in hedge mode, as somebody set it by hand, until ``restore``."""
    HALT_TRADING = "halt_trading"
    """Orders of ``symbol`` are refused, though it is listed and has a price, until ``restore``."""
    FILL_IN_PART = "fill_in_part"
    """The next orders fill for a part; the rest is cancelled."""
    HIDE_PRICE = "hide_price"
    """``symbol`` is missing where prices are told, until ``restore``."""
    REFUSE_LEVERAGE = "refuse_leverage"
    """Every change of leverage is refused, until ``restore``."""
    LOSE_EQUITY = "lose_equity"
    """Nothing that can be understood is answered to who asks for the equity, until ``restore``."""
    LOSE_POSITIONS = "lose_positions"
    """Nothing that can be understood is answered to who asks for the positions, until ``restore``."""
    PAY_FUNDING = "pay_funding"
    TRANSFER = "transfer"
    MOVE_PRICE = "move_price"
    """``move`` sets the price; stops that it passes are triggered."""
    REFUSE_STOP = "refuse_stop"
    """Every stop is refused, until ``restore``."""
    FILL_STOP_IN_PART = "fill_stop_in_part"
    """The next stop that is triggered fills for a part; the rest is cancelled."""
    LAPSE_STOPS = "lapse_stops"
    """The stops that rest are cancelled, as somebody may do by hand; once."""
    SLOW_ANSWERS = "slow_answers"
    """Every answer arrives ``slowness`` seconds after the exchange made it, until ``restore``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Execution:
    """An order of ours that the venue executed, at least in part. ``quantity`` unsigned, base units."""

    client_order_id: str
    symbol: str
    side: Side
    quantity: Decimal
    reduce_only: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class TrueStop:
    """A stop order that truly rests at the venue. ``quantity`` unsigned, base units."""

    client_order_id: str
    symbol: str
    side: Side
    quantity: Decimal
    trigger: Decimal


class ExchangeHarness(ABC):
    """One exchange with one account on it; both outlive connections.

    ``symbols``: engine symbols with a price, of which the suite trades the first two unless a case needs an
    instrument of a certain kind. The account should be worth at least a thousand times their smallest orders.
    """

    clock: Clock
    symbols: Sequence[str]
    abilities: frozenset[Ability] = frozenset()
    dates: Dates | None = None
    """The engine's, while it is tested with one."""
    slowness: float = 0.5
    """Seconds of ``SLOW_ANSWERS``."""

    @abstractmethod
    def connect(self) -> ExchangeAccount:
        """Return a new, unopened connection to the account, as after a restart.

        Its context takes our ``date``: ``account_context(date=self.date, ...)``.
        """

    def date(self) -> datetime:
        """Return the date of a request that changes something. Raises ``NotReady``: then nothing may be sent."""
        return self.clock.now() if self.dates is None else self.dates()

    async def changes(self) -> int | None:
        """Return how many requests that change something have arrived so far; None if nobody counts them."""
        return None

    @abstractmethod
    async def position(self, symbol: str) -> Decimal:
        """Give the signed quantity that is truly held, base units."""

    @abstractmethod
    async def executed(self) -> Sequence[Execution]:
        """Give the engine's executed orders, oldest first, without those traded by hand."""

    async def rules(self, symbol: str) -> Instrument | None:
        """Give a symbol's rules of size as the exchange enforces them; None: what the plugin says is believed."""
        del symbol
        return None

    async def trade(self, symbol: str, quantity: Decimal) -> None:
        """Trade a signed quantity by hand, as a user does at the exchange."""
        raise NotImplementedError

    async def set_leverage(self, symbol: str, leverage: int) -> None:
        """Change the leverage of a position by hand, as a user does at the exchange."""
        raise NotImplementedError

    async def pay_funding(self, symbol: str, rate: Decimal) -> None:
        """Let a funding time pass: longs pay that share of their position's value, shorts receive it."""
        raise NotImplementedError

    async def transfer(self, amount: Decimal) -> None:
        """Pay something into the account, or, below zero, out of it."""
        raise NotImplementedError

    async def move(self, symbol: str, price: Decimal) -> None:
        """Set a symbol's price, the mark price included."""
        raise NotImplementedError

    async def price(self, symbol: str) -> Decimal:
        """Give a symbol's price."""
        raise NotImplementedError

    async def resting_stops(self) -> Sequence[TrueStop]:
        """Give the stop orders that rest, oldest first."""
        raise NotImplementedError

    async def liquidate(self, symbol: str) -> None:
        """Let the price run until the position is taken away."""
        raise NotImplementedError

    async def fail(self, ability: Ability, times: int = 1, symbol: str = "") -> None:
        """Let the next ``times`` orders meet that trouble, or all requests; of ``symbol`` if it is about one."""
        raise NotImplementedError

    async def restore(self) -> None:
        """End every trouble."""

    def close(self) -> None:
        """Stop what the venue runs outside the test's event loop; called after each case, once that loop has ended."""
