"""Adapter for Bybit: v5 unified accounts, linear perpetuals.

https://bybit-exchange.github.io/docs/v5/intro
"""

from __future__ import annotations

from asyncio import gather
from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, ClassVar
from uuid import uuid4

from te_core.api import (
    AuthError,
    CashFlow,
    Equity,
    Finding,
    FlowKind,
    MarginMode,
    OrderRequest,
    Position,
    StopRequest,
)
from te_exchange_bybit.codes import ERROR_CODES, ERROR_TEXTS, REMEDIES
from te_exchange_bybit.diagnostics import check_account, check_key, may_withdraw
from te_exchange_bybit.options import WINDOWS
from te_exchange_ccxt.api import (
    ZERO,
    BaseError,
    CcxtOptions,
    ErrorAction,
    ErrorKind,
    ExchangeAdapter,
    RequestCost,
    Row,
    Window,
    classify_error,
    dig,
    gather_pair,
    moment,
    number,
)

UNIFIED = {"3", "4", "5", "6"}
"""``unifiedMarginStatus`` of unified accounts (1 is a classic account): /v5/account/info."""
FLOWS = {
    "SETTLEMENT": FlowKind.FUNDING,
    "TRANSFER_IN": FlowKind.DEPOSIT,
    "TRANSFER_OUT": FlowKind.WITHDRAWAL,
}
"""Types of the transaction log; all other entries come from orders."""
LOG_SPAN = 7 * 86_400_000
PAGE = 200
ORDER_PAGE = 50
MODES = {"ISOLATED_MARGIN": MarginMode.ISOLATED, "REGULAR_MARGIN": MarginMode.CROSS}


