"""Public routes: contracts, tickers, time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from te_emulators.core.instrument import Instrument
from te_emulators.core.market import Quote
from te_emulators.mexc.instruments import detail_row, listed_only
from te_emulators.wire.call import Call, Route

if TYPE_CHECKING:  # the server collects these routes
    from te_emulators.mexc.server import MexcServer

ROOT = "/api/v1/contract"


def routes(server: MexcServer) -> list[Route]:
    """Public routes."""
    market = server.exchange.market

    def detail(call: Call) -> object:
        if symbol := call.parameters.get("symbol"):
            return detail_row(market.instrument(symbol))
        return [*(detail_row(i) for i in market.instruments.values()), *listed_only()]

    def tickers(call: Call) -> object:
        """Return one object for a symbol, else a list."""
        now = server.exchange.clock.ms()
        if symbol := call.parameters.get("symbol"):
            return ticker(market.instrument(symbol), market.quotes[symbol], now)
        return [ticker(i, market.quotes[i.symbol], now) for i in market.instruments.values()]

    def funding(call: Call) -> object:
        found = market.instrument(call.path_values["symbol"])
        facts = market.facts[found.symbol]
        return {
            "symbol": found.symbol,
            "fundingRate": float(facts.funding_rate),
            "maxFundingRate": 0.003,
            "minFundingRate": -0.003,
            "collectCycle": 8,
            "nextSettleTime": facts.next_funding,
            "timestamp": server.exchange.clock.ms(),
        }

    def ping(call: Call) -> object:
        return server.exchange.clock.ms()

    return [
        Route(method="GET", path=f"{ROOT}/detail", kind="instruments", handler=detail, private=False),
        Route(method="GET", path=f"{ROOT}/ticker", kind="tickers", handler=tickers, private=False),
        Route(
            method="GET",
            path=f"{ROOT}/funding_rate/{{symbol}}",
            kind="tickers",
            handler=funding,
            private=False,
        ),
        Route(method="GET", path=f"{ROOT}/ping", kind="time", handler=ping, private=False),
    ]


def ticker(instrument: Instrument, quote: Quote, now_ms: int) -> dict[str, Any]:
    """Return a ticker: only prices change; volumes and funding are constant."""
    change = quote.last - instrument.price
    return {
        "symbol": quote.symbol,
        "lastPrice": quote.last,
        "bid1": quote.bid,
        "ask1": quote.ask,
        "volume24": 245092560,
        "amount24": 1893011514.74,
        "holdVol": 448807331,
        "lower24Price": min(quote.last, instrument.price),
        "high24Price": max(quote.last, instrument.price),
        "riseFallRate": round(change / instrument.price, 4),
        "riseFallValue": change,
        "indexPrice": quote.index,
        "fairPrice": quote.mark,
        "fundingRate": 6.3e-05,
        "maxBidPrice": round(quote.index * 11 / 10, 8),
        "minAskPrice": round(quote.index * 9 / 10, 8),
        "timestamp": now_ms,
    }
