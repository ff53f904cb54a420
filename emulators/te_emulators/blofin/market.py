"""Public routes: contracts, tickers, mark prices. BloFin has no route for the time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from te_emulators.contracts import response
from te_emulators.core.exchange import Exchange
from te_emulators.core.instrument import Instrument
from te_emulators.core.market import Market
from te_emulators.wire.call import Call, Route
from te_emulators.wire.figures import plain

if TYPE_CHECKING:  # the server collects these routes
    from te_emulators.blofin.server import BlofinServer


def routes(server: BlofinServer) -> list[Route]:
    """Public routes."""
    exchange = server.exchange

    def instruments(call: Call) -> object:
        return [instrument_row(i) for i in chosen(exchange.market, call.parameters)]

    def tickers(call: Call) -> object:
        return [ticker(exchange, i) for i in chosen(exchange.market, call.parameters)]

    def marks(call: Call) -> object:
        return [mark(exchange, i) for i in chosen(exchange.market, call.parameters)]

    def fundings(call: Call) -> object:
        return [funding(exchange, i) for i in chosen(exchange.market, call.parameters)]

    return [
        Route(method="GET", path=f"/api/v1/market/{path}", kind=kind, handler=handler, private=False)
        for path, kind, handler in (
            ("instruments", "instruments", instruments),
            ("tickers", "tickers", tickers),
            ("mark-price", "tickers", marks),
            ("funding-rate", "tickers", fundings),
        )
    ]


def chosen(market: Market, parameters: dict[str, str]) -> list[Instrument]:
    """Return the requested contract, or all."""
    if symbol := parameters.get("instId"):
        return [market.instrument(symbol)]
    return list(market.instruments.values())


def instrument_row(instrument: Instrument) -> dict[str, Any]:
    """Return the recorded row, except what may change: the largest market order, and "suspend" if it accepts no
    orders."""
    state = "live" if instrument.tradable else "suspend"
    return {**instrument.row, "maxMarketSize": plain(instrument.max_market_size), "state": state}


def ticker(exchange: Exchange, instrument: Instrument) -> dict[str, str]:
    """Return a ticker: only prices change; sizes and volumes are constant, those of BTC as recorded."""
    quote = exchange.market.quotes[instrument.symbol]
    recorded = response("blofin", "tickers BTC")["data"][0]
    start = plain(instrument.price)
    day = {"high24h": start, "open24h": start, "low24h": start}
    return {
        **recorded,
        **({} if instrument.base == "BTC" else day),
        "instId": quote.symbol,
        "last": plain(quote.last),
        "askPrice": plain(quote.ask),
        "bidPrice": plain(quote.bid),
        "ts": str(exchange.clock.ms()),
    }


def mark(exchange: Exchange, instrument: Instrument) -> dict[str, str]:
    """Mark and index price."""
    quote = exchange.market.quotes[instrument.symbol]
    return {
        "instId": quote.symbol,
        "indexPrice": plain(quote.index),
        "markPrice": plain(quote.mark),
        "ts": str(exchange.clock.ms()),
    }


def funding(exchange: Exchange, instrument: Instrument) -> dict[str, str]:
    """Return the announced rate."""
    facts = exchange.market.facts[instrument.symbol]
    return {
        "instId": instrument.symbol,
        "fundingRate": plain(facts.funding_rate),
        "fundingTime": str(facts.next_funding),
    }
