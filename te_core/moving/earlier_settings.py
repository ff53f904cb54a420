"""Converts mappings, weights and miners' parameters of the earlier program to sections of ours."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any

from te_core.moving.earlier_files import (
    BITTENSOR,
    CREDENTIALS,
    MAPPINGS,
    MINERS,
    SOURCES,
    TRADINGVIEW,
    WEIGHTS,
    NewSection,
    Notes,
    number,
    tables,
    whole,
)

SYMBOL = re.compile(r"[A-Z0-9]{2,32}")
SCORING = (
    "min_trades",
    "min_trades_per_asset",
    "max_drawdown_threshold",
    "min_profitable_rate",
    "min_total_return",
    "max_trade_age_days",
    "drawdown_exponent",
    "sharpe_exponent",
    "profitable_rate_exponent",
    "position_count_divisor",
)
"""Parameters with the same name and meaning here."""
_UNUSED = "leverage_limit_crypto"
"""A parameter that was stored but never used for trading."""
_WHOLE = ("min_trades", "min_trades_per_asset")

UNMAPPED: Mapping[str, Mapping[str, str]] = {BITTENSOR: {"BTCUSD": "BTCUSDT", "ETHUSD": "ETHUSDT"}}
"""The mappings that applied without a mappings file."""

Mappings = Mapping[str, Mapping[str, str]]
"""Source -> its spelling -> symbol."""


def mappings(found: Mapping[str, Any], notes: Notes) -> dict[str, dict[str, str]]:
    """Return each source's mapping, in the order of the file."""
    made: dict[str, dict[str, str]] = {}
    for source, pairs in tables(found, MAPPINGS, notes):
        if source not in SOURCES:
            notes.add(MAPPINGS, f"{source}: not a source of the earlier program, left out")
            continue
        for spelling, symbol in pairs.items():
            if not spelling or not isinstance(symbol, str) or not SYMBOL.fullmatch(symbol):
                notes.add(MAPPINGS, f"{source}: {spelling} = {symbol}: not a symbol like BTCUSDT, left out")
                continue
            made.setdefault(source, {})[spelling] = symbol
    return made


def symbols(found: Sequence[Any], notes: Notes) -> Iterator[NewSection]:
    """Yield a section for each symbol that has weights."""
    seen: set[str] = set()
    for entry in found:
        name = entry.get("symbol") if isinstance(entry, dict) else None
        if not isinstance(name, str) or not SYMBOL.fullmatch(name):
            notes.add(WEIGHTS, f"{name or 'an entry without symbol'}: not a symbol like BTCUSDT, left out")
        elif name in seen:
            notes.add(WEIGHTS, f"{name}: duplicate entry, the first one was used")
        else:
            seen.add(name)
            yield NewSection(
                group="symbols",
                name=name,
                values={
                    "leverage": _leverage(name, entry.get("leverage"), notes),
                    "weights": _weights(name, entry, notes),
                },
            )


def _leverage(symbol: str, value: Any, notes: Notes) -> int:
    found = whole(value)
    if found is not None and found >= 1:
        return found
    notes.add(WEIGHTS, f"{symbol}: leverage {value} is not a positive whole number, 1 was used")
    return 1


def _weights(symbol: str, entry: Mapping[str, Any], notes: Notes) -> dict[str, Decimal]:
    made: dict[str, Decimal] = {}
    sources = entry.get("sources")
    for each in sources if isinstance(sources, list) else ():
        source, weight = (
            (each.get("source"), number(each.get("weight"))) if isinstance(each, dict) else ("", None)
        )
        if source not in SOURCES or weight is None or not 0 <= weight <= 1:
            notes.add(
                WEIGHTS, f"{symbol}: a weight that is not a known source's share from 0 to 1 was left out"
            )
        else:
            made[source] = weight
    return made


def sources(
    found: Mappings,
    weighted: Sequence[NewSection],
    *,
    credentials: Mapping[str, Any],
    parameters: Mapping[str, Any],
    notes: Notes,
) -> Iterator[NewSection]:
    """Yield a section for each source that has a weight, a mapping or a key."""
    for source in SOURCES:
        pairs = dict(found.get(source, {}))
        shares = [s.name for s in weighted if s.values["weights"].get(source)]
        if source == TRADINGVIEW:
            # The earlier program passed unmapped symbols on; here an alert needs a mapping.
            pairs |= {name: name for name in shares if name not in pairs and name not in pairs.values()}
            if pairs:
                yield NewSection(group="sources", name=source, values={"plugin": source, "symbols": pairs})
        elif pairs or shares:
            yield from _miners(pairs, credentials, parameters, notes)


def _miners(
    pairs: Mapping[str, str], credentials: Mapping[str, Any], found: Mapping[str, Any], notes: Notes
) -> Iterator[NewSection]:
    if old := [spelling for spelling in pairs if spelling.endswith("USD")]:
        notes.add(
            MAPPINGS,
            f"{BITTENSOR}: newer validators call {old[0]} {old[0]}C: map that, too (docs/bittensor.md)",
        )
    key, address = credentials.get("api_key"), credentials.get("endpoint")
    if not isinstance(address, str) or not address.startswith(("http://", "https://")):
        notes.add(CREDENTIALS, "bittensor_sn8 has no endpoint, so the source cannot be imported")
        return
    values: dict[str, Any] = {
        "plugin": BITTENSOR,
        "url": address,
        "auth": "both",  # the earlier program sent the key in the body; newer validators want it in the header
        "strategy": "parity",
        "symbols": pairs,
    }
    if scoring := dict(_scoring(found, notes)):
        values["scoring"] = scoring
    hidden = {"api_key": key.strip()} if isinstance(key, str) and key.strip() else {}
    if not hidden:
        notes.add(CREDENTIALS, "bittensor_sn8 has no api_key")
    yield NewSection(group="sources", name=BITTENSOR, values=values, hidden=hidden)


def _scoring(found: Mapping[str, Any], notes: Notes) -> Iterator[tuple[str, Any]]:
    for name, value in found.items():
        if name == _UNUSED:
            continue
        amount = whole(value) if name in _WHOLE else number(value)
        if name in SCORING and amount is not None:
            yield name, amount
        else:
            notes.add(MINERS, f"{name}: not a parameter of miners, or not a number, left out")
