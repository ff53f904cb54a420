"""The base class of exchange adapters.

To write one, subclass ``ExchangeAdapter``, set the class attributes, and override only the hooks whose default does
not fit. Hooks that send requests use ``self.exchange`` (the ccxt client, in which every number is a ``str`` and every
request counts against the budget) and let ccxt's exceptions pass: the account classifies them by ``error_codes``.
Hooks that parse are pure. ``market`` is ccxt's market structure; sizes towards ccxt are in contracts, sizes towards
the engine in base units. ``te_exchange_bybit.adapter`` is an example.
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
from te_exchange_ccxt.adapter.stream_hooks import StreamHooks
from te_exchange_ccxt.budget import RequestCost, Window
from te_exchange_ccxt.diagnostics import UNKNOWN_FINDINGS
from te_exchange_ccxt.errors import ErrorKind, match_text
from te_exchange_ccxt.options import CcxtOptions
from te_exchange_ccxt.parsing import ZERO, Row, dig, first, number

STATUSES = {
    "open": OrderStatus.OPEN,
    "closed": OrderStatus.FILLED,
    "canceled": OrderStatus.CANCELLED,
    "partially_canceled": OrderStatus.CANCELLED,
    "expired": OrderStatus.CANCELLED,
    "rejected": OrderStatus.REJECTED,
}


class ExchangeAdapter(StreamHooks):
    """Everything that is particular about one exchange.

    There is one instance per connection; ``options`` are the account's settings.
    """

    exchange_id: str = ""
    """ccxt's id of the exchange."""
    realised_key: ClassVar[str] = ""
    """Field of an order that holds the realised profit of what it closed."""
    client_mixins: ClassVar[tuple[type[Any], ...]] = ()
    """Classes that override methods of ccxt's class."""
    error_codes: ClassVar[Mapping[str, ErrorKind]] = {}
    """The exchange's codes; a missing one is classified by ccxt's exception class."""
    error_texts: ClassVar[Mapping[tuple[str, str], ErrorKind]] = {}
    """Kinds by code and a part of the response's text in lower case, for ambiguous codes. Checked first.

    An empty code stands for any code.
    """
    remedies: ClassVar[Mapping[tuple[str, str], str]] = {}
    """Remedies of ambiguous codes, in place of the kind's own; keys as in ``error_texts``."""
    code_keys: ClassVar[Sequence[str]] = ("retCode", "code", "errorCode", "status")
    """Keys of the code in a JSON response; the first one found counts."""
    item_code: ClassVar[str] = ""
    """Key of the code in an item of ``data``, if ccxt does not check it there."""
    market_maximum: ClassVar[Sequence[str]] = ()
    """Path in ``market["info"]`` to the largest market order, in contracts."""
    account_wide: ClassVar[bool] = False
    """Whether the margin mode belongs to the whole account."""
    hedge_per_symbol: ClassVar[bool] = False
    """Whether each symbol has a position mode: one in hedge mode then stops only that symbol."""
    windows: ClassVar[Sequence[Window]] = (Window("requests", 300, 60.0),)
    """Request limits; see ``request_cost``."""
    rate_pause: ClassVar[float] = 1.0
    """Seconds to wait after a rate-limit error that names no time."""
    private_api: ClassVar[Sequence[str]] = ("private",)
    """Path in ccxt's table of URLs to the host of the account's requests."""

    def __init__(self, options: CcxtOptions) -> None:
        super().__init__(options)
        self.priced = False
        """Market orders state a price, from which ccxt derives the worst acceptable one."""
        self.account_mode: MarginMode | None = None
        """Margin mode of the account as last read or set, if it is ``account_wide``."""
        self._switching = asyncio.Lock()
        self._switched_at = float("-inf")
        self.modes: dict[str, MarginMode] = {}
        """Last known margin modes of positions, by the exchange's symbol."""
        self.may_withdraw = False
        """Whether the exchange reported that this key may withdraw funds."""
        self.key_expires_at: datetime | None = None
        """When the exchange reported that this key expires; None if it does not, or that is not reported."""

    # -- creating the client

    def config(self) -> dict[str, Any]:
        """Return ccxt's constructor configuration (``options`` and the like), without credentials."""
        return {"options": {"defaultType": "swap"}}

    def credentials(self) -> dict[str, str]:
        """Return the credentials under ccxt's names."""
        names = {"apiKey": "api_key", "secret": "secret", "password": "password"}
        return {theirs: self.options.secret_of(ours) for theirs, ours in names.items()}

    def to_test_host(self) -> None:
        """Point a new client at the host that ``options.test`` names; by default ccxt's sandbox."""
        if not self.exchange.urls.get("test"):
            raise ConfigError(f"{self.exchange_id} has no test host: remove test", key="test")
        self.exchange.set_sandbox_mode(True)

    async def fetch_markets(self) -> list[dict[str, Any]]:
        """Read the market structures, for all accounts of the exchange; only linear swaps are used."""
        markets: list[dict[str, Any]] = await self.exchange.fetch_markets()
        return markets

    # -- checking the account

    def refusal(self) -> str:
        """Return why accounts are refused before anything is sent to the exchange, or an empty text."""
        return ""

    async def check(self) -> None:
        """Check credentials, account type and position mode; called once after the markets are loaded.

        Raises ``AuthError`` (or ccxt's exceptions), or ``ConfigError`` naming the setting and the remedy.
        """
        if self.exchange.has.get("fetchPositionMode"):
            mode = await self.exchange.fetch_position_mode()
            if mode.get("hedged"):
                self.refuse_hedge_mode()
        await self.exchange.fetch_balance(self.balance_params())

    async def uid(self) -> str | None:
        """Read the exchange's id of the account, the same for all its keys; None if no route returns it.

        Set ``may_withdraw`` and ``key_expires_at`` if the same response shows them.
        """
        return None

    async def findings(self) -> Sequence[Finding]:
        """Check for ``te doctor`` what ``check`` does not require, such as the key's permissions."""
        return UNKNOWN_FINDINGS

    def refuse_hedge_mode(self) -> None:
        """Raise ``ConfigError`` because the account is in hedge mode."""
        raise ConfigError(f"{self.title}: {ErrorKind.HEDGE_MODE.remedy}")

    async def check_symbols(self, markets: Sequence[Row]) -> None:
        """Check settings of single symbols; called once for each symbol that the engine may trade."""

    async def ping(self) -> None:
        """Send the cheapest request that exists, to keep the connection open."""
        await self.time()

    async def time(self) -> int | None:
        """Read the exchange's clock, in milliseconds since 1970; None if it has no such route."""
        found: int | None = await self.exchange.fetch_time() if self.exchange.has.get("fetchTime") else None
        return found

    async def clock_skew(self) -> float | None:
        """Measure how many milliseconds this machine is ahead of the exchange; None if it has no clock."""
        before = self.exchange.milliseconds()
        theirs = await self.time()
        after = self.exchange.milliseconds()
        if theirs is None:
            return None
        skew = (before + after) / 2 - theirs
        return float(skew) if abs(skew) > (after - before) / 2 else 0.0  # else latency explains it

    def adjust_clock(self, skew: float) -> None:
        """Date requests that many milliseconds earlier. The default is what most of ccxt's classes subtract."""
        self.exchange.options["timeDifference"] = int(skew)

    # -- instruments

    def tradable(self, market: Row) -> bool:
        """Return whether orders can be sent for a market."""
        return not self.obstacle(market)

    def obstacle(self, market: Row) -> str:
        """Return why no orders can be sent for a market, for one warning in the log; empty if they can."""
        return "it is listed, but closed to trading" if market.get("active") is False else ""

    def instrument(self, symbol: str, market: Row) -> Instrument:
        """Convert a market to an instrument, in base units. Raises ``ValueError`` if it lacks the step."""
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
        """Return the base units of one contract."""
        return number(market.get("contractSize")) or Decimal(1)

    def amount_step(self, market: Row) -> Decimal | None:
        """Return the step of order sizes, in contracts."""
        return number(dig(market, "precision", "amount"))

    def largest_market_amount(self, market: Row) -> Decimal | None:
        """Return the largest market order in contracts; None if there is no limit.

        ccxt's own figure is mostly that of limit orders.
        """
        own = self.market_maximum and number(dig(market, "info", *self.market_maximum))
        return own or first(dig(market, "limits", "market", "max"), dig(market, "limits", "amount", "max"))

    # -- reading the account

    def balance_params(self) -> dict[str, Any]:
        """Return extra parameters of ``fetch_balance``."""
        return {}

    async def fetch_equity(self) -> Equity:
        """Read the account's value in the settle coin."""
        return self.equity(await self.exchange.fetch_balance(self.balance_params()))

    def equity(self, balance: Row) -> Equity:
        """Parse ccxt's balance.

        ``wallet`` must exclude unrealised profit and ``total`` include it: override this where ccxt does not separate
        them.
        """
        coin = balance.get(self.options.settle) or {}
        total = number(coin.get("total"))
        if total is None:  # it holds none, or the response was incomplete: equity stays unknown
            raise self.no_balance()
        return Equity(wallet=total, total=total, free=number(coin.get("free")))

    async def fetch_positions(self) -> Sequence[Row]:
        """Read all positions of the account with one request, as ccxt structures."""
        rows: Sequence[Row] = await self.exchange.fetch_positions()
        return rows

    def position(self, symbol: str, row: Row, market: Row) -> Position:
        """Parse a ccxt position, from a read or a push. Raises ``ValueError`` if it lacks its size."""
        contracts = number(row.get("contracts"))
        if contracts is None:
            if any(number(row.get(name)) for name in ("entryPrice", "notional", "initialMargin")):
                raise ValueError(f"{self.title} returned a position in {symbol} without its size")
            contracts = ZERO  # no figures at all: some exchanges list flat positions like this
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
        """Return the settings of a flat symbol as of the newest read of positions.

        None if that read does not contain them.
        """
        del symbol
        return None

    def margin_mode(self, row: Row) -> MarginMode | None:
        """Return the margin mode of a position; None if the exchange does not state it."""
        mode = row.get("marginMode")
        return MarginMode(mode) if mode in ("isolated", "cross") else None

    def order_margin_mode(self, order: OrderRequest, market: Row) -> MarginMode:
        """Return the margin mode that an order must state; for a reduction, that of its position."""
        known = self.modes.get(market["id"]) if order.reduce_only else None
        return known or order.margin_mode

    def hedged(self, row: Row) -> bool:
        """Return whether a position can only come from hedge mode."""
        return row.get("hedged") is True

    async def fetch_tickers(self, symbols: Sequence[str]) -> Mapping[str, Row]:
        """Read the tickers of several markets (ccxt's symbols) with one request; more may be returned."""
        tickers: Mapping[str, Row] = await self.exchange.fetch_tickers(list(symbols))
        return tickers

    def price(self, ticker: Row) -> Decimal | None:
        """Return the price that positions are sized with: the mark price, else the last price, else the bid."""
        return first(ticker.get("markPrice"), ticker.get("last"), ticker.get("close"), ticker.get("bid"))

    # -- settings of a symbol

    async def set_leverage(self, market: Row, leverage: int, margin_mode: MarginMode) -> None:
        """Set the leverage. "Unchanged" may be raised: the account treats ``ErrorKind.UNCHANGED`` as a success."""
        await self.exchange.set_leverage(leverage, market["symbol"], {"marginMode": margin_mode.value})

    async def set_margin_mode(self, market: Row, margin_mode: MarginMode) -> None:
        """Set the margin mode of a flat symbol.

        An account-wide mode is set once for all symbols that wait for it.
        """
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
        """Return parameters of ``create_order``: by default client order id and reduce-only."""
        del market
        params: dict[str, Any] = {"clientOrderId": order.client_order_id}
        if order.reduce_only:
            params["reduceOnly"] = True
        return params

    async def create_order(self, order: OrderRequest, contracts: Decimal, market: Row) -> Row:
        """Send one market order of ``contracts``; return ccxt's order."""
        price = format(order.reference_price, "f") if self.priced else None
        placed: Row = await self.exchange.create_order(
            market["symbol"], "market", order.side.value, self.amount(contracts), price,
            self.order_params(order, market),
        )  # fmt: skip
        if not placed.get("id"):
            raise ValueError(f"{self.title} returned no order id")
        return placed

    def amount(self, contracts: Decimal) -> object:
        """Return an order size in the type that ccxt's ``create_order`` accepts; text is exact."""
        return format(contracts, "f")

    async def find_order(self, client_order_id: str, market: Row) -> Row | None:
        """Find an order by client order id, open orders first, then finished ones; None if it is unknown."""
        for method in ("fetch_open_orders", "fetch_closed_orders", "fetch_canceled_orders", "fetch_orders"):
            if not self.exchange.has.get(_camel(method)):
                continue
            for row in await getattr(self.exchange, method)(market["symbol"]):
                if self.client_order_id(row) == client_order_id:
                    return dict(row)
        return None

    async def order_cost(self, client_order_id: str, market: Row) -> Row | None:
        """Read what a finished order cost, as a ccxt order; by default from ``find_order``."""
        return await self.find_order(client_order_id, market)

    async def fetch_flows(self, since: datetime) -> Sequence[CashFlow]:
        """Read payments that no order explains, of the kinds that the capabilities name; symbols are ccxt's."""
        del since
        return ()

    def realised(self, row: Row) -> Decimal | None:
        """Return the profit, without fee, of what an order closed; None if the exchange does not state it."""
        return number(dig(row, "info", self.realised_key)) if self.realised_key else None

    def client_order_id(self, row: Row) -> str | None:
        """Return the client order id of a ccxt order."""
        found = row.get("clientOrderId")
        return str(found) if found else None

    def report(self, client_order_id: str, row: Row, market: Row) -> OrderReport:
        """Parse a ccxt order. Without a status it is only acknowledged: OPEN."""
        size = self.contract_size(market)
        filled, wanted = number(row.get("filled")), number(row.get("amount"))
        status = STATUSES.get(str(row.get("status")), OrderStatus.OPEN)
        if status in (OrderStatus.FILLED, OrderStatus.CANCELLED) and filled and wanted:
            # ccxt reports some orders as closed whose rest was cancelled, and some as cancelled that were filled.
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
        """Return parameters of ``create_order`` that make a reduce-only order wait for its trigger price."""
        raise NotImplementedError

    async def create_stop(self, stop: StopRequest, contracts: Decimal, market: Row) -> None:
        """Place a market order of ``contracts`` that waits for its trigger.

        Called only for exchanges with the capability ``stops``.
        """
        placed: Row = await self.exchange.create_order(
            market["symbol"],
            "market",
            stop.side.value,
            self.amount(contracts),
            None,
            self.stop_params(stop, market),
        )
        if not placed.get("id"):
            raise ValueError(f"{self.title} returned no id of the stop order")

    async def cancel_stop(self, client_order_id: str, market: Row) -> None:
        """Cancel a stop order by its client order id. "Not found" may be raised: the account treats it as a success."""
        raise NotImplementedError

    async def find_stop(self, client_order_id: str, market: Row) -> Row | None:
        """Find a stop order like ``find_order``; a resting one is open."""
        return await self.find_order(client_order_id, market)

    async def fetch_stops(self) -> Sequence[Row]:
        """Read all resting stop orders, as ccxt orders."""
        raise NotImplementedError

    def order_reason(self, row: Row) -> str:
        """Return why an order ended without being filled, in the exchange's words."""
        info = row.get("info") or {}
        found = next((info[key] for key in ("rejectReason", "cancelReason", "reason") if info.get(key)), "")
        return str(found) or f"the exchange ended it as {row.get('status')}"

    # -- limits

    def request_cost(self, method: str, path: str) -> RequestCost:
        """Return the cost of one request by window name, such as ``{"requests": 1, "orders": 1}``.

        Windows that are not named are not charged. ``path`` is ccxt's endpoint (``v5/order/create``).
        """
        del method, path
        return {window.name: 1 for window in self.windows}

    def retry_after(self, headers: Mapping[str, str]) -> float | None:
        """Return the seconds to wait that a rate-limit error's headers (lower-case names) ask for.

        None if they do not.
        """
        seconds = number(headers.get("retry-after"))
        return float(seconds) if seconds is not None else None

    # -- errors

    def classify(self, code: str, text: str) -> ErrorKind | None:
        """Return the kind of an error by the exchange's code and the response's text.

        None leaves it to ccxt's class.
        """
        return match_text(self.error_texts, code, text) or self.error_codes.get(code)

    def remedy(self, kind: ErrorKind, code: str, text: str) -> str:
        """Return what the operator can do, in one line."""
        return match_text(self.remedies, code, text) or kind.remedy

    # -- streams

    def pushed_equity(self, found: Row) -> Equity | None:
        """Parse a pushed balance; None if it is incomplete for the settle coin."""
        total = number(dig(found, self.options.settle, "total"))
        return None if total is None else self.equity(found)


def _camel(name: str) -> str:
    head, *tail = name.split("_")
    return head + "".join(part.capitalize() for part in tail)
