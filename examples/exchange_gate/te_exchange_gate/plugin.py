"""Gate perpetual futures (API v4), on the ccxt base: classic accounts in one-way mode.

Routes, fields and error labels: ccxt's ``gate`` class, and the models of Gate's own SDK (``FuturesAccount``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any, ClassVar

from te_core.api import AuthError, Capabilities, Equity, MarginMode, OrderRequest, Position
from te_exchange_ccxt.api import (
    CcxtOptions,
    ErrorKind,
    ExchangeAdapter,
    Row,
    code_table,
    dig,
    exchange_spec,
    number,
    offer,
)

PREFIX = "t-"  # ccxt adds it to client order ids in requests and leaves it in responses
PRIVATE = {"futures.positions", "futures.orders"}
ERROR_CODES = code_table(
    {
        ErrorKind.CREDENTIALS: "AUTHENTICATION_FAILED INVALID_CREDENTIALS INVALID_KEY",
        ErrorKind.SIGNATURE: "INVALID_SIGNATURE",
        ErrorKind.ADDRESS: "IP_FORBIDDEN",
        ErrorKind.PERMISSION: "READ_ONLY FORBIDDEN",
        ErrorKind.FROZEN: "ACCOUNT_LOCKED SUB_ACCOUNT_LOCKED",
        ErrorKind.CLOCK: "REQUEST_EXPIRED",
        ErrorKind.RATE: "TOO_FAST TOO_MANY_REQUESTS",
        ErrorKind.BUSY: "INTERNAL SERVER_ERROR TOO_BUSY",
        ErrorKind.MARGIN: "INSUFFICIENT_AVAILABLE BALANCE_NOT_ENOUGH MARGIN_BALANCE_NOT_ENOUGH",
        ErrorKind.SIZE: "SIZE_TOO_LARGE SIZE_TOO_SMALL INVALID_PRECISION",
        ErrorKind.LEVERAGE: "LEVERAGE_TOO_HIGH LEVERAGE_TOO_LOW",
        ErrorKind.REDUCE_ONLY: "POSITION_EMPTY",
        ErrorKind.MODE_BLOCKED: "POSITION_HOLDING",
        ErrorKind.SYMBOL: "CONTRACT_NOT_FOUND CONTRACT_IN_DELISTING",
        ErrorKind.NOT_FOUND: "ORDER_NOT_FOUND CLIENT_ID_NOT_FOUND",
        ErrorKind.UNCHANGED: "NO_CHANGE",
    }
)


class GateOptions(CcxtOptions):
    """Plugin settings of ``[accounts.<name>]`` with ``plugin = "gate"``."""

    title: ClassVar[str] = "Gate"
    tests: ClassVar[tuple[str, ...]] = ("testnet",)
    windows = ExchangeAdapter.windows


class GateAdapter(ExchangeAdapter):
    """A Gate account. Sizes are in whole contracts; leverage 0 means cross margin."""

    exchange_id = "gate"
    error_codes: ClassVar[Mapping[str, ErrorKind]] = ERROR_CODES
    error_texts: ClassVar[Mapping[tuple[str, str], ErrorKind]] = {
        ("", "under maintenance"): ErrorKind.MAINTENANCE
    }
    code_keys: ClassVar[Sequence[str]] = ("label",)
    private_api: ClassVar[Sequence[str]] = ("private", "futures")
    market_maximum: ClassVar[Sequence[str]] = ("market_order_size_max",)
    streamed: ClassVar[frozenset[str]] = frozenset(
        {"positions", "orders", "tickers"}
    )  # a pushed balance lacks the profit
    confirms: ClassVar[bool] = True

    def config(self) -> dict[str, Any]:
        """List perpetuals only, and follow positions without reading them first: a read is not a push."""
        snapshots = {"fetchPositionsSnapshot": False, "awaitPositionsSnapshot": False}
        return {
            "options": {
                "defaultType": "swap",
                "fetchMarkets": {"types": ["swap"]},
                "unifiedAccount": False,  # ``check`` refuses those: their routes were never tried
                "watchPositions": snapshots,
            }
        }

    # -- the account

    async def check(self) -> None:
        """Refuse unified accounts and hedge mode; remember the user's id, without which nothing is streamed."""
        detail = await self.exchange.private_account_get_detail()
        if str(dig(detail, "key", "mode")) == "2":
            raise AuthError('Gate: unified accounts were not tried with this plugin: use plugin = "ccxt"')
        self.exchange.uid = self.account_id(detail, "user_id")
        if str((await self._account()).get("in_dual_mode")).lower() == "true":
            self.refuse_hedge_mode()

    async def uid(self) -> str:
        """Read the user's id, the same for all keys of the account."""
        return self.account_id(await self.exchange.private_account_get_detail(), "user_id")

    async def fetch_equity(self) -> Equity:
        """Read the futures account. Gate's ``total`` excludes unrealised profit, so it is the wallet."""
        account = await self._account()
        wallet, profit = number(account.get("total")), number(account.get("unrealised_pnl"))
        if wallet is None or profit is None:
            raise self.no_balance()
        return Equity(wallet=wallet, total=wallet + profit, free=number(account.get("available")))

    async def fetch_positions(self) -> Sequence[Row]:
        """Read all positions; the list has a row of each contract that was ever traded."""
        rows = await self.exchange.private_futures_get_settle_positions(self._contracts())
        if not isinstance(rows, list):
            raise ValueError("Gate returned no list of positions")
        return [self.exchange.parse_position(row) for row in rows]

    def position(self, symbol: str, row: Row, market: Row) -> Position:
        """Add the leverage of cross margin, which is in a field of its own."""
        found = super().position(symbol, row, market)
        limit = number(dig(row, "info", "cross_leverage_limit"))
        return replace(found, leverage=limit) if found.leverage == 0 else found

    def hedged(self, row: Row) -> bool:
        """Recognise hedge mode by the position's mode: "dual_long" or "dual_short"."""
        return str(dig(row, "info", "mode")).startswith("dual")

    async def set_margin_mode(self, market: Row, margin_mode: MarginMode) -> None:
        """Leave it to ``set_leverage``, which sets both."""

    async def _account(self) -> Row:
        account: Row = await self.exchange.private_futures_get_settle_accounts(self._contracts())
        return account

    def _contracts(self) -> dict[str, str]:
        return {"settle": self.options.settle.lower()}

    # -- orders and streams

    async def find_order(self, client_order_id: str, market: Row) -> Row | None:
        """Find it by its id with one request: Gate accepts ``text`` in the place of its own id."""
        text = {"text": PREFIX + client_order_id}
        return dict(await self.exchange.fetch_order("", market["symbol"], text))

    def client_order_id(self, row: Row) -> str | None:
        """Return the id without the prefix."""
        found = super().client_order_id(row)
        return found and found.removeprefix(PREFIX)

    def order_params(self, order: OrderRequest, market: Row) -> dict[str, Any]:
        """Send the id with its prefix."""
        return {**super().order_params(order, market), "clientOrderId": PREFIX + order.client_order_id}

    def streams_at(self, url: str) -> tuple[bool, ...]:
        """Return what the one connection carries: the account's channels once all are confirmed, and prices."""
        return (True, False) if self.confirmed(url) >= PRIVATE else (False,)

    def confirmation(self, message: Row) -> str:
        """Return the channel of the account that a message confirms."""
        confirmed = message.get("event") == "subscribe" and not message.get("error")
        return str(message["channel"]) if confirmed and message.get("channel") in PRIVATE else ""


CAPABILITIES = Capabilities(
    visibility_window=timedelta(seconds=15),  # no receive window is known, so as generous as any exchange's
    private_stream=True,
    duplicate_ids_refused=False,  # not documented, so not relied on
)
GATE = exchange_spec(
    "gate", GateAdapter, GateOptions, capabilities=CAPABILITIES, summary="Gate: perpetual futures"
)
te_exchanges = offer(GATE)
