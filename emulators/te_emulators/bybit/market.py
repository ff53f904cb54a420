"""Public routes: contracts, tickers, time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import quote_plus

from te_emulators.bybit.paging import page
from te_emulators.core.errors import BadParameter
from te_emulators.core.instrument import Instrument
from te_emulators.core.market import Market, PublicFacts, Quote
from te_emulators.wire.call import Call, Route
from te_emulators.wire.figures import plain

if TYPE_CHECKING:  # the server collects these routes
    from te_emulators.bybit.server import BybitServer


def routes(server: BybitServer) -> list[Route]:
    """Public routes."""
    market = server.exchange.market

    def instruments(call: Call) -> object:
        return instrument_page(market, call.parameters)

    def tickers(call: Call) -> object:
        chosen = chosen_instruments(market, call.parameters)
        rows = [ticker(i, market.quotes[i.symbol], market.facts[i.symbol]) for i in chosen]
        return {"category": category(call.parameters), "list": rows}

    def past_funding(call: Call) -> object:
        return funding_page(market, call.parameters)

    def risk_limit(call: Call) -> object:
        return tier_page(market, call.parameters)

    def time(call: Call) -> object:
        ns = server.exchange.clock.ns()
        return {"timeSecond": str(ns // 1_000_000_000), "timeNano": str(ns)}

    found = [
        ("/v5/market/instruments-info", "instruments", instruments),
        ("/v5/market/tickers", "tickers", tickers),
        ("/v5/market/funding/history", "funding", past_funding),
        ("/v5/market/risk-limit", "tiers", risk_limit),
        ("/v5/market/time", "time", time),
    ]
    return [
        Route(method="GET", path=path, kind=kind, handler=handler, private=False)
        for path, kind, handler in found
    ]


def funding_page(market: Market, parameters: dict[str, str]) -> dict[str, Any]:
    """Past funding of a contract, newest first."""
    (chosen,) = chosen_instruments(market, parameters)
    begin, end = (int(parameters.get(name, most)) for name, most in (("startTime", 0), ("endTime", 1e15)))
    rows = [
        {"symbol": chosen.symbol, "fundingRate": plain(rate), "fundingRateTimestamp": str(at)}
        for at, rate in reversed(market.facts[chosen.symbol].past_funding)
        if begin <= at <= end
    ]
    return {"category": category(parameters), "list": rows[: int(parameters.get("limit", 200))]}


def tier_page(market: Market, parameters: dict[str, str]) -> dict[str, Any]:
    """The risk limits of a contract, lowest first."""
    (chosen,) = chosen_instruments(market, parameters)
    rows = [
        {
            "id": number,
            "symbol": chosen.symbol,
            "riskLimitValue": plain(largest),
            "maintenanceMargin": plain(rate),
            "initialMargin": plain(1 / leverage, 4),
            "isLowestRisk": int(number == 1),
            "maxLeverage": plain(leverage),
            "mmDeduction": "",
        }
        for number, (largest, rate, leverage) in enumerate(market.facts[chosen.symbol].tiers, start=1)
    ]
    return {"category": category(parameters), "list": rows, "nextPageCursor": ""}


CATEGORIES = {"linear", "inverse", "spot", "option"}


def category(arguments: dict[str, Any]) -> str:
    """Check the category of a request; only linear has contracts here. Raises BadParameter."""
    found = arguments.get("category")
    if found not in CATEGORIES:
        raise BadParameter("params error: category invalid")
    return str(found)


def chosen_instruments(market: Market, parameters: dict[str, str]) -> list[Instrument]:
    """Return the requested contract, or all of the category."""
    if category(parameters) != "linear":
        return []
    if symbol := parameters.get("symbol"):
        return [market.instrument(symbol)]
    return list(market.instruments.values())


def instrument_page(market: Market, parameters: dict[str, str]) -> object:
    """Return ``limit`` rows (default 500) from ``cursor`` on; the last page has an empty cursor."""
    status = parameters.get("status")
    rows = [instrument_row(i) for i in chosen_instruments(market, parameters)]
    rows = [row for row in rows if status in {None, row["status"]}]
    shown, following = page(rows, parameters, usual=500, most=1000, name=lambda row: f"first={row['symbol']}")
    return {
        "category": category(parameters),
        "list": shown,
        "nextPageCursor": quote_plus(following),
    }


def instrument_row(instrument: Instrument) -> dict[str, Any]:
    """Return the recorded row; "Closed" if it accepts no orders."""
    return {**instrument.row, "status": "Trading" if instrument.tradable else "Closed"}


def ticker(instrument: Instrument, quote: Quote, facts: PublicFacts) -> dict[str, str]:
    """Return a ticker: only prices and funding change; volumes are constant."""
    last = plain(quote.last)
    return {
        "symbol": quote.symbol,
        "lastPrice": last,
        "indexPrice": plain(quote.index),
        "markPrice": plain(quote.mark),
        "prevPrice24h": plain(instrument.price),
        "price24hPcnt": plain(quote.last / instrument.price - 1, 6),
        "highPrice24h": plain(max(quote.last, instrument.price)),
        "lowPrice24h": plain(min(quote.last, instrument.price)),
        "prevPrice1h": plain(instrument.price),
        "openInterest": "225766.793",
        "openInterestValue": "11614437205.81",
        "turnover24h": "2352063794.0035",
        "volume24h": "47293.8870",
        "fundingRate": plain(facts.funding_rate),
        "nextFundingTime": str(facts.next_funding),
        "predictedDeliveryPrice": "",
        "basisRate": "",
        "deliveryFeeRate": "",
        "deliveryTime": "0",
        "ask1Size": "491.691",
        "bid1Price": plain(quote.bid),
        "ask1Price": plain(quote.ask),
        "bid1Size": "55.841",
        "basis": "",
    }
