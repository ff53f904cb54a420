"""Upstream's leverage limits as ``GET /trade-pairs`` serves them, and accounts that they apply to.

The numbers are those of ``taoshidev/vanta-network`` in September 2026 (pull requests 914 and 925): its
``tests/vali_tests/test_standard_leverage_tiers.py`` and ``docs/entity_miner.md``. Later revisions serve other numbers
in the same shape.
"""

from __future__ import annotations

from typing import Any

Record = dict[str, Any]

BY_SIZE_BASE = {
    "BTCUSD": 0.25,
    "ETHUSD": 0.25,
    "SOLUSD": 0.25,
    "BTCUSDC": 0.5,
    "ETHUSDC": 0.5,
    "ADAUSDC": 0.5,
    "GOLDUSDC": 1.0,
    "EURUSD": 2.5,
    "NVDA": 0.5,
}
"""The unit of the tiers by account size."""

STANDARD = {
    "BTCUSDC": (1.5, 2.0, 2.5),
    "ETHUSDC": (1.5, 2.0, 2.5),
    "ADAUSDC": (0.5, 0.75, 1.0),
    "GOLDUSDC": (1.5, 2.0, 3.0),
    "EURUSD": (10.0, 15.0, 20.0),
    "NVDA": (0.5, 1.0, 1.5),
}
"""Tiers 1 to 3 of standard subaccounts."""

PRO = {"BTCUSDC": 5.0, "ETHUSDC": 5.0, "ADAUSDC": 1.5, "GOLDUSDC": 8.0, "EURUSD": 20.0, "NVDA": 2.0}
CATEGORIES = {"GOLDUSDC": "commodities", "EURUSD": "forex", "NVDA": "equities"}
BLOCKED = ("BTCUSD", "ETHUSD", "SOLUSD")


def by_size(pair: str) -> dict[str, float]:
    """Return the figures of a pair's tiers by size."""
    return {str(tier): BY_SIZE_BASE[pair] * tier for tier in (1, 2, 3, 4)}


def standard(pair: str) -> dict[str, float]:
    """Tiers 1 to 3; below zero, the limits of accounts that are older than tiers: no less than before."""
    values = STANDARD.get(pair)
    if values is None:
        return {}
    older = {f"-{tier}": max(had, values[0]) for tier, had in by_size(pair).items()}
    return {str(tier): value for tier, value in enumerate(values, 1)} | older


def trade_pair(pair: str, served: list[Any], *, tiers: bool = True) -> Record:
    """Return one entry of ``/trade-pairs``. ``tiers``: False as before pull request 736."""
    entry = {
        "trade_pair_id": pair,
        "hl_coin": pair.removesuffix("USDC") if pair.endswith("USDC") else None,
        "trade_pair": served[1],
        "trade_pair_category": CATEGORIES.get(pair, "crypto"),
        "trade_pair_source": "hyperliquid" if pair.endswith("USDC") else "vanta",
        "min_leverage": served[3],
        "max_leverage": served[4],
    }
    if tiers:
        entry["subaccount_positional_leverage_by_tier"] = by_size(pair)
        entry["standard_positional_leverage_by_tier"] = standard(pair)
        if pair in PRO:
            entry["pro_positional_leverage"] = PRO[pair]
    return entry


def account(
    hotkey: str,
    *,
    size: float = 100_000.0,
    bucket: str = "MAINCOMP",
    tier: int | None = None,
    hl_address: str | None = None,
    asset_class: str = "crypto",
) -> Record:
    """Return what upstream writes about a miner's account at the end of its records."""
    return {
        "miner_hotkey": hotkey,
        "account_size": size,
        "total_realized_pnl": 0.0,
        "capital_used": 0.0,
        "balance": size,
        "buying_power": size,
        "asset_class": "hl_all" if hl_address else asset_class,
        "total_borrowed_amount": 0.0,
        "miner_bucket": bucket,
        "hl_address": hl_address,
        "leverage_tier": tier,
        "max_return": 1.0,
    }


def limit_of(found: Record, pair: str, *, subaccount: bool) -> float:
    """Return the largest leverage that upstream allows for a position of this account."""
    bucket, size = found["miner_bucket"], found["account_size"]
    if bucket.startswith("PRO_") and bucket != "PRO_CHALLENGE_TRANSITION":
        return PRO[pair]
    if bucket == "SUBACCOUNT_CHALLENGE":
        tier = 1
    elif size < 200_000:
        tier = 2
    else:
        tier = 4 if size >= 1_000_000 else 3
    if not subaccount or found["hl_address"]:
        return by_size(pair)[str(tier)]
    return standard(pair)[str(found["leverage_tier"] or -tier)]
