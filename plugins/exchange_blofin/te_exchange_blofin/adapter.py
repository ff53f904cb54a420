"""Adapter for BloFin: open API v1, futures account. https://docs.blofin.com/index.html"""

from __future__ import annotations

from asyncio import get_running_loop
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, ClassVar

from te_core.api import AuthError, CashFlow, Equity, Finding, FlowKind, MarginMode, OrderRequest
from te_exchange_blofin.client_mixin import BlofinClientMixin
from te_exchange_blofin.codes import BROKER_REMEDIES, ERROR_CODES, ERROR_TEXTS
from te_exchange_blofin.diagnostics import check_futures
from te_exchange_blofin.options import WINDOWS, BlofinOptions
from te_exchange_blofin.tpsl import PAGE, TpslAdapter
from te_exchange_ccxt.api import (
    BaseError,
    ErrorAction,
    ErrorKind,
    RequestCost,
    Row,
    Window,
    classify_error,
    moment,
    number,
)

CCXT_BROKER = "ec6dd3a7dd982d0b"
"""Broker id of keys made for the third-party application "CCXT"."""


class BlofinAdapter(TpslAdapter):
    """A BloFin account. Sizes are in contracts.

    The account has a margin mode, and each order states one of its own.
    """

    exchange_id: str = "blofin"
    realised_key: ClassVar[str] = "pnl"
    options: BlofinOptions
    client_mixins: ClassVar[tuple[type[Any], ...]] = (BlofinClientMixin,)
    error_codes: ClassVar[Mapping[str, ErrorKind]] = ERROR_CODES
    error_texts: ClassVar[Mapping[tuple[str, str], ErrorKind]] = ERROR_TEXTS
    remedies: ClassVar[Mapping[tuple[str, str], str]] = BROKER_REMEDIES
    code_keys: ClassVar[Sequence[str]] = ("code",)
    item_code: ClassVar[str] = "code"
    market_maximum: ClassVar[Sequence[str]] = ("maxMarketSize",)
    ticker_fields: ClassVar[Mapping[str, str]] = {"symbol": "instId", "last": "last"}
    account_wide: ClassVar[bool] = True
    streamed: ClassVar[frozenset[str]] = frozenset({"positions", "orders", "balance", "tickers"})
    confirms: ClassVar[bool] = True
    connect_cost: ClassVar[RequestCost] = {"connections": 1}
    private_api: ClassVar[Sequence[str]] = ("rest",)
    windows: ClassVar[Sequence[Window]] = WINDOWS
    rate_pause: ClassVar[float] = 5.0  # half the trading window
    wallet: ClassVar[str] = "futures"  # name of the account in transfers
    section: ClassVar[str] = ""
    positions_route: ClassVar[str] = "account_positions"
    leverage_route: ClassVar[str] = "account_batch_leverage_info"

    def __init__(self, options: BlofinOptions) -> None:
        super().__init__(options)
        self.broker = options.broker_id
        """Broker id in orders; empty sends none."""

    # -- the account

    async def check(self) -> None:
        """Check the key and the position mode; read whether the key is bound to a broker, and the margin mode."""
        await self.check_key()
        mode = self.unwrap(await self.exchange.private_get_account_margin_mode(), dict)
        self.account_mode = MarginMode(mode["marginMode"])

    async def check_key(self) -> None:
        """Check what both account types have: permissions, broker, position mode."""
        self.exchange.ordered_at = get_running_loop().time()  # possibly, before this process started
        key = await self.key()
        if str(key.get("readOnly")) == "1":
            raise AuthError(f"BloFin: {ErrorKind.PERMISSION.remedy}: it is read-only")
        if self.broker is None:
            self.broker = CCXT_BROKER if str(key.get("type")) == "2" else ""
        mode = self.unwrap(await self.request("get", "account_position_mode"), dict)
        if mode["positionMode"] != "net_mode":
            self.refuse_hedge_mode()

    async def request(self, method: str, route: str, params: Row | None = None) -> Row:
        """Send a request to one of the account's own routes; those of copy trading have another path."""
        answer: Row = await getattr(self.exchange, f"private_{method}_{self.section}{route}")(params or {})
        return answer

    async def key(self) -> Row:
        """Read the key's permissions and owner."""
        key: Row = self.unwrap(await self.exchange.private_get_user_query_apikey(), dict)
        return key

    async def uid(self) -> str:
        """Read the key's owner. https://docs.blofin.com/index.html#get-api-key-info"""
        key = await self.key()
        self.key_expires_at = moment(key.get("expireTime"))
        return self.account_id(key, "uid")

    async def findings(self) -> Sequence[Finding]:
        """Check key and account."""
        config = self.unwrap(await self.exchange.private_get_account_config(), dict)
        return check_futures(config, await self.key(), mode=self.account_mode, broker=self.broker)

    async def time(self) -> int:
        """Return the time of a price: no endpoint returns the time."""
        answer = await self.exchange.public_get_market_mark_price({"instId": "BTC-USDT"})
        return int(self.unwrap(answer, list)[0]["ts"])

    async def fetch_equity(self) -> Equity:
        """Read the futures account."""
        return self.equity(self.unwrap(await self.request("get", "account_balance"), dict))

    def equity(self, balance: Row) -> Equity:
        """Parse the coin's row. Isolated margin is part of the wallet."""
        coin = self._coin(balance)
        if coin is None:  # the account holds none of it, or the response is incomplete
            raise self.no_balance()
        return self.account_value(coin, wallet="balance", total="equity", free="available")

    def pushed_equity(self, found: Row) -> Equity | None:
        """Parse a pushed balance; None if it lacks the coin."""
        return self.equity(found) if self._coin(found) else None

    def _coin(self, balance: Row) -> Row | None:
        return next((row for row in balance["details"] if row["currency"] == self.options.settle), None)

    async def fetch_positions(self) -> Sequence[Row]:
        """Read all positions."""
        rows = self.unwrap(await self.request("get", self.positions_route), list)
        return [self.exchange.parse_position(row) for row in rows]

    async def fetch_tickers(self, symbols: Sequence[str]) -> Mapping[str, Row]:
        """Read the raw list, of one or all."""
        answer = await self.exchange.public_get_market_tickers(self.single_market_params(symbols))
        return self.select_tickers(symbols, self.unwrap(answer, list))

    async def fetch_flows(self, since: datetime) -> Sequence[CashFlow]:
        """Read the transfers to and from this account, newest first, page by page.

        https://docs.blofin.com/index.html#get-funds-transfer-history. Fundings are not read: the sign in
        ``account/funding-fees`` is not documented.
        """
        begin = int(since.timestamp() * 1000)

        async def read(page: Row) -> tuple[list[Row], Row | None]:
            which = {"currency": self.options.settle, "limit": str(PAGE), **page}
            rows = self.unwrap(await self.exchange.private_get_asset_bills(which), list)
            last = len(rows) < PAGE or int(rows[-1]["ts"]) < begin
            return rows, None if last else {"after": str(rows[-1]["ts"])}

        rows = await self.all_pages("transfers", read)
        return [flow for row in rows if int(row["ts"]) >= begin for flow in self._transfer(row)]

    def _transfer(self, row: Row) -> Sequence[CashFlow]:
        """Parse a transfer; one between other accounts of the user returns nothing."""
        came, went = row.get("toAccount") == self.wallet, row.get("fromAccount") == self.wallet
        if came == went:
            return ()
        kind = FlowKind.DEPOSIT if came else FlowKind.WITHDRAWAL
        return [self.cash_flow(kind, key=row["transferId"], amount=row.get("amount"), at_ms=row["ts"])]

    # -- settings of a symbol

    async def set_leverage(self, market: Row, leverage: int, margin_mode: MarginMode) -> None:
        """Set it for one margin mode, up to the instrument's own maximum: ccxt would stop at 125."""
        which = {"instId": market["id"], "marginMode": margin_mode.value}
        try:
            await self.request("post", "account_set_leverage", {**which, "leverage": str(leverage)})
        except BaseError() as error:  # the code for "already set" is unknown
            if classify_error(error, self)[0] is not ErrorKind.REJECTED:
                raise
            rows = self.unwrap(await self.request("get", self.leverage_route, which), list)
            if [number(row["leverage"]) for row in rows] != [leverage]:
                raise error from None

    async def set_margin_mode(self, market: Row, margin_mode: MarginMode) -> None:
        """Switch the whole account, once.

        Open positions may prevent it, which is harmless: orders state their own margin mode.
        """
        if margin_mode is self.account_mode:
            return
        try:
            await super().set_margin_mode(market, margin_mode)
        except BaseError() as error:
            if classify_error(error, self)[0] is not ErrorKind.MODE_BLOCKED:
                raise
            self.account_mode = margin_mode

    # -- orders

    def order_params(self, order: OrderRequest, market: Row) -> dict[str, Any]:
        """State margin mode and broker."""
        own = {
            "marginMode": self.order_margin_mode(order, market).value,
            "positionSide": "net",
            "brokerId": self.broker,
        }
        return {**super().order_params(order, market), **own}

    async def find_order(self, client_order_id: str, market: Row) -> Row | None:
        """Find an order; an unknown one counts as lost only once BloFin would no longer accept it."""
        found = await self.query_order(client_order_id, market)
        if found is None:
            self.require_expired()
        return found

    async def query_order(self, client_order_id: str, market: Row) -> Row | None:
        """Query an order by client order id; if that is rejected, search open and finished orders."""
        which = {"instId": market["id"], "clientOrderId": client_order_id}
        try:
            answer = await self.exchange.private_get_trade_order_detail(which)
            row = self.unwrap(answer, (dict, type(None)))
            return self.exchange.parse_order(row, market) if row else None
        except BaseError() as error:
            kind = classify_error(error, self)[0]
            if kind.action is not ErrorAction.REJECT:
                raise
            return None if kind is ErrorKind.NOT_FOUND else await super().find_order(client_order_id, market)

    # -- limits: https://docs.blofin.com/index.html#rate-limits

    def request_cost(self, method: str, path: str) -> RequestCost:
        """Charge everything to the address; changes and look-ups of orders also to the key."""
        own = path.removeprefix("copytrading/")
        trading = own.startswith("trade/") or (method == "POST" and own.startswith("account/"))
        return {"minute": 1, "five minutes": 1, "trading": int(trading)}

    # -- streams

    def confirmation(self, message: Row) -> str:
        """Return the channel that was subscribed; it requires the login."""
        return str(message["arg"]["channel"]) if message.get("event") == "subscribe" else ""

    def parse_message(self, message: Row) -> Sequence[tuple[str, Any]] | None:
        """Parse pushes. After an error subscribe to everything again, where ccxt would wait forever."""
        channel, rows = (message.get("arg") or {}).get("channel"), message.get("data")
        match message.get("event"), channel:
            case "error", _:
                for client in self.exchange.clients.values():
                    client.subscriptions.clear()
            case None, "positions" | "orders" | "tickers":
                return self.parse_rows(channel, rows or [])
            case None, "account":
                return [("balance", rows)]
        return ()
