"""Faults from a JSON file, or generated from a seed."""

from __future__ import annotations

import json
import random
from dataclasses import fields
from decimal import Decimal
from pathlib import Path
from typing import Any

from te_emulators.core.faults import FILL_FAULTS, STREAM_FAULTS, Fault, FaultKind

ROUTES = ("order", "positions", "balance", "leverage", "tickers", "lookup", "connect")
HAND_KINDS = {FaultKind.POSITION_CHANGED, FaultKind.LIQUIDATION}


def fault_of(row: dict[str, Any]) -> Fault:
    """Return a fault from names and values as in ``Fault``; raises ValueError for an unknown one."""
    unknown = set(row) - {field.name for field in fields(Fault)}
    if unknown:
        raise ValueError(f"a fault has no {', '.join(sorted(unknown))}")
    values = dict(row, kind=FaultKind(row.get("kind", "")))
    for name in ("fraction", "size"):
        if name in values:
            values[name] = Decimal(str(values[name]))
    return Fault(**values)


def faults_of_file(path: Path) -> list[Fault]:
    """A JSON list of objects such as ``{"kind": "timed out", "route": "order", "accepted": true}``."""
    return [fault_of(row) for row in json.loads(path.read_text())]


def faults_of_seed(seed: int, *, number: int = 40, spread: int = 20) -> list[Fault]:
    """``number`` faults of all kinds, each within the first ``spread`` requests of its route."""
    chance = random.Random(seed)
    return [_invented(chance, spread) for _ in range(number)]


def _invented(chance: random.Random, spread: int) -> Fault:
    kind = chance.choice(list(FaultKind))
    fills = kind in FILL_FAULTS
    return Fault(
        kind=kind,
        route=_route(chance, kind),
        after=chance.randrange(spread),
        times=1 if kind in {FaultKind.CLOCK_SKEW, *HAND_KINDS} else chance.choice((1, 1, 2, 3)),
        accepted=chance.random() < 0.5,
        seconds=0.0 if fills else chance.choice((0.05, 0.2)),
        status=chance.choice((500, 502, 503)),
        error={FaultKind.REJECTED: "LeverageTooHigh", FaultKind.REJECTED_LATER: "InsufficientMargin"}.get(
            kind, ""
        ),
        fraction=Decimal(chance.randrange(0, 10)) / 10 if fills else Decimal(0),
        requests=chance.randrange(1, 6) if kind is FaultKind.LATE_FILL else None,
        symbol=chance.choice(("BTC", "ETH")) if kind in HAND_KINDS else "",
        size=Decimal(chance.choice(("0.01", "-0.01"))) if kind is FaultKind.POSITION_CHANGED else Decimal(0),
    )


def _route(chance: random.Random, kind: FaultKind) -> str:
    if kind in STREAM_FAULTS:
        return "stream"
    if kind in FILL_FAULTS:
        return "order"
    return "leverage" if kind is FaultKind.REJECTED else chance.choice(ROUTES)
