"""The engine's spelling of a symbol (``BTCUSDT``) and ccxt's (``BTC/USDT:USDT``)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from te_exchange_ccxt.parsing import Row


class Symbols:
    """Linear perpetuals that settle in one coin, by both spellings.

    The engine's spelling is base and quote exactly: ``1000PEPEUSDT`` and ``PEPEUSDT`` are different contracts. If two
    markets share a spelling, it belongs to the active one; if both are active, the spelling is ``ambiguous`` and
    neither can be traded under it.
    """

    def __init__(self, markets: Iterable[Row], settle: str) -> None:
        self._by_engine: dict[str, Row] = {}
        self._by_ccxt: dict[str, str] = {}
        self.ambiguous: set[str] = set()
        for market in markets:
            if is_linear_perpetual(market, settle):
                self._add(f"{market['base']}{market['quote']}".upper(), market)
        for name in self.ambiguous:
            del self._by_engine[name]
        self._by_ccxt = {str(market["symbol"]): name for name, market in self._by_engine.items()}

    def _add(self, name: str, market: Row) -> None:
        other = self._by_engine.get(name)
        if other is None or other.get("active") is False:
            self._by_engine[name] = market
            self.ambiguous.discard(name)
        elif market.get("active") is not False:
            self.ambiguous.add(name)

    def market(self, symbol: str) -> Row | None:
        """Return the market of an engine symbol."""
        return self._by_engine.get(symbol)

    def engine(self, ccxt_symbol: object) -> str | None:
        """Return the engine symbol of a ccxt symbol."""
        return self._by_ccxt.get(str(ccxt_symbol))

    def items(self) -> Iterator[tuple[str, Row]]:
        """Iterate over all engine symbols with their markets."""
        return iter(self._by_engine.items())

    def __len__(self) -> int:
        return len(self._by_engine)


def is_linear_perpetual(market: Mapping[str, object], settle: str | None = None) -> bool:
    """Return whether a market is a perpetual that settles in its quote coin."""
    return (
        market.get("swap") is True
        and market.get("linear") is True
        and market.get("quote") == market.get("settle")
        and (settle is None or market.get("settle") == settle)
    )
