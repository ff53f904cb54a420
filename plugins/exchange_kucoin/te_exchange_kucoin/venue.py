"""What is special about KuCoin Futures (classic accounts). https://www.kucoin.com/docs-new/introduction"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from typing import Any, ClassVar

from te_core.api import (
    CashFlow,
    Equity,
    Finding,
    FlowKind,
    MarginMode,
    OrderRequest,
    Position,
    StopKind,
    StopRequest,
)
from te_exchange_ccxt.base import ZERO, BaseError, Row, Spending, Trouble, Venue, Window, dig, number
from te_exchange_kucoin.codes import TEXTS, TROUBLES
from te_exchange_kucoin.looks import look_at_account, look_at_key, may_withdraw

PAGE, MOST_PAGES = 100, 20
WEIGHTS = {
    **dict.fromkeys(("orders/byClientOid", "fills", "account-overview", "funding-history"), 5),
    "stopOrders": 6,
    "bullet-private": 10,
}
PUBLIC = {"contracts/active": 3, "allTickers": 5, "ticker": 2, "timestamp": 2, "bullet-public": 10}
TRANSFERS = {
    **dict.fromkeys(("Deposit", "TransferIn"), FlowKind.DEPOSIT),
    **dict.fromkeys(("Withdrawal", "TransferOut"), FlowKind.WITHDRAWAL),
}
"""Types of the ledger that are neither profit nor loss."""
OTHER_MODE = '"330005"'  # the order does not state its contract's margin mode


class Kucoin(Venue):
    """A KuCoin Futures account. Sizes are whole contracts; the leverage of isolated positions comes with orders."""

    exchange_id: str = "kucoinfutures"
    troubles: ClassVar[Mapping[str, Trouble]] = TROUBLES
    texts: ClassVar[Mapping[tuple[str, str], Trouble]] = TEXTS
    code_keys: ClassVar[Sequence[str]] = ("code",)
    success: ClassVar[tuple[str, str]] = ("code", "200000")
    market_maximum: ClassVar[Sequence[str]] = ("marketMaxOrderQty",)
    ticker_fields: ClassVar[Mapping[str, str]] = {"symbol": "symbol", "last": "price"}
    streamed: ClassVar[frozenset[str]] = frozenset({"orders", "balance", "tickers"})
    private_api: ClassVar[Sequence[str]] = ("futuresPrivate",)
    windows: ClassVar[Sequence[Window]] = (
        Window("futures", 2000, 30.0),  # at the lowest VIP level
        Window("public", 2000, 30.0, per_address=True),
    )

    def config(self) -> dict[str, Any]:
        """Say beforehand what ccxt would ask (the account's type), and leave its partner headers out."""
        read_no_snapshot = {"fetchBalanceSnapshot": False, "awaitBalanceSnapshot": False}
        options = {"defaultType": "swap", "uta": False, "hf": False, "partner": None}
        return {"options": {**options, "watchBalance": read_no_snapshot}}

    async def fetch_markets(self) -> list[dict[str, Any]]:
        """Read the contracts only: ccxt would ask for spot margin too."""
        markets: list[dict[str, Any]] = await self.exchange.fetch_contract_markets()
        if not markets:
            raise ValueError("KuCoin answered without contracts")
        return markets

    # -- the account

    async def check(self) -> None:
        """Check credentials and position mode."""
        mode = await self.exchange.futuresprivate_get_position_getpositionmode()
        if str(self.content(mode, dict).get("positionMode")) == "1":
            self.refuse_hedge_mode()
        await self.fetch_equity()

    async def uid(self) -> str:
        """Read whose the key is. https://www.kucoin.com/docs-new/rest/account-info/account-funding/get-apikey-info"""
        key = await self._key()
        self.may_withdraw = may_withdraw(key)
        return self.account_id(key, "uid")

    async def _key(self) -> Row:
        key: Row = self.content(await self.exchange.private_get_user_api_key(), dict)
        return key

    async def findings(self) -> Sequence[Finding]:
        """Look at the account's type and the key, for ``te doctor``."""
        key = await self._key()
        try:
            mode = dig(await self.exchange.utaprivate_get_account_mode(), "data", "selfAccountMode")
        except BaseError():
            mode = None
        return [look_at_account(mode), *look_at_key(key)]

    async def fetch_equity(self) -> Equity:
        """Read the overview: accountEquity has the unrealised profit in it."""
        which = {"currency": self.options.settle}
        row = self.content(await self.exchange.futuresprivate_get_account_overview(which), dict)
        if row.get("currency") != self.options.settle:
            raise self.no_balance()
        return self.account_value(row, total="accountEquity", profit="unrealisedPNL", free="availableBalance")

    def pushed_equity(self, found: Row) -> Equity | None:
        """Parse topic /contractAccount/wallet, which names wallet and equity."""
        push: Row = found.get("info") or {}
        told = push.get("currency") == self.options.settle
        if not told or None in (number(push.get("walletBalance")), number(push.get("equity"))):
            return None
        return self.account_value(push, wallet="walletBalance", total="equity", free="availableBalance")

    async def fetch_positions(self) -> Sequence[Row]:
        """Read all positions."""
        rows = self.content(await self.exchange.futuresprivate_get_positions(), list)
        return [self.exchange.parse_position(row) for row in rows]

    def position(self, symbol: str, row: Row, market: Row) -> Position:
        """Leave the leverage of isolated positions out: it is what is effective now, which drifts with the price."""
        found = super().position(symbol, row, market)
        return replace(found, leverage=None) if found.margin_mode is MarginMode.ISOLATED else found

    def hedged(self, row: Row) -> bool:
        """Tell a side of hedge mode; one-way positions say BOTH."""
        return dig(row, "info", "positionSide") in ("LONG", "SHORT")

    async def fetch_tickers(self, symbols: Sequence[str]) -> Mapping[str, Row]:
        """Read last prices raw, one or all: the list with mark prices is ten times as long."""
        if wanted := self.only(symbols):
            rows = [self.content(await self.exchange.futurespublic_get_ticker(wanted), dict)]
        else:
            rows = self.content(await self.exchange.futurespublic_get_alltickers(), list)
        return self.picked(symbols, rows)

    async def set_leverage(self, market: Row, leverage: int, margin_mode: MarginMode) -> None:
        """Set it for cross positions; isolated ones get it with each order."""
        if margin_mode is MarginMode.CROSS:
            await self.exchange.set_leverage(leverage, market["symbol"])

    async def set_margin_mode(self, market: Row, margin_mode: MarginMode) -> None:
        """Switch a contract that is known to be in the other mode. Of others the first order tells."""
        if self.modes.get(market["id"], margin_mode) is not margin_mode:
            await self._switch(market, margin_mode)

    async def _switch(self, market: Row, margin_mode: MarginMode) -> None:
        await self.exchange.set_margin_mode(margin_mode.value, market["symbol"])
        self.modes[market["id"]] = margin_mode

    # -- orders

    def order_params(self, order: OrderRequest, market: Row) -> dict[str, Any]:
        """State margin mode and leverage, for which ccxt would send 1."""
        params = super().order_params(order, market)
        return {**params, "marginMode": order.margin_mode.value, "leverage": order.leverage}

    def amount(self, contracts: Decimal) -> object:
        """Contracts are whole numbers."""
        return int(contracts)

    async def create_order(self, order: OrderRequest, contracts: Decimal, market: Row) -> Row:
        """Send one market order. It must state its contract's margin mode: a reduction that of its position.

        An increase that states the other one is refused unexecuted; the mode is switched and the order sent then.
        """
        order = replace(order, margin_mode=self.mode_of(order, market))
        try:
            placed = await super().create_order(order, contracts, market)
        except BaseError() as error:
            if order.reduce_only or OTHER_MODE not in str(error):
                raise
            await self._switch(market, order.margin_mode)
            placed = await super().create_order(order, contracts, market)
        self.modes[market["id"]] = order.margin_mode
        return placed

    async def find_order(self, client_order_id: str, market: Row) -> Row | None:
        """Ask by ``clientOid``. Unknown ones are answered with 100001, perhaps with a success without data."""
        found: Row = await self.exchange.fetch_order(None, market["symbol"], {"clientOid": client_order_id})
        return found if found.get("id") else None

    async def order_cost(self, client_order_id: str, market: Row) -> Row | None:
        """Add up an order's fees from its fills: orders do not tell them."""
        found = await self.find_order(client_order_id, market)
        if found is None or not number(found.get("filled")):
            return found
        trades = await self.exchange.fetch_my_trades(
            market["symbol"], None, 1000, {"orderId": str(found["id"])}
        )
        paid = [cost for trade in trades if (cost := number(dig(trade, "fee", "cost"))) is not None]
        amounts = sum((number(trade.get("amount")) or ZERO for trade in trades), ZERO)
        if len(paid) < len(trades) or amounts < (number(found.get("filled")) or ZERO):
            return found  # not all of it is told yet
        return {**found, "fee": {"cost": str(sum(paid, ZERO)), "currency": dig(trades[0], "fee", "currency")}}

    # -- payments

    async def fetch_flows(self, since: datetime) -> Sequence[CashFlow]:
        """Read transfers, and by contract the fundings of those that were held on this connection.

        https://www.kucoin.com/docs-new/rest/account-info/account-funding/get-account-ledgers-futures and
        https://www.kucoin.com/docs-new/rest/futures-trading/funding-fees/get-private-funding-history
        """
        begin = int(since.timestamp() * 1000)
        fundings = await asyncio.gather(*(self._fundings(symbol, begin) for symbol in self.modes))
        return [*await self._transfers(begin), *(flow for found in fundings for flow in found)]

    async def _transfers(self, begin: int) -> list[CashFlow]:
        """Read the ledger. What is realised there comes of orders and fundings."""
        which = {"currency": self.options.settle}
        ask = self.exchange.futuresprivate_get_transaction_history
        rows = await self._since(ask, which, begin, at="time", offset="offset")
        return [
            self.cash_flow(kind, key=f"ledger {row['offset']}", amount=row.get("amount"), at_ms=row["time"])
            for row in rows
            if (kind := TRANSFERS.get(str(row.get("type")))) and row.get("status") == "Completed"
        ]

    async def _fundings(self, symbol: str, begin: int) -> list[CashFlow]:
        """Read one contract's fundings; below zero was paid."""
        ask = self.exchange.futuresprivate_get_funding_history
        rows = await self._since(ask, {"symbol": symbol}, begin, at="timePoint", offset="id")
        return [
            self.cash_flow(
                FlowKind.FUNDING,
                key=f"funding {row['id']}",
                amount=row.get("funding"),
                at_ms=row["timePoint"],
                symbol=symbol,
            )
            for row in rows
        ]

    async def _since(self, ask: Any, which: Row, begin: int, *, at: str, offset: str) -> list[Row]:
        """Read a list from a time on, page by page: the next begins at the last row's ``offset``."""
        found: list[Row] = []
        page: dict[str, Any] = {}
        for _ in range(MOST_PAGES):
            data = self.content(await ask({**which, "startAt": begin, "maxCount": PAGE, **page}), dict)
            rows = data.get("dataList")
            if not isinstance(rows, list):
                raise TypeError("KuCoin listed no payments")
            fresh = [row for row in rows if int(row[at]) >= begin]
            found += fresh
            if not data.get("hasMore") or not fresh:  # perhaps all there ever was, newest first
                return found
            page = {"offset": rows[-1][offset]}
        raise ValueError(f"KuCoin tells more than {MOST_PAGES} pages of payments since {begin}")

    # -- stops: orders with stop, stopPrice and stopPriceType, which keep their id when they are triggered

    def stop_params(self, stop: StopRequest, market: Row) -> dict[str, Any]:
        """Make it a stop order; ccxt tells its direction from side and kind, and has the mark price trigger it."""
        trigger = "stopLossPrice" if stop.kind is StopKind.LOSS else "takeProfitPrice"
        mode = self.modes.get(market["id"]) or stop.margin_mode
        return {
            "clientOrderId": stop.client_order_id,
            "marginMode": mode.value,
            "leverage": stop.leverage,
            "reduceOnly": True,
            trigger: format(stop.trigger, "f"),
        }

    async def cancel_stop(self, client_order_id: str, market: Row) -> None:
        """Cancel it by our id, as any order, "including a stop order".

        https://www.kucoin.com/docs-new/rest/futures-trading/orders/cancel-order-by-clientoid
        """
        which = {"clientOid": client_order_id, "symbol": market["id"]}
        await self.exchange.futuresprivate_delete_orders_client_order_clientoid(which)

    async def fetch_stops(self) -> Sequence[Row]:
        """Read the untriggered stop orders, page by page."""
        found: list[Row] = []
        for page in range(1, MOST_PAGES + 1):
            which = {"currentPage": page, "pageSize": PAGE}
            data = self.content(await self.exchange.futuresprivate_get_stoporders(which), dict)
            rows = data.get("items")
            if not isinstance(rows, list):
                raise TypeError("KuCoin listed no stop orders")
            for row in rows:
                symbol = self.exchange.safe_symbol(row.get("symbol"))
                found.append({"clientOrderId": row.get("clientOid"), "symbol": symbol})
            if page >= int(data.get("totalPage") or 0):
                return found
        raise ValueError(f"KuCoin's stop orders do not end after {MOST_PAGES} pages")

    # -- limits and errors

    def spending(self, method: str, path: str) -> Spending:
        """Give a request's weight in its pool. https://www.kucoin.com/docs-new/rate-limit"""
        del method
        if path in ("user/api-key", "account/mode"):  # of pools that nothing else uses
            return {}
        return {"public": PUBLIC[path]} if path in PUBLIC else {"futures": WEIGHTS.get(path, 2)}

    def retry_after(self, headers: Mapping[str, str]) -> float | None:
        """KuCoin says in how many milliseconds the pool is full again."""
        reset = number(headers.get("gw-ratelimit-reset"))
        return super().retry_after(headers) if reset is None else max(float(reset) / 1000, 0.1)

    def stream_broke(self, *, private: bool) -> None:
        """Open the next connection with a new token: the old one may have expired, or its server may be gone.

        It has an address of its own, so that the one before would stay open beside it, and ccxt would remember for
        each when it may be tried again.
        """
        self.hang_up(private=private)
        self.exchange.ws_dial_backoff = {}
        addresses = self.exchange.options.get("urls") or {}
        addresses.pop("privateFutures" if private else "publicFutures", None)

    def streams_at(self, url: str) -> tuple[bool, ...]:
        """Both kinds' addresses have "private" in them; the connection's name tells."""
        return ("connectId=private" in url,)
