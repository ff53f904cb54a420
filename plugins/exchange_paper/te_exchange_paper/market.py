"""Prices of the paper exchange, and the price at which an order fills."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal

from te_core.api import Known, NotReady, Side
from te_exchange_paper.holding import Holding

SMALLEST_PRICE = Decimal("1E-12")
LARGEST_PRICE = Decimal("1E+12")


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveQuote:
    """Quote of a symbol at an exchange."""

    price: Decimal
    """Mark price if the exchange states it, else the last price."""
    bid: Decimal | None = None
    ask: Decimal | None = None
    at: datetime
    """When it was read or pushed."""
    is_fresh: bool = True
    """Whether it is recent enough to fill orders at."""


class Market:
    """The price of each symbol: the fixed one from settings, else the live one, else the newest from a signal.

    A stale live price stays until a signal states a newer one: the signals' prices may be hours older.
    """

    def __init__(
        self,
        *,
        account: str,
        fixed: Mapping[str, Decimal],
        signal_price: Callable[[str], Known[Decimal] | None],
        live: Callable[[str], LiveQuote | None] | None = None,
    ) -> None:
        self._account = account
        self._fixed = fixed
        self._signal_price = signal_price
        self._live = live

    def known(self, symbol: str) -> Decimal | None:
        """Return the symbol's price; None if there is none, or none within 1e-12 … 1e12."""
        if symbol in self._fixed:
            return self._fixed[symbol]
        quote, stated = self._quote(symbol), self._signal_price(symbol)
        if quote is not None and (quote.is_fresh or stated is None or stated.as_of <= quote.at):
            return quote.price
        return stated.value if stated is not None and _is_price(stated.value) else None

    def taken(self, symbol: str, side: Side) -> Decimal:
        """Return the price that a market order takes.

        This is the live ask or bid, else the symbol's price. Raises as ``required``.
        """
        quote = None if symbol in self._fixed else self._quote(symbol)
        if quote is not None and quote.is_fresh:
            best = quote.ask if side is Side.BUY else quote.bid
            if best is not None and _is_price(best):
                return best
        return self.required(symbol)

    def _quote(self, symbol: str) -> LiveQuote | None:
        quote = self._live(symbol) if self._live is not None else None
        return quote if quote is not None and _is_price(quote.price) else None

    def prices(self, symbols: Iterable[str]) -> dict[str, Decimal]:
        """Return the known prices."""
        known = ((symbol, self.known(symbol)) for symbol in symbols)
        return {symbol: price for symbol, price in known if price is not None}

    def moved(self, holdings: Mapping[str, Holding]) -> dict[str, Decimal]:
        """Return the known prices of open positions whose mark differs."""
        moved: dict[str, Decimal] = {}
        for symbol, holding in holdings.items():
            stated = self._signal_price(symbol)
            if (
                stated is not None
                and stated.value is holding.mark
                and self._live is None
                and symbol not in self._fixed
            ):
                continue  # nearly always: every call of the account checks all positions
            price = self.known(symbol) if holding.quantity else None
            if price is not None and price != holding.mark:
                moved[symbol] = price
        return moved

    def required(self, symbol: str) -> Decimal:
        """Return the symbol's price. Raises ``NotReady`` with the remedy if there is none."""
        price = self.known(symbol)
        if price is None:
            raise NotReady(
                f"paper has no price for {symbol}: let its signals state a price, "
                f'or set accounts.{self._account}.prices.{symbol} = "…" in settings.toml'
            )
        return price


def _is_price(value: Decimal) -> bool:
    return SMALLEST_PRICE <= value <= LARGEST_PRICE


def fill_price(price: Decimal, side: Side, slippage: Decimal, tick: Decimal) -> Decimal:
    """Return the price of a market order: worse by the slippage, rounded to the tick against the taker."""
    worse = price * (1 + side.sign * slippage)
    if not tick:
        return worse
    rounding = ROUND_CEILING if side is Side.BUY else ROUND_FLOOR
    ticks = (worse / tick).to_integral_value(rounding=rounding)
    # A price below one tick is still a price.
    return max(ticks, Decimal(1)) * tick
