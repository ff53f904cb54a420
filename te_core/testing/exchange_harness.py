"""The exchange side of a conformance test: what the suite may request from an emulator."""

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
    """What an emulator can do for the suite; cases that need a missing ability are skipped."""

    TRADE_BY_HAND = "trade_by_hand"
    LEVERAGE_BY_HAND = "leverage_by_hand"
    LIQUIDATE = "liquidate"
    RATE_LIMIT = "rate_limit"
    """The next orders are refused by a rate limit; nothing is executed."""
    BAD_KEY = "bad_key"
    """Credentials are refused until ``restore``."""
    LOSE_ANSWER = "lose_answer"
    """The next orders are executed, but their responses never arrive."""
    SWITCH_TO_HEDGE_MODE = "switch_to_hedge_mode"
    """The account is in hedge mode, as if the user had switched it by hand, until ``restore``."""
    HALT_TRADING = "halt_trading"
    """Orders of ``symbol`` are refused until ``restore``, although it is listed and has a price."""
    FILL_IN_PART = "fill_in_part"
    """The next orders fill partially; the rest is cancelled."""
    HIDE_PRICE = "hide_price"
    """``symbol`` is missing from every price response until ``restore``."""
    REFUSE_LEVERAGE = "refuse_leverage"
    """Every change of leverage is refused, until ``restore``."""
    LOSE_EQUITY = "lose_equity"
    """Requests for the equity get a response that cannot be parsed, until ``restore``."""
    LOSE_POSITIONS = "lose_positions"
    """Requests for the positions get a response that cannot be parsed, until ``restore``."""
    PAY_FUNDING = "pay_funding"
    TRANSFER = "transfer"
    MOVE_PRICE = "move_price"
    """``move`` sets the price and triggers the stops that it passes."""
    REFUSE_STOP = "refuse_stop"
    """Every stop is refused, until ``restore``."""
    FILL_STOP_IN_PART = "fill_stop_in_part"
    """The next stop that is triggered fills partially; the rest is cancelled."""
    LAPSE_STOPS = "lapse_stops"
    """The resting stops are cancelled once, as a user may do by hand."""
    SLOW_ANSWERS = "slow_answers"
    """Every response arrives ``slowness`` seconds after the exchange sent it, until ``restore``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Execution:
    """An order of the engine that the exchange executed, at least partially."""

    client_order_id: str
    symbol: str
    side: Side
    quantity: Decimal
    """Unsigned, base units."""
    reduce_only: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class TrueStop:
    """A stop order that rests at the exchange, as the emulator itself sees it."""

    client_order_id: str
    symbol: str
    side: Side
    quantity: Decimal
    """Unsigned, base units."""
    trigger: Decimal


class ExchangeHarness(ABC):
    """One exchange with one account; both outlive connections."""

    clock: Clock
    symbols: Sequence[str]
    """Engine symbols with a price. The suite trades the first two, unless a case needs a certain kind of instrument.

    The account should be worth at least a thousand times their smallest orders.
    """
    abilities: frozenset[Ability] = frozenset()
    dates: Dates | None = None
    """What dates the account's requests; set by the harness while an engine runs, otherwise None."""
    slowness: float = 0.5
    """Delay of responses under ``SLOW_ANSWERS``, in seconds."""

    @abstractmethod
    def connect(self) -> ExchangeAccount:
        """Return a new, unopened connection to the account, as after a restart.

        Its context must use this harness's ``date``: ``account_context(date=self.date, ...)``.
        """

    def date(self) -> datetime:
        """Return the date of a request that changes something. Raise `NotReady` if it must not be sent."""
        return self.clock.now() if self.dates is None else self.dates()

    async def changes(self) -> int | None:
        """Return how many requests that change something have arrived so far; None if the emulator does not count."""
        return None

    @abstractmethod
    async def position(self, symbol: str) -> Decimal:
        """Return the signed quantity that is really held, in base units."""

    @abstractmethod
    async def executed(self) -> Sequence[Execution]:
        """Return the engine's executed orders, oldest first, without those traded by hand."""

    async def rules(self, symbol: str) -> Instrument | None:
        """Return a symbol's size rules as the exchange enforces them; None: trust the plugin's instrument."""
        del symbol
        return None

    async def trade(self, symbol: str, quantity: Decimal) -> None:
        """Trade a signed quantity by hand, as a user would at the exchange."""
        raise NotImplementedError

    async def set_leverage(self, symbol: str, leverage: int) -> None:
        """Change the leverage of a position by hand, as a user would at the exchange."""
        raise NotImplementedError

    async def pay_funding(self, symbol: str, rate: Decimal) -> None:
        """Charge funding once: longs pay the share ``rate`` of their position's value, shorts receive it."""
        raise NotImplementedError

    async def transfer(self, amount: Decimal) -> None:
        """Deposit an amount, or withdraw it if it is below zero."""
        raise NotImplementedError

    async def move(self, symbol: str, price: Decimal) -> None:
        """Set a symbol's last price and mark price."""
        raise NotImplementedError

    async def price(self, symbol: str) -> Decimal:
        """Return a symbol's price."""
        raise NotImplementedError

    async def resting_stops(self) -> Sequence[TrueStop]:
        """Return the resting stop orders, oldest first."""
        raise NotImplementedError

    async def liquidate(self, symbol: str) -> None:
        """Move the price until the position is liquidated."""
        raise NotImplementedError

    async def fail(self, ability: Ability, times: int = 1, symbol: str = "") -> None:
        """Apply the failure to the next ``times`` orders, or to every request, as `Ability` describes.

        ``symbol``: the one that is affected, for an ability that concerns a single symbol.
        """
        raise NotImplementedError

    async def restore(self) -> None:
        """End every failure that is still active."""

    def close(self) -> None:
        """Stop what the emulator runs outside the test's event loop; called after each case, when that has ended."""
