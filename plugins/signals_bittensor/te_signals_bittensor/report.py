"""The ranking in detail, for ``te bittensor miners``. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from te_signals_bittensor.evaluation import Clamped, Evaluation
from te_signals_bittensor.signal_builder import PayloadStamp, depth_of

LONGEST = 1000
"""The most miners that are shown."""


def report_of(evaluation: Evaluation, stamp: PayloadStamp, strategy: str) -> dict[str, Any]:
    """Return every miner that counts, best first: weight, score with its terms, and what it holds by symbol."""
    clamped: dict[str, dict[str, str]] = {}
    for found in evaluation.clamped:
        clamped.setdefault(found.hotkey, {})[found.symbol] = f"{_digits(found.net)} of {_digits(found.limit)}"
    return {
        "strategy": strategy,
        "said_at": stamp.stated_at.isoformat(),
        "received_at": stamp.received_at.isoformat(),
        "miners": evaluation.miners,
        "left_out": dict(evaluation.left_out),
        "excluded": dict(evaluation.excluded),
        "clamped": len(evaluation.clamped),
        "ranked": len(evaluation.ranked),
        "depths": {symbol: f"{depth_of(opinion):f}" for symbol, opinion in evaluation.opinions.items()},
        "ranking": [
            {
                "rank": rank,
                "miner": entry.miner.hotkey,
                "weight": _digits(entry.weight),
                "score": _digits(entry.score),
                "terms": {name: _digits(value) for name, value in entry.terms.items()},
                "holds": _holds(evaluation, entry.miner.hotkey),
                "clamped": clamped.get(entry.miner.hotkey, {}),
            }
            for rank, entry in enumerate(evaluation.ranked[:LONGEST], 1)
        ],
    }


def _holds(evaluation: Evaluation, hotkey: str) -> Mapping[str, str]:
    return {symbol: _digits(held[hotkey]) for symbol, held in evaluation.holdings.items() if hotkey in held}


def clamped_text(clamped: Sequence[Clamped]) -> str:
    """Return the event text for positions that exceed a limit which is a constant of their pair."""
    beyond = [found for found in clamped if not found.of_account]
    most = max(beyond, key=lambda found: abs(found.net) / found.limit)
    assets = dict.fromkeys(found.asset for found in beyond)
    return (
        f"{len(beyond)} positions on {', '.join(assets)} exceed the leverage that upstream serves with them "
        f"(up to {_digits(most.net)} of {_digits(most.limit)} on {most.asset}) and count as full; the limit of the "
        "account is unknown: set it in max_leverage, or have the operator serve /trade-pairs"
    )


def _digits(value: float) -> str:
    return f"{value:.6g}"
