"""Adapter for MEXC: contract v1, where each order states margin mode and leverage.

https://www.mexc.com/api-docs/futures/integration-guide
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from datetime import datetime
from types import MappingProxyType
from typing import Any, ClassVar

from te_core.api import CashFlow, Equity, FlowKind, MarginMode, OrderRequest
from te_exchange_ccxt.api import ErrorKind, ExchangeAdapter, RequestCost, Row, Window, dig, number
from te_exchange_mexc.codes import ENDINGS, ERROR_CODES, ERROR_TEXTS, OTHER_MODE
from te_exchange_mexc.options import PATHS, WINDOWS, MexcOptions

OPEN_TYPES = {MarginMode.ISOLATED: 1, MarginMode.CROSS: 2}
ONE_WAY = 2
INVALID = "5"  # state of an order that was accepted and then rejected; ccxt does not translate it
PAGE = 100
AHEAD = 60_000
"""Milliseconds by which MEXC's clock may be ahead of ours, for requests that must state an end."""
TRANSFERS = {"IN": FlowKind.DEPOSIT, "OUT": FlowKind.WITHDRAWAL}


class MexcAdapter(ExchangeAdapter):
    """A MEXC account. Sizes are in whole contracts; a position is reduced or changed by its id."""

    exchange_id: str = "mexc"
    realised_key: ClassVar[str] = "profit"
    options: MexcOptions
    error_codes: ClassVar[Mapping[str, ErrorKind]] = ERROR_CODES
    error_texts: ClassVar[Mapping[tuple[str, str], ErrorKind]] = ERROR_TEXTS
    code_keys: ClassVar[Sequence[str]] = ("code",)
    success: ClassVar[tuple[str, str]] = ("success", "True")  # a failure may have code 0
    ticker_fields: ClassVar[Mapping[str, str]] = {
        "symbol": "symbol",
        "markPrice": "fairPrice",
        "last": "lastPrice",
    }
    streamed: ClassVar[frozenset[str]] = frozenset({"orders", "tickers"})  # a pushed balance is incomplete
    windows: ClassVar[Sequence[Window]] = WINDOWS

    held: Mapping[str, Row] = MappingProxyType({})  # open positions as last read, by MEXC's symbol
    in_doubt = False  # whether an order ended as if the position mode had been changed

    async def fetch_markets(self) -> list[dict[str, Any]]:
        """Read the contracts only: ccxt would also read the spot markets."""
        markets: list[dict[str, Any]] = await self.exchange.fetch_swap_markets()
        if not markets:
            raise ValueError("MEXC returned no contracts")
        return markets

    def obstacle(self, market: Row) -> str:
        """Return why no orders can be sent: MEXC decides per contract whether the API may trade it."""
        closed = dig(market, "info", "apiAllowed") is False
        return "MEXC accepts no orders for it through the API" if closed else super().obstacle(market)

    # -- the account

    async def check(self) -> None:
        """Check credentials and position mode."""
        if self.unwrap(await self.exchange.contract_private_get_position_position_mode(), int) != ONE_WAY:
            self.refuse_hedge_mode()
        await self.fetch_equity()

    async def fetch_equity(self) -> Equity:
        """Read the settle coin's row: ccxt's total excludes position margin and profit."""
        assets = self.unwrap(await self.exchange.contract_private_get_account_assets(), list)
        coin: Row = next((row for row in assets if row.get("currency") == self.options.settle), {})
        return self.account_value(coin, total="equity", profit="unrealized", free="availableBalance")

    async def fetch_positions(self) -> Sequence[Row]:
        """Read all positions and remember their ids."""
        if self.in_doubt:
            await self.check()
            self.in_doubt = False
        held = self.unwrap(await self.exchange.contract_private_get_position_open_positions(), list)
        self.held = {str(row["symbol"]): row for row in held if number(row["holdVol"])}
        found: Sequence[Row] = self.exchange.parse_positions(held)
        return found

    async def fetch_tickers(self, symbols: Sequence[str]) -> Mapping[str, Row]:
        """Read the raw list, or a single ticker, which is returned without a list."""
        wanted = self.single_market_params(symbols)
        answer = await self.exchange.contract_public_get_ticker(wanted)
        found = self.unwrap(answer, dict if wanted else list)
        return self.select_tickers(symbols, [found] if wanted else found)

    async def set_leverage(self, market: Row, leverage: int, margin_mode: MarginMode) -> None:
        """Change an open position's leverage; a flat symbol gets it, like the margin mode, with its next order."""
        del margin_mode
        if held := self.held.get(market["id"]):
            change = {"positionId": held["positionId"], "leverage": leverage}
            self.unwrap(await self.exchange.contract_private_post_position_change_leverage(change), object)

    async def set_margin_mode(self, market: Row, margin_mode: MarginMode) -> None:
        """Leave it to the next order."""

    # -- orders

    def order_params(self, order: OrderRequest, market: Row) -> dict[str, Any]:
        """State type, margin mode and leverage, and the position to reduce."""
        params = {
            **super().order_params(order, market),
            "type": self.options.market_order_type,
            "openType": OPEN_TYPES[order.margin_mode],
            "leverage": order.leverage,
            "positionMode": ONE_WAY,
            "vol": int(order.quantity / self.contract_size(market)),  # ccxt would send a float
        }
        if order.reduce_only and (held := self.held.get(market["id"])):
            params |= {name: held[name] for name in ("positionId", "openType", "leverage")}
        return params

    async def find_order(self, client_order_id: str, market: Row) -> Row | None:
        """Find an order by ``externalOid``. For an unknown id MEXC returns 2040, or a success without data."""
        which = {"symbol": market["id"], "external_oid": client_order_id}
        answer = await self.exchange.contract_private_get_order_external_symbol_external_oid(which)
        found = self.unwrap(answer, object)
        return None if found is None else self._order(found)

    async def fetch_flows(self, since: datetime) -> Sequence[CashFlow]:
        """Read fundings, positive if received, and transfers to and from the contract account.

        https://www.mexc.com/api-docs/futures/account-and-trading-endpoints
        """
        begin, end = int(since.timestamp() * 1000), self.exchange.milliseconds() + AHEAD
        fundings = await self._records(
            self.exchange.contract_private_get_position_funding_records,
            {"start_time": begin, "end_time": end},
            at="settleTime",
            begin=begin,
        )
        transfers = await self._records(
            self.exchange.contract_private_get_account_transfer_record,
            {"currency": self.options.settle, "state": "SUCCESS"},
            at="createTime",
            begin=begin,
        )
        paid = [
            self.cash_flow(
                FlowKind.FUNDING,
                key=f"funding {row['id']}",
                amount=row.get("funding"),
                at_ms=row["settleTime"],
                symbol=row["symbol"],
            )
            for row in fundings
        ]
        return [*paid, *(self._transfer(row) for row in transfers if row.get("state") == "SUCCESS")]

    def _transfer(self, row: Row) -> CashFlow:
        kind, key = TRANSFERS[row["type"]], f"transfer {row['id']}"
        return self.cash_flow(kind, key=key, amount=row.get("amount"), at_ms=row["createTime"])

    async def _records(self, route: Any, which: Row, *, at: str, begin: int) -> list[Row]:
        """Read records from a time on, page by page; newest first where the route has no time parameter."""

        async def read(page: Row) -> tuple[list[Row], Row | None]:
            number = page.get("page_num", 1)
            answer = await route({**which, "page_num": number, "page_size": PAGE})
            rows = self.unwrap(answer, list, "data", "resultList")
            fresh = [row for row in rows if int(row[at]) >= begin]
            last = not fresh or number >= int(dig(answer, "data", "totalPage") or 0)
            return fresh, None if last else {"page_num": number + 1}

        return await self.all_pages("payments", read)

    def _order(self, row: Row) -> Row:
        order: Row = {**self.exchange.parse_order(row), "clientOrderId": row.get("externalOid")}
        return {**order, "status": "rejected"} if str(row.get("state")) == INVALID else order

    def order_reason(self, row: Row) -> str:
        """Return the meaning of the ``errorCode`` of an order that was accepted first."""
        code = dig(row, "info", "errorCode")
        self.in_doubt |= code == OTHER_MODE
        return ENDINGS.get(code, f"errorCode {code}") if code else super().order_reason(row)

    # -- limits and errors

    def request_cost(self, method: str, path: str) -> RequestCost:
        """Charge each endpoint separately: 20 in 2 s, and the list of contracts once in 5 s."""
        del method
        return {path: 1} if path in (*PATHS, "detail") else {}

    # -- streams: one connection for everything; after its login orders are pushed without a subscription

    async def watch_tickers(self, symbols: Sequence[str]) -> Mapping[str, Row]:
        """Follow each symbol separately: the list of all has eight hundred rows a second."""
        rows = await asyncio.gather(*(self.exchange.watch_ticker(symbol) for symbol in symbols))
        return dict(zip(symbols, rows, strict=True))

    def streams_at(self, url: str) -> tuple[bool, ...]:
        """Count the account's channels only once the login was confirmed."""
        return (True, False) if self.confirmed(url) else (False,)

    def confirmation(self, message: Row) -> str:
        """Return "login" for its confirmation."""
        return "login" if message.get("channel") == "rs.login" else ""

    def parse_message(self, message: Row) -> Sequence[tuple[str, Any]] | None:
        """Parse pushes, and rejected logins, after which ccxt would wait forever."""
        stream = self.exchange.clients.get(self.exchange.urls["api"]["ws"]["swap"])
        found = message.get("data")
        match message.get("channel"):
            case "rs.error":
                self.confirmed(stream.url).clear()
                stream.subscriptions.clear()
                stream.reject(ValueError(f"MEXC refused a login or subscription: {found}"))
            case "push.personal.order":
                return [("orders", self._order(found or {}))]
            case "push.ticker":
                return self.parse_rows("tickers", [{**(found or {}), "symbol": message.get("symbol")}])
        return ()
