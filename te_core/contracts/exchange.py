"""Exchange accounts: what the engine calls, and the context it passes to them."""

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
    """Everything an account instance may use."""

    name: str
    options: Options
    clock: Clock
    log: Logger
    state_dir: Path
    """A folder of this instance's own; it survives restarts."""
    signal_price: Callable[[str], Known[Decimal] | None]
    """Return the newest price that a signal stated for a symbol, with the time it was received."""
    http: Callable[[], ClientSession]
    """Return the engine's shared client session."""
    outages: Outages
    """Logs each outage once at its start and once at its end: report failures here instead of logging each one."""
    record: RecordEvent
    """Record anything else that must be traceable afterwards."""
    date: Callable[[], datetime]
    """Return the UTC time with which to sign a request that changes something: an order, a leverage, a margin mode.

    Call it after every wait, immediately before signing, and once per request sent (resends included). Raises
    ``NotReady`` if the engine's decision is too old or the engine no longer holds its lock: then nothing may be sent.
    The time is read before that check, so a process suspended in between signs a date that the exchange refuses.
    """


class Severity(StrEnum):
    """How bad a finding is. WARNING: it works, but not as it should."""

    OK = "ok"
    WARNING = "warning"
    ERROR = "error"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """The result of one check of ``te doctor``."""

    severity: Severity
    check: str
    """What was checked."""
    text: str
    """What was found."""
    remedy: str = ""
    """What to do about it."""


class Feed(StrEnum):
    """The kinds of data that an exchange can push for an account."""

    POSITIONS = "positions"
    EQUITY = "equity"
    PRICES = "prices"
    ORDERS = "orders"


class AccountStream(Protocol):
    """Receives what an exchange pushes, as plain facts: the engine decides whether they are fresh and what they mean.

    Every method is synchronous and may be called as often as messages arrive. The engine timestamps each call with its
    own monotonic clock. Forward every push, including those caused by the engine's own orders.
    """

    def up(self, *feeds: Feed) -> None:
        """Report that these feeds are live: subscribed, and confirmed where the exchange confirms."""
        ...

    def alive(self, *feeds: Feed) -> None:
        """Report that the connection carrying these feeds is alive: any message arrived on it, pongs included.

        Call it every few seconds: a feed without a sign of life for 13 s is not relied on, and after 30 s without one
        on any feed ``watch`` is cancelled and called again.
        """
        ...

    def down(self, *feeds: Feed) -> None:
        """Report that these feeds are down: connection lost, subscription refused, messages unreadable."""
        ...

    def position(self, position: Position) -> None:
        """Forward a pushed position; quantity 0 if it was closed."""
        ...

    def equity(self, equity: Equity) -> None:
        """Forward a pushed account value."""
        ...

    def price(self, symbol: str, price: Decimal) -> None:
        """Forward a pushed price, in quote currency."""
        ...

    def order(self, client_order_id: str, symbol: str) -> None:
        """Report that an order was filled (partly or fully) or ended; ``client_order_id`` is empty if it has none."""
        ...

    def changed(self) -> None:
        """Report a change whose result only a read can show."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountIdentity:
    """An account's identity at its exchange, independent of its name in the settings."""

    host: str
    uid: str
    """The exchange's own number for the account."""
    may_withdraw: bool = False
    """Whether the exchange reports that this key may withdraw; if so, the operator is warned at every start."""
    key_expires_at: datetime | None = None
    """When this key expires, with a time zone; None if it does not, or the exchange does not report it.

    The operator is warned 14, 7, 3 and 1 days before; `identity` is called again for that.
    """


@dataclass(frozen=True, slots=True, kw_only=True)
class TradingTerms:
    """What an order in a symbol costs, and how many orders rest there. None: the exchange does not report it."""

    taker_fee: Decimal | None = None
    """As a share of an order's value."""
    of_account: bool = False
    """Whether ``taker_fee`` is this account's own rate rather than the exchange's standard one."""
    spread: Decimal | None = None
    """Best ask minus best bid, in quote currency."""
    open_orders: int | None = None
    """How many orders rest on the symbol."""


