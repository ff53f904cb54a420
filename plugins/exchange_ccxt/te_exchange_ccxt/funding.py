"""Funding as ccxt tells it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import partial

from te_core.api import FundingRate
from te_exchange_ccxt.connection import Connection
from te_exchange_ccxt.wire import Row, number

ONE_BY_ONE = frozenset({"kucoin", "kucoinfutures"})
"""Exchanges whose list ccxt reads from another API than that of the account."""


async def announced_funding(link: Connection, names: Mapping[str, str]) -> dict[str, FundingRate] | None:
    """Read what is announced for the next funding of some symbols; None where ccxt reads none.

    ``names``: the engine's symbols by ccxt's. Symbols without funding are left out.
    """
    exchange = link.exchange
    rows: Sequence[Row]
    if not names:
        return {}
    if exchange.has.get("fetchFundingRates") is True and exchange.id not in ONE_BY_ONE:
        found = await link.ask("funding rates", lambda: exchange.fetch_funding_rates(list(names)))
        rows = list(found.values())
    elif exchange.has.get("fetchFundingRate"):
        rows = [await link.ask("funding rate", partial(exchange.fetch_funding_rate, name)) for name in names]
    else:
        return None
    rates = {names.get(str(row.get("symbol"))): funding_rate(row, "fundingTimestamp") for row in rows}
    return {symbol: rate for symbol, rate in rates.items() if symbol is not None and rate is not None}


def funding_rate(row: Row, key: str) -> FundingRate | None:
    """Parse one of ccxt's rates; ``key``: the field that says when it is or was paid."""
    rate, at = number(row.get("fundingRate")), number(row.get(key))
    if rate is None or not at:
        return None
    return FundingRate(at=datetime.fromtimestamp(int(at) / 1000, UTC), rate=rate)
