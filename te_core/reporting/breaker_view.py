"""Circuit breakers as ``te status`` shows them: tripped ones first, then the others by how near they are. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from te_core.reporting.explain import text
from te_core.runtime.breakers import Shown, in_words


def show_breakers(found: Iterable[Shown]) -> list[dict[str, Any]]:
    """Return a row for each breaker; if it measures several symbols or amounts, the one nearest to tripping."""
    rows: dict[tuple[object, ...], dict[str, Any]] = {}
    for one in found:
        row = _row(one)
        key = (row["account"], row["name"], row["tripped_at"] and row["symbol"])
        known = rows.get(key)
        if known is None or (not known["tripped_at"] and known["used"] < row["used"]):
            rows[key] = row
    return sorted(rows.values(), key=lambda row: (not row["tripped_at"], -row["used"]))


def _row(one: Shown) -> dict[str, Any]:
    trip, level = one.trip, one.level
    if trip is not None:
        return {
            "account": one.account,
            "name": trip.name,
            "symbol": trip.symbol,
            "action": trip.action,
            "tripped_at": text(trip.at),
            "used": 1.0,
            "text": in_words(one.account, trip),
            "as_of": text(one.as_of),
        }
    assert level is not None
    return {
        "account": one.account,
        "name": level.name,
        "symbol": level.symbol,
        "action": level.action,
        "tripped_at": None,
        "used": round(float(level.used), 4),
        "text": str(level),
        "as_of": text(one.as_of),
    }
