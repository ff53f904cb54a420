"""The exchange: accounts that trade contracts against the quotes."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from decimal import Decimal
from itertools import count

from te_emulators.core import errors, margin, matching
from te_emulators.core.account import Account, Payment
from te_emulators.core.admission import admit
from te_emulators.core.clock import ExchangeClock
from te_emulators.core.counts import Counts
from te_emulators.core.credentials import TRADING, ApiKey
from te_emulators.core.events import Event, Listener, Topic
from te_emulators.core.instrument import Instrument
from te_emulators.core.market import Market, Quote, flat_quote
from te_emulators.core.modes import PositionSide, Side
from te_emulators.core.order import (
    FILL_ALL,
    Execution,
    FillPlan,
    Order,
    OrderRequest,
    OrderStatus,
    OrderType,
    TimeInForce,
)
from te_emulators.core.position import Position
from te_emulators.core.rules import Rules

__all__ = ["Exchange", "Rules"]

ZERO = Decimal(0)


class Exchange:
    """All methods are synchronous and atomic. Events follow in order."""

    def __init__(
        self,
        instruments: Iterable[Instrument],
        *,
        rules: Rules | None = None,
        clock: ExchangeClock | None = None,
    ) -> None:
        self.market = Market(instruments)
        self.rules = rules or Rules()
        self.clock = clock or ExchangeClock()
        self.counts = Counts()
        self.accounts: dict[str, Account] = {}
        self.keys: dict[str, tuple[ApiKey, Account]] = {}
        self.listeners: list[Listener] = []
        self._ids = count(1_000_001)
        self._sequence = 0
        self._late: dict[str, tuple[Account, Order, int]] = {}
        self.accepts_stops = True
        """Whether stop orders are accepted."""
        self.stop_plan = FILL_ALL
        """How the next stop that is triggered is filled."""
        self.later: Callable[[float, Callable[[], None]], object] | None = None
        """Calls back after seconds; the server sets its event loop's."""

    # --- accounts ---------------------------------------------------------------------------------------------

    def open_account(
        self,
        name: str = "main",
        *,
        key: str = "K",
        secret: str = "S",
        passphrase: str | None = "P",
        balance: Decimal = Decimal(10_000),
        permissions: frozenset[str] = TRADING,
        coin: str = "USDT",
    ) -> Account:
        """Open a funded account with one key, which holds one coin."""
        account = Account(
            name=name,
            uid=next(self._ids),
            coin=coin,
            default_leverage=self.rules.default_leverage,
            default_margin_mode=self.rules.default_margin_mode,
        )
        account.ledger.deposits = balance
        self.accounts[name] = account
        self.add_key(account, ApiKey(key=key, secret=secret, passphrase=passphrase, permissions=permissions))
        return account

    def add_key(self, account: Account, key: ApiKey) -> None:
        """Add a key to an account."""
        account.keys.append(key)
        self.keys[key.key] = (key, account)

    def deposit(self, account: Account, amount: Decimal) -> None:
        """Add to the wallet (or remove)."""
        self._note_payment(account, amount)
        account.ledger.deposits += amount
        self._wallet_event(account)

    # --- orders -----------------------------------------------------------------------------------------------

    def place(self, account: Account, request: OrderRequest, plan: FillPlan = FILL_ALL) -> Order:
        """Accept an order and fill it as ``plan`` says; raises the domain error of a refused one."""
        if self.rules.unique_client_ids and request.client_id in account.by_client_id:
            raise errors.DuplicateClientOrderId(f"client order id {request.client_id} was used")
        if request.trigger is not None:
            self._check_stop(request)
        admitted = admit(account, self.market, request, self.rules)
        now = self.clock.ms()
        order = Order(
            order_id=self.rules.new_order_id(next(self._ids)),
            request=request,
            size=admitted.size,
            margin_mode=admitted.margin_mode,
            leverage=admitted.leverage,
            contract_size=self.market.instrument(request.symbol).contract_size,
            coin=self.market.instrument(request.symbol).quote,
            created_ms=now,
            updated_ms=now,
        )
        account.orders[order.order_id] = order
        if request.client_id is not None:
            account.by_client_id[request.client_id] = order
        self.counts.orders += 1
        if request.trigger is not None:
            order.untriggered = True
            account.stops[order.order_id] = order
            self._order_event(account, order)
            return order
        account.open_orders[order.order_id] = order
        if plan.rejected is not None:
            self._finish(account, order, OrderStatus.REJECTED, plan.rejected)
        elif request.type is OrderType.LIMIT:
            self._place_limit(account, order)
        else:
            self._place_market(account, order, plan)
        return order

    def _check_stop(self, request: OrderRequest) -> None:
        if not self.accepts_stops:
            raise errors.TooManyStops("no more stop orders are taken")
        price = self._triggering(request.symbol)
        if request.passed(price):
            raise errors.TriggerPassed(
                f"expect {'Rising' if request.rising else 'Falling'}, but trigger_price[{request.trigger}] "
                f"{'<=' if request.rising else '>='} current[{price}]"
            )

    def _triggering(self, symbol: str) -> Decimal:
        """The price that stop orders of a contract wait for."""
        return self.market.quotes[symbol].last if self.rules.last_triggers else self.market.mark(symbol)

    def _trigger_due(self, account: Account, symbol: str) -> None:
        """Send the stops whose trigger the price has passed."""
        price = self._triggering(symbol)
        for order in list(account.stops.values()):
            if order.request.symbol != symbol or not order.request.passed(price):
                continue
            del account.stops[order.order_id]
            order.untriggered = False
            position = account.position(symbol, order.request.position_side)
            if position is None or position.direction is not order.request.side.opposite:
                self._finish(account, order, OrderStatus.CANCELLED, "reduce-only, nothing left to reduce")
                continue
            account.open_orders[order.order_id] = order
            plan, self.stop_plan = self.stop_plan, FILL_ALL
            self._place_market(account, order, plan)

    def _place_market(self, account: Account, order: Order, plan: FillPlan) -> None:
        step = self.market.instrument(order.request.symbol).size_step
        first = order.size * plan.immediate // step * step
        if plan.rest and not first:
            self._order_event(account, order)
        if first:
            self.fill(account, order, first)
        if order.order_id not in account.open_orders:
            return
        if not plan.rest:
            self._finish(account, order, OrderStatus.CANCELLED, "no liquidity")
        elif plan.after_requests is not None:
            self._late[order.order_id] = (account, order, plan.after_requests)
        elif plan.after_seconds is not None and self.later is not None:
            self.later(plan.after_seconds, lambda: self.fill(account, order))

    def _place_limit(self, account: Account, order: Order) -> None:
        kind = order.request.time_in_force
        crossing = self._crosses(order)
        if kind is TimeInForce.POST_ONLY and crossing:
            self._finish(account, order, OrderStatus.CANCELLED, "would take")
        elif crossing:
            self.fill(account, order)
        elif kind in {TimeInForce.IOC, TimeInForce.FOK}:
            self._finish(account, order, OrderStatus.CANCELLED, "no liquidity")
        else:
            self._order_event(account, order)

    def _crosses(self, order: Order) -> bool:
        request = order.request
        quote = self.market.quotes[request.symbol]
        if request.price is None:
            return False
        return request.price >= quote.ask if request.side is Side.BUY else request.price <= quote.bid

    def fill(
        self,
        account: Account,
        order: Order,
        size: Decimal | None = None,
        *,
        price: Decimal | None = None,
        maker: bool = False,
    ) -> None:
        """Fill (the rest of) an open order at the quote or at ``price``; nothing if it is finished."""
        if not order.status.open:
            return
        request = order.request
        at = price or self.market.quotes[request.symbol].price_for(request.side)
        before = order.filled
        wanted = order.remaining if size is None else size
        execution, position = matching.fill(
            account,
            self.market.instrument(request.symbol),
            order,
            wanted,
            at,
            maker=maker,
            now_ms=self.clock.ms(),
            new_id=lambda: next(self._ids),
        )
        if request.client_id is not None and not before and execution.size:
            self.counts.executed[(account.name, request.client_id)] += 1
        if not order.remaining:
            account.open_orders.pop(order.order_id, None)
        if execution.size:
            self._fill_events(account, order, execution, position)
        if execution.size < wanted:
            self._finish(account, order, OrderStatus.CANCELLED, "reduce-only, nothing left to reduce")
        self._liquidate_due(account)

    def cancel(self, account: Account, order: Order) -> None:
        """Cancel an open order; raises OrderFinished."""
        if not order.status.open:
            raise errors.OrderFinished(f"order {order.order_id} is {order.status}")
        self._finish(account, order, OrderStatus.CANCELLED, "by the user")

    def find_order(
        self, account: Account, *, order_id: str | None = None, client_id: str | None = None
    ) -> Order:
        """Find an order by either id; raises OrderNotFound."""
        found = account.orders.get(order_id) if order_id else account.by_client_id.get(client_id or "")
        if found is None:
            raise errors.OrderNotFound(f"no order {order_id or client_id}")
        return found

    def request_passed(self) -> None:
        """Count a handled request: orders that wait for a number of requests get closer to their fill."""
        for order_id, (account, order, left) in list(self._late.items()):
            if left > 0:
                self._late[order_id] = (account, order, left - 1)
                continue
            del self._late[order_id]
            self.fill(account, order)

    # --- the market and other people --------------------------------------------------------------------------

    def set_price(self, symbol: str, price: Decimal, *, spread: Decimal = ZERO) -> None:
        """Move mark, index and last to ``price``, bid and ask around it."""
        old = self.market.quotes[self.market.instrument(symbol).symbol]
        self.set_quote(flat_quote(symbol, price, sequence=old.sequence, spread=spread))

    def set_quote(self, quote: Quote) -> None:
        """Replace a quote: resting orders are matched, positions without margin left are liquidated."""
        fresh = replace(quote, sequence=quote.sequence + 1)
        self.market.quotes[quote.symbol] = fresh
        self._emit(Topic.TICKER, quote=fresh)
        for account in self.accounts.values():
            for order in account.orders_open(quote.symbol):
                if order.request.type is OrderType.LIMIT and self._crosses(order):
                    self.fill(account, order, price=order.request.price, maker=True)
            self._trigger_due(account, quote.symbol)
            self._liquidate_due(account)

    def trade_by_hand(
        self,
        account: Account,
        symbol: str,
        size: Decimal,
        position_side: PositionSide = PositionSide.NET,
    ) -> Order:
        """Trade as somebody else with access to the account: buy contracts (sell if ``size`` is negative)."""
        side = Side.BUY if size > 0 else Side.SELL
        request = OrderRequest(symbol=symbol, side=side, size=abs(size), position_side=position_side)
        return self.place(account, request)

    def liquidate(self, account: Account, symbol: str) -> None:
        """Close all positions in a contract at its mark."""
        for position in account.held(symbol):
            self._liquidate(account, position, self.market.mark(symbol))
        self._insure(account)

    def _liquidate_due(self, account: Account) -> None:
        for position in margin.isolated_due(account, self.market):
            self._liquidate(account, position, position.bankruptcy_price())
        for position in margin.cross_due(account, self.market):
            self._liquidate(account, position, self.market.mark(position.symbol))
        self._insure(account)

    def _insure(self, account: Account) -> None:
        if account.ledger.wallet < 0:
            account.ledger.insured -= account.ledger.wallet
            self._wallet_event(account)

    def _liquidate(self, account: Account, position: Position, price: Decimal) -> None:
        """Close at ``price`` without a fee."""
        side = Side.SELL if position.size > 0 else Side.BUY
        size = abs(position.size)
        profit = position.reduce(-position.size, price)
        account.ledger.realised += profit
        now = self.clock.ms()
        position.realised += profit
        position.realised_ever += profit
        position.updated_ms = now
        request = OrderRequest(
            symbol=position.symbol, side=side, size=size, reduce_only=True, position_side=position.side
        )
        order = Order(
            order_id=self.rules.new_order_id(next(self._ids)),
            request=request,
            size=size,
            margin_mode=position.margin_mode,
            leverage=position.leverage,
            contract_size=position.instrument.contract_size,
            coin=position.instrument.quote,
            status=OrderStatus.FILLED,
            filled=size,
            value=position.instrument.notional(size, price),
            profit=profit,
            reason="liquidation",
            liquidation=True,
            created_ms=now,
            updated_ms=now,
        )
        account.orders[order.order_id] = order
        execution = Execution(
            execution_id=str(next(self._ids)),
            order_id=order.order_id,
            size=size,
            price=price,
            fee=ZERO,
            closed=size,
            profit=profit,
            maker=False,
            at_ms=now,
        )
        self._fill_events(account, order, execution, position)

    # --- events -----------------------------------------------------------------------------------------------

    def _finish(self, account: Account, order: Order, status: OrderStatus, reason: str) -> None:
        order.status = status
        order.reason = reason
        order.updated_ms = self.clock.ms()
        account.open_orders.pop(order.order_id, None)
        account.stops.pop(order.order_id, None)
        self._order_event(account, order)

    def _fill_events(self, account: Account, order: Order, execution: Execution, position: Position) -> None:
        self._emit(Topic.EXECUTION, account=account, order=replace(order), execution=execution)
        self._order_event(account, order)
        self.position_event(account, position)
        self._wallet_event(account)

    def _order_event(self, account: Account, order: Order) -> None:
        order.sequence = self._sequence + 1
        self._emit(Topic.ORDER, account=account, order=replace(order))

    def position_event(self, account: Account, position: Position) -> None:
        """Send a position's current state to the listeners."""
        position.sequence = self._sequence + 1
        self._emit(Topic.POSITION, account=account, position=replace(position))

    def pay_funding(self, account: Account, symbol: str, rate: Decimal) -> None:
        """Charge funding: longs pay that share of their position's value."""
        worth = self.market.instrument(symbol).notional(account.size(symbol), self.market.mark(symbol))
        account.ledger.funding -= worth * rate
        self._note_payment(account, -worth * rate, symbol)
        self._wallet_event(account)

    def _note_payment(self, account: Account, amount: Decimal, symbol: str = "") -> None:
        number = len(account.payments) + 1
        account.payments.append(Payment(number=number, amount=amount, at_ms=self.clock.ms(), symbol=symbol))

    def _wallet_event(self, account: Account) -> None:
        self._emit(Topic.WALLET, account=account)

    def _emit(
        self,
        topic: Topic,
        *,
        account: Account | None = None,
        order: Order | None = None,
        execution: Execution | None = None,
        position: Position | None = None,
        quote: Quote | None = None,
    ) -> None:
        self._sequence += 1
        event = Event(
            topic=topic,
            sequence=self._sequence,
            at_ms=self.clock.ms(),
            account=account,
            order=order,
            execution=execution,
            position=position,
            quote=quote,
        )
        for listener in list(self.listeners):
            listener(event)
