"""Parses the responses of the routes other than ``/miner-positions``. Pure.

A body of an unexpected shape raises ``ValueError``; a record of an unexpected shape in it is left out.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

from te_signals_bittensor.limits import Account, PairLimits

_LISTS = ("allowed", "deprecated", "disabled")
"""A pair that can no longer be opened may still be held, and has its limit until it is closed."""


def parse_trade_pairs(body: Any) -> dict[str, PairLimits]:
    """Parse ``GET /trade-pairs``: limits by upstream's id of the pair. Pairs without tiers are left out."""
    if not isinstance(body, dict) or not isinstance(body.get("allowed"), list):
        raise ValueError("an object with a list «allowed» is expected")
    entries = (entry for name in _LISTS for entry in _list(body.get(name)) if isinstance(entry, dict))
    found = {}
    for entry in entries:
        pair, limits = entry.get("trade_pair_id"), _pair_limits(entry)
        if isinstance(pair, str) and limits is not None:
            found[pair] = limits
    return found


def _pair_limits(entry: Mapping[str, Any]) -> PairLimits | None:
    limits = PairLimits(
        by_size=_by_tier(entry.get("subaccount_positional_leverage_by_tier")),
        standard=_by_tier(entry.get("standard_positional_leverage_by_tier")),
        pro=_number(entry.get("pro_positional_leverage")),
    )
    return limits if limits.by_size or limits.standard else None


def _by_tier(table: Any) -> dict[str, float]:
    if not isinstance(table, dict):
        return {}
    parsed = ((str(tier), _number(value)) for tier, value in table.items())
    return {tier: value for tier, value in parsed if value is not None}


def parse_accounts(body: Any) -> dict[str, Account]:
    """Parse ``GET /collateral/``: for each hotkey a list of its collateral, since 2026 with its account at the end."""
    if not isinstance(body, dict) or not isinstance(body.get("data"), dict):
        raise ValueError("an object with an object «data» is expected")
    found = {}
    for hotkey, records in body["data"].items():
        listed = [record for record in _list(records) if isinstance(record, dict)]
        if listed:
            found[str(hotkey)] = _account(listed)
    return found


def _account(records: list[dict[str, Any]]) -> Account:
    newest = records[-1]
    sizes = (_number(record.get("account_size")) for record in reversed(records))
    tier = newest.get("leverage_tier")
    return Account(
        size=next((size for size in sizes if size is not None), None),
        bucket=newest["miner_bucket"] if isinstance(newest.get("miner_bucket"), str) else "",
        tier=tier if type(tier) is int else None,
        hyperliquid=bool(newest.get("hl_address")) or newest.get("asset_class") == "hl_all",
        states_tier="leverage_tier" in newest,
    )


def parse_eliminations(body: Any) -> frozenset[str]:
    """Parse ``GET /eliminations``: the hotkeys of miners that were eliminated, which is final."""
    rows = body.get("eliminations") if isinstance(body, dict) else body
    if not isinstance(rows, list):
        raise ValueError("a list «eliminations» is expected")
    hotkeys = (row.get("hotkey") for row in rows if isinstance(row, dict))
    return frozenset(hotkey for hotkey in hotkeys if isinstance(hotkey, str))


def parse_bucket(body: Any) -> str:
    """Parse ``GET /challenge-period/<hotkey>``: upstream's stage of one miner."""
    stage = body.get("challenge_period") if isinstance(body, dict) else None
    bucket = stage.get("bucket") if isinstance(stage, dict) else None
    if not isinstance(bucket, str):
        raise ValueError("a «challenge_period» with a «bucket» is expected")
    return bucket


def _list(value: Any) -> Iterable[Any]:
    return value if isinstance(value, list) else ()


def _number(value: Any) -> float | None:
    return float(value) if type(value) in {int, float} and 0 < value < math.inf else None