class BybitAdapter(ExchangeAdapter):
    """A Bybit account. The margin mode belongs to the whole account; sizes are in base coin."""

    exchange_id: str = "bybit"
    error_codes: ClassVar[Mapping[str, ErrorKind]] = ERROR_CODES
    error_texts: ClassVar[Mapping[tuple[str, str], ErrorKind]] = ERROR_TEXTS
    remedies: ClassVar[Mapping[tuple[str, str], str]] = REMEDIES
    code_keys: ClassVar[Sequence[str]] = ("retCode",)
    success: ClassVar[tuple[str, str]] = ("retCode", "0")
    market_maximum: ClassVar[Sequence[str]] = ("lotSizeFilter", "maxMktOrderQty")
    ticker_fields: ClassVar[Mapping[str, str]] = {
        "symbol": "symbol",
        "markPrice": "markPrice",
        "last": "lastPrice",
    }
    account_wide: ClassVar[bool] = True
    hedge_per_symbol: ClassVar[bool] = True
    streamed: ClassVar[frozenset[str]] = frozenset({"positions", "orders", "balance", "tickers"})
    confirms: ClassVar[bool] = True
    windows: ClassVar[Sequence[Window]] = WINDOWS

    def __init__(self, options: CcxtOptions) -> None:
        super().__init__(options)
        self._hedged: set[str] = set()
        """Symbols, as Bybit spells them, that were in hedge mode when last read."""

    def config(self) -> dict[str, Any]:
        """State that the account is unified, which saves two requests, and follow positions without a REST snapshot."""
        options = {
            "defaultType": "swap",
            "defaultSubType": "linear",
            "defaultSettle": self.options.settle,
            "enableUnifiedMargin": False,
            "enableUnifiedAccount": True,
            "unifiedMarginStatus": 6,
            "fetchMarkets": {"types": ["linear"]},
            "watchPositions": {"fetchPositionsSnapshot": False, "awaitPositionsSnapshot": False},
        }
        return {"options": options}

    def to_test_host(self) -> None:
        """Select the testnet, which is a separate market, or demo trading, which uses play money at real prices."""
        if self.options.test == "demo":
            self.exchange.enable_demo_trading(enable=True)
        else:
            super().to_test_host()

    async def check(self) -> None:
        """Check that the account is unified. Position modes belong to symbols."""
        info = await self._info()
        if str(info.get("unifiedMarginStatus")) not in UNIFIED:
            raise AuthError(
                "Bybit: this is a classic account: upgrade it to a unified trading account at the exchange"
            )

    async def check_symbols(self, markets: Sequence[Row]) -> None:
        """Read the position modes: a read of all positions does not show that of a flat symbol."""
        await self._read_modes([str(market["id"]) for market in markets])

    async def _read_modes(self, ids: Sequence[str]) -> list[Row]:
        """Read symbols one by one, flat ones too, and remember which are in hedge mode; return those symbols' rows."""
        found = []
        for rows in await gather(*(self._position_rows({"symbol": name}) for name in ids)):
            found += [row for row in rows if str(row.get("positionIdx", "0")) != "0"]
        self._hedged = {*self._hedged.difference(ids), *(str(row["symbol"]) for row in found)}
        return found

    async def uid(self) -> str:
        """Read the key's owner. https://bybit-exchange.github.io/docs/v5/user/apikey-info"""
        key = await self._key()
        self.may_withdraw, self.key_expires_at = may_withdraw(key), moment(key.get("expiredAt"))
        return self.account_id(key, "userID")

    async def findings(self) -> Sequence[Finding]:
        """Check key and account."""
        account = check_account(await self._info(), sorted(self._hedged))
        return [*account, *check_key(await self._key())]

    async def _info(self) -> Row:
        info: Row = self.unwrap(await self.exchange.private_get_v5_account_info(), dict, "result")
        return info

    async def _key(self) -> Row:
        key: Row = self.unwrap(await self.exchange.private_get_v5_user_query_api(), dict, "result")
        return key

    async def _position_rows(self, which: dict[str, str]) -> list[Row]:
        """Read positions page by page; almost always there is one page."""
        params = {"category": "linear", "limit": PAGE, **which}
        return await self._rows("positions", self.exchange.private_get_v5_position_list, params, full=PAGE)

    async def _rows(self, what: str, route: Any, params: Row, *, full: int = 1) -> list[Row]:
        """Read a list page by page; the last page has no cursor, or fewer than ``full`` rows."""

        async def read(page: Row) -> tuple[list[Row], Row | None]:
            answer = await route({**params, **page})
            rows = self.unwrap(answer, list, "result", "list")
            cursor = answer["result"].get("nextPageCursor")
            return rows, {"cursor": str(cursor)} if cursor and len(rows) >= full else None

        return await self.all_pages(what, read)

    async def fetch_positions(self) -> Sequence[Row]:
        """Read every position that settles in the settle coin, and the account's margin mode.

        The operator may switch the margin mode at any time, and neither rows nor pushes contain it. Symbols that were
        in hedge mode are read one by one until they are in one-way mode again.
        """
        which = {"settleCoin": self.options.settle}
        rows, self.account_mode = await gather_pair(self._position_rows(which), self._margin_mode())
        if flat := self._hedged.difference(str(row.get("symbol")) for row in rows):
            rows = [*rows, *await self._read_modes(sorted(flat))]
        return [{**self.exchange.parse_position(row), "marginMode": self.account_mode} for row in rows]

    async def _margin_mode(self) -> MarginMode | None:
        """Read the account's margin mode.

        None if that fails: it is then set before the next opening order.
        """
        try:
            return MODES.get(str((await self._info()).get("marginMode")))
        except BaseError() as error:
            if classify_error(error, self)[0].action is ErrorAction.STOP:
                raise
            return None

    def flat_position(self, symbol: str) -> Position | None:
        """Return the account's margin mode for a flat symbol."""
        mode = self.account_mode
        return None if mode is None else Position(symbol=symbol, quantity=ZERO, margin_mode=mode)

    def equity(self, balance: Row) -> Equity:
        """Parse the coin's own row: ccxt's total is the wallet, without unrealised profit."""
        accounts = self.unwrap(balance.get("info"), list, "result", "list")
        found = self._coin(accounts)
        if found is None:  # all of it was withdrawn, or the response is incomplete
            raise self.no_balance()
        return found

    def pushed_equity(self, found: Row) -> Equity | None:
        """Parse a push, which has the same rows."""
        return self._coin(found["data"])

    def _coin(self, accounts: Sequence[Row]) -> Equity | None:
        for coin in (coin for account in accounts for coin in account.get("coin") or ()):
            if coin.get("coin") == self.options.settle:
                wallet = number(coin.get("walletBalance"))
                if wallet is None:
                    raise self.no_balance()
                total = number(coin.get("equity"))
                bound = [
                    number(coin.get(key)) or ZERO for key in ("locked", "totalPositionIM", "totalOrderIM")
                ]
                return Equity(
                    wallet=wallet,
                    total=wallet if total is None else total,
                    free=max(wallet - sum(bound), ZERO),
                )
        return None

    def confirmation(self, message: Row) -> str:
        """Return the id of a request that subscribed, or any unique name: each request is for one topic."""
        confirmed = message.get("op") == "subscribe" and message.get("success") is True
        return str(message.get("req_id") or uuid4()) if confirmed else ""

    def parse_message(self, message: Row) -> Sequence[tuple[str, Any]]:
        """Parse the account's topics and tickers."""
        topic, data = str(message.get("topic", "")), message.get("data") or ()
        if topic in ("position", "order"):
            return self.parse_rows(f"{topic}s", [row for row in data if row.get("category") == "linear"])
        if topic == "wallet":
            return [("balance", message)]
        if topic.startswith("tickers."):  # a change of the last price alone has no mark price
            ticker = {"symbol": topic.partition(".")[2], "markPrice": dig(data, "markPrice")}
            return self.parse_rows("tickers", [ticker])
        return ()

    async def fetch_tickers(self, symbols: Sequence[str]) -> Mapping[str, Row]:
        """Read the raw list, of one or all."""
        wanted = {"category": "linear", **self.single_market_params(symbols)}
        answer = await self.exchange.public_get_v5_market_tickers(wanted)
        return self.select_tickers(symbols, self.unwrap(answer, list, "result", "list"))

    async def set_leverage(self, market: Row, leverage: int, margin_mode: MarginMode) -> None:
        """Set it for both sides: Bybit has only that."""
        del margin_mode
        await self.exchange.set_leverage(leverage, market["symbol"])

    async def create_order(self, order: OrderRequest, contracts: Decimal, market: Row) -> Row:
        """Send the order; if it is rejected for hedge mode, remember that its symbol was switched."""
        try:
            return await super().create_order(order, contracts, market)
        except BaseError() as error:
            if classify_error(error, self)[0] is ErrorKind.HEDGED_SYMBOL:
                self._hedged.add(str(market["id"]))
            raise

    async def find_order(self, client_order_id: str, market: Row) -> Row | None:
        """Search open and recently finished orders (Bybit keeps 500), then the history, by ``orderLinkId``."""
        which = {"category": "linear", "symbol": market["id"], "orderLinkId": client_order_id}
        for route in (
            self.exchange.private_get_v5_order_realtime,
            self.exchange.private_get_v5_order_history,
        ):
            if rows := self.unwrap(await route(which), list, "result", "list"):
                order: Row = self.exchange.parse_order(rows[0], market)
                return order
        return None

    async def fetch_flows(self, since: datetime) -> Sequence[CashFlow]:
        """Read fundings and transfers from the transaction log, which covers seven days from a start time.

        ``change`` is the change of the balance. https://bybit-exchange.github.io/docs/v5/account/transaction-log
        """
        begin = max(int(since.timestamp() * 1000), self.exchange.milliseconds() - LOG_SPAN)
        return [flow for kind in FLOWS for flow in await self._flows(kind, begin)]

    async def _flows(self, kind: str, begin: int) -> list[CashFlow]:
        which = {"accountType": "UNIFIED", "currency": self.options.settle, "type": kind, "startTime": begin}
        route = self.exchange.private_get_v5_account_transaction_log
        rows = await self._rows(f"{kind} payments", route, {**which, "limit": 50})
        return [self._flow(row, FLOWS[kind]) for row in rows]

    def _flow(self, row: Row, kind: FlowKind) -> CashFlow:
        amount, at = row.get("change"), row.get("transactionTime")
        return self.cash_flow(kind, key=row["id"], amount=amount, at_ms=at, symbol=row.get("symbol") or "")

    def stop_params(self, stop: StopRequest, market: Row) -> dict[str, Any]:
        """Return the parameters of a conditional order. https://bybit-exchange.github.io/docs/v5/order/create-order"""
        del market
        return {
            "clientOrderId": stop.client_order_id,
            "reduceOnly": True,
            "triggerPrice": format(stop.trigger, "f"),
            "triggerDirection": "ascending" if stop.rising else "descending",
            "triggerBy": "MarkPrice",
        }

    async def cancel_stop(self, client_order_id: str, market: Row) -> None:
        """Cancel it by ``orderLinkId``."""
        which = {"category": "linear", "symbol": market["id"], "orderLinkId": client_order_id}
        self.unwrap(await self.exchange.private_post_v5_order_cancel(which), dict, "result")

    async def fetch_stops(self) -> Sequence[Row]:
        """Read the conditional orders that settle in the settle coin, page by page."""
        which = {"category": "linear", "settleCoin": self.options.settle, "orderFilter": "StopOrder"}
        route = self.exchange.private_get_v5_order_realtime
        rows = await self._rows("stop orders", route, {**which, "limit": ORDER_PAGE}, full=ORDER_PAGE)
        return [self.exchange.parse_order(row) for row in rows]

    def order_reason(self, row: Row) -> str:
        """Return the reject reason, else the kind of cancellation; both have words for "none"."""
        info = row.get("info") or {}
        words = (str(info.get(key) or "") for key in ("rejectReason", "cancelType"))
        return next(
            (word for word in words if word not in ("", "EC_NoError", "UNKNOWN")),
            f"Bybit ended it as {info.get('orderStatus')}",
        )

    def request_cost(self, method: str, path: str) -> RequestCost:
        """Charge every request to the address; orders, leverage and reads also to their limits per key.

        https://bybit-exchange.github.io/docs/v5/rate-limit
        """
        if path.startswith("v5/order/") and method == "POST":
            return {"address": 1, "orders": 1}
        if path == "v5/position/set-leverage":
            return {"address": 1, "leverage": 1}
        if path.startswith("v5/market/"):
            return {"address": 1}
        return {"address": 1, "reads": 1}

    def retry_after(self, headers: Mapping[str, str]) -> float | None:
        """Return the time until the window ends, which Bybit states in milliseconds."""
        reset = number(headers.get("x-bapi-limit-reset-timestamp"))
        if reset is None:
            return super().retry_after(headers)
        return min(max(float(reset - self.exchange.milliseconds()) / 1000, 0.1), 5.0)
