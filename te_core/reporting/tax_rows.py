"""Realised profit, fees and funding as rows that tax programs read. Pure.

Koinly's universal template as described in its help: the columns in "How to create a custom CSV file with your data"
(support.koinly.io, article 9489976), how to enter futures in "How to add transactions manually" (9489979: only the
outcome of a position, as a deposit or a withdrawal) and the tags in "What are tags?" (9490023).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

KOINLY = (
    *("Date", "Sent Amount", "Sent Currency", "Received Amount", "Received Currency", "Fee Amount"),
    *("Fee Currency", "Net Worth Amount", "Net Worth Currency", "Label", "Description", "TxHash"),
)
PROFIT = "realized gain"
FEE = "margin fee"
QUOTES = ("USDT", "USDC", "FDUSD", "BUSD", "USD", "EUR", "BTC", "ETH")
"""Quote currencies with which symbols may end."""


def koinly_rows(orders: Iterable[Any], flows: Iterable[Any]) -> list[dict[str, str]]:
    """Return a row for each profit or loss, each fee and each payment of funding, oldest first.

    ``orders``, ``flows``: as the API returns them. Unknown amounts have no row; ``te pnl`` counts them.
    """
    rows = [row for order in orders for row in _order_rows(order)]
    rows += [row for flow in flows for row in _funding_rows(flow)]
    return [row for _, row in sorted(rows, key=lambda one: one[0])]


def _order_rows(order: Any) -> Iterator[tuple[datetime, dict[str, str]]]:
    if order["settled_at"] is None:
        return
    at, currency = datetime.fromisoformat(order["settled_at"]), currency_of(order["symbol"])
    what = f"{order['account']}: {order['side']} {order['filled']} {order['symbol']}"
    if order["realised"] is not None and Decimal(order["realised"]):
        profit = Decimal(order["realised"])
        yield at, _row(at, profit, currency, PROFIT, what, order["client_order_id"])
    if order["fee"] is not None and Decimal(order["fee"]):
        paid = -Decimal(order["fee"])
        fee = order["fee_currency"] or currency
        yield at, _row(at, paid, fee, FEE, f"fee of {what}", f"{order['client_order_id']}-fee")


def _funding_rows(flow: Any) -> Iterator[tuple[datetime, dict[str, str]]]:
    if flow["kind"] == "funding" and Decimal(flow["amount"]):
        at = datetime.fromisoformat(flow["at"])
        what = f"{flow['account']}: funding {flow['symbol'] or ''}".strip()
        currency = currency_of(flow["symbol"] or "")
        yield (
            at,
            _row(at, Decimal(flow["amount"]), currency, PROFIT, what, f"{flow['account']}-{flow['key']}"),
        )


def _row(at: datetime, amount: Decimal, currency: str, label: str, what: str, key: str) -> dict[str, str]:
    """Return a row of money that was received, or sent if ``amount`` is below zero."""
    side = "Sent" if amount < 0 else "Received"
    return {
        "Date": at.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S UTC"),
        f"{side} Amount": f"{abs(amount):f}",
        f"{side} Currency": currency,
        "Label": label,
        "Description": what,
        "TxHash": key,
    }


def currency_of(symbol: str) -> str:
    """Return the currency of a symbol's profit."""
    return next((quote for quote in QUOTES if symbol.endswith(quote)), "USDT")
