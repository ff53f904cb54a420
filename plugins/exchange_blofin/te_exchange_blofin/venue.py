"""What is special about BloFin: open API v1, futures account. https://docs.blofin.com/index.html"""

from __future__ import annotations

from asyncio import get_running_loop
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, ClassVar

from te_core.api import AuthError, CashFlow, Equity, Finding, FlowKind, MarginMode, OrderRequest
from te_exchange_blofin.client import Mended
from te_exchange_blofin.codes import BROKERS, TEXTS, TROUBLES
from te_exchange_blofin.looks import look
from te_exchange_blofin.tpsl import MOST_PAGES, PAGE, TpslOrders
from te_exchange_ccxt.base import BaseError, Fate, Row, Spending, Trouble, Window, diagnose, number

if TYPE_CHECKING:  # the options belong to the plugin, which offers the venue
    from te_exchange_blofin.plugin import BlofinOptions

CCXT_BROKER = "ec6dd3a7dd982d0b"
"""What keys are bound to that were made for the third-party application "CCXT"."""


class Blofin(TpslOrders):
    """A BloFin account. Sizes are in contracts; the margin mode is the account's and, apart from that, each order's."""

    exchange_id: str = "blofin"
    realised_key: ClassVar[str] = "pnl"
    options: BlofinOptions
    mends: ClassVar[tuple[type[Any], ...]] = (Mended,)
    troubles: ClassVar[Mapping[str, Trouble]] = TROUBLES
    texts: ClassVar[Mapping[tuple[str, str], Trouble]] = TEXTS
    remedies: ClassVar[Mapping[tuple[str, str], str]] = BROKERS
    code_keys: ClassVar[Sequence[str]] = ("code",)
    item_code: ClassVar[str] = "code"
    market_maximum: ClassVar[Sequence[str]] = ("maxMarketSize",)
    ticker_fields: ClassVar[Mapping[str, str]] = {"symbol": "instId", "last": "last"}
    account_wide: ClassVar[bool] = True
    streamed: ClassVar[frozenset[str]] = frozenset({"positions", "orders", "balance", "tickers"})
    confirms: ClassVar[bool] = True
    dials: ClassVar[Spending] = {"connections": 1}
    private_api: ClassVar[Sequence[str]] = ("rest",)
    windows: ClassVar[Sequence[Window]] = (
        Window("minute", 500, 60.0, per_address=True),
        Window("five minutes", 1500, 300.0, per_address=True),
        Window("trading", 30, 10.0),
        Window("connections", 1, 1.0, per_address=True),
    )
    rate_pause: ClassVar[float] = 5.0  # half the trading window
    wallet: ClassVar[str] = "futures"  # what transfers call the account
    section: ClassVar[str] = ""
    positions_route: ClassVar[str] = "account_positions"
    leverage_route: ClassVar[str] = "account_batch_leverage_info"

    def __init__(self, options: BlofinOptions) -> None:
        super().__init__(options)
        self.broker = options.broker_id
        """What orders say of the broker; empty says nothing."""

    # -- the account

    async def check(self) -> None:
        """Check the key and the position mode; learn whether the key is bound to a broker, and the margin mode."""
        await self.check_key()
        mode = self.content(await self.exchange.private_get_account_margin_mode(), dict)
        self.account_mode = MarginMode(mode["marginMode"])

    async def check_key(self) -> None:
        """Check what both kinds of account have: permissions, broker, position mode."""
        self.exchange.ordered_at = get_running_loop().time()  # perhaps, before this process started
        key = await self.key()
        if str(key.get("readOnly")) == "1":
            raise AuthError(f"BloFin: {Trouble.PERMISSION.remedy}: it is read-only")
        if self.broker is None:
            self.broker = CCXT_BROKER if str(key.get("type")) == "2" else ""
        mode = self.content(await self.own("get", "account_position_mode"), dict)
        if mode["positionMode"] != "net_mode":
            self.refuse_hedge_mode()

    async def own(self, method: str, route: str, params: Row | None = None) -> Row:
        """Ask one of the account's own routes, which copy trading has under a path of its own."""
        answer: Row = await getattr(self.exchange, f"private_{method}_{self.section}{route}")(params or {})
        return answer

    async def key(self) -> Row:
        """Read what the key may do, and whose it is."""
        key: Row = self.content(await self.exchange.private_get_user_query_apikey(), dict)
        return key

    async def uid(self) -> str:
        """Read whose the key is. https://docs.blofin.com/index.html#get-api-key-info"""
        return self.account_id(await self.key(), "uid")

    async def findings(self) -> Sequence[Finding]:
        """Look at the key and the account."""
        config = self.content(await self.exchange.private_get_account_config(), dict)
        return look(config, await self.key(), mode=self.account_mode, broker=self.broker)

    async def time(self) -> int:
        """Take the time of a price: no endpoint tells the time."""
        answer = await self.exchange.public_get_market_mark_price({"instId": "BTC-USDT"})
        return int(self.content(answer, list)[0]["ts"])

    async def fetch_equity(self) -> Equity:
        """Read the futures account."""
        return self.equity(self.content(await self.own("get", "account_balance"), dict))

    def equity(self, balance: Row) -> Equity:
        """Parse the coin's row. Isolated margin is part of the wallet."""
        coin = self._coin(balance)
        if coin is None:  # there is nothing of it, or the answer is not complete
            raise self.no_balance()
        return self.account_value(coin, wallet="balance", total="equity", free="available")

    def pushed_equity(self, found: Row) -> Equity | None:
        """Take it if the coin is told."""
        return self.equity(found) if self._coin(found) else None

    def _coin(self, balance: Row) -> Row | None:
        return next((row for row in balance["details"] if row["currency"] == self.options.settle), None)

    async def fetch_positions(self) -> Sequence[Row]:
        """Read all positions."""
        rows = self.content(await self.own("get", self.positions_route), list)
        return [self.exchange.parse_position(row) for row in rows]

    async def fetch_tickers(self, symbols: Sequence[str]) -> Mapping[str, Row]:
        """Read the raw list, of one or all."""
        answer = await self.exchange.public_get_market_tickers(self.only(symbols))
        return self.picked(symbols, self.content(answer, list))

    async def fetch_flows(self, since: datetime) -> Sequence[CashFlow]:
        """Read the transfers to and from this account, newest first, page by page.

        https://docs.blofin.com/index.html#get-funds-transfer-history. Of ``account/funding-fees`` nobody has documented
        which sign was paid.
        """
        begin = int(since.timestamp() * 1000)
        found: list[CashFlow] = []
        after: dict[str, str] = {}
        for _ in range(MOST_PAGES):
            which = {"currency": self.options.settle, "limit": str(PAGE), **after}
            rows = self.content(await self.exchange.private_get_asset_bills(which), list)
            found += [flow for row in rows if int(row["ts"]) >= begin for flow in self._transfer(row)]
            if len(rows) < PAGE or int(rows[-1]["ts"]) < begin:
                return found
            after = {"after": str(rows[-1]["ts"])}
        raise ValueError(f"BloFin tells more than {MOST_PAGES} pages of transfers since {begin}")

    def _transfer(self, row: Row) -> Sequence[CashFlow]:
        """Parse one; of others of the user's accounts nothing comes here."""
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
            await self.own("post", "account_set_leverage", {**which, "leverage": str(leverage)})
        except BaseError() as error:  # nobody knows the code for "it is that already"
            if diagnose(error, self)[0] is not Trouble.REJECTED:
                raise
            rows = self.content(await self.own("get", self.leverage_route, which), list)
            if [number(row["leverage"]) for row in rows] != [leverage]:
                raise error from None

    async def set_margin_mode(self, market: Row, margin_mode: MarginMode) -> None:
        """Switch the whole account, once; what is open elsewhere may prevent it, but orders state their own."""
        if margin_mode is self.account_mode:
            return
        try:
            await super().set_margin_mode(market, margin_mode)
        except BaseError() as error:
            if diagnose(error, self)[0] is not Trouble.MODE_BLOCKED:
                raise
            self.account_mode = margin_mode

    # -- orders

    def order_params(self, order: OrderRequest, market: Row) -> dict[str, Any]:
        """State margin mode and broker."""
        own = {
            "marginMode": self.mode_of(order, market).value,
            "positionSide": "net",
            "brokerId": self.broker,
        }
        return {**super().order_params(order, market), **own}

    async def find_order(self, client_order_id: str, market: Row) -> Row | None:
        """Look it up; while BloFin would still take it, one that is not known is not lost."""
        found = await self.look_up(client_order_id, market)
        if found is None:
            self.unless_late()
        return found

    async def look_up(self, client_order_id: str, market: Row) -> Row | None:
        """Ask by client order id; should that be refused, look through open and finished orders."""
        which = {"instId": market["id"], "clientOrderId": client_order_id}
        try:
            answer = await self.exchange.private_get_trade_order_detail(which)
            row = self.content(answer, (dict, type(None)))
            return self.exchange.parse_order(row, market) if row else None
        except BaseError() as error:
            trouble = diagnose(error, self)[0]
            if trouble.fate is not Fate.REFUSED:
                raise
            return None if trouble is Trouble.NOT_FOUND else await super().find_order(client_order_id, market)

    # -- limits: https://docs.blofin.com/index.html#rate-limits

    def spending(self, method: str, path: str) -> Spending:
        """Count everything for the address, and what changes something or asks for orders for the key."""
        own = path.removeprefix("copytrading/")
        trading = own.startswith("trade/") or (method == "POST" and own.startswith("account/"))
        return {"minute": 1, "five minutes": 1, "trading": int(trading)}

    # -- streams

    def confirmation(self, message: Row) -> str:
        """Give the channel that was subscribed, which takes the login."""
        return str(message["arg"]["channel"]) if message.get("event") == "subscribe" else ""

    def pushed(self, message: Row) -> Sequence[tuple[str, Any]] | None:
        """Parse pushes. After a refusal all is asked for anew, where ccxt would wait for ever."""
        channel, rows = (message.get("arg") or {}).get("channel"), message.get("data")
        match message.get("event"), channel:
            case "error", _:
                for client in self.exchange.clients.values():
                    client.subscriptions.clear()
            case None, "positions" | "orders" | "tickers":
                return self.parsed(channel, rows or [])
            case None, "account":
                return [("balance", rows)]
        return ()
