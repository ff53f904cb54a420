"""The stream hooks of an adapter, through ccxt or on raw messages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from te_exchange_ccxt.adapter.response_parsing import ResponseParser
from te_exchange_ccxt.budget import RequestCost
from te_exchange_ccxt.lazy_ccxt import BaseError
from te_exchange_ccxt.parsing import Row


class StreamHooks(ResponseParser):
    """Streams of an exchange. ``watch_*`` wait for the next push and return ccxt structures."""

    streamed: ClassVar[frozenset[str]] = frozenset()
    """Kinds that can be followed, of "positions", "orders", "balance", "tickers"."""
    confirms: ClassVar[bool] = False
    """Whether the exchange confirms each subscription; see ``confirmation``."""
    connect_cost: ClassVar[RequestCost] = {}
    """Cost of a new WebSocket connection by window name."""

    def followed(self) -> frozenset[str]:
        """Return the kinds that can be followed."""
        return self.streamed

    async def watch_positions(self) -> Sequence[Row]:
        """Wait for pushed positions."""
        rows: Sequence[Row] = await self.exchange.watch_positions()
        return rows

    async def watch_orders(self) -> Sequence[Row]:
        """Wait for pushed orders."""
        rows: Sequence[Row] = await self.exchange.watch_orders()
        return rows

    async def watch_balance(self) -> Row:
        """Wait for a pushed balance."""
        balance: Row = await self.exchange.watch_balance()
        return balance

    async def watch_tickers(self, symbols: Sequence[str]) -> Mapping[str, Row]:
        """Wait for pushed tickers of those markets (ccxt's symbols)."""
        tickers: Mapping[str, Row] = await self.exchange.watch_tickers(list(symbols))
        return tickers

    def connecting(self) -> bool:
        """Return whether a stream connection is being opened; ccxt times out by itself."""
        clients = self.exchange.clients.values()
        return any(client.connecting and client.connection is None for client in clients)

    def disconnect(self, *, private: bool) -> None:
        """Drop stream connections: on an open one ccxt never repeats a subscription."""
        for url, client in list(self.exchange.clients.items()):
            if private in (self.streams_at(url) or (True,)):
                client.on_error(BaseError()("connection dropped"))

    def stream_broke(self, *, private: bool) -> None:
        """Forget what was valid for the old connections only, such as a token.

        The next connection may need a new one.
        """

    def streams_at(self, url: str) -> tuple[bool, ...]:
        """Return what a WebSocket address carries: True for the account's channels, False for prices, or both.

        If the adapter ``confirms``, the account's channels count only once all are confirmed.
        """
        if "private" not in url.lower():
            return (False,)
        missing = self.confirms and len(self.confirmed(url)) < len(self.streamed - {"tickers"})
        return () if missing else (True,)

    def confirmation(self, message: Row) -> str:
        """Return a unique name for the login or subscription that a message confirms; empty for other messages."""
        del message
        return ""

    def parse_message(self, message: Row) -> Sequence[tuple[str, Any]] | None:
        """Parse one raw message: (kind, ccxt structures), empty for pongs and the like.

        None, the default, leaves it to ccxt, which keeps only the last of several pushes that arrive together;
        parsing them here loses none.
        """
        del message
        return None

    def parse_rows(self, kind: str, rows: Sequence[Row]) -> Sequence[tuple[str, Any]]:
        """Parse pushed rows of "positions", "orders" or "tickers", for ``parse_message``."""
        exchange = self.exchange
        parse = {"positions": exchange.parse_position, "orders": exchange.parse_order, "tickers": self.ticker}
        return [(kind, [parse[kind](row) for row in rows])]

    def confirmed(self, url: str) -> set[str]:
        """Return what the current connection to an address has confirmed (see ``confirmation``)."""
        client = self.exchange.clients.get(url)
        found: set[str] = vars(client).setdefault("confirmed", set()) if client else set()
        return found

    def kind_resolved(self, message_hash: str) -> str | None:
        """Return the kind of a ccxt result by its message hash."""
        name = message_hash.lower()
        kinds = {"position": "positions", "orderbook": None, "order": "orders", "balance": "balance"}
        for part, kind in {**kinds, "ticker": "tickers"}.items():
            if part in name:
                return kind
        return None
