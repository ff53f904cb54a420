"""What is special about BloFin: open API v1, futures account. https://docs.blofin.com/index.html"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Any, ClassVar

from te_core.api import AuthError, Equity, Finding, MarginMode, NotReady, OrderRequest, Position
from te_exchange_blofin.client import content, mended
from te_exchange_blofin.codes import TROUBLES
from te_exchange_blofin.looks import look
from te_exchange_ccxt.base import Fate, Row, Spending, Trouble, Venue, Window, dig, number
from te_exchange_ccxt.errors import diagnose
from te_exchange_ccxt.library import BaseError

if TYPE_CHECKING:  # the options belong to the plugin, which offers the venue
    from te_exchange_blofin.plugin import BlofinOptions

CCXT_BROKER = "ec6dd3a7dd982d0b"
"""What keys are bound to that were made for the third-party application "CCXT"."""
PAUSE = 5.0
"""Seconds to wait after a refusal for too many requests that names none: half the trading window."""
EXPIRY = 62.0
"""Seconds after which an order is not taken any more that was not dated back."""
PRIVATE = frozenset({"positions", "orders", "account"})


class Blofin(Venue):
    """A BloFin account. Sizes are in contracts; the margin mode is the account's and, apart from that, each order's."""

    exchange_id: str = "blofin"
    options: BlofinOptions
    troubles: ClassVar[Mapping[str, Trouble]] = TROUBLES
    code_keys: ClassVar[Sequence[str]] = ("code",)
    streamed: ClassVar[frozenset[str]] = frozenset({"positions", "orders", "balance", "tickers"})
    dial_pause: ClassVar[float] = 1.5
    windows: ClassVar[Sequence[Window]] = (
        Window("minute", 500, 60.0, per_address=True),
        Window("five minutes", 1500, 300.0, per_address=True),
        Window("trading", 30, 10.0),
    )

    def __init__(self, options: BlofinOptions) -> None:
        super().__init__(options)
        self._broker = options.broker_id
        self._held: dict[str, str] = {}
        self._account_mode: str | None = None
        self._changing = asyncio.Lock()
        self._sent = 0.0

    def mended(self, base: Any) -> Any:
        """Mend what ccxt does wrong."""
        return mended(base)

    # -- the account

    async def check(self) -> None:
        """Check the key and the position mode; learn whether the key is bound to a broker, and the margin mode."""
        self._sent = asyncio.get_running_loop().time()
        key = await self._key()
        if str(key.get("readOnly")) == "1":
            raise AuthError(f"BloFin: {Trouble.PERMISSION.remedy}: it is read-only")
        if self._broker is None:
            self._broker = CCXT_BROKER if str(key.get("type")) == "2" else ""
        if (
            content(await self.exchange.private_get_account_position_mode(), dict)["positionMode"]
            != "net_mode"
        ):
            self.refuse_hedge_mode()
        self._account_mode = content(await self.exchange.private_get_account_margin_mode(), dict)[
            "marginMode"
        ]

    async def _key(self) -> Row:
        key: Row = content(await self.exchange.private_get_user_query_apikey(), dict)
        return key

    async def findings(self) -> Sequence[Finding]:
        """Look at the key and the account."""
        config = content(await self.exchange.private_get_account_config(), dict)
        return look(config, await self._key(), mode=self._account_mode, broker=self._broker)

    async def clock_skew(self) -> float | None:
        """Compare with the time of a price: no endpoint tells the time."""
        before = self.exchange.milliseconds()
        row = content(await self.exchange.public_get_market_mark_price({"instId": "BTC-USDT"}), list)[0]
        return float((before + self.exchange.milliseconds()) / 2 - int(row["ts"]))

    async def ping(self) -> None:
        """Read that price."""
        await self.clock_skew()

    def largest_market_amount(self, market: Row) -> Decimal | None:
        """The general limit is that of limit orders."""
        return number(dig(market, "info", "maxMarketSize")) or super().largest_market_amount(market)

    async def fetch_equity(self) -> Equity:
        """Read the futures account."""
        return self.equity(content(await self.exchange.private_get_account_balance(), dict))

    def equity(self, balance: Row) -> Equity:
        """Take the coin's row; a coin of which there is nothing has none. Isolated margin is part of the wallet."""
        row = self._coin(balance) or {"balance": "0", "equity": "0", "available": "0"}
        wallet, total = number(row["balance"]), number(row["equity"])
        if wallet is None or total is None:
            raise ValueError("BloFin tells no balance")
        return Equity(wallet=wallet, total=total, free=number(row.get("available")))

    def pushed_equity(self, found: Row) -> Equity | None:
        """Take it if the coin is told."""
        return self.equity(found) if self._coin(found) else None

    def _coin(self, balance: Row) -> Row | None:
        return next((row for row in balance["details"] if row["currency"] == self.options.settle), None)

    async def fetch_positions(self) -> Sequence[Row]:
        """Read all positions."""
        return self._positions(content(await self.exchange.private_get_account_positions(), list))

    def _positions(self, rows: Sequence[Row]) -> Sequence[Row]:
        if any(number(row["positions"]) is None for row in rows):
            raise ValueError("BloFin tells a position without its size")
        found: Sequence[Row] = self.exchange.parse_positions(rows)
        return found

    def position(self, symbol: str, row: Row, market: Row) -> Position:
        """Remember its margin mode: an order that reduces it has to say the same."""
        self._held[market["id"]] = str(row.get("marginMode"))
        return super().position(symbol, row, market)

    async def fetch_tickers(self, symbols: Sequence[str]) -> Mapping[str, Row]:
        """Read the raw list: turning hundreds of rows into ccxt's structure takes 34 ms."""
        ids = {str(self.exchange.market(symbol)["id"]): symbol for symbol in symbols}
        wanted = {"instId": next(iter(ids))} if len(ids) == 1 else {}
        rows = content(await self.exchange.public_get_market_tickers(wanted), list)
        return {ids[row["instId"]]: row for row in rows if row.get("instId") in ids}

    # -- settings of a symbol

    async def set_leverage(self, market: Row, leverage: int, margin_mode: MarginMode) -> None:
        """Set it for one margin mode, up to the instrument's own maximum: ccxt would stop at 125."""
        which = {"instId": market["id"], "marginMode": margin_mode.value}
        try:
            await self.exchange.private_post_account_set_leverage({**which, "leverage": str(leverage)})
        except BaseError() as error:  # nobody knows the code for "it is that already"
            if diagnose(error, self)[0] is not Trouble.REJECTED:
                raise
            rows = content(await self.exchange.private_get_account_batch_leverage_info(which), list)
            if [number(row["leverage"]) for row in rows] != [leverage]:
                raise error from None

    async def set_margin_mode(self, market: Row, margin_mode: MarginMode) -> None:
        """Switch the whole account, once; what is open elsewhere may prevent it, but orders state their own."""
        del market
        async with self._changing:
            if margin_mode.value == self._account_mode:
                return
            try:
                await self.exchange.private_post_account_set_margin_mode({"marginMode": margin_mode.value})
            except BaseError() as error:
                if diagnose(error, self)[0] is not Trouble.MODE_BLOCKED:
                    raise
            self._account_mode = margin_mode.value

    # -- orders

    async def create_order(self, order: OrderRequest, contracts: Decimal, market: Row) -> Row:
        """Send one market order. ccxt would add its own broker id, for which ordinary keys are refused."""
        mode = order.margin_mode.value
        body = {
            "instId": market["id"],
            "marginMode": self._held.get(market["id"], mode) if order.reduce_only else mode,
            "positionSide": "net",
            "side": order.side.value,
            "orderType": "market",
            "size": self.amount(contracts),
            "reduceOnly": "true" if order.reduce_only else "false",
            "clientOrderId": order.client_order_id,
            **({"brokerId": self._broker} if self._broker else {}),
        }
        self._sent = asyncio.get_running_loop().time()
        try:
            found = content(await self.exchange.private_post_trade_order(body), list)
        finally:  # it was dated some time in between, when the limits let it go
            self._sent = asyncio.get_running_loop().time()
        if not found or not found[0].get("orderId"):
            raise ValueError("BloFin acknowledged no order")
        placed: Row = self.exchange.parse_order(found[0], market)
        return placed

    async def find_order(self, client_order_id: str, market: Row) -> Row | None:
        """Ask by client order id; should that be refused, look through open and finished orders."""
        which = {"instId": market["id"], "clientOrderId": client_order_id}
        found: Row | None = None
        try:
            row = content(await self.exchange.private_get_trade_order_detail(which), dict, type(None))
            found = self.exchange.parse_order(row, market) if row else None
        except BaseError() as error:
            trouble = diagnose(error, self)[0]
            if trouble.fate is not Fate.REFUSED:
                raise
            if trouble is not Trouble.NOT_FOUND:
                found = await super().find_order(client_order_id, market)
        left = self._sent + EXPIRY - asyncio.get_running_loop().time()
        if found is None and not self.exchange.age and left > 0:
            raise NotReady("BloFin does not know this order yet, but would still take it", retry_after=left)
        return found

    # -- limits and errors: https://docs.blofin.com/index.html#rate-limits

    def spending(self, method: str, path: str) -> Spending:
        """Count everything for the address, and what changes something or asks for orders for the key."""
        trading = path.startswith("trade/") or (method == "POST" and path.startswith("account/"))
        return {"minute": 1, "five minutes": 1, "trading": int(trading)}

    def retry_after(self, headers: Mapping[str, str]) -> float | None:
        """Wait a while where nothing is said; the firewall's page means minutes."""
        page = "html" in headers.get("content-type", "")
        return super().retry_after(headers) or (None if page else PAUSE)

    def trouble(self, code: str, text: str) -> Trouble | None:
        """Read what has no code of its own."""
        if "maintenance" in text.lower():
            return Trouble.MAINTENANCE
        if code == "152001" and "positionSide" in text:  # leverage has a side in hedge mode only
            return Trouble.HEDGE_MODE
        return Trouble.SIZE if "parameter size" in text.lower() else super().trouble(code, text)

    # -- streams

    def streams_at(self, url: str) -> tuple[bool, ...]:
        """Count the account's channels only once the login and all subscriptions are confirmed."""
        private = url == self.exchange.urls["api"]["ws"]["swap"]["private"]
        return (False,) if not private else (True,) if self._confirmed() >= PRIVATE else ()

    def _confirmed(self) -> set[str]:
        """Channels that the present connection has confirmed."""
        client = self.exchange.clients.get(self.exchange.urls["api"]["ws"]["swap"]["private"])
        found: set[str] = vars(client).setdefault("confirmed", set()) if client else set()
        return found

    def pushed(self, message: Row) -> Sequence[tuple[str, Any]] | None:
        """Parse pushes and confirmations. After a refusal all is asked for anew, where ccxt would wait for ever."""
        channel, rows = dig(message, "arg", "channel"), message.get("data")
        match message.get("event"), channel:
            case "error", _:
                for client in self.exchange.clients.values():
                    client.subscriptions.clear()
            case "subscribe", _:
                self._confirmed().add(channel)
            case None, "positions":
                return [("positions", self._positions(rows or []))]
            case None, "orders":
                return [("orders", [self.exchange.parse_order(row) for row in rows or []])]
            case None, "account":
                return [("balance", rows)]
            case None, "tickers":
                name = self.exchange.safe_symbol
                return [("tickers", {**row, "symbol": name(row["instId"], None, "-")}) for row in rows or []]
        return ()
