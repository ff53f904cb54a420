"""Read funding rates through ccxt."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import partial

from te_core.api import FundingRate
from te_exchange_ccxt.client.connection import Connection
from te_exchange_ccxt.parsing import Row, number

ONE_BY_ONE = frozenset({"kucoin", "kucoinfutures"})
"""Exchanges whose list of rates ccxt reads from an API that differs from the account's."""


async def announced_funding(
    connection: Connection, names: Mapping[str, str]
) -> dict[str, FundingRate] | None:
    """Read the announced rates of the next funding; None if ccxt cannot read them.

    ``names`` maps ccxt symbols to engine symbols. Symbols without funding are omitted.
    """
    exchange = connection.exchange
    rows: Sequence[Row]
    if not names:
        return {}
    if exchange.has.get("fetchFundingRates") is True and exchange.id not in ONE_BY_ONE:
        found = await connection.call("funding rates", lambda: exchange.fetch_funding_rates(list(names)))
        rows = list(found.values())
    elif exchange.has.get("fetchFundingRate"):
        rows = [
            await connection.call("funding rate", partial(exchange.fetch_funding_rate, name))
            for name in names
        ]
    else:
        return None
    rates = {names.get(str(row.get("symbol"))): funding_rate(row, "fundingTimestamp") for row in rows}
    return {symbol: rate for symbol, rate in rates.items() if symbol is not None and rate is not None}


def funding_rate(row: Row, key: str) -> FundingRate | None:
    """Parse a ccxt funding rate; ``key`` is the field with the time at which it is or was paid."""
    rate, at = number(row.get("fundingRate")), number(row.get(key))
    if rate is None or not at:
        return None
    return FundingRate(at=datetime.fromtimestamp(int(at) / 1000, UTC), rate=rate)
