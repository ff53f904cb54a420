"""Reading an exchange's own answers, for venues that ask past ccxt's unified calls."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, ClassVar

from te_core.api import CashFlow, Equity, FlowKind, NotReady
from te_exchange_ccxt.options import CcxtOptions
from te_exchange_ccxt.wire import Row, dig, number


class Answers:
    """What a venue knows of the form of answers.

    ``success``: what the envelope of a success says, and under which key. ``ticker_fields``: the exchange's names of
    what ccxt's tickers call "symbol", "markPrice", "last".
    """

    success: ClassVar[tuple[str, str]] = ("code", "0")
    ticker_fields: ClassVar[Mapping[str, str]] = {}

    def __init__(self, options: CcxtOptions) -> None:
        self.options = options
        self.title = options.title
        self.exchange: Any = None

    def content(self, answer: Any, kind: type | tuple[type, ...], *at: str) -> Any:
        """Unwrap an answer: give what stands under ``data``, or under the keys ``at``, if it is of that kind.

        Raises ``ValueError`` otherwise: ccxt takes a missing list for an empty one, which looks like a flat account.
        """
        found, (key, success) = dig(answer, *(at or ("data",))), self.success
        if str(dig(answer, key)) != success or not isinstance(found, kind):
            raise ValueError(f"{self.title} answered without what was asked for: {str(answer)[:120]}")
        return found

    def account_value(self, row: Row, *, total: str, wallet: str = "", profit: str = "", free: str) -> Equity:
        """Take the equity from the coin's own row, by the names that the exchange gives the figures.

        ``profit``, the unrealised one, is needed where there is no ``wallet``. Raises ``ValueError`` without either.
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
        """Make a payment of the exchange's figures; ``symbol`` is its own.

        ``amount``: above zero when it was received; a transfer's sign is that of its kind. Raises ``ValueError``
        without an amount or a time: half a payment would be a wrong one.
        """
        value, at = number(amount), number(at_ms)
        if value is None or at is None:
            raise ValueError(f"{self.title} tells a {kind} without its amount or its time")
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
        """Return the account's number from an answer. Raises ``ValueError`` where there is none."""
        found = str(row.get(name) or "")
        if found in ("", "0"):
            raise ValueError(f"{self.title} returned no {name}")
        return found

    def no_balance(self) -> NotReady:
        """Return the error for an answer without the settle coin's figures: unknown, which is not zero."""
        coin = self.options.settle
        return NotReady(
            f"{self.title} returned no {coin} balance; equity is unknown until it does: "
            f"deposit {coin} if there is none, or set settle"
        )

    def only(self, symbols: Sequence[str]) -> dict[str, str]:
        """Give the parameter that asks for one market's ticker; none, which asks for all, when several are wanted."""
        ids = {self.exchange.market(symbol)["id"] for symbol in symbols}
        return {self.ticker_fields["symbol"]: ids.pop()} if len(ids) == 1 else {}

    def picked(self, symbols: Sequence[str], rows: Sequence[Row]) -> Mapping[str, Row]:
        """Pick those markets' tickers from the exchange's own rows: ccxt takes 40 ms for making its own of hundreds."""
        ids = {self.exchange.market(symbol)["id"]: symbol for symbol in symbols}
        name = self.ticker_fields["symbol"]
        return {ids[row[name]]: self.ticker(row) for row in rows if row.get(name) in ids}

    def ticker(self, row: Row) -> Row:
        """Turn one of the exchange's own tickers into what is needed of ccxt's."""
        found = {ours: row.get(theirs) for ours, theirs in self.ticker_fields.items()}
        return {**found, "symbol": self.exchange.safe_symbol(found["symbol"], None, None, "swap")}
