"""Faults from a JSON file, or invented from a seed."""

from __future__ import annotations

import json
import random
from dataclasses import fields
from decimal import Decimal
from pathlib import Path
from typing import Any

from tests.emulators.core.faults import Fault, FaultKind

ROUTES = ("order", "positions", "balance", "leverage", "tickers", "lookup")
RANDOM_KINDS = (
    FaultKind.LATENCY,
    FaultKind.DROPPED,
    FaultKind.SERVER_ERROR,
    FaultKind.HTML,
    FaultKind.TRUNCATED,
    FaultKind.RATE_LIMITED,
    FaultKind.MAINTENANCE,
    FaultKind.TIMED_OUT,
    FaultKind.REPEATED,
    FaultKind.DUPLICATE_ANSWER,
    FaultKind.PARTIAL_FILL,
    FaultKind.LATE_FILL,
    FaultKind.STREAM_GAP,
    FaultKind.STREAM_REORDER,
    FaultKind.STREAM_DUPLICATE,
    FaultKind.STREAM_CLOSED,
)


def fault_of(row: dict[str, Any]) -> Fault:
    """A fault from names and values as in ``Fault``; raises ValueError naming what is unknown."""
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
    """``number`` faults of all kinds, each within the first ``spread`` requests of its route; times out soon."""
    chance = random.Random(seed)
    return [_invented(chance, spread) for _ in range(number)]


def _invented(chance: random.Random, spread: int) -> Fault:
    kind = chance.choice(RANDOM_KINDS)
    streams = kind.name.startswith("STREAM_")
    fills = kind in {FaultKind.PARTIAL_FILL, FaultKind.LATE_FILL}
    route = "stream" if streams else "order" if fills else chance.choice(ROUTES)
    return Fault(
        kind=kind,
        route=route,
        after=chance.randrange(spread),
        times=chance.choice((1, 1, 2, 3)),
        accepted=chance.random() < 0.5,
        seconds=0.0 if fills else chance.choice((0.05, 0.2)),
        status=chance.choice((500, 502, 503)),
        fraction=Decimal(chance.randrange(0, 10)) / 10 if fills else Decimal(0),
        requests=chance.randrange(1, 6) if kind is FaultKind.LATE_FILL else None,
    )
