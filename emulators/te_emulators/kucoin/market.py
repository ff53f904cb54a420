"""Public routes: contracts, tickers, mark price, time, status, tokens for public streams."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from te_emulators.core.instrument import Instrument
from te_emulators.core.market import Market, Quote
from te_emulators.wire.call import Call, Route
from te_emulators.wire.figures import plain, text

if TYPE_CHECKING:  # the server collects these routes
    from te_emulators.kucoin.server import KucoinServer


def routes(server: KucoinServer) -> list[Route]:
    """Public routes."""
    market = server.exchange.market
    clock = server.exchange.clock

    def contracts(call: Call) -> object:
        return [contract(i, market.quotes[i.symbol]) for i in market.instruments.values()]

    def one_contract(call: Call) -> object:
        found = market.instrument(call.path_values["symbol"])
        return contract(found, market.quotes[found.symbol])

    def tickers(call: Call) -> object:
        return [ticker(quote, clock.ns()) for quote in market.quotes.values()]

    def one_ticker(call: Call) -> object:
        symbol = market.instrument(text(dict(call.parameters), "symbol")).symbol
        return ticker(market.quotes[symbol], clock.ns())

    def mark(call: Call) -> object:
        return mark_price(market, call.path_values["symbol"], clock.ms())

    def funding(call: Call) -> object:
        return funding_rate(market, call.path_values["symbol"])

    def time(call: Call) -> object:
        return clock.ms()

    def status(call: Call) -> object:
        return {"msg": "", "status": "open"}

    def token(call: Call) -> object:
        return server.token(None)

    found = [
        ("GET", "/api/v1/contracts/active", "instruments", contracts),
        ("GET", "/api/v1/contracts/{symbol}", "instruments", one_contract),
        ("GET", "/api/v1/allTickers", "tickers", tickers),
        ("GET", "/api/v1/ticker", "tickers", one_ticker),
        ("GET", "/api/v1/mark-price/{symbol}/current", "tickers", mark),
        ("GET", "/api/v1/funding-rate/{symbol}/current", "tickers", funding),
        ("GET", "/api/v1/timestamp", "time", time),
        ("GET", "/api/v1/status", "time", status),
        ("POST", "/api/v1/bullet-public", "other", token),
    ]
    return [
        Route(method=method, path=path, kind=kind, handler=handler, private=False)
        for method, path, kind, handler in found
    ]


def contract(instrument: Instrument, quote: Quote) -> dict[str, Any]:
    """Return the recorded row; only prices and status change. Without ``nextFundingRateTime`` ccxt treats it as a dated
    future."""
    return {
        **instrument.row,
        "status": "Open" if instrument.tradable else "Paused",
        "marketMaxOrderQty": instrument.max_market_size,
        "markPrice": quote.mark,
        "indexPrice": quote.index,
        "lastTradePrice": quote.last,
    }


def ticker(quote: Quote, ns: int) -> dict[str, Any]:
    """Return the last trade with the best bid and ask; sizes are constant."""
    return {
        "sequence": 1748100434839 + quote.sequence,
        "symbol": quote.symbol,
        "side": "buy",
        "size": 3,
        "tradeId": str(1945734806737 + quote.sequence),
        "price": plain(quote.last),
        "bestBidPrice": plain(quote.bid),
        "bestBidSize": 568,
        "bestAskPrice": plain(quote.ask),
        "bestAskSize": 107,
        "ts": ns,
    }


def best_prices(quote: Quote, ns: int) -> dict[str, Any]:
    """Best bid and ask alone, as topic tickerV2 has them."""
    wanted = ("symbol", "sequence", "bestBidSize", "bestBidPrice", "bestAskPrice", "bestAskSize", "ts")
    whole = ticker(quote, ns)
    return {name: whole[name] for name in wanted}


def mark_price(market: Market, symbol: str, now_ms: int) -> dict[str, Any]:
    """Mark and index price."""
    quote = market.quotes[market.instrument(symbol).symbol]
    return {
        "symbol": quote.symbol,
        "granularity": 1000,
        "timePoint": now_ms // 1000 * 1000,
        "value": quote.mark,
        "indexPrice": quote.index,
    }


def funding_rate(market: Market, symbol: str) -> dict[str, Any]:
    """Return the announced rate. Its symbol is that of the rate, not of the contract."""
    found = market.instrument(symbol)
    facts = market.facts[found.symbol]
    return {
        "symbol": found.row["fundingRateSymbol"],
        "granularity": 28_800_000,
        "timePoint": facts.next_funding - 28_800_000,
        "value": float(facts.funding_rate),
        "dailyInterestRate": 0.0003,
        "fundingRateCap": 0.003,
        "fundingRateFloor": -0.003,
        "period": 1,
        "fundingTime": facts.next_funding,
    }
