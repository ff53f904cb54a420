"""From an opinion to the signal that the engine takes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from te_core.api import Signal
from te_signals_bittensor.combination import Contribution, Opinion
from te_signals_bittensor.evaluation import Evaluation

_STEP = Decimal("1e-9")


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """When upstream said what it says (its clock), when that came, and the fingerprint of the payload."""

    said_at: datetime
    received_at: datetime
    payload: str


def depth_of(opinion: Opinion) -> Decimal:
    """Give the depth to nine digits: more are rounding of the additions."""
    return Decimal(repr(opinion.depth)).quantize(_STEP).normalize() + 0


def signal_of(
    symbol: str,
    evaluation: Evaluation,
    moment: Moment,
    *,
    source: str,
    strategy: str,
    cause: str,
    contributors: int,
) -> Signal:
    """Build the signal of one symbol, with the miners that made it."""
    opinion = evaluation.opinions[symbol]
    return Signal(
        source=source,
        symbol=symbol,
        depth=depth_of(opinion),
        time=moment.said_at,
        received_at=moment.received_at,
        price=Decimal(repr(opinion.price)) if opinion.price > 0 else None,
        detail={
            "cause": cause,
            "strategy": strategy,
            "miners": evaluation.miners,
            "ranked": len(evaluation.ranked),
            "left_out": dict(evaluation.left_out),
            "payload": moment.payload,
            **_contributions(opinion, contributors),
        },
    )


def _contributions(opinion: Opinion, limit: int) -> Mapping[str, Any]:
    shown = [_contribution(part) for part in opinion.contributions[:limit]]
    return {"contributors": shown, "further_contributors": len(opinion.contributions) - len(shown)}


def _contribution(part: Contribution) -> dict[str, str]:
    limit = {"limit": f"{part.limit:.6g}"} if part.limit else {}
    return {
        **limit,
        "name": part.hotkey,
        "part": f"{part.weight * part.share:.6g}",
        "weight": f"{part.weight:.6g}",
        "share": f"{part.share:.6g}",
        "asset": part.asset,
        "price": f"{part.price:.10g}",
    }
