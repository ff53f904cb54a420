"""Exchange accounts: what the engine calls, and what it gives them."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

from pydantic import BaseModel

from te_core.clock import Clock
from te_core.contracts.source import RecordEvent
from te_core.errors import OrderRejected
from te_core.model.funding import FundingRate
from te_core.model.instrument import Instrument
from te_core.model.money import CashFlow, FlowKind
from te_core.model.order import ClientOrderIdForm, OrderReport, OrderRequest, RestingStop, StopRequest
from te_core.model.position import Equity, MarginMode, Position
from te_core.model.reading import Known
from te_core.outage import Outages

if TYPE_CHECKING:
    from aiohttp import ClientSession
    from loguru import Logger

Options = TypeVar("Options", bound=BaseModel)


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountContext(Generic[Options]):
    """Everything an account instance may use.

    ``signal_price`` returns the newest price that a signal stated for a symbol, with the time it was received.
    ``state_dir`` belongs to this instance alone and survives restarts. ``outages`` logs each outage once at its start
    and once at its end: report yours there instead of logging every failure. ``record`` keeps what else should be
    findable afterwards.
    """

    name: str
    options: Options
    clock: Clock
    log: Logger
    state_dir: Path
    signal_price: Callable[[str], Known[Decimal] | None]
    http: Callable[[], ClientSession]
    outages: Outages
    record: RecordEvent
    date: Callable[[], datetime]
    """Return the UTC time to sign a request with that changes something: an order, a leverage, a margin mode.

    Call it after every wait, last before signing, once per request that is sent (a second sending included). Raises
    ``NotReady`` when the engine decided too long ago or no longer holds its lock: then nothing may be sent. The time
    is taken before that check, so a process that is stopped in between signs a date that the exchange refuses.
    """


class Severity(StrEnum):
    """How bad a finding is. WARNING: it works, but not as one would wish."""

    OK = "ok"
    WARNING = "warning"
    ERROR = "error"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that ``te doctor`` looked at: what it is, what was found, and what to do about it."""

    severity: Severity
    check: str
    text: str
    remedy: str = ""


class Feed(StrEnum):
    """What an exchange can push of an account."""

    POSITIONS = "positions"
    EQUITY = "equity"
    PRICES = "prices"
    ORDERS = "orders"