class ExchangeAccount(ABC):
    """One account at one exchange, with its own credentials, in one-way position mode.

    Symbols are the engine's (``BTCUSDT``). Read methods query the exchange on every call; pushed data goes to the
    stream of ``watch``. ``Known.as_of`` is when the request was sent, or earlier if the exchange dates its state.
    A method either returns a complete result or raises: ``NotReady`` or
    ``RateLimited`` (nothing was executed), ``AuthError``, ``OrderRejected`` and its subclasses, or
    ``OutcomeUnknown`` if an order may have been executed. Never return a partial result.

    Calls may be concurrent.
    """

    async def open(self) -> None:
        """Connect; check credentials, account type and position mode. Raises ``AuthError``, ``NotReady``."""

    async def close(self) -> None:
        """Release connections. Called once."""

    async def identity(self) -> AccountIdentity | None:
        """Return the account's identity at the exchange; called once after ``open``.

        The engine stores targets, goals and exposure under it, and trades one account from one section of the settings
        only. Return None, the default, if the exchange does not report it: a fingerprint of the credentials is used.
        """
        return None

    @abstractmethod
    async def instruments(self, symbols: Sequence[str]) -> Mapping[str, Instrument]:
        """Return the instruments of those symbols that the exchange lists; omit the others."""

    @abstractmethod
    async def equity(self) -> Known[Equity]:
        """Return the account's value in its quote currency."""

    @abstractmethod
    async def positions(self) -> Known[Mapping[str, Position]]:
        """Return every position of the account. A symbol that is absent is flat."""

    @abstractmethod
    async def prices(self, symbols: Sequence[str]) -> Known[Mapping[str, Decimal]]:
        """Return the current price of each symbol; omit a symbol without a price."""

    @abstractmethod
    async def set_leverage(self, symbol: str, leverage: int, margin_mode: MarginMode) -> None:
        """Set the leverage of the symbol's current or next position. "Unchanged" is a success."""

    @abstractmethod
    async def place_order(self, order: OrderRequest) -> OrderReport:
        """Send one market order, exactly once; must not retry.

        Raises ``OrderRejected`` (``InsufficientMargin``, ``DuplicateClientOrderId``), ``OutcomeUnknown`` if
        the request may have arrived, ``NotReady`` only if it certainly has not.
        """

    @abstractmethod
    async def find_order(self, symbol: str, client_order_id: str) -> OrderReport | None:
        """Find one of our orders by its client order id; None if the exchange does not know it (yet)."""

    async def order_cost(self, symbol: str, client_order_id: str) -> OrderReport | None:
        """Return the fill price and the cost of one of our orders, as far as the exchange reports them by now.

        Called once the outcome is known, never while an order is being sent; called again a few times while the price
        is missing, or the fee if ``tells_fees`` is a capability. A value that is not reported is None, never a guess.
        The default calls ``find_order``; override it if that lacks the fee.
        """
        return await self.find_order(symbol, client_order_id)

    async def cash_flows(self, since: datetime) -> Sequence[CashFlow]:
        """Return cash flows that no order caused, from ``since`` on, of the kinds named in the capabilities."""
        del since
        return ()

    async def set_margin_mode(self, symbol: str, margin_mode: MarginMode) -> None:
        """Set the margin mode of a flat symbol. "Unchanged" is a success. The default does nothing."""

    async def funding(self, symbols: Sequence[str]) -> Mapping[str, FundingRate] | None:
        """Return the announced rate of the next funding for those symbols that have one.

        Return None, the default, if the exchange does not report it: ``limits.funding_guard`` then has no effect
        there. Called every five minutes while that limit is set.
        """
        del symbols
        return None

    async def trading_terms(self, symbol: str) -> TradingTerms:
        """Return what an order in a symbol would cost; called before ``te selftest``. The default reports nothing."""
        del symbol
        return TradingTerms()

    async def place_stop(self, stop: StopRequest) -> None:
        """Place a reduce-only market order that rests until the mark price passes its trigger; must not retry.

        Called only if ``stops`` is a capability, like the three methods below. Raises as ``place_order`` does, and
        ``OrderRejected`` if the price has already passed the trigger.
        """
        raise OrderRejected(f"{stop.symbol}: this exchange plugin does not support stop orders")

    async def cancel_stop(self, symbol: str, client_order_id: str) -> None:
        """Cancel one of our stop orders. A stop that no longer rests is a success: ``find_stop`` returns why."""
        raise OrderRejected(f"{symbol} {client_order_id}: this exchange plugin does not support stop orders")

    async def find_stop(self, symbol: str, client_order_id: str) -> OrderReport | None:
        """Find one of our stop orders; OPEN while it rests. None if the exchange does not know it (yet)."""
        raise OrderRejected(f"{symbol} {client_order_id}: this exchange plugin does not support stop orders")

    async def stops(self) -> Sequence[RestingStop]:
        """Return every stop order resting on the account, ours or not; in one request if the exchange allows it."""
        raise OrderRejected("this exchange plugin does not support stop orders")

    async def diagnose(self) -> Sequence[Finding]:
        """Check what is specific to this exchange: key permissions, account type, position mode, clock. Read-only.

        ``te doctor`` itself checks equity, instruments, sizes and response times.
        """
        return ()

    def request_budgets(self) -> Mapping[str, float]:
        """Return by name the unused share, 0 to 1, of each request limit that the plugin enforces.

        Called for the metrics at every scrape: answer from memory, without a request. The default has no limits.
        """
        return {}

    async def watch(self, stream: AccountStream) -> None:
        """Forward pushes to ``stream`` until cancelled. Called only if ``private_stream`` is a capability.

        The symbols passed to ``prices`` are those that the engine needs: push those. Read methods must still query the
        exchange. Raise `NotReady` when the connection breaks: it is called again after a pause, and no feed is up until
        then. A stream that has ended raises `NotReady` for whatever is forwarded to it.
        """
        del stream
        await asyncio.Event().wait()


