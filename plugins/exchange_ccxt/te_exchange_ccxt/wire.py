"""Numbers as ccxt hands them on: texts from the wire, never through float."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Any

Row = Mapping[str, Any]
"""A structure of ccxt (market, order, position, …), or one of the exchange's own."""

ZERO = Decimal(0)


def number(value: object) -> Decimal | None:
    """Turn a text from the wire into a decimal; None for what is absent, empty or not a finite number."""
    if value is None or value == "" or isinstance(value, bool):
        return None
    try:
        found = Decimal(str(value))
    except InvalidOperation:
        return None
    return found if found.is_finite() else None


def first(*values: object) -> Decimal | None:
    """Give the first of several that is a number."""
    return next((found for found in map(number, values) if found is not None), None)


def dig(row: object, *keys: str) -> Any:
    """Follow keys into nested mappings; None where one is missing."""
    for key in keys:
        row = row.get(key) if isinstance(row, Mapping) else None
    return row


NONSENSE = (ArithmeticError, AttributeError, LookupError, TypeError, ValueError)
"""What ccxt raises over an answer that is not what it should be (HTML, truncated or foreign JSON)."""