class AccountStream(Protocol):
    """Takes what an exchange pushes, as facts: whether they are fresh and what they mean is the engine's to judge.

    Everything here is synchronous and may be called as often as messages arrive. The engine dates each call by its own
    steady clock. Pass on every push, also one that your own order caused.
    """

    def up(self, *feeds: Feed) -> None:
        """Report that these are pushed from now on: subscribed, and confirmed where the exchange confirms."""
        ...

    def alive(self, *feeds: Feed) -> None:
        """Report that the connection which carries these is alive: any message arrived on it, pongs included."""
        ...

    def down(self, *feeds: Feed) -> None:
        """Report that these are no longer pushed: connection lost, subscription refused, messages unreadable."""
        ...

    def position(self, position: Position) -> None:
        """Pass on a pushed position; quantity 0 when it was closed."""
        ...

    def equity(self, equity: Equity) -> None:
        """Pass on a pushed account value."""
        ...

    def price(self, symbol: str, price: Decimal) -> None:
        """Pass on a pushed price, in quote currency."""
        ...

    def order(self, client_order_id: str, symbol: str) -> None:
        """Report that an order was filled, in part or whole, or ended; ``client_order_id`` is empty for one without."""
        ...

    def changed(self) -> None:
        """Report a change that only a read will show."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountIdentity:
    """Who an account is at its exchange, whatever the settings call it. ``uid``: the exchange's number of it."""

    host: str
    uid: str
    may_withdraw: bool = False
    """Whether the exchange says that this key may take money out; the operator is warned at every start."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TradingTerms:
    """What an order of a symbol costs, and what others have placed there. None: the exchange does not say.

    ``taker_fee``: as a share of an order's value; ``of_account``: at this account's own rate, else the usual one.
    ``spread``: between best bid and best ask, in quote currency. ``open_orders``: how many rest on the symbol.
    """

    taker_fee: Decimal | None = None
    of_account: bool = False
    spread: Decimal | None = None
    open_orders: int | None = None


class ExchangeAccount(ABC):
    """One account at one exchange, with its own credentials, in one-way position mode.

    Symbols are the engine's (``BTCUSDT``). Read methods ask the exchange each time they are called; what is pushed goes
    to ``watch``'s stream. ``Known.as_of`` is when the request was sent, or earlier where the exchange dates its state.
    A method either returns a complete answer or raises: ``NotReady`` or
    ``RateLimited`` (nothing was executed), ``AuthError``, ``OrderRejected`` and its kinds, or
    ``OutcomeUnknown`` when an order may have been executed. A partial answer is never returned.

    Calls may come concurrently.
    """

    async def open(self) -> None:
        """Connect; check credentials, account type and position mode. Raises ``AuthError``, ``NotReady``."""

    async def close(self) -> None:
        """Release connections. Called once."""

    async def identity(self) -> AccountIdentity | None:
        """Return who this account is; called once after ``open``.

        The engine keeps targets, goals and exposure by it, and trades one account from one section of the settings
        only. None, the default, where the exchange does not tell: then a fingerprint of the credentials serves.
        """
        return None

    @abstractmethod
    async def instruments(self, symbols: Sequence[str]) -> Mapping[str, Instrument]:
        """Give the instruments of those symbols that the exchange has; others are left out."""

    @abstractmethod
    async def equity(self) -> Known[Equity]:
        """Give the account's value in its quote currency."""

    @abstractmethod
    async def positions(self) -> Known[Mapping[str, Position]]:
        """Give every position of the account. A symbol that is absent is flat."""

    @abstractmethod
    async def prices(self, symbols: Sequence[str]) -> Known[Mapping[str, Decimal]]:
        """Give a present price of each symbol; one without a price is left out."""

    @abstractmethod
    async def set_leverage(self, symbol: str, leverage: int, margin_mode: MarginMode) -> None:
        """Set the leverage that the symbol's position has or will have. "Unchanged" is a success."""

    @abstractmethod
    async def place_order(self, order: OrderRequest) -> OrderReport:
        """Send one market order, once. Never retries by itself.

        Raises ``OrderRejected`` (``InsufficientMargin``, ``DuplicateClientOrderId``), ``OutcomeUnknown`` when
        the request may have arrived, ``NotReady`` only when it certainly has not.
        """

    @abstractmethod
    async def find_order(self, symbol: str, client_order_id: str) -> OrderReport | None:
        """Look up an order of ours by its client order id; None when the exchange does not know it (yet)."""

    async def order_cost(self, symbol: str, client_order_id: str) -> OrderReport | None:
        """Return what an order of ours was filled at and what it cost, as far as the exchange says by now.

        Asked once its outcome is known, and never on an order's way; asked again a few times while the price is
        missing, or the fee where ``tells_fees`` is a capability. What is not said is None, never a guess. The default
        looks the order up; override it where a look-up lacks the fee.
        """
        return await self.find_order(symbol, client_order_id)

    async def cash_flows(self, since: datetime) -> Sequence[CashFlow]:
        """Return what came or went without an order from ``since`` on, of the kinds named in the capabilities."""
        del since
        return ()

    async def set_margin_mode(self, symbol: str, margin_mode: MarginMode) -> None:
        """Set the margin mode of a flat symbol. "Unchanged" is a success. The default has nothing to set."""

    async def funding(self, symbols: Sequence[str]) -> Mapping[str, FundingRate] | None:
        """Return the rate that is announced for the next funding of those symbols that have one.

        None, the default, where the exchange does not tell: then ``limits.funding_guard`` has no effect there. Called
        every five minutes while that limit is set.
        """
        del symbols
        return None

    async def trading_terms(self, symbol: str) -> TradingTerms:
        """Return what an order of a symbol would cost; asked before ``te selftest``. The default knows nothing."""
        del symbol
        return TradingTerms()

    async def place_stop(self, stop: StopRequest) -> None:
        """Have a reduce-only market order rest until the mark price passes its trigger. Never retries by itself.

        Called when ``stops`` is a capability, like the three methods below. Raises as ``place_order`` does; a trigger
        that the price has passed already is an ``OrderRejected``.
        """
        raise OrderRejected(f"{stop.symbol}: this exchange plugin holds no stops")

    async def cancel_stop(self, symbol: str, client_order_id: str) -> None:
        """Cancel a stop order of ours. One that does not rest any more is a success: ``find_stop`` tells why."""
        raise OrderRejected(f"{symbol} {client_order_id}: this exchange plugin holds no stops")

    async def find_stop(self, symbol: str, client_order_id: str) -> OrderReport | None:
        """Look up a stop order of ours; OPEN while it rests. None when the exchange does not know it (yet)."""
        raise OrderRejected(f"{symbol} {client_order_id}: this exchange plugin holds no stops")

    async def stops(self) -> Sequence[RestingStop]:
        """Return every stop order that rests on the account, ours or not; one request where the exchange allows it."""
        raise OrderRejected("this exchange plugin holds no stops")

    async def diagnose(self) -> Sequence[Finding]:
        """Look at what only this exchange knows: key permissions, account type, position mode, clock. Changes nothing.

        ``te doctor`` itself looks at equity, instruments, sizes and the time that an answer takes.
        """
        return ()

    def request_budgets(self) -> Mapping[str, float]:
        """Return by name what is left now of each limit on requests that the plugin keeps, as a share: 1 is all of it.

        For the metrics, at every scrape: answer from what is known, and ask nobody. The default keeps no limit.
        """
        return {}

    async def watch(self, stream: AccountStream) -> None:
        """Pass on what the exchange pushes, until cancelled. Called when ``private_stream`` is a capability.

        ``prices`` tells which symbols the engine is interested in: push those, and read in every read method.
        """
        del stream
        await asyncio.Event().wait()


