"""Following an exchange's streams, through ccxt or past it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from te_exchange_ccxt.answers import Answers
from te_exchange_ccxt.budget import Spending
from te_exchange_ccxt.library import BaseError
from te_exchange_ccxt.wire import Row


class Streams(Answers):
    """What a venue knows of its streams. ``watch_*`` wait for the next push and return ccxt's structures.

    ``streamed``: what can be followed, of "positions", "orders", "balance", "tickers". ``confirms``: subscriptions are
    confirmed, one by one, as ``confirmation`` tells. ``dials``: what a new WebSocket connection costs, by window name.
    """

    streamed: ClassVar[frozenset[str]] = frozenset()
    confirms: ClassVar[bool] = False
    dials: ClassVar[Spending] = {}

    def followed(self) -> frozenset[str]:
        """What can be followed."""
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

    def dialling(self) -> bool:
        """Tell whether a connection for streams is waited for; ccxt gives up by itself."""
        clients = self.exchange.clients.values()
        return any(client.connecting and client.connection is None for client in clients)

    def hang_up(self, *, private: bool) -> None:
        """Give up the connections of streams: ccxt never asks a second time for what it asked for there."""
        for url, client in list(self.exchange.clients.items()):
            if private in (self.streams_at(url) or (True,)):
                client.on_error(BaseError()("its connection was given up"))

    def stream_broke(self, *, private: bool) -> None:
        """Forget what was only good for the connections so far; one that is refused may have been opened with it."""

    def streams_at(self, url: str) -> tuple[bool, ...]:
        """Tell what a WebSocket address carries: True the account's own channels, False prices; or both.

        The account's own count only once all are confirmed, where the venue ``confirms``.
        """
        if "private" not in url.lower():
            return (False,)
        missing = self.confirms and len(self.confirmed(url)) < len(self.streamed - {"tickers"})
        return () if missing else (True,)

    def confirmation(self, message: Row) -> str:
        """Give a name of its own for what a message confirms, login or subscription; empty for any other."""
        del message
        return ""

    def pushed(self, message: Row) -> Sequence[tuple[str, Any]] | None:
        """Parse one raw message: (kind, ccxt's structures) of what it tells, empty for pongs and the like.

        None, the default, leaves it to what ccxt resolves for ``watch_*``. Parsing it here loses nothing: ccxt
        keeps only the last of several pushes that arrive together.
        """
        del message
        return None

    def parsed(self, kind: str, rows: Sequence[Row]) -> Sequence[tuple[str, Any]]:
        """Parse pushed rows of "positions", "orders" or "tickers", for ``pushed``."""
        exchange = self.exchange
        parse = {"positions": exchange.parse_position, "orders": exchange.parse_order, "tickers": self.ticker}
        return [(kind, [parse[kind](row) for row in rows])]

    def confirmed(self, url: str) -> set[str]:
        """Give what the present connection to an address has confirmed (see ``confirmation``)."""
        client = self.exchange.clients.get(url)
        found: set[str] = vars(client).setdefault("confirmed", set()) if client else set()
        return found

    def kind_resolved(self, message_hash: str) -> str | None:
        """Tell what ccxt resolved, by its name for it."""
        name = message_hash.lower()
        kinds = {"position": "positions", "orderbook": None, "order": "orders", "balance": "balance"}
        for part, kind in {**kinds, "ticker": "tickers"}.items():
            if part in name:
                return kind
        return None
