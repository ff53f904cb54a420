"""Parse an exchange's own responses, for adapters that bypass ccxt's unified calls."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, ClassVar

from te_core.api import CashFlow, Equity, FlowKind, NotReady
from te_exchange_ccxt.options import CcxtOptions
from te_exchange_ccxt.parsing import Row, dig, number

Page = Mapping[str, Any]
"""Request parameters that select one page; empty for the first."""
MAX_PAGES = 20
"""Most pages of one list: an exchange that repeats a page forever must not be read forever."""


class ResponseParser:
    """The form of an exchange's responses."""

    success: ClassVar[tuple[str, str]] = ("code", "0")
    """Key and value of a successful response."""
    ticker_fields: ClassVar[Mapping[str, str]] = {}
    """The exchange's names of ccxt's ticker fields "symbol", "markPrice" and "last"."""

    def __init__(self, options: CcxtOptions) -> None:
        self.options = options
        self.title = options.title
        self.exchange: Any = None

    def unwrap(self, answer: Any, kind: type | tuple[type, ...], *at: str) -> Any:
        """Return the part under ``data``, or under the keys ``at``, of a successful response, if it is of that type.

        Raises ``ValueError`` otherwise: ccxt treats a missing list as an empty one, which looks like a flat account.
        """
        found, (key, success) = dig(answer, *(at or ("data",))), self.success
        if str(dig(answer, key)) != success or not isinstance(found, kind):
            raise ValueError(
                f"{self.title} returned a response without the requested data: {str(answer)[:120]}"
            )
        return found

    async def all_pages(
        self, what: str, read: Callable[[Page], Awaitable[tuple[Sequence[Row], Page | None]]]
    ) -> list[Row]:
        """Return the rows of all pages. ``read`` returns a page's rows and the next page; None after the last.

        Raises ``ValueError`` after ``MAX_PAGES`` pages.
        """
        found: list[Row] = []
        page: Page = {}
        for _ in range(MAX_PAGES):
            rows, following = await read(page)
            found += rows
            if following is None:
                return found
            page = following
        raise ValueError(f"{self.title}: {what} do not end after {MAX_PAGES} pages")

    def stop_row(self, client_order_id: object, symbol: object) -> Row:
        """Return a resting stop as a ccxt order, for ``fetch_stops``; ``symbol`` is the exchange's own."""
        return {"clientOrderId": client_order_id, "symbol": self.exchange.safe_symbol(symbol)}

    def account_value(self, row: Row, *, total: str, wallet: str = "", profit: str = "", free: str) -> Equity:
        """Parse the equity from the coin's row; arguments are the exchange's field names.

        ``profit``, the unrealised one, is needed if there is no ``wallet``. Raises ``ValueError`` if both are
        missing.
        """
        value, held, gain = (number(row.get(name)) for name in (total, wallet, profit))
        if held is None and value is not None and gain is not None:
            held = value - gain
        if value is None or held is None:
            raise self.no_balance()
        return Equity(wallet=held, total=value, free=number(row.get(free)))

    def cash_flow(
        self, kind: FlowKind, *, key: object, amount: object, at_ms: object, symbol: str = ""
    ) -> CashFlow:
        """Return a payment; ``symbol`` is the exchange's own.

        ``amount`` is above zero if it was received; the sign of a transfer follows from its kind. Raises
        ``ValueError`` if amount or time are missing.
        """
        value, at = number(amount), number(at_ms)
        if value is None or at is None:
            raise ValueError(f"{self.title} returned a {kind} without its amount or its time")
        if not kind.trading:
            value = -abs(value) if kind is FlowKind.WITHDRAWAL else abs(value)
        return CashFlow(
            key=str(key),
            kind=kind,
            amount=value,
            at=datetime.fromtimestamp(int(at) / 1000, UTC),
            symbol=self.exchange.safe_symbol(symbol, None, None, "swap") if symbol else None,
        )

    def account_id(self, row: Row, name: str) -> str:
        """Return the account's id from a response. Raises ``ValueError`` if it is missing."""
        found = str(row.get(name) or "")
        if found in ("", "0"):
            raise ValueError(f"{self.title} returned no {name}")
        return found

    def no_balance(self) -> NotReady:
        """Return the error for a response without the settle coin: equity is unknown then, not zero."""
        coin = self.options.settle
        return NotReady(
            f"{self.title} returned no {coin} balance; equity is unknown until it does: "
            f"deposit {coin} if there is none, or set settle"
        )

    def single_market_params(self, symbols: Sequence[str]) -> dict[str, str]:
        """Return the parameter that selects one market's ticker; empty, which selects all, for several markets."""
        ids = {self.exchange.market(symbol)["id"] for symbol in symbols}
        return {self.ticker_fields["symbol"]: ids.pop()} if len(ids) == 1 else {}

    def select_tickers(self, symbols: Sequence[str], rows: Sequence[Row]) -> Mapping[str, Row]:
        """Select those markets' tickers from the exchange's own rows: ccxt needs 40 ms to convert hundreds."""
        ids = {self.exchange.market(symbol)["id"]: symbol for symbol in symbols}
        name = self.ticker_fields["symbol"]
        return {ids[row[name]]: self.ticker(row) for row in rows if row.get(name) in ids}

    def ticker(self, row: Row) -> Row:
        """Convert one of the exchange's tickers to the ccxt fields that are used."""
        found = {ours: row.get(theirs) for ours, theirs in self.ticker_fields.items()}
        return {**found, "symbol": self.exchange.safe_symbol(found["symbol"], None, None, "swap")}
