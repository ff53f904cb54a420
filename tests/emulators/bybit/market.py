"""Public routes: contracts, tickers, time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tests.emulators.core.errors import BadParameter
from tests.emulators.core.instrument import Instrument
from tests.emulators.core.market import Market, Quote
from tests.emulators.wire.call import Call, Route
from tests.emulators.wire.figures import plain

if TYPE_CHECKING:  # the server collects these routes
    from tests.emulators.bybit.server import BybitServer


def routes(server: BybitServer) -> list[Route]:
    """Public routes."""
    market = server.exchange.market

    def instruments(call: Call) -> object:
        return instrument_page(market, call.parameters)

    def tickers(call: Call) -> object:
        parameters = call.parameters
        linear(parameters)
        chosen = chosen_instruments(market, parameters)
        return {"category": "linear", "list": [ticker(i, market.quotes[i.symbol]) for i in chosen]}

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
        Route(method="GET", path="/v5/market/time", kind="time", handler=time, private=False),
    ]


def linear(arguments: dict[str, Any]) -> None:
    """Only linear contracts are emulated; raises BadParameter for others."""
    if arguments.get("category") != "linear":
        raise BadParameter("params error: category invalid (linear only here)")


def chosen_instruments(market: Market, parameters: dict[str, str]) -> list[Instrument]:
    """The one asked for, or all."""
    if symbol := parameters.get("symbol"):
        return [market.instrument(symbol)]
    return list(market.instruments.values())


def instrument_page(market: Market, parameters: dict[str, str]) -> object:
    """``limit`` rows (500 unless told, at most 1000) from ``cursor`` on."""
    linear(parameters)
    chosen = chosen_instruments(market, parameters)
    status = parameters.get("status")
    rows = [row for i in chosen if (row := instrument_row(i)) and status in {None, row["status"]}]
    limit, start = int(parameters.get("limit", "500")), 0
    if not 1 <= limit <= 1000:
        raise BadParameter("params error: limit invalid")
    if cursor := parameters.get("cursor"):
        names = [row["symbol"] for row in rows]
        name = cursor.removeprefix("first%3D").removeprefix("first=")
        if name not in names:
            raise BadParameter("params error: cursor invalid")
        start = names.index(name)
    following = rows[start + limit : start + limit + 1]
    return {
        "category": "linear",
        "list": rows[start : start + limit],
        "nextPageCursor": f"first%3D{following[0]['symbol']}" if following else "",
    }


def instrument_row(instrument: Instrument) -> dict[str, Any]:
    """As recorded; "Closed" if it takes no orders."""
    return {**instrument.row, "status": "Trading" if instrument.tradable else "Closed"}


def ticker(instrument: Instrument, quote: Quote) -> dict[str, str]:
    """Only the prices live; volumes and funding stand still."""
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
        "fundingRate": "0.0001",
        "nextFundingTime": "1707926400000",
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