@dataclass(frozen=True, slots=True, kw_only=True)
class Capabilities:
    """What an exchange can do; the engine and the conformance suite rely on it."""

    order_lookup: bool = True
    """``find_order`` works by client order id; without it, the outcome of an order is derived from the position."""
    visibility_window: timedelta = timedelta(seconds=8)
    """Time after sending until "not found" is final and every read shows the order.

    The sum of the receive window, the clock skew that the exchange allows, and the longest delay until an order shows.
    """
    leverage_in_order: bool = False
    """Leverage and margin mode are part of the order; they need not be set beforehand."""
    margin_modes: frozenset[MarginMode] = frozenset(MarginMode)
    """The margin modes that can be chosen."""
    private_stream: bool = False
    """``watch`` forwards what the exchange pushes."""
    duplicate_ids_refused: bool = True
    """A second order with the same client order id is refused, not executed."""
    hedge_mode: bool = True
    """Accounts there can be in hedge mode, so ``open`` and the order methods must check for it."""
    client_order_ids: ClientOrderIdForm = field(default_factory=ClientOrderIdForm)
    """The format in which the exchange accepts ids; an id is always returned as it was sent."""
    stops: bool = False
    """Reduce-only stop orders with our ids can rest at the exchange: ``place_stop`` and the related methods work.

    Without it, the engine watches prices itself.
    """
    simulated: bool = False
    """No order leaves the engine, so an account may be the shadow of a real one."""
    tells_fees: bool = False
    """``order_cost`` includes the fee of an order."""
    cash_flows: frozenset[FlowKind] = frozenset()
    """The kinds that ``cash_flows`` returns."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExchangeSpec(Generic[Options]):
    """What an exchange plugin offers."""

    name: str
    """The plugin's entry-point name."""
    settings: type[Options]
    factory: Callable[[AccountContext[Options]], ExchangeAccount]
    capabilities: Capabilities = field(default_factory=Capabilities)
    capabilities_by: Callable[[Options], Capabilities] | None = None
    """For a plugin for several exchanges: return the capabilities of the one named in the account's settings."""
    currency_by: Callable[[Options], str] | None = None
    """Return the currency of equity and notionals for an account with these settings; USDT if not given.

    Accounts in different currencies are never added up.
    """
    groups: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """Headings, and the keys that ``te configure`` shows below each."""
    event_kinds: tuple[str, ...] = ()
    """The kinds of events that the plugin records."""
    summary: str = ""
    kind: str = field(default="exchange", init=False)

    def capabilities_of(self, options: Options) -> Capabilities:
        """Return what the exchange of an account with these settings can do."""
        return self.capabilities if self.capabilities_by is None else self.capabilities_by(options)

    def currency_of(self, options: Options) -> str:
        """Return the currency of an account with these settings."""
        return "USDT" if self.currency_by is None else self.currency_by(options)
