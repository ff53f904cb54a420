"""Adapter for KuCoin Futures (classic accounts). https://www.kucoin.com/docs-new/introduction"""

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
from te_exchange_ccxt.api import (
    ZERO,
    BaseError,
    ErrorKind,
    ExchangeAdapter,
    RequestCost,
    Row,
    Window,
    dig,
    number,
    total,
)
from te_exchange_kucoin.codes import ERROR_CODES, ERROR_TEXTS
from te_exchange_kucoin.diagnostics import check_account, check_key, may_withdraw
from te_exchange_kucoin.options import WINDOWS

PAGE = 100
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
"""Ledger types that are neither profit nor loss."""
OTHER_MODE = '"330005"'  # the order does not state its contract's margin mode


class KucoinAdapter(ExchangeAdapter):
    """A KuCoin Futures account. Sizes are whole contracts; orders state the leverage of isolated positions."""

    exchange_id: str = "kucoinfutures"
    error_codes: ClassVar[Mapping[str, ErrorKind]] = ERROR_CODES
    error_texts: ClassVar[Mapping[tuple[str, str], ErrorKind]] = ERROR_TEXTS
    code_keys: ClassVar[Sequence[str]] = ("code",)
    success: ClassVar[tuple[str, str]] = ("code", "200000")
    market_maximum: ClassVar[Sequence[str]] = ("marketMaxOrderQty",)
    ticker_fields: ClassVar[Mapping[str, str]] = {"symbol": "symbol", "last": "price"}
    streamed: ClassVar[frozenset[str]] = frozenset({"orders", "balance", "tickers"})
    private_api: ClassVar[Sequence[str]] = ("futuresPrivate",)
    windows: ClassVar[Sequence[Window]] = WINDOWS

    def config(self) -> dict[str, Any]:
        """State the account's type, which ccxt would ask for, and omit its partner headers."""
        read_no_snapshot = {"fetchBalanceSnapshot": False, "awaitBalanceSnapshot": False}
        options = {"defaultType": "swap", "uta": False, "hf": False, "partner": None}
        return {"options": {**options, "watchBalance": read_no_snapshot}}

    async def fetch_markets(self) -> list[dict[str, Any]]:
        """Read the contracts only: ccxt would also ask for spot margin."""
        markets: list[dict[str, Any]] = await self.exchange.fetch_contract_markets()
        if not markets:
            raise ValueError("KuCoin returned no contracts")
        return markets

    # -- the account

    async def check(self) -> None:
        """Check credentials and position mode."""
        mode = await self.exchange.futuresprivate_get_position_getpositionmode()
        if str(self.unwrap(mode, dict).get("positionMode")) == "1":
            self.refuse_hedge_mode()
        await self.fetch_equity()

    async def uid(self) -> str:
        """Read the key's owner.

        https://www.kucoin.com/docs-new/rest/account-info/account-funding/get-apikey-info
        """
        key = await self._key()
        self.may_withdraw = may_withdraw(key)
        return self.account_id(key, "uid")

    async def _key(self) -> Row:
        key: Row = self.unwrap(await self.exchange.private_get_user_api_key(), dict)
        return key

    async def findings(self) -> Sequence[Finding]:
        """Check the account's type and the key, for ``te doctor``."""
        key = await self._key()
        try:
            mode = dig(await self.exchange.utaprivate_get_account_mode(), "data", "selfAccountMode")
        except BaseError():
            mode = None
        return [check_account(mode), *check_key(key)]

    async def fetch_equity(self) -> Equity:
        """Read the overview: accountEquity includes the unrealised profit."""
        which = {"currency": self.options.settle}
        row = self.unwrap(await self.exchange.futuresprivate_get_account_overview(which), dict)
        if row.get("currency") != self.options.settle:
            raise self.no_balance()
        return self.account_value(row, total="accountEquity", profit="unrealisedPNL", free="availableBalance")

    def pushed_equity(self, found: Row) -> Equity | None:
        """Parse topic /contractAccount/wallet, which has wallet and equity."""
        push: Row = found.get("info") or {}
        is_settle_coin = push.get("currency") == self.options.settle
        if not is_settle_coin or None in (number(push.get("walletBalance")), number(push.get("equity"))):
            return None
        return self.account_value(push, wallet="walletBalance", total="equity", free="availableBalance")

    async def fetch_positions(self) -> Sequence[Row]:
        """Read all positions."""
        rows = self.unwrap(await self.exchange.futuresprivate_get_positions(), list)
        return [self.exchange.parse_position(row) for row in rows]

    def position(self, symbol: str, row: Row, market: Row) -> Position:
        """Omit the leverage of isolated positions: KuCoin returns the effective one, which drifts with the price."""
        found = super().position(symbol, row, market)
        return replace(found, leverage=None) if found.margin_mode is MarginMode.ISOLATED else found

    def hedged(self, row: Row) -> bool:
        """Return whether a row is a side of hedge mode; one-way positions have BOTH."""
        return dig(row, "info", "positionSide") in ("LONG", "SHORT")

    async def fetch_tickers(self, symbols: Sequence[str]) -> Mapping[str, Row]:
        """Read raw last prices, one or all: the list with mark prices is ten times as long."""
        if wanted := self.single_market_params(symbols):
            rows = [self.unwrap(await self.exchange.futurespublic_get_ticker(wanted), dict)]
        else:
            rows = self.unwrap(await self.exchange.futurespublic_get_alltickers(), list)
        return self.select_tickers(symbols, rows)

    async def set_leverage(self, market: Row, leverage: int, margin_mode: MarginMode) -> None:
        """Set it for cross positions; isolated ones get it with each order."""
        if margin_mode is MarginMode.CROSS:
            await self.exchange.set_leverage(leverage, market["symbol"])

    async def set_margin_mode(self, market: Row, margin_mode: MarginMode) -> None:
        """Switch a contract that is known to be in the other mode; for others the first order shows it."""
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
        """Return whole contracts."""
        return int(contracts)

    async def create_order(self, order: OrderRequest, contracts: Decimal, market: Row) -> Row:
        """Send one market order. It must state its contract's margin mode: for a reduction that of its position.

        An increase that states the other mode is rejected unexecuted; then the mode is switched and the order sent.
        """
        order = replace(order, margin_mode=self.order_margin_mode(order, market))
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
        """Find an order by ``clientOid``.

        For an unknown id KuCoin returns 100001, or possibly a success without data.
        """
        found: Row = await self.exchange.fetch_order(None, market["symbol"], {"clientOid": client_order_id})
        return found if found.get("id") else None

    async def order_cost(self, client_order_id: str, market: Row) -> Row | None:
        """Add up an order's fees from its fills: orders do not contain them."""
        found = await self.find_order(client_order_id, market)
        if found is None or not number(found.get("filled")):
            return found
        trades = await self.exchange.fetch_my_trades(
            market["symbol"], None, 1000, {"orderId": str(found["id"])}
        )
        paid = [cost for trade in trades if (cost := number(dig(trade, "fee", "cost"))) is not None]
        if len(paid) < len(trades) or total(trades, "amount") < (number(found.get("filled")) or ZERO):
            return found  # some fills are still missing
        return {**found, "fee": {"cost": str(sum(paid, ZERO)), "currency": dig(trades[0], "fee", "currency")}}

    # -- payments

    async def fetch_flows(self, since: datetime) -> Sequence[CashFlow]:
        """Read transfers, and the fundings of contracts that were held on this connection.

        https://www.kucoin.com/docs-new/rest/account-info/account-funding/get-account-ledgers-futures and
        https://www.kucoin.com/docs-new/rest/futures-trading/funding-fees/get-private-funding-history
        """
        begin = int(since.timestamp() * 1000)
        fundings = await asyncio.gather(*(self._fundings(symbol, begin) for symbol in self.modes))
        return [*await self._transfers(begin), *(flow for found in fundings for flow in found)]

    async def _transfers(self, begin: int) -> list[CashFlow]:
        """Read the ledger. Realised profit there comes from orders and fundings."""
        which = {"currency": self.options.settle}
        route = self.exchange.futuresprivate_get_transaction_history
        rows = await self._since(route, which, begin, at="time", offset="offset")
        return [
            self.cash_flow(kind, key=f"ledger {row['offset']}", amount=row.get("amount"), at_ms=row["time"])
            for row in rows
            if (kind := TRANSFERS.get(str(row.get("type")))) and row.get("status") == "Completed"
        ]

    async def _fundings(self, symbol: str, begin: int) -> list[CashFlow]:
        """Read one contract's fundings; negative amounts were paid."""
        route = self.exchange.futuresprivate_get_funding_history
        rows = await self._since(route, {"symbol": symbol}, begin, at="timePoint", offset="id")
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

    async def _since(self, route: Any, which: Row, begin: int, *, at: str, offset: str) -> list[Row]:
        """Read a list from a time on, page by page: the next page begins at the last row's ``offset``."""

        async def read(page: Row) -> tuple[list[Row], Row | None]:
            answer = await route({**which, "startAt": begin, "maxCount": PAGE, **page})
            rows = self.unwrap(answer, list, "data", "dataList")
            fresh = [row for row in rows if int(row[at]) >= begin]
            # Without fresh rows: KuCoin may have returned the whole history, newest first.
            last = not dig(answer, "data", "hasMore") or not fresh
            return fresh, None if last else {"offset": rows[-1][offset]}

        return await self.all_pages("payments", read)

    # -- stops: orders with stop, stopPrice and stopPriceType, which keep their id when they are triggered

    def stop_params(self, stop: StopRequest, market: Row) -> dict[str, Any]:
        """Return the parameters of a stop order.

        ccxt derives its direction from side and kind, and triggers on the mark price.
        """
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
        """Cancel it by our id like any order, "including a stop order".

        https://www.kucoin.com/docs-new/rest/futures-trading/orders/cancel-order-by-clientoid
        """
        which = {"clientOid": client_order_id, "symbol": market["id"]}
        await self.exchange.futuresprivate_delete_orders_client_order_clientoid(which)

    async def fetch_stops(self) -> Sequence[Row]:
        """Read the untriggered stop orders, page by page."""

        async def read(page: Row) -> tuple[list[Row], Row | None]:
            number = page.get("currentPage", 1)
            which = {"currentPage": number, "pageSize": PAGE}
            answer = await self.exchange.futuresprivate_get_stoporders(which)
            last = number >= int(dig(answer, "data", "totalPage") or 0)
            rows = self.unwrap(answer, list, "data", "items")
            return rows, None if last else {"currentPage": number + 1}

        rows = await self.all_pages("stop orders", read)
        return [self.stop_row(row.get("clientOid"), row.get("symbol")) for row in rows]

    # -- limits and errors

    def request_cost(self, method: str, path: str) -> RequestCost:
        """Return a request's weight in its pool. https://www.kucoin.com/docs-new/rate-limit"""
        del method
        if path in ("user/api-key", "account/mode"):  # from pools that nothing else uses
            return {}
        return {"public": PUBLIC[path]} if path in PUBLIC else {"futures": WEIGHTS.get(path, 2)}

    def retry_after(self, headers: Mapping[str, str]) -> float | None:
        """Return the time until the pool is full again, which KuCoin states in milliseconds."""
        reset = number(headers.get("gw-ratelimit-reset"))
        return super().retry_after(headers) if reset is None else max(float(reset) / 1000, 0.1)

    def stream_broke(self, *, private: bool) -> None:
        """Open the next connection with a new token: the old one may have expired, or its server may be gone.

        The new connection has another URL, so the old one would stay open next to it, and ccxt would remember for
        each when it may be tried again.
        """
        self.disconnect(private=private)
        self.exchange.ws_dial_backoff = {}
        addresses = self.exchange.options.get("urls") or {}
        addresses.pop("privateFutures" if private else "publicFutures", None)

    def streams_at(self, url: str) -> tuple[bool, ...]:
        """Return the channels by the connection's name: the URLs of both kinds contain "private"."""
        return ("connectId=private" in url,)
