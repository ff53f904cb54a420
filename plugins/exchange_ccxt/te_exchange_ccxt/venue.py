"""What one exchange does differently from the others. An exchange plugin is a subclass of ``Venue``.

How to write one: subclass, set the class attributes, and override only the hooks whose default does not fit. The
hooks that talk use ``self.exchange`` (the ccxt client, in which every number is a ``str`` and every request is
counted against the budget) and let ccxt's exceptions pass: the account translates them by ``troubles``. The hooks
that parse are pure. ``market`` is ccxt's market structure; sizes towards ccxt are in contracts, sizes towards the
engine in base units. ``te_exchange_bybit.venue`` is the example.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from datetime import datetime
from decimal import Decimal
from typing import Any, ClassVar

from te_core.api import (
    CashFlow,
    ConfigError,
    Equity,
    Finding,
    Instrument,
    MarginMode,
    OrderReport,
    OrderRequest,
    OrderStatus,
    Position,
    StopRequest,
)
from te_exchange_ccxt.budget import Spending, Window
from te_exchange_ccxt.looks import UNTOLD
from te_exchange_ccxt.options import CcxtOptions
from te_exchange_ccxt.streams import Streams
from te_exchange_ccxt.trouble import Trouble, by_text
from te_exchange_ccxt.wire import ZERO, Row, dig, first, number

STATUSES = {
    "open": OrderStatus.OPEN,
    "closed": OrderStatus.FILLED,
    "canceled": OrderStatus.CANCELLED,
    "partially_canceled": OrderStatus.CANCELLED,
    "expired": OrderStatus.CANCELLED,
    "rejected": OrderStatus.REJECTED,
}


class Venue(Streams):
    """One account's view of its exchange. One instance per connection; ``options`` are the account's settings.

    ``exchange_id``: ccxt's id. ``mends``: classes that are laid over ccxt's. ``troubles``: the exchange's own codes;
    one that is missing goes by ccxt's class. ``texts``: codes (empty: any) that stand for many things, each with a
    part of the answer's text in lower case; they go first. ``remedies``: what to do, in such cases, instead of what
    the trouble says. ``code_keys``: where in the answer's JSON the code stands, the first that is found counts;
    ``item_code``: where it stands in an item of ``data``, if ccxt does not look there. ``market_maximum``: where
    ``market["info"]`` has the largest market order in contracts. ``account_wide``: the margin mode is that of the whole
    account. ``hedge_per_symbol``: each symbol has a position mode of its own, so that one in hedge mode stops only
    that symbol. ``windows``: request limits (see ``spending``). ``rate_pause``: seconds to wait after a refusal for too
    many requests that names none. ``private_api``: where ccxt's table of addresses has that of the account's requests.
    ``realised_key``: field of an order that has the profit of what it closed.
    """

    exchange_id: str = ""
    realised_key: ClassVar[str] = ""
    mends: ClassVar[tuple[type[Any], ...]] = ()
    troubles: ClassVar[Mapping[str, Trouble]] = {}
    texts: ClassVar[Mapping[tuple[str, str], Trouble]] = {}
    remedies: ClassVar[Mapping[tuple[str, str], str]] = {}
    code_keys: ClassVar[Sequence[str]] = ("retCode", "code", "errorCode", "status")
    item_code: ClassVar[str] = ""
    market_maximum: ClassVar[Sequence[str]] = ()
    account_wide: ClassVar[bool] = False
    hedge_per_symbol: ClassVar[bool] = False
    windows: ClassVar[Sequence[Window]] = (Window("requests", 300, 60.0),)
    rate_pause: ClassVar[float] = 1.0
    private_api: ClassVar[Sequence[str]] = ("private",)

    def __init__(self, options: CcxtOptions) -> None:
        super().__init__(options)
        self.priced = False
        """Market orders state a price, from which ccxt derives the worst one that they may be filled at."""
        self.account_mode: MarginMode | None = None
        """Margin mode of the account as last read or set, where it has one for all (``account_wide``)."""
        self._switching = asyncio.Lock()
        self._switched_at = float("-inf")
        self.modes: dict[str, MarginMode] = {}
        """Margin modes of positions as last told, by the exchange's symbol."""
        self.may_withdraw = False
        """Whether the exchange said that this key may take money out."""

    # -- making the client

    def config(self) -> dict[str, Any]:
        """Give ccxt's constructor configuration (``options`` and the like); credentials are added to it."""
        return {"options": {"defaultType": "swap"}}

    def credentials(self) -> dict[str, str]:
        """Give the credentials under ccxt's names."""
        names = {"apiKey": "api_key", "secret": "secret", "password": "password"}
        return {theirs: self.options.secret_of(ours) for theirs, ours in names.items()}

    def to_test_host(self) -> None:
        """Point the fresh client at the host that ``options.test`` names. The default takes ccxt's sandbox."""
        if not self.exchange.urls.get("test"):
            raise ConfigError(f"{self.exchange_id} has no test host: remove test", key="test")
        self.exchange.set_sandbox_mode(True)

    async def fetch_markets(self) -> list[dict[str, Any]]:
        """Read the market structures; the base keeps the linear swaps. Shared by all accounts of the exchange."""
        markets: list[dict[str, Any]] = await self.exchange.fetch_markets()
        return markets

    # -- checking the account

    def refusal(self) -> str:
        """Return why no account is traded there, before anything is asked of the exchange; empty if one is."""
        return ""

    async def check(self) -> None:
        """Check credentials, account type and position mode; called once after the markets are loaded.

        Raises ``AuthError`` (or ccxt's exceptions) and ``ConfigError`` naming the setting and the remedy.
        """
        if self.exchange.has.get("fetchPositionMode"):
            mode = await self.exchange.fetch_position_mode()
            if mode.get("hedged"):
                self.refuse_hedge_mode()
        await self.exchange.fetch_balance(self.balance_params())

    async def uid(self) -> str | None:
        """Read the exchange's number of the account, the same for all its keys; None where no route tells it.

        Where the same answer says what the key may do, set ``may_withdraw``.
        """
        return None

    async def findings(self) -> Sequence[Finding]:
        """Look over for ``te doctor`` what ``check`` does not insist on: the key's permissions and so on."""
        return UNTOLD

    def refuse_hedge_mode(self) -> None:
        """Say that hedge mode is on. Raises ``ConfigError``."""
        raise ConfigError(f"{self.title}: {Trouble.HEDGE_MODE.remedy}")

    async def check_symbols(self, markets: Sequence[Row]) -> None:
        """Check what belongs to single symbols; called once for each that the engine may trade."""

    async def ping(self) -> None:
        """Make the cheapest read there is, to keep the connection warm."""
        await self.time()

    async def time(self) -> int | None:
        """Read the exchange's clock, in milliseconds since 1970; None where it tells no time."""
        found: int | None = await self.exchange.fetch_time() if self.exchange.has.get("fetchTime") else None
        return found

    async def clock_skew(self) -> float | None:
        """Measure how many milliseconds this machine is ahead of the exchange; None where it tells no time."""
        before = self.exchange.milliseconds()
        theirs = await self.time()
        after = self.exchange.milliseconds()
        if theirs is None:
            return None
        skew = (before + after) / 2 - theirs
        return float(skew) if abs(skew) > (after - before) / 2 else 0.0  # else the way there explains it

    def adjust_clock(self, skew: float) -> None:
        """Date requests that many milliseconds earlier. The default is what most of ccxt's classes subtract."""
        self.exchange.options["timeDifference"] = int(skew)

    # -- instruments

    def tradable(self, market: Row) -> bool:
        """Tell whether orders can be sent for a market."""
        return not self.obstacle(market)

    def obstacle(self, market: Row) -> str:
        """Say why no orders can be sent for a market, which the operator is told once; empty if they can."""
        return "it is listed, but closed to trading" if market.get("active") is False else ""

    def instrument(self, symbol: str, market: Row) -> Instrument:
        """Turn a market into an instrument, in base units. Raises ``ValueError`` when it lacks the step."""
        size = self.contract_size(market)
        limits = market.get("limits") or {}
        step = self.amount_step(market)
        if step is None:
            raise ValueError(f"{symbol}: the exchange states no quantity step")
        leverage = number(dig(limits, "leverage", "max"))
        largest = self.largest_market_amount(market)
        return Instrument(
            symbol=symbol,
            quantity_step=step * size,
            minimum_quantity=(number(dig(limits, "amount", "min")) or ZERO) * size,
            minimum_notional=number(dig(limits, "cost", "min")) or ZERO,
            price_tick=number(dig(market, "precision", "price")) or ZERO,
            contract_size=size,
            largest_market_quantity=largest * size if largest else None,
            largest_leverage=int(leverage) if leverage else None,
        )

    def contract_size(self, market: Row) -> Decimal:
        """Base units in one contract."""
        return number(market.get("contractSize")) or Decimal(1)

    def amount_step(self, market: Row) -> Decimal | None:
        """Smallest difference between two order sizes, in contracts."""
        return number(dig(market, "precision", "amount"))

    def largest_market_amount(self, market: Row) -> Decimal | None:
        """Largest market order in contracts; None where there is none. ccxt's figure is mostly that of limit orders."""
        own = self.market_maximum and number(dig(market, "info", *self.market_maximum))
        return own or first(dig(market, "limits", "market", "max"), dig(market, "limits", "amount", "max"))

    # -- reading the account

    def balance_params(self) -> dict[str, Any]:
        """Extra parameters of ``fetch_balance``."""
        return {}

    async def fetch_equity(self) -> Equity:
        """Read the account's value in the settle currency."""
        return self.equity(await self.exchange.fetch_balance(self.balance_params()))

    def equity(self, balance: Row) -> Equity:
        """Parse ccxt's balance. ``wallet`` is without unrealised profit, ``total`` with it: override to be exact."""
        coin = balance.get(self.options.settle) or {}
        total = number(coin.get("total"))
        if total is None:  # it holds none, or the answer was not complete: no fact to size anything by
            raise self.no_balance()
        return Equity(wallet=total, total=total, free=number(coin.get("free")))

    async def fetch_positions(self) -> Sequence[Row]:
        """Read all positions of the account in one call, as ccxt's structures."""
        rows: Sequence[Row] = await self.exchange.fetch_positions()
        return rows

    def position(self, symbol: str, row: Row, market: Row) -> Position:
        """Parse one of ccxt's positions, from a read or a push. Raises ``ValueError`` for one without its size."""
        contracts = number(row.get("contracts"))
        if contracts is None:
            if any(number(row.get(name)) for name in ("entryPrice", "notional", "initialMargin")):
                raise ValueError(f"{self.title} tells a position in {symbol} without its size")
            contracts = ZERO  # nothing is told of it: some exchanges list flat ones so
        quantity = abs(contracts) * self.contract_size(market)
        flat, mode = quantity == 0, self.margin_mode(row)
        if mode is not None:
            self.modes[str(market.get("id"))] = mode
        return Position(
            symbol=symbol,
            quantity=-quantity if row.get("side") == "short" else quantity,
            entry_price=None if flat else number(row.get("entryPrice")),
            leverage=number(row.get("leverage")),
            margin_mode=mode,
            unrealised_pnl=number(row.get("unrealizedPnl")),
            liquidation_price=number(row.get("liquidationPrice")) or None,
        )

    def flat_position(self, symbol: str) -> Position | None:
        """Return what a flat symbol is set to, by the read of positions just made; None where that does not tell."""
        del symbol
        return None

    def margin_mode(self, row: Row) -> MarginMode | None:
        """Margin mode of a position, None where the exchange does not say."""
        mode = row.get("marginMode")
        return MarginMode(mode) if mode in ("isolated", "cross") else None

    def mode_of(self, order: OrderRequest, market: Row) -> MarginMode:
        """Margin mode that an order has to state: one that reduces, that of its position."""
        known = self.modes.get(market["id"]) if order.reduce_only else None
        return known or order.margin_mode

    def hedged(self, row: Row) -> bool:
        """Tell whether a position row can only come from hedge mode."""
        return row.get("hedged") is True

    async def fetch_tickers(self, symbols: Sequence[str]) -> Mapping[str, Row]:
        """Read the tickers of several markets (ccxt's symbols) in one call; more may come."""
        tickers: Mapping[str, Row] = await self.exchange.fetch_tickers(list(symbols))
        return tickers

    def price(self, ticker: Row) -> Decimal | None:
        """Pick the price that positions are sized with: mark price, else last, else the middle."""
        return first(ticker.get("markPrice"), ticker.get("last"), ticker.get("close"), ticker.get("bid"))

    # -- settings of a symbol

    async def set_leverage(self, market: Row, leverage: int, margin_mode: MarginMode) -> None:
        """Set the leverage. "Unchanged" may be raised: the account takes ``Trouble.UNCHANGED`` for success."""
        await self.exchange.set_leverage(leverage, market["symbol"], {"marginMode": margin_mode.value})

    async def set_margin_mode(self, market: Row, margin_mode: MarginMode) -> None:
        """Set the margin mode of a flat symbol; that of a whole account once for all who ask at the same time."""
        if not self.exchange.has.get("setMarginMode"):
            return
        asked_at = asyncio.get_running_loop().time()
        async with self._switching if self.account_wide else nullcontext():
            if self._switched_at >= asked_at and self.account_mode is margin_mode:
                return
            await self.exchange.set_margin_mode(margin_mode.value, market["symbol"])
            if self.account_wide:
                self.account_mode, self._switched_at = margin_mode, asyncio.get_running_loop().time()

    # -- orders

    def order_params(self, order: OrderRequest, market: Row) -> dict[str, Any]:
        """Parameters of ``create_order``. The default states client order id and reduce-only."""
        del market
        params: dict[str, Any] = {"clientOrderId": order.client_order_id}
        if order.reduce_only:
            params["reduceOnly"] = True
        return params

    async def create_order(self, order: OrderRequest, contracts: Decimal, market: Row) -> Row:
        """Send one market order of ``contracts``; gives ccxt's order."""
        price = format(order.reference_price, "f") if self.priced else None
        placed: Row = await self.exchange.create_order(
            market["symbol"], "market", order.side.value, self.amount(contracts), price,
            self.order_params(order, market),
        )  # fmt: skip
        if not placed.get("id"):
            raise ValueError(f"{self.title} acknowledged no order")
        return placed

    def amount(self, contracts: Decimal) -> object:
        """Give an order size in the type that ccxt's ``create_order`` takes; a plain text is exact."""
        return format(contracts, "f")

    async def find_order(self, client_order_id: str, market: Row) -> Row | None:
        """Look an order up by client order id: open ones first, then finished ones. None: not known."""
        for method in ("fetch_open_orders", "fetch_closed_orders", "fetch_canceled_orders", "fetch_orders"):
            if not self.exchange.has.get(_camel(method)):
                continue
            for row in await getattr(self.exchange, method)(market["symbol"]):
                if self.client_order_id(row) == client_order_id:
                    return dict(row)
        return None

    async def order_cost(self, client_order_id: str, market: Row) -> Row | None:
        """Read what an order cost once it is over, as one of ccxt's orders; ``find_order`` where that tells the fee."""
        return await self.find_order(client_order_id, market)

    async def fetch_flows(self, since: datetime) -> Sequence[CashFlow]:
        """Read what came or went without an order; symbols are ccxt's. Of the kinds that the capabilities name."""
        del since
        return ()

    def realised(self, row: Row) -> Decimal | None:
        """Profit without the fee of what an order closed; None where the exchange does not say."""
        return number(dig(row, "info", self.realised_key)) if self.realised_key else None

    def client_order_id(self, row: Row) -> str | None:
        """Client order id of one of ccxt's orders."""
        found = row.get("clientOrderId")
        return str(found) if found else None

    def report(self, client_order_id: str, row: Row, market: Row) -> OrderReport:
        """Parse one of ccxt's orders. Without a status it is only acknowledged: OPEN."""
        size = self.contract_size(market)
        filled, wanted = number(row.get("filled")), number(row.get("amount"))
        status = STATUSES.get(str(row.get("status")), OrderStatus.OPEN)
        if status in (OrderStatus.FILLED, OrderStatus.CANCELLED) and filled and wanted:
            # ccxt calls some orders closed whose rest was cancelled, and some cancelled that were filled.
            status = OrderStatus.FILLED if filled >= wanted else OrderStatus.CANCELLED
        return OrderReport(
            client_order_id=client_order_id,
            status=status,
            filled=None if filled is None else filled * size,
            average_price=number(row.get("average")) or None,
            fee=number(dig(row, "fee", "cost")),
            fee_currency=str(dig(row, "fee", "currency") or ""),
            realised=self.realised(row),
            reason="" if status in (OrderStatus.OPEN, OrderStatus.FILLED) else self.order_reason(row),
        )

    # -- stops

    def stop_params(self, stop: StopRequest, market: Row) -> dict[str, Any]:
        """Parameters of ``create_order`` that make a reduce-only order rest until the price passes its trigger."""
        raise NotImplementedError

    async def create_stop(self, stop: StopRequest, contracts: Decimal, market: Row) -> None:
        """Have a market order of ``contracts`` rest; for an exchange whose capabilities say ``stops``."""
        placed: Row = await self.exchange.create_order(
            market["symbol"],
            "market",
            stop.side.value,
            self.amount(contracts),
            None,
            self.stop_params(stop, market),
        )
        if not placed.get("id"):
            raise ValueError(f"{self.title} acknowledged no stop order")

    async def cancel_stop(self, client_order_id: str, market: Row) -> None:
        """Cancel a stop order by its client order id. "Not found" may be raised: the account takes it for success."""
        raise NotImplementedError

    async def find_stop(self, client_order_id: str, market: Row) -> Row | None:
        """Look a stop order up, as ``find_order`` does; one that rests is open."""
        return await self.find_order(client_order_id, market)

    async def fetch_stops(self) -> Sequence[Row]:
        """Read every stop order that rests, as ccxt's orders."""
        raise NotImplementedError

    def order_reason(self, row: Row) -> str:
        """Say why an order ended without being filled, in the exchange's words."""
        info = row.get("info") or {}
        found = next((info[key] for key in ("rejectReason", "cancelReason", "reason") if info.get(key)), "")
        return str(found) or f"the exchange ended it as {row.get('status')}"

    # -- limits

    def spending(self, method: str, path: str) -> Spending:
        """Say what one request costs, by window name: ``{"requests": 1, "orders": 1}``. Windows that are not
        named are not touched. ``path`` is ccxt's endpoint (``v5/order/create``).
        """
        del method, path
        return {window.name: 1 for window in self.windows}

    def retry_after(self, headers: Mapping[str, str]) -> float | None:
        """Read from a refusal's headers (names in lower case) after how many seconds to come again."""
        seconds = number(headers.get("retry-after"))
        return float(seconds) if seconds is not None else None

    # -- errors

    def trouble(self, code: str, text: str) -> Trouble | None:
        """Tell what is wrong by the exchange's code and the answer's text; None leaves it to ccxt's class."""
        return by_text(self.texts, code, text) or self.troubles.get(code)

    def remedy(self, trouble: Trouble, code: str, text: str) -> str:
        """Say what to do about it, in one line."""
        return by_text(self.remedies, code, text) or trouble.remedy

    # -- streams

    def pushed_equity(self, found: Row) -> Equity | None:
        """Parse a pushed balance; None when it does not tell all of the settle coin."""
        told = number(dig(found, self.options.settle, "total"))
        return None if told is None else self.equity(found)


def _camel(name: str) -> str:
    head, *tail = name.split("_")
    return head + "".join(part.capitalize() for part in tail)
