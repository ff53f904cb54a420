"""From an opinion to a signal. Pure."""

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
class PayloadStamp:
    """When the payload in use is from, and which one it is."""

    stated_at: datetime
    """By upstream's clock, never later than now."""
    received_at: datetime
    """By our clock."""
    payload: str
    """Its fingerprint."""


def depth_of(opinion: Opinion) -> Decimal:
    """Return the depth (target exposure, -1 … 1) rounded to nine digits: more are rounding of the additions."""
    return Decimal(repr(opinion.depth)).quantize(_STEP).normalize() + 0


def build_signal(
    symbol: str,
    evaluation: Evaluation,
    stamp: PayloadStamp,
    *,
    source: str,
    strategy: str,
    cause: str,
    contributors: int,
) -> Signal:
    """Build the signal of one symbol, with the ``contributors`` largest parts of its depth in the detail."""
    opinion = evaluation.opinions[symbol]
    return Signal(
        source=source,
        symbol=symbol,
        depth=depth_of(opinion),
        time=stamp.stated_at,
        received_at=stamp.received_at,
        price=Decimal(repr(opinion.price)) if opinion.price > 0 else None,
        detail={
            "cause": cause,
            "strategy": strategy,
            "miners": evaluation.miners,
            "ranked": len(evaluation.ranked),
            "left_out": dict(evaluation.left_out),
            "payload": stamp.payload,
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
