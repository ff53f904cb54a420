"""Parse numbers and nested fields of responses: text becomes ``Decimal``, never float."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation
from math import prod
from typing import Any

Row = Mapping[str, Any]
"""A ccxt structure (market, order, position, …), or one of the exchange's own."""

ZERO = Decimal(0)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def number(value: object) -> Decimal | None:
    """Return the text of a response as a decimal; None if it is absent, empty or not a finite number."""
    if value is None or value == "" or isinstance(value, bool):
        return None
    try:
        found = Decimal(str(value))
    except InvalidOperation:
        return None
    return found if found.is_finite() else None


def moment(value: object) -> datetime | None:
    """Return a time in milliseconds since 1970, or in ISO 8601 with a zone; None if it is neither, or not after 1970.

    Exchanges date what never happens 0 or 1970.
    """
    try:
        stated = number(value)
        found = (
            datetime.fromisoformat(str(value))
            if stated is None
            else EPOCH + timedelta(milliseconds=int(stated))
        )
    except (ValueError, OverflowError):
        return None
    return found if found.tzinfo is not None and found > EPOCH else None


def first(*values: object) -> Decimal | None:
    """Return the first of several values that is a number."""
    return next((found for found in map(number, values) if found is not None), None)


def total(rows: Iterable[Row], *fields: str) -> Decimal:
    """Return the sum of a field, or of the product of several, over all rows; a missing figure counts as 0."""
    products = (prod((number(row.get(name)) or ZERO for name in fields), start=Decimal(1)) for row in rows)
    return sum(products, ZERO)


def dig(row: object, *keys: str) -> Any:
    """Follow keys into nested mappings; return None if one is missing."""
    for key in keys:
        row = row.get(key) if isinstance(row, Mapping) else None
    return row


MALFORMED = (ArithmeticError, AttributeError, LookupError, TypeError, ValueError)
"""What ccxt raises for a malformed response (HTML, truncated or foreign JSON)."""