@dataclass(frozen=True, slots=True, kw_only=True)
class Capabilities:
    """What an exchange can do; the engine and the conformance suite go by it.

    ``order_lookup``: ``find_order`` works by client order id; without it the position judges an outcome.
    ``visibility_window``: time after sending until "not found" is final, and until every read shows the order: the
    receive window, plus the clock skew that the exchange allows, plus the longest delay until an order shows.
    ``leverage_in_order``: leverage and margin mode travel in the order; they need not be set before.
    ``margin_modes``: those that can be chosen. ``private_stream``: ``watch`` passes on what is pushed.
    ``duplicate_ids_refused``: a second order with one client order id is refused, not executed.
    ``hedge_mode``: an account there can stand in hedge mode, so ``open`` and orders have to look out for it.
    ``client_order_ids``: the form in which it accepts them; an id always comes back as it was sent.
    ``stops``: reduce-only stop orders with our ids rest at the exchange: ``place_stop`` and its kin work; without it
    the engine watches prices itself.
    ``simulated``: no order leaves the engine, so that an account may be the shadow of a real one.
    ``tells_fees``: ``order_cost`` has the fee of an order. ``cash_flows``: the kinds that ``cash_flows`` returns.
    """

    order_lookup: bool = True
    visibility_window: timedelta = timedelta(seconds=8)
    leverage_in_order: bool = False
    margin_modes: frozenset[MarginMode] = frozenset(MarginMode)
    private_stream: bool = False
    duplicate_ids_refused: bool = True
    hedge_mode: bool = True
    client_order_ids: ClientOrderIdForm = field(default_factory=ClientOrderIdForm)
    stops: bool = False
    simulated: bool = False
    tells_fees: bool = False
    cash_flows: frozenset[FlowKind] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class ExchangeSpec(Generic[Options]):
    """What an exchange plugin offers. ``name`` is the plugin's entry-point name.

    ``capabilities_by``: for a plugin of several exchanges, the capabilities of the one that an account's settings name.
    ``currency_by``: what equity and notionals of an account with these settings are in, USDT without it; accounts in
    different currencies are never added up.
    ``groups``: headings and the keys that ``te configure`` shows below them. ``event_kinds``: what it records.
    """

    name: str
    settings: type[Options]
    factory: Callable[[AccountContext[Options]], ExchangeAccount]
    capabilities: Capabilities = field(default_factory=Capabilities)
    capabilities_by: Callable[[Options], Capabilities] | None = None
    currency_by: Callable[[Options], str] | None = None
    groups: Mapping[str, Sequence[str]] = field(default_factory=dict)
    event_kinds: tuple[str, ...] = ()
    summary: str = ""
    kind: str = field(default="exchange", init=False)

    def capabilities_of(self, options: Options) -> Capabilities:
        """Return what the exchange of an account with these settings can do."""
        return self.capabilities if self.capabilities_by is None else self.capabilities_by(options)

    def currency_of(self, options: Options) -> str:
        """Return the currency of an account with these settings."""
        return "USDT" if self.currency_by is None else self.currency_by(options)
