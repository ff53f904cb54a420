"""Where the paper exchange's prices come from, and at which price an order fills."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal

from te_core.api import Known, NotReady, Side
from te_exchange_paper.holding import Holding

SMALLEST_PRICE = Decimal("1E-12")
LARGEST_PRICE = Decimal("1E+12")


class Market:
    """Knows one price of each symbol: the fixed one from settings, else the newest that a signal stated."""

    def __init__(
        self,
        *,
        account: str,
        fixed: Mapping[str, Decimal],
        signal_price: Callable[[str], Known[Decimal] | None],
    ) -> None:
        self._account = account
        self._fixed = fixed
        self._signal_price = signal_price

    def known(self, symbol: str) -> Decimal | None:
        """Give the symbol's price; None when there is none, or none that can be one (1e-12 … 1e12)."""
        if symbol in self._fixed:
            return self._fixed[symbol]
        stated = self._signal_price(symbol)
        if stated is None or not SMALLEST_PRICE <= stated.value <= LARGEST_PRICE:
            return None
        return stated.value

    def prices(self, symbols: Iterable[str]) -> dict[str, Decimal]:
        """Give the prices that are known."""
        known = ((symbol, self.known(symbol)) for symbol in symbols)
        return {symbol: price for symbol, price in known if price is not None}

    def moved(self, holdings: Mapping[str, Holding]) -> dict[str, Decimal]:
        """Return the known prices of the open positions that are not marked with theirs yet."""
        moved: dict[str, Decimal] = {}
        for symbol, holding in holdings.items():
            stated = self._signal_price(symbol)
            if stated is not None and stated.value is holding.mark and symbol not in self._fixed:
                continue  # nearly always: every call of the account goes through all of them
            price = self.known(symbol) if holding.quantity else None
            if price is not None and price != holding.mark:
                moved[symbol] = price
        return moved

    def required(self, symbol: str) -> Decimal:
        """Give the symbol's price. Raises ``NotReady`` with what to do when there is none."""
        price = self.known(symbol)
        if price is None:
            raise NotReady(
                f"paper has no price for {symbol}: let its signals state a price, "
                f'or set accounts.{self._account}.prices.{symbol} = "…" in settings.toml'
            )
        return price


def fill_price(price: Decimal, side: Side, slippage: Decimal, tick: Decimal) -> Decimal:
    """Give the price of a market order: worse by the slippage, rounded to the tick against the taker."""
    worse = price * (1 + side.sign * slippage)
    if not tick:
        return worse
    rounding = ROUND_CEILING if side is Side.BUY else ROUND_FLOOR
    ticks = (worse / tick).to_integral_value(rounding=rounding)
    # A price below one tick is still a price.
    return max(ticks, Decimal(1)) * tick
