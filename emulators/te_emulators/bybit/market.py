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
        (chosen,) = chosen_instruments(market, call.parameters)
        begin, end = (
            int(call.parameters.get(name, most)) for name, most in (("startTime", 0), ("endTime", 1e15))
        )
        rows = [
            {"symbol": chosen.symbol, "fundingRate": plain(rate), "fundingRateTimestamp": str(at)}
            for at, rate in reversed(market.facts[chosen.symbol].past_funding)
            if begin <= at <= end
        ]
        return {"category": category(call.parameters), "list": rows[: int(call.parameters.get("limit", 200))]}

    def risk_limit(call: Call) -> object:
        (chosen,) = chosen_instruments(market, call.parameters)
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
        return {"category": category(call.parameters), "list": rows, "nextPageCursor": ""}

    def time(call: Call) -> object:
        ns = server.exchange.clock.ns()
        return {"timeSecond": str(ns // 1_000_000_000), "timeNano": str(ns)}

    return [
        Route(
            method="GET",
            path="/v5/market/instruments-info",
            kind="instruments",
            handler=instruments,
            private=False,
        ),
        Route(method="GET", path="/v5/market/tickers", kind="tickers", handler=tickers, private=False),
        Route(
            method="GET",
            path="/v5/market/funding/history",
            kind="funding",
            handler=past_funding,
            private=False,
        ),
        Route(method="GET", path="/v5/market/risk-limit", kind="tiers", handler=risk_limit, private=False),
        Route(method="GET", path="/v5/market/time", kind="time", handler=time, private=False),
    ]


CATEGORIES = {"linear", "inverse", "spot", "option"}


def category(arguments: dict[str, Any]) -> str:
    """Of a request; only linear has contracts here. Raises BadParameter."""
    found = arguments.get("category")
    if found not in CATEGORIES:
        raise BadParameter("params error: category invalid")
    return str(found)


def chosen_instruments(market: Market, parameters: dict[str, str]) -> list[Instrument]:
    """The one asked for, or all of the category."""
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
    """As recorded; "Closed" if it takes no orders."""
    return {**instrument.row, "status": "Trading" if instrument.tradable else "Closed"}


def ticker(instrument: Instrument, quote: Quote, facts: PublicFacts) -> dict[str, str]:
    """Only prices and funding live; volumes stand still."""
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
