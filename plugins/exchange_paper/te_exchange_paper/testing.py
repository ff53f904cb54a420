"""A paper exchange that tests can control: prices, manual trades, liquidations, faults, restarts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import timedelta
from decimal import Decimal
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

from te_core.api import (
    AccountContext,
    AuthError,
    Clock,
    ConfigError,
    ExchangeAccount,
    FundingRate,
    Instrument,
    Known,
    MarginMode,
    NotReady,
    OrderRejected,
    OrderReport,
    OrderRequest,
    OutcomeUnknown,
    RateLimited,
    Side,
    TradeEngineError,
)
from te_core.testing.exchange_harness import Ability, ExchangeHarness, Execution, TrueStop
from te_core.testing.fakes import account_context
from te_core.testing.faults import Fault, FaultyAccount
from te_exchange_paper.account import PaperAccount
from te_exchange_paper.funding import Funded
from te_exchange_paper.options import PaperOptions
from te_exchange_paper.store import ExecutedOrder

if TYPE_CHECKING:
    from aiohttp import ClientSession
    from loguru import Logger

BY_HAND = "by-hand-"
HEDGE_MODE = "the account is in hedge mode: switch it to one-way mode"
REFUSALS: Mapping[tuple[Ability, str], TradeEngineError] = {
    (Ability.BAD_KEY, "*"): AuthError("the key is not valid"),
    (Ability.SWITCH_TO_HEDGE_MODE, "open"): ConfigError(HEDGE_MODE),
    (Ability.SWITCH_TO_HEDGE_MODE, "place_order"): AuthError(HEDGE_MODE),
    (Ability.REFUSE_LEVERAGE, "set_leverage"): OrderRejected("leverage refused", code="leverage"),
    (Ability.REFUSE_STOP, "place_stop"): OrderRejected("stops are refused", code="stop"),
    (Ability.LOSE_EQUITY, "equity"): NotReady("nothing that can be understood"),
    (Ability.LOSE_POSITIONS, "positions"): NotReady("nothing that can be understood"),
}
"""Faults that last until they are ended, by ability and method: a paper account has none of these itself."""
PASSING = {
    Ability.RATE_LIMIT: Fault(refused=RateLimited("too many orders", retry_after=1)),
    Ability.LOSE_ANSWER: Fault(lost=OutcomeUnknown("no answer in time")),
    Ability.FILL_IN_PART: Fault(share=Decimal("0.4")),
}
"""Faults that an order meets once."""
NEVER_SLOW = {"open", "close", "watch"}
"""Methods whose answers are never slow."""


class PaperHarness(ExchangeHarness):
    """The exchange's side of a paper account. ``options`` are those of ``[accounts.<name>]``.

    ``account`` is the current connection, wrapped so that faults can be injected. ``market`` has the prices that
    signals state; they may be changed at any time.
    """

    abilities = frozenset(Ability)

    def __init__(
        self, folder: Path, *, clock: Clock, log: Logger, market: Mapping[str, Decimal], **options: Any
    ) -> None:
        self.clock = clock
        self.market = dict(market)
        self.symbols: Sequence[str] = tuple(market)
        self._context = account_context(
            name="paper",
            options=PaperOptions.model_validate(options),
            clock=clock,
            log=log,
            state_dir=folder,
            signal_price=self._signal_price,
            http=_no_http,
            date=self.date,
        )
        self._numbers = count(1)
        self._faults: Counter[Ability] = Counter()
        self._hidden: dict[str, Decimal] = {}
        self.halted: set[str] = set()
        self.account = self.connect()

    def connect(self) -> FaultyAccount:
        """Return a new connection to the account; the earlier one must be closed before this one is opened."""
        self._paper = self.make_paper(self._context)
        self.account = PaperConnection(self._paper, self)
        return self.account

    def make_paper(self, context: AccountContext[PaperOptions]) -> PaperAccount:
        """Return the account behind a connection; tests may override it."""
        return PaperAccount(context)

    async def trade(self, symbol: str, quantity: Decimal) -> None:
        """Trade a signed quantity by hand, as a user does at the exchange."""
        order = OrderRequest(
            client_order_id=f"{BY_HAND}{next(self._numbers)}",
            symbol=symbol,
            side=Side.of(quantity),
            quantity=abs(quantity),
            reduce_only=False,
            leverage=1,
            margin_mode=MarginMode.ISOLATED,
            reference_price=self.market[symbol],
        )
        await self._paper.place_order(order)

    async def set_leverage(self, symbol: str, leverage: int) -> None:
        """Change a leverage by hand, as a user does at the exchange."""
        await PaperAccount.set_leverage(self._paper, symbol, leverage, MarginMode.ISOLATED)

    async def position(self, symbol: str) -> Decimal:
        """Return the signed quantity that is held."""
        held = (await self._paper.positions()).value.get(symbol)
        return held.quantity if held else Decimal(0)

    async def rules(self, symbol: str) -> Instrument | None:
        """Return the rules that orders must follow, whatever the account states."""
        return (await PaperAccount.instruments(self._paper, [symbol])).get(symbol)

    async def pay_funding(self, symbol: str, rate: Decimal) -> None:
        """Let a funding time pass."""
        now = self.clock.now()
        self._paper.books.funded[symbol] = Funded(until=now - timedelta(hours=1))
        self._paper.books.charge_funding(symbol, [FundingRate(at=now, rate=rate)])

    async def liquidate(self, symbol: str) -> None:
        """Move the price just past the position's liquidation price."""
        position = (await self._paper.positions()).value[symbol]
        assert position.liquidation_price is not None, f"no price liquidates {symbol}"
        beyond = Decimal("0.999") if position.quantity > 0 else Decimal("1.001")
        self.market[symbol] = position.liquidation_price * beyond

    async def move(self, symbol: str, price: Decimal) -> None:
        """Set the price; stops that it passes are triggered at once, whether an engine runs or not."""
        self.market[symbol] = price
        if self._paper.books.is_open:
            self._paper.books.mark()
            return
        await self._paper.open()
        self._paper.books.mark()
        await self._paper.close()

    async def price(self, symbol: str) -> Decimal:
        """Return the price."""
        return self.market[symbol]

    async def resting_stops(self) -> Sequence[TrueStop]:
        """Return the resting stops."""
        return [
            TrueStop(
                client_order_id=stop.client_order_id,
                symbol=stop.symbol,
                side=stop.side,
                quantity=stop.quantity,
                trigger=stop.trigger,
            )
            for stop in self._paper.books.resting_stops()
        ]

    def orders(self) -> list[ExecutedOrder]:
        """Return the executed orders with their prices and fees, oldest first, without manual ones."""
        orders = self._paper.books.store.orders()
        return [order for order in orders if not order.client_order_id.startswith(BY_HAND)]

    async def executed(self) -> Sequence[Execution]:
        """Return the executed orders, oldest first, without manual ones."""
        return [
            Execution(
                client_order_id=order.client_order_id,
                symbol=order.symbol,
                side=order.side,
                quantity=order.quantity,
                reduce_only=order.reduce_only,
            )
            for order in self.orders()
        ]

    async def fail(self, ability: Ability, times: int = 1, symbol: str = "") -> None:
        """Inject a fault into the next ``times`` orders, or into every call that it affects."""
        match ability:
            case Ability.HALT_TRADING:
                self.halted.add(symbol)
            case Ability.LAPSE_STOPS:
                for stop in self._paper.books.resting_stops():
                    await PaperAccount.cancel_stop(self._paper, stop.symbol, stop.client_order_id)
            case Ability.FILL_STOP_IN_PART:
                self._paper.books.stop_share = Decimal("0.4")
            case Ability.HIDE_PRICE:
                self._hidden[symbol] = self.market.pop(symbol)
            case _:
                self._faults[ability] = times

    async def restore(self) -> None:
        """End every fault."""
        self._faults.clear()
        self.halted.clear()
        self.market |= self._hidden
        self._hidden.clear()

    def fault_for(self, method: str, call: int) -> Fault | None:
        """Return the fault of a call."""
        del call
        for (ability, where), error in REFUSALS.items():
            if self._faults[ability] and where in ("*", method) and method != "close":
                return Fault(refused=error)
        if self._faults[Ability.SLOW_ANSWERS] and method not in NEVER_SLOW:
            return Fault(answer_delay=self.slowness)
        met = (ability for ability in PASSING if method == "place_order" and self._meets(ability))
        return next((PASSING[ability] for ability in met), None)

    def _meets(self, ability: Ability) -> bool:
        met = self._faults[ability] > 0
        self._faults[ability] -= met
        return met

    def _signal_price(self, symbol: str) -> Known[Decimal] | None:
        price = self.market.get(symbol)
        return None if price is None else Known(value=price, as_of=self.clock.now())


class PaperConnection(FaultyAccount):
    """A connection to a paper account, with the exchange's faults."""

    def __init__(self, inner: ExchangeAccount, exchange: PaperHarness) -> None:
        super().__init__(inner, exchange.fault_for)
        self.exchange = exchange

    async def place_order(self, order: OrderRequest) -> OrderReport:
        """Reject orders of halted symbols; pass the others on."""
        if order.symbol in self.exchange.halted:
            self.inject("place_order", Fault(refused=OrderRejected("trading is halted", code="halted")))
        return await super().place_order(order)


def _no_http() -> ClientSession:
    raise RuntimeError("a paper account sends no requests")
