"""Prices of every contract."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from decimal import Decimal

from te_emulators.core.errors import UnknownSymbol
from te_emulators.core.instrument import Instrument
from te_emulators.core.modes import Side


@dataclass(frozen=True, kw_only=True, slots=True)
class Quote:
    """Prices in quote coin per base coin; ``sequence`` grows by one with every change of this contract."""

    symbol: str
    mark: Decimal
    index: Decimal
    last: Decimal
    bid: Decimal
    ask: Decimal
    sequence: int = 0

    def price_for(self, side: Side) -> Decimal:
        """Return the price that a market order is filled at."""
        return self.ask if side is Side.BUY else self.bid


@dataclass(kw_only=True, slots=True)
class PublicFacts:
    """What an exchange publishes about one contract besides prices. Times in milliseconds since 1970."""

    funding_rate: Decimal = Decimal("0.0001")
    next_funding: int = 1707926400000
    past_funding: list[tuple[int, Decimal]] = field(default_factory=list)
    """Times and rates, oldest first."""
    tiers: list[tuple[Decimal, Decimal, Decimal]] = field(
        default_factory=lambda: [(Decimal(2_000_000), Decimal("0.005"), Decimal(100))]
    )
    """Largest value of each, its maintenance margin as a share, and the highest leverage."""


def flat_quote(symbol: str, price: Decimal, *, sequence: int = 0, spread: Decimal = Decimal(0)) -> Quote:
    """Mark, index and last at ``price``; bid and ask half a ``spread`` around it."""
    half = spread / 2
    return Quote(
        symbol=symbol,
        mark=price,
        index=price,
        last=price,
        bid=price - half,
        ask=price + half,
        sequence=sequence,
    )


class Market:
    """The contracts, each with its newest quote."""

    def __init__(self, instruments: Iterable[Instrument]) -> None:
        self.instruments: dict[str, Instrument] = {i.symbol: i for i in instruments}
        self.quotes: dict[str, Quote] = {
            i.symbol: flat_quote(i.symbol, i.price) for i in self.instruments.values()
        }
        self.facts: defaultdict[str, PublicFacts] = defaultdict(PublicFacts)
        self.unlisted: set[str] = set()
        """Contracts that are missing in price lists, although they trade."""

    def instrument(self, symbol: str) -> Instrument:
        """The contract with the exchange's own ``symbol``; raises UnknownSymbol."""
        try:
            return self.instruments[symbol]
        except KeyError:
            raise UnknownSymbol(f"no contract {symbol!r}") from None

    def by_base(self, base: str, quote: str = "USDT") -> Instrument:
        """Return the contract of a coin, whatever the exchange calls it."""
        for instrument in self.instruments.values():
            if (instrument.base, instrument.quote) == (base, quote):
                return instrument
        raise UnknownSymbol(f"no contract of {base}")

    def named(self, name: str) -> Instrument:
        """By the exchange's own symbol or by coin."""
        return self.instruments.get(name) or self.by_base(name)

    def add(self, instrument: Instrument) -> None:
        """List or change a contract; a new one starts at its own price."""
        self.instruments[instrument.symbol] = instrument
        self.quotes.setdefault(instrument.symbol, flat_quote(instrument.symbol, instrument.price))

    def mark(self, symbol: str) -> Decimal:
        """The mark price."""
        return self.quotes[symbol].mark
